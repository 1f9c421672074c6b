"""A store file as a source: what is in it, what is committed meanwhile, who may be asked to do something."""

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from headway.clock import SystemClock, TimerHandle
from headway.errors import NotFound, StoreUnreadable
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway.home import Home
from headway.store import StoreLog
from headway.testing import VirtualClock, event_stream
from headway_bridge.listeners import UnixListener
from headway_console.model import ConsoleModel
from headway_console.source import Item, Source
from headway_console.sources import StoreSource
from headway_console.sources.heartbeat import SILENCE_S
from headway_console.sources.store import LISTED
from tests.unit.bridge.operator.fakes import short_home

pytestmark = pytest.mark.anyio


def stream(seed: int = 1, jobs: int = 5) -> list[Event]:
    """Events without those of pruning, which a store does by itself."""
    return [e for e in event_stream(random.Random(seed), jobs=jobs) if e.kind != kinds.STORE_PRUNED]


class Ticking(SystemClock):
    """The machine's clock; ``tick`` is set whenever somebody waits on it."""

    def __init__(self) -> None:
        self.tick = asyncio.Event()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        self.tick.set()
        return asyncio.get_running_loop().call_later(delay, callback, *args)


class Watcher:
    """A model on a store; :meth:`until` waits for what has been committed."""

    def __init__(self, home: Home) -> None:
        self.clock = Ticking()
        self.source = StoreSource(home, clock=self.clock)
        self.model = ConsoleModel(self.source.now_ms)
        self.items: list[Item] = []
        self.fed = asyncio.Condition()

    async def follow(self) -> None:
        async for item in self.source.batches():
            self.items.append(item)
            self.model.feed(item)
            async with self.fed:
                self.fed.notify_all()

    async def until(self, seq: int) -> None:
        with anyio.fail_after(20):
            async with self.fed:
                await self.fed.wait_for(lambda: self.model.last_seq == seq)


@asynccontextmanager
async def watching(home: Home) -> AsyncIterator[Watcher]:
    watcher = Watcher(home)
    await watcher.source.open()
    task = asyncio.create_task(watcher.follow())
    try:
        yield watcher
    finally:
        await watcher.source.close()
        with anyio.fail_after(20):
            await task


def agrees(model: ConsoleModel, events: list[Event]) -> None:
    """The model shows what these events make."""
    assert model.jobs.jobs == fold_all(JobsView(), events).jobs
    assert model.limits.buckets == fold_all(LimitsView(), events).buckets
    assert model.budgets.budgets == fold_all(BudgetView(), events).budgets
    for job_id, run in model.runs.items():
        assert run == fold_all(RunView(job=JobRow(job_id=job_id)), [e for e in events if e.job_id == job_id])
    assert model.events == events[len(events) - len(model.events) :]
    assert model.older == len(events) - len(model.events)


async def test_what_is_there_and_what_comes(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    events = stream()
    half = len(events) // 2
    log = await StoreLog.open(home)
    await log.write(*events[:half])
    async with watching(home) as watcher:
        await watcher.until(half)
        agrees(watcher.model, await log.read(limit=10_000))
        assert [type(item) for item in watcher.items] == [Snapshot]
        for event in events[half:]:
            await log.write(event)
        await watcher.until(len(events))
        agrees(watcher.model, await log.read(limit=10_000))
        assert not any(isinstance(item, Snapshot) for item in watcher.items[1:])
    await log.close()


async def test_a_long_store_is_listed_from_its_end(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    events = [e for e in event_stream(random.Random(11), jobs=100, actions=16) if e.kind != kinds.STORE_PRUNED]
    assert len(events) > LISTED
    log = await StoreLog.open(home)
    await log.write(*events)
    async with watching(home) as watcher:
        await watcher.until(len(events))
        assert len(watcher.model.events) == LISTED
        agrees(watcher.model, await log.read(limit=10_000))
        for job_id in list(watcher.model.jobs.jobs)[:3]:
            own = [event for event in await log.read(limit=10_000) if event.job_id == job_id]
            assert await watcher.source.run(job_id) == fold_all(RunView(job=JobRow(job_id=job_id)), own)
        assert await watcher.source.run("nobody") is None
    await log.close()


async def test_incomplete_lists_are_replaced_once_they_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.store.sqlite.queries.COMPLETE_LAG", 5)
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    events = [e for e in event_stream(random.Random(3), jobs=4) if e.kind != kinds.STORE_PRUNED]
    await log.write(*events)
    async with watching(home) as watcher:
        await watcher.until(len(events))
        assert not watcher.model.complete
        await log.settle_caches()
        with anyio.fail_after(20):
            async with watcher.fed:
                await watcher.fed.wait_for(lambda: watcher.model.complete)
        agrees(watcher.model, await log.read(limit=10_000))
    await log.close()


async def test_without_a_daemon_it_only_shows(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await log.write(Event("any"))
    async with watching(home) as watcher:
        await watcher.until(1)
        source: Source = watcher.source
        assert (source.live, source.replay, source.commands, source.title) == (True, None, None, str(home))
        assert source.read_only == f"process {os.getpid()} runs a plan in this home by itself; stop it there"
        assert source.link.connected
    await log.close()
    async with watching(home) as watcher:
        await watcher.until(1)
        assert watcher.source.read_only == "no daemon runs in this home; start one with: headway serve"
        assert watcher.source.link.connected  # nothing claims to be running


async def test_a_daemon_that_is_silent_can_be_asked_all_the_same() -> None:
    """It may only be busy. That it is silent is known soon, so that the console opens."""
    home, clock = short_home(), VirtualClock()
    await (await StoreLog.open(home)).close()
    listener = UnixListener(home)
    source = StoreSource(home, clock=clock)
    try:
        opening = asyncio.create_task(source.open())
        while clock.pending == 0:  # noqa: ASYNC110 - until it has asked
            await asyncio.sleep(0)
        await clock.advance(SILENCE_S)
        await opening
        assert source.commands is not None
        assert source.read_only == ""
    finally:
        await source.close()
        listener.close()
        shutil.rmtree(home.path)


async def test_runs_whose_process_is_gone_are_stale(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    events = stream(jobs=2)
    end = next(n for n, event in enumerate(events) if event.kind in kinds.TERMINAL_JOB)
    log = await StoreLog.open(home)
    await log.write(*events[:end])
    async with watching(home) as watcher:
        await watcher.until(end)
        assert watcher.source.link.connected
        await log.close()
        assert (watcher.source.link.connected, watcher.source.link.detail) == (
            False,
            "the process that ran this is gone",
        )
        log = await StoreLog.open(home)
        assert watcher.source.link.connected
        await log.write(*events[end:])
        await watcher.until(len(events))
        agrees(watcher.model, await log.read(limit=10_000))
    await log.close()


async def test_a_store_that_is_replaced_is_a_fresh_start(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "home"), Home(tmp_path / "other")
    log = await StoreLog.open(home)
    await log.write(*stream(jobs=4))
    count = log.last_seq
    await log.close()
    log = await StoreLog.open(other)
    await log.write(*stream(seed=2, jobs=1))
    fewer = log.last_seq
    await log.close()
    assert fewer < count
    async with watching(home) as watcher:
        await watcher.until(count)
        for left in home.path.glob("headway.db-*"):
            left.unlink()
        other.db.replace(home.db)
        await watcher.until(fewer)
        assert isinstance(watcher.items[-1], Snapshot)
        assert watcher.source.link.connected


async def test_a_store_that_goes_away_is_told_and_tried_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await log.write(Event("any"))
    await log.close()
    async with watching(home) as watcher:
        await watcher.until(1)
        aside = tmp_path / "aside"
        home.path.rename(aside)
        with anyio.fail_after(20):
            while watcher.source.link.connected:
                watcher.clock.tick.clear()
                await watcher.clock.tick.wait()
        assert watcher.source.link.detail == f"there is no store at {home.db}"
        aside.rename(home.path)
        log = await StoreLog.open(home)
        await log.write(Event("more"))
        await watcher.until(2)
        assert watcher.source.link.connected
        await log.close()


async def test_no_store(tmp_path: Path) -> None:
    source = StoreSource(tmp_path / "none")
    with pytest.raises(NotFound, match="there is no store"):
        await source.open()
    await source.close()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "headway.db").write_text("hello, this is no database at all, only some words")
    source = StoreSource(tmp_path / "bad")
    with pytest.raises(StoreUnreadable):
        await source.open()
    await source.close()


async def test_closing_ends_a_wait(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await log.write(Event("any"))
    source = StoreSource(home)
    await source.open()
    batches: Any = source.batches()
    async with aclosing(batches):
        assert isinstance(await anext(batches), Snapshot)
        waiting = asyncio.create_task(anext(batches))
        await asyncio.sleep(0)
        await source.close()
        with pytest.raises(StopAsyncIteration), anyio.fail_after(20):
            await waiting
    await log.close()
