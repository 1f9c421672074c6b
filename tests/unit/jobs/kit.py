"""A job API on a store of either kind, with tools that tests steer and a clock that they move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import headway
from headway.events.event import Event
from headway.events.log import EventLog
from headway.execution.environment import Environment
from headway.home import Home
from headway.jobs import recovery
from headway.jobs.intake import Bounds
from headway.jobs.manager import JobManager
from headway.jobs.powers import Powers
from headway.jobs.room import Room
from headway.jobs.supervisor import Supervisor, supervisor_of
from headway.limits.bucket import RateLimiter
from headway.store import Store, StoreLog, store_of
from headway.testing import VirtualClock, settle
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import Gate

KINDS = ("memory", "sqlite")


class Rig:
    """One process's job API. ``calls`` are those that the tools were given, ``failures`` what boom has yet to do."""

    def __init__(self, log: EventLog, clock: VirtualClock, places: int) -> None:
        self.log = log
        self.clock = clock
        self.gate = Gate()
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        env = Environment(log=log, clock=clock, limiter=RateLimiter(clock))
        for function in self._tools():
            env.registry.register(entry_of(function))
        self.supervisor: Supervisor = supervisor_of(log)
        self.supervisor.shared = True
        self.supervisor.intake.bounds = Bounds(waiting=20_000, plan_bytes=2**30)
        self.powers = Powers(env, room=Room(places))
        self.manager = JobManager(self.supervisor, self.powers)

    def _tools(self) -> list[Any]:
        @headway.tool(idempotent=True)
        async def note(name: str = "") -> str:
            self.calls.append(name)
            return f"did {name}"

        @headway.tool
        async def boom(name: str = "boom") -> str:
            self.calls.append(name)
            if self.failures:
                raise self.failures.pop(0)
            return "in the end"

        @headway.tool(name="gate")
        async def gated(name: str = "") -> str:
            self.calls.append(name)
            return await self.gate(name)

        return [note, boom, gated]

    @property
    def store(self) -> Store:
        return store_of(self.log)

    async def advance(self, seconds: float) -> None:
        """Move the clock, and wait until what that brought is committed."""
        await self.clock.advance(seconds)
        await self.log.flush()
        await settle()

    async def seen(self, job_id: str, kind: str, count: int = 1) -> None:
        """Wait until a job has so many events of a kind."""
        found = 0
        with self.store.subscribe(job_id=job_id) as events:
            async for batch in events:
                found += sum(event.kind == kind for event in batch)
                if found >= count:
                    return

    async def ended(self, job_id: str) -> headway.RunView:
        """Wait for a job's end."""
        job = self.supervisor.get(job_id)
        if job is not None:
            await job.done.wait()
        return await self.store.run_view(job_id, resolve=True)

    async def kinds(self, job_id: str) -> list[str]:
        return [event.kind for event in await self.events(job_id)]

    async def events(self, job_id: str) -> list[Event]:
        return await self.store.events(job_id=job_id, limit=10_000)

    async def restarted(self, path: Path, *, resume: bool = True, places: int = 4) -> Rig:
        """Return what another process makes of the home after this one is killed: its tasks do nothing more."""
        for course in list(self.supervisor._courses):
            course.task.cancel()
        for job in self.supervisor.externals:
            job.stop()
        await self.log.close()
        again = Rig(await StoreLog.open(Home(path), clock=self.clock), self.clock, places)
        rows = await again.store.unfinished()
        courses = await recovery.recover(again.supervisor, again.powers, rows, resume=resume)
        for course, events in courses:
            if events:
                again.log.append(*events)
            again.supervisor.launch(course)
        await again.log.flush()
        return again

    async def close(self) -> None:
        await self.supervisor.stop("over", 0, self.clock)
        await self.log.close()


@asynccontextmanager
async def rig(kind: str, path: Path, *, places: int = 4) -> AsyncIterator[Rig]:
    """Return a job API on a new store of that kind."""
    clock = VirtualClock(start_ms=1_000_000)
    log = EventLog(clock=clock) if kind == "memory" else await StoreLog.open(Home(path), clock=clock)
    made = Rig(log, clock, places)
    try:
        yield made
    finally:
        if not made.log.closed:
            made.gate.open.set()
            await made.close()
