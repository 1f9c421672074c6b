"""Sinks that the test steers, and a log with hooks on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from headway.events.event import Event
from headway.events.log import EventLog
from headway.hooks.hooks import Hook, Hooks
from headway.hooks.sinks.sink import NotTaken


class Taker:
    """A sink that keeps what it gets; ``trouble`` is raised instead while it is there, ``hangs`` lets it wait."""

    kind = "taker"

    def __init__(self, batch: int = 100) -> None:
        self.batch = batch
        self.got: list[dict[str, Any]] = []
        self.tries = 0
        self.trouble: Exception | None = None
        self.hangs = False
        self.closed = False

    async def deliver(self, messages: Sequence[bytes]) -> None:
        self.tries += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble
        self.got += [json.loads(message) for message in messages]

    async def aclose(self) -> None:
        self.closed = True


@asynccontextmanager
async def hooked(log: EventLog, *hooks: Hook) -> AsyncIterator[Hooks]:
    """Run hooks on a log."""
    made = Hooks(log, hooks)
    made.start()
    try:
        yield made
    finally:
        await made.aclose()


def events(count: int, kind: str = "job_created") -> list[Event]:
    return [Event(kind, {"n": n}, job_id=f"j{n}") for n in range(count)]


async def seen(log: EventLog, *kinds: str) -> list[dict[str, Any]]:
    return [event.data for event in await log.read(kinds=kinds, limit=1_000_000)]


BROKEN = NotTaken("it is broken")
"""What a sink raises that may take the next try."""
