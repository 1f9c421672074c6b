"""Looking at a daemon through its operator API: one on another machine, or one whose store is out of reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

from headway.client import OperatorClient
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import NotFound, Unavailable
from headway.events.event import Event
from headway.events.snapshot import Snapshot
from headway.events.views import RunView
from headway_console.commands import Command, Receipt, send
from headway_console.source import Commands, Item, Link
from headway_console.sources.heartbeat import Heartbeat

LISTED = 2000
"""The number of events that a fresh start lists."""

RUNS = 8
"""The number of live runs that a fresh start holds; others are asked for when they are looked at."""

FOLLOWED = 20_000
"""The most events that are made up for after a loss; beyond, a fresh start comes instead."""

INCOMPLETE_S = 2.0
"""Seconds between fresh starts while the daemon's lists are not complete."""

_RETRY_S = (0.1, 0.25, 0.5, 1.0, 2.0)


class RemoteSource:
    """A :class:`headway_console.source.Source` over an :class:`OperatorClient`, which it closes in the end.

    A broken connection is made anew with back-off, for as long as it takes; what came meanwhile is made up for.
    """

    live = True
    replay = None

    def __init__(self, client: OperatorClient, *, title: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.title = title
        self._client = client
        self._clock = clock
        self._daemon = Heartbeat(client.status, clock)
        self._first: Snapshot | None = None
        self._seq = 0
        self._wake = asyncio.Event()
        self._closed = False

    # -- Source ----------------------------------------------------------------------------------------------------

    @property
    def commands(self) -> Commands | None:
        """The daemon's, while it is there."""
        return None if self._daemon.gone else self._client

    @property
    def read_only(self) -> str:
        """Why there are no commands."""
        return f"not connected: {self._daemon.problem}" if self._daemon.gone else ""

    @property
    def link(self) -> Link:
        """True if the daemon answers."""
        daemon = self._daemon
        return Link(connected=not daemon.problem, detail=daemon.problem, since_ms=daemon.since_ms)

    def now_ms(self) -> int:
        """Return this machine's wall time."""
        return self._clock.time_ms()

    async def send(self, command: Command) -> Receipt:
        """Have a command carried out by the daemon."""
        return await send(self.commands, command, self.read_only)

    async def open(self) -> None:
        """Ask for the views. Raises :class:`Unavailable` if no daemon answers."""
        if self._first is None:
            self._first = await self._snapshot()
            self._daemon.start()

    async def close(self) -> None:
        """Close every connection and end every iteration."""
        self._closed = True
        self._wake.set()
        await self._daemon.stop()
        await self._client.close()

    async def run(self, job_id: str) -> RunView | None:
        """Return that run as the daemon has it."""
        try:
            return await self._client.job(job_id)
        except NotFound:
            return None

    async def batches(self) -> AsyncIterator[Item]:
        """Yield a fresh start, then what comes, until :meth:`close`."""
        failures = 0
        fresh, self._first = self._first, None
        while not self._closed:
            try:
                fresh = fresh or await self._if_lost()
                if fresh is not None:
                    complete = fresh.complete
                    yield fresh
                    fresh, failures = None, 0
                    if not complete:  # the daemon is still folding its log: take what it has, again and again
                        await self._pause(INCOMPLETE_S)
                        fresh = await self._snapshot()
                        continue
                async with aclosing(self._client.follow(self._seq, patience=0)) as followed:
                    async for events in followed:
                        self._daemon.tell("")
                        failures = 0
                        self._seq = events[-1].seq
                        yield events
            except Unavailable as error:
                if self._is_closed():
                    return
                self._daemon.lose(error)
            await self._pause(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    # -- the daemon ------------------------------------------------------------------------------------------------

    async def _if_lost(self) -> Snapshot | None:
        """Return a fresh start if the place in the log is lost: none was taken yet, the log is another, or far on."""
        last = (await self._client.status()).last_seq
        self._daemon.tell("")
        return await self._snapshot() if not self._seq or not 0 <= last - self._seq <= FOLLOWED else None

    async def _snapshot(self) -> Snapshot:
        views = await self._client.snapshot()
        running = [row.job_id for row in views.jobs.jobs.values() if not row.finished]
        runs: dict[str, RunView] = {}
        for job_id in running[-RUNS:]:
            run = await self.run(job_id)
            if run is not None:
                runs[job_id] = run
        found = await self._client.events(max(0, views.seq - LISTED), limit=LISTED)
        events: list[Event] = [event for event in found if event.seq <= views.seq]
        self._seq = views.seq
        views.runs = runs
        views.events = events
        views.older = events[0].seq - 1 if events else 0
        return views

    async def _pause(self, seconds: float) -> None:
        """Wait; return immediately when the source is closed."""
        if self._closed:
            return
        self._wake.clear()
        timer = self._clock.call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    def _is_closed(self) -> bool:  # a call: the type checker takes an attribute for what it was before an await
        return self._closed
