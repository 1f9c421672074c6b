"""Hooks: CPU time on the event loop that telling of an event adds to appending it, and what none cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence

from benchmarks._figure import Figure, at_most
from benchmarks._pace import PACE
from headway.events.event import Event
from headway.events.log import EventLog
from headway.hooks.hooks import Hook, Hooks

SECONDS = 12
_EVENTS = 20_000
_TURN = 50  # events appended in one turn of the loop


class _Null:
    """A sink that takes everything."""

    kind = "null"
    batch = 500

    def __init__(self) -> None:
        self.taken = 0

    async def deliver(self, messages: Sequence[bytes]) -> None:
        self.taken += len(messages)

    async def aclose(self) -> None:
        """Do nothing."""


def _made() -> list[Event]:
    return [
        Event("action_succeeded", {"output": {"n": n}, "duration_ms": 1.5}, f"job{n % 100}", f"a{n}", 0, 1)
        for n in range(_EVENTS)
    ]


async def _told(hooks: int) -> float:
    """Return µs of the loop's CPU an event, with so many hooks on the log."""
    log, sinks = EventLog(), [_Null() for _ in range(hooks)]
    made = Hooks(log, [Hook(f"h{n}", ["tools"], sink) for n, sink in enumerate(sinks)])
    if hooks:
        made.start()
    events = _made()
    await asyncio.sleep(0)
    began = time.thread_time()
    for start in range(0, _EVENTS, _TURN):
        log.append(*events[start : start + _TURN])
        await asyncio.sleep(0)
    await made.aclose()
    took = time.thread_time() - began
    assert [sink.taken for sink in sinks] == [_EVENTS] * hooks
    return took / _EVENTS * 1e6


def run() -> Iterator[Figure]:
    """Measure; the best of several rounds, less what appending costs without a hook."""
    alone = PACE.best_of(lambda: asyncio.run(_told(0)))
    yield Figure("append, no hook", alone, "µs/event")
    for hooks in (1, 5):
        told = PACE.best_of(lambda hooks=hooks: asyncio.run(_told(hooks)))
        name = f"told to {hooks} hook{'s' if hooks > 1 else ''}, beyond that"
        yield Figure(name, max(0.0, told - alone), "µs/event", at_most(20) if hooks == 1 else None)
