"""A daemon as a source: fresh starts where the place is lost, events else, and no end to trying."""

import asyncio
import random
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from headway.client import DaemonStatus, OperatorClient
from headway.errors import NotFound, Unavailable
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway.testing import VirtualClock, event_stream, settle
from headway_console.model import ConsoleModel
from headway_console.source import Item, Source
from headway_console.sources import RemoteSource
from headway_console.sources.memory import folded_run
from headway_console.sources.remote import FOLLOWED, INCOMPLETE_S, LISTED

pytestmark = pytest.mark.anyio


class Daemon:
    """A client of a daemon with that log. ``down`` breaks everything, now and from now on."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.down = ""
        self.tried = 0
        self.closed = False
        self.complete = True
        self._streams: set[Any] = set()

    def break_off(self, why: str) -> None:
        self.down = why
        for stream in list(self._streams):
            stream.close()

    def up(self) -> None:
        self.tried += 1
        if self.down:
            raise Unavailable(self.down)

    async def status(self) -> DaemonStatus:
        self.up()
        return DaemonStatus("0", 1, "/home", "http://x", 0, self.log.last_seq)

    async def snapshot(self) -> Snapshot:
        self.up()
        events = await self.log.read(limit=10**9)
        views = Snapshot(complete=self.complete)
        views.fold_log(events)
        return views

    async def events(self, after: int = 0, job_id: str | None = None, limit: int = 1000) -> list[Event]:
        self.up()
        return await self.log.read(after, job_id=job_id, limit=limit)

    async def job(self, job_id: str) -> RunView:
        self.up()
        run = await folded_run(self.log, job_id)
        if run is None:
            raise NotFound
        return run

    async def follow(self, after: int = 0, *, patience: float) -> AsyncGenerator[list[Event], None]:
        assert patience == 0
        self.up()
        subscription = self.log.subscribe(after)
        self._streams.add(subscription)
        async for batch in subscription:
            yield batch
        raise Unavailable(self.down or "the daemon ended the event stream")

    async def close(self) -> None:
        self.closed = True
        self.break_off("closed")


class Watcher:
    """A model on a remote source."""

    def __init__(self, events: list[Event]) -> None:
        self.clock = VirtualClock()
        self.log = EventLog(clock=self.clock)
        self.log.append(*events)
        self.daemon = Daemon(self.log)
        client: OperatorClient = self.daemon  # type: ignore[assignment]  # it has the methods that are used
        self.source = RemoteSource(client, title="http://far", clock=self.clock)
        self.model = ConsoleModel(self.source.now_ms)
        self.items: list[Item] = []
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Watcher":
        await self.source.open()
        self.task = asyncio.create_task(self.follow())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.source.close()
        assert self.task is not None
        await self.task
        assert self.daemon.closed
        assert self.clock.pending == 0

    async def follow(self) -> None:
        async for item in self.source.batches():
            self.items.append(item)
            self.model.feed(item)

    async def agrees(self) -> None:
        """The model shows what the daemon's log says."""
        await settle()
        events = await self.log.read(limit=10**9)
        assert self.model.last_seq == self.log.last_seq
        assert self.model.jobs.jobs == fold_all(JobsView(), events).jobs
        assert self.model.limits.buckets == fold_all(LimitsView(), events).buckets
        assert self.model.budgets.budgets == fold_all(BudgetView(), events).budgets
        for job_id, run in self.model.runs.items():
            assert run == fold_all(RunView(job=JobRow(job_id=job_id)), [e for e in events if e.job_id == job_id])
        listed = len(self.model.events)
        assert self.model.events == events[-listed:] if listed else not events
        assert self.model.older == len(events) - listed


def stream(seed: int = 1, jobs: int = 5) -> list[Event]:
    return event_stream(random.Random(seed), jobs=jobs)


async def test_it_begins_with_a_fresh_start_and_follows() -> None:
    events = stream()
    half = len(events) // 2
    async with Watcher(events[:half]) as watcher:
        await watcher.agrees()
        assert [type(item) for item in watcher.items] == [Snapshot]
        start = watcher.items[0]
        assert isinstance(start, Snapshot)
        assert {job_id for job_id, run in start.runs.items() if run.job.finished} == set()
        await watcher.log.write(*events[half:])
        await watcher.agrees()
        assert not any(isinstance(item, Snapshot) for item in watcher.items[1:])


async def test_incomplete_lists_are_asked_for_again_until_they_are_complete() -> None:
    events = stream()
    made = Watcher(events)
    made.daemon.complete = False
    async with made as watcher:
        for _ in range(2):
            await watcher.clock.advance(INCOMPLETE_S)
            await settle()
        assert [isinstance(item, Snapshot) and item.complete for item in watcher.items] == [False] * 3
        assert not watcher.model.complete
        watcher.daemon.complete = True
        await watcher.clock.advance(INCOMPLETE_S)
        await watcher.agrees()
        assert watcher.model.complete


async def test_a_long_log_is_listed_from_its_end() -> None:
    events = event_stream(random.Random(11), jobs=100, actions=16)
    assert len(events) > LISTED
    async with Watcher(events) as watcher:
        await watcher.agrees()
        assert len(watcher.model.events) == LISTED


async def test_an_empty_log() -> None:
    async with Watcher([]) as watcher:
        await watcher.agrees()
        await watcher.log.write(Event("first"))
        await watcher.agrees()


async def test_a_loss_is_told_and_made_up_for() -> None:
    events = stream()
    half = len(events) // 2
    async with Watcher(events[:half]) as watcher:
        source = watcher.source
        assert (source.link.connected, source.commands, source.read_only) == (True, watcher.daemon, "")
        watcher.daemon.break_off("the daemon went away")
        await settle()
        assert (source.link.connected, source.link.detail) == (False, "the daemon went away")
        assert (source.commands, source.read_only) == (None, "not connected: the daemon went away")
        since = source.link.since_ms
        await watcher.clock.advance(60)
        assert source.link.since_ms == since
        assert watcher.daemon.tried < 150  # two tasks, with back-off
        watcher.log.append(*events[half:])
        watcher.daemon.down = ""
        await watcher.clock.advance(2)
        await watcher.agrees()
        assert source.link.connected
        assert [type(item) for item in watcher.items].count(Snapshot) == 1


async def test_another_log_is_a_fresh_start() -> None:
    async with Watcher(stream(jobs=6)) as watcher:
        other = EventLog(clock=watcher.clock)
        other.append(*stream(seed=2, jobs=1))
        assert other.last_seq < watcher.log.last_seq
        watcher.daemon.break_off("the daemon went away")
        watcher.log = watcher.daemon.log = other
        watcher.daemon.down = ""
        await watcher.clock.advance(3)
        await watcher.agrees()
        assert isinstance(watcher.items[-1], Snapshot)


async def test_far_behind_is_a_fresh_start() -> None:
    async with Watcher(stream(jobs=1)) as watcher:
        watcher.daemon.break_off("the daemon went away")
        watcher.log.append(*[Event("noise") for _ in range(FOLLOWED + 1)])
        watcher.daemon.down = ""
        await watcher.clock.advance(3)
        await watcher.agrees()
        assert isinstance(watcher.items[-1], Snapshot)


async def test_no_daemon_at_all() -> None:
    watcher = Watcher([])
    watcher.daemon.down = "no daemon answers at http://far"
    with pytest.raises(Unavailable, match="no daemon answers"):
        await watcher.source.open()
    await watcher.source.close()


async def test_it_is_a_live_source() -> None:
    async with Watcher(stream()) as watcher:
        source: Source = watcher.source
        assert (source.title, source.live, source.replay) == ("http://far", True, None)
        assert source.now_ms() == watcher.clock.time_ms()
        assert await source.run("nobody") is None
        run = await source.run("job001")
        assert run is not None
        assert run.job.job_id == "job001"
