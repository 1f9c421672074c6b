"""The console that :mod:`benchmarks.console` measures: a source that makes up events at a steady rate."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from headway.events import kinds
from headway.events.event import Event
from headway.events.views import RunView
from headway_console.source import Item, Link

ACTIONS = 100
EVERY_S = 0.02


def endless() -> Iterator[Event]:
    """Yield jobs of 100 actions in two levels, one after the other, without end."""
    names = [f"action-{number:03d}" for number in range(ACTIONS)]
    graph = {
        "actions": [{"id": name, "type": "tool_call", "tool": "fetch", "needs": []} for name in names],
        "levels": [list(range(50)), list(range(50, ACTIONS))],
    }
    number = 0
    while True:
        job = f"{number:012x}"
        number += 1
        yield Event(kinds.JOB_CREATED, {"title": f"run {number}", "scope": f"job:{job}", "graph": graph}, job_id=job)
        yield Event(kinds.JOB_STARTED, {"pid": 1}, job_id=job)
        for level in range(2):
            yield Event(kinds.LEVEL_STARTED, {"actions": 50}, job_id=job, level=level)
            for name in names[level * 50 : level * 50 + 50]:
                place: dict[str, Any] = {"job_id": job, "action_id": name, "level": level, "attempt": 1}
                yield Event(kinds.ACTION_EXECUTING, {}, **place)
                yield Event(kinds.ACTION_PROGRESS, {"current": 1, "total": 4, "message": "half-way"}, **place)
                output = {"output": {"name": name, "bytes": 1234}, "duration_ms": 12.5}
                yield Event(kinds.ACTION_SUCCEEDED, output, **place)
            done = {"succeeded": 50, "failed": 0, "skipped": 0, "rejected": 0}
            yield Event(kinds.LEVEL_FINISHED, done, job_id=job, level=level)
        yield Event(kinds.JOB_COMPLETED, {"cost": {}}, job_id=job)


class SteadySource:
    """``rate`` events a second; the first batch has 1,000, so that there is something to scroll."""

    title = "a benchmark"
    live = True
    commands = None
    read_only = "a benchmark"
    replay = None
    link = Link()

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._seq = 0
        self._events = endless()

    def now_ms(self) -> int:
        """Real time."""
        return time.time_ns() // 1_000_000

    async def open(self) -> None:
        """Nothing to open."""

    async def batches(self) -> AsyncIterator[Item]:
        """Yield what is due, fifty times a second."""
        yield self._next(1000)
        begun, made = time.monotonic(), 0
        while True:
            await asyncio.sleep(EVERY_S)
            due = int((time.monotonic() - begun) * self._rate) - made
            while due > 0:
                made += min(due, 500)
                yield self._next(min(due, 500))
                due -= 500

    def _next(self, count: int) -> list[Event]:
        now = self.now_ms()
        batch = [next(self._events) for _ in range(count)]
        for event in batch:
            self._seq += 1
            event.seq, event.ts = self._seq, now
        return batch

    async def run(self, job_id: str) -> RunView | None:
        """Every run is followed from its start."""
        return None

    async def close(self) -> None:
        """Nothing to close."""


if __name__ == "__main__":
    from headway_console.app import HeadwayConsole

    HeadwayConsole(SteadySource(int(sys.argv[1]))).run()
