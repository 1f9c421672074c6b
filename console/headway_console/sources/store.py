"""Looking at the store of a home on this machine.

Events are read from the file, whoever writes it and also when nobody does; a commit is noticed by asking SQLite for
its ``data_version``, which costs next to nothing. Commands go to the daemon, over its socket, while one answers.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from headway.client import OperatorClient
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import NotFound, StoreError, Unavailable
from headway.events import kinds
from headway.events.event import Event
from headway.events.snapshot import Snapshot
from headway.events.views import RunView
from headway.home import Home
from headway.owner import owner_of
from headway.store import Reader, open_reader
from headway_console.commands import Command, Receipt, send
from headway_console.source import Commands, Item, Link
from headway_console.sources.heartbeat import Heartbeat

POLL_S = 1 / 15
"""Seconds between two looks at whether the file has changed."""

BATCH = 1000
"""The most events in one batch."""

LISTED = 2000
"""The number of events that a fresh start lists."""

RUNS = 8
"""The number of live runs that a fresh start holds; others are asked for when they are looked at."""

_RETRY_S = (0.25, 0.5, 1.0, 2.0)


class _Identity(NamedTuple):
    device: int
    inode: int


class StoreSource:
    """A :class:`headway_console.source.Source` over a home's store file.

    ``actor`` is who the audit names for commands. The link is lost when the file cannot be read, and when runs are
    shown as live though the process that ran them is gone.
    """

    live = True
    replay = None

    def __init__(self, home: Home | Path | str, *, actor: str = "console", clock: Clock = SYSTEM_CLOCK) -> None:
        self._home = home if isinstance(home, Home) else Home(home)
        self._clock = clock
        self._client: OperatorClient | None = None
        self._actor = actor
        self._reader: Reader | None = None
        self._identity: _Identity | None = None
        self._daemon = Heartbeat(self._ask_daemon, clock)
        self._trouble = Link(since_ms=clock.time_ms())
        self._running: set[str] = set()
        self._seq = 0
        self._complete = True
        self._wake = asyncio.Event()
        self._closed = False

    # -- Source ----------------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The home."""
        return str(self._home)

    @property
    def commands(self) -> Commands | None:
        """The daemon's, while it is there."""
        return self._client if self._client is not None and not self._daemon.gone else None

    @property
    def read_only(self) -> str:
        """Why there are no commands."""
        if self.commands is not None:
            return ""
        writer = self._writer()
        if writer:
            return f"process {writer} runs a plan in this home by itself; stop it there"
        return "no daemon runs in this home; start one with: headway serve"

    @property
    def link(self) -> Link:
        """True if what is shown is how things are."""
        if not self._trouble.connected:
            return self._trouble
        if self._running and self._daemon.problem and not self._writer():
            return Link(connected=False, detail="the process that ran this is gone", since_ms=self._daemon.since_ms)
        return self._trouble

    def now_ms(self) -> int:
        """Return the wall time."""
        return self._clock.time_ms()

    async def send(self, command: Command) -> Receipt:
        """Have a command carried out by the daemon."""
        return await send(self.commands, command, self.read_only)

    async def open(self) -> None:
        """Open the store. Raises :class:`NotFound` if there is none, :class:`StoreError` if it cannot be read."""
        if self._reader is not None:
            return
        await self._open_reader()
        try:
            self._client = OperatorClient(self._home, actor=self._actor, clock=self._clock)
        except Unavailable as error:
            self._daemon.lose(error)
            return
        self._daemon.start()
        await self._daemon.first()

    async def close(self) -> None:
        """Close every connection and end every iteration."""
        self._closed = True
        self._wake.set()
        await self._daemon.stop()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    async def run(self, job_id: str) -> RunView | None:
        """Return that run as the store has it."""
        if self._reader is None:
            return None
        try:
            return await self._reader.run_view(job_id)
        except NotFound:
            return None

    async def batches(self) -> AsyncIterator[Item]:
        """Yield a fresh start, then what is committed, until :meth:`close`."""
        fresh = True
        failures = 0
        while not self._closed:
            try:
                reader = await self._readable()
                if await reader.last_seq() < self._seq:
                    fresh = True  # another file, or an older copy of it
                if fresh:
                    yield await self._snapshot(reader)
                    fresh = False
                self._well()
                failures = 0
                async for events in self._events(reader):
                    self._note(events)
                    if self._daemon.problem:
                        self._daemon.hurry()  # a daemon that has just begun may have written them
                    yield events
                fresh = True  # replaced, or the lists have become complete: the events ended
            except (StoreError, NotFound) as error:
                if self._is_closed():
                    return
                if self._trouble.connected:
                    self._trouble = Link(connected=False, detail=error.message, since_ms=self._clock.time_ms())
                await self._lose_reader()
                await self._pause(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1

    # -- the file --------------------------------------------------------------------------------------------------

    async def _events(self, reader: Reader) -> AsyncIterator[list[Event]]:
        """Yield what is committed; ends when a fresh start is due, or at :meth:`close`.

        That is when the file is no longer that of the home, or when the lists, incomplete so far, have become complete.
        """
        looked_at = self._clock.now()
        while not self._closed:
            version = await reader.data_version()
            while events := await reader.events(self._seq, limit=BATCH):
                self._seq = events[-1].seq
                yield events
            while await reader.data_version() == version:
                if await self._pause(POLL_S):
                    return
                if self._clock.now() - looked_at >= 1:
                    looked_at = self._clock.now()
                    if self._present() != self._identity:
                        await self._lose_reader()
                        return
                    if not self._complete and await reader.complete():
                        return

    async def _snapshot(self, reader: Reader) -> Snapshot:
        """Return a fresh start."""
        snapshot = await reader.snapshot()
        running = [row.job_id for row in snapshot.jobs.jobs.values() if not row.finished]
        runs: dict[str, RunView] = {}
        for job_id in running[-RUNS:]:
            run = await self.run(job_id)
            if run is not None:
                runs[job_id] = run
        events = await reader.events(before=snapshot.seq + 1, limit=LISTED)
        self._seq = snapshot.seq
        self._complete = snapshot.complete
        self._running = set(running)
        snapshot.runs = runs
        snapshot.events = events
        snapshot.older = events[0].seq - 1 if events else 0
        return snapshot

    async def _readable(self) -> Reader:
        if self._reader is None:
            await self._open_reader()
        assert self._reader is not None
        return self._reader

    async def _open_reader(self) -> None:
        self._reader = await open_reader(self._home)
        self._identity = self._present()

    async def _lose_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def _present(self) -> _Identity | None:
        """Return which file the home's store is now."""
        try:
            found = os.stat(self._home.db)  # noqa: PTH116 - a folder handle is of no use here
        except OSError:
            return None
        return _Identity(found.st_dev, found.st_ino)

    def _note(self, events: list[Event]) -> None:
        for event in events:
            if event.job_id is None:
                continue
            if event.kind == kinds.JOB_CREATED:
                self._running.add(event.job_id)
            elif event.kind in kinds.TERMINAL_JOB:
                self._running.discard(event.job_id)

    def _well(self) -> None:
        if not self._trouble.connected:
            self._trouble = Link(since_ms=self._clock.time_ms())

    async def _pause(self, seconds: float) -> bool:
        """Wait; return immediately, and True, when the source is closed."""
        if self._closed:
            return True
        self._wake.clear()
        timer = self._clock.call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
        return self._closed

    # -- who writes it ---------------------------------------------------------------------------------------------

    async def _ask_daemon(self) -> None:
        try:
            there = self._home.socket.exists()
        except OSError as error:
            raise Unavailable(f"{self._home.socket} cannot be looked at: {error.strerror}") from None
        if not there:
            raise Unavailable("no daemon runs in this home")
        assert self._client is not None
        await self._client.status()

    def _writer(self) -> int:
        """Return the pid of the living process that holds the home's lock; 0 if there is none."""
        return owner_of(self._home.alive_file) or 0

    def _is_closed(self) -> bool:  # a call: the type checker takes an attribute for what it was before an await
        return self._closed
