"""Threads on every store, with scripted models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from headway.events.log import EventLog
from headway.home import Home
from headway.inference import ModelInfo, ModelRegistry, RegisteredProvider
from headway.store import StoreLog
from headway.testing import ScriptedProvider, VirtualClock
from headway.threads import Prompts, Threads
from headway.threads.threads import threads_of


@dataclass
class Made:
    """Threads under test. ``again`` gives those of a new process on the same store, where there is one."""

    kind: str
    log: EventLog
    clock: VirtualClock
    script: ScriptedProvider
    registry: ModelRegistry
    again: Callable[[], Awaitable[Made]]

    @property
    def threads(self) -> Threads:
        return threads_of(self.log)

    def prompts(self) -> Prompts:
        return Prompts(self.threads, lambda: self.registry)


@pytest.fixture(params=["memory", "sqlite"])
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Made]:
    opened: list[EventLog] = []

    async def make() -> Made:
        clock = VirtualClock(start_ms=1_000_000)
        if request.param == "memory":
            log = opened[-1] if opened else EventLog(clock=clock)
            log.threads = None  # whoever comes next knows nothing that is not in the log
        else:
            if opened:
                await opened[-1].close()
            log = await StoreLog.open(Home(tmp_path), clock=clock)
        opened.append(log)
        script = ScriptedProvider(default="an answer")
        models = (ModelInfo("small", ("s",)), ModelInfo("big"))
        registry = ModelRegistry([RegisteredProvider("script", script, models, "small")], default="script/small")
        return Made(request.param, log, clock, script, registry, make)

    yield await make()
    await opened[-1].close()
