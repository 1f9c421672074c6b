"""Retention: what goes, what stays, and that views are the same without what went."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.errors import NotFound
from headway.events import kinds as k
from headway.events.checkpoint import CheckpointInfo
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import BudgetView, JobsView
from headway.home import Home
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.prune import CHUNK, DAY_MS, Limits, Prune
from headway.store.sqlite.reader import StoreReader
from headway.store.sqlite.writer import Work
from headway.testing import VirtualClock
from tests.unit.store.runs import checkpoint_of, created, numbered, whole_run


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def log(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[StoreLog]:
    log = await StoreLog.open(Home(tmp_path), clock=clock)
    yield log
    await log.close()


@pytest.fixture
async def reader(log: StoreLog) -> StoreReader:
    return await log.reader()


async def _ids(reader: StoreReader) -> list[str]:
    return [row.job_id for row in reversed(await reader.jobs())]


async def test_by_age(log: StoreLog, reader: StoreReader, clock: VirtualClock) -> None:
    await log.write(*whole_run("old"), created("waiting"))
    await clock.advance(DAY_MS / 1000)
    await log.write(*whole_run("new"))
    assert (await log.prune(keep_days=1.5))["jobs"] == []
    assert (await log.prune())["jobs"] == []
    subscription = log.subscribe(log.last_seq)
    report = await log.prune(keep_days=1)
    assert report["jobs"] == ["old"]
    assert report["events"] == len(whole_run())
    assert await _ids(reader) == ["waiting", "new"]
    assert await reader.events(job_id="old") == []
    with pytest.raises(NotFound):
        await reader.run_view("old")
    (event,) = await anext(subscription)
    assert (event.kind, event.seq) == (k.STORE_PRUNED, log.last_seq)
    assert event.data == {"jobs": ["old"], "events": report["events"], "reason": "keep_days"}
    assert await reader.event(event.seq) == event
    assert await log.write(Event("k")) == event.seq + 1
    assert (await log.prune(keep_days=1))["jobs"] == []


async def test_by_size_the_oldest_go_first(log: StoreLog, reader: StoreReader) -> None:
    for n in range(60):
        await log.write(*whole_run(f"j{n}", 10, output="x" * 1000))
    size = (await log.prune(max_bytes=10**9))["bytes"]
    report = await log.prune(max_bytes=size // 2)
    assert report["bytes"] <= size // 2
    assert report["jobs"] == [f"j{n}" for n in range(len(report["jobs"]))]
    assert 25 <= len(report["jobs"]) <= 40
    assert await _ids(reader) == [f"j{n}" for n in range(len(report["jobs"]), 60)]
    await log.close()
    assert log.home.db.stat().st_size <= size // 2 + 100_000  # the file has shrunk


async def test_a_large_job_goes_in_small_transactions(
    log: StoreLog, reader: StoreReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headway.store.sqlite.prune.CHUNK", 20)
    await log.write(*whole_run("large", 100), *whole_run("small", 3))
    assert (await log.prune(keep_days=0))["events"] == len(whole_run("x", 100)) + len(whole_run("x", 3))
    assert [event.kind for event in await reader.events()] == [k.STORE_PRUNED] * 2


async def test_a_prune_that_was_killed_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    log = await StoreLog.open(home, clock=VirtualClock())
    await log.write(*whole_run("large", 100), created("b"))
    with monkeypatch.context() as patch:
        patch.setattr("headway.store.sqlite.prune.CHUNK", 20)
        patch.setattr("headway.store.sqlite.prune._finish_one", lambda connection: False)
        await log.prune(keep_days=0)
    await log.close()
    log = await StoreLog.open(home, clock=VirtualClock())
    reader = await log.reader()
    assert len(await reader.events(job_id="large")) > 100
    assert await _ids(reader) == ["b"]
    await log.rebuild_caches()
    assert await _ids(reader) == ["b"]
    assert (await reader.budget_view()).budgets == {}
    await log.prune(keep_days=0)
    assert await reader.events(job_id="large") == []
    await log.close()


async def test_what_a_checkpoint_needs_stays(log: StoreLog, reader: StoreReader) -> None:
    await log.write(*whole_run("kept"), *whole_run("also"), *whole_run("gone"))
    info = CheckpointInfo("ckpt_1", "manual", "job:kept", log.last_seq, 0, "kept")
    await log.save_checkpoint(checkpoint_of(info, {}))
    await log.save_checkpoint(checkpoint_of(CheckpointInfo("ckpt_2", "manual", "job:also", log.last_seq, 0), {}))
    assert (await log.prune(keep_days=0))["jobs"] == ["gone"]
    assert await _ids(reader) == ["kept", "also"]


async def test_a_scope_keeps_its_state(log: StoreLog, reader: StoreReader) -> None:
    for n in range(3):
        await log.write(*whole_run(f"j{n}", n + 1, scope="ctx"))
    await log.write(created("j3", scope="ctx"))
    full = await reader.scope_state("ctx")
    middle = (await reader.run_view("j1")).levels[0].finished_seq
    assert full == {"a0": "j2 0", "a1": "j2 1", "a2": "j2 2"}
    then = await reader.scope_state("ctx", middle)
    first_end = (await reader.job("j0")).last_seq
    await log.save_checkpoint(checkpoint_of(CheckpointInfo("c", "manual", "ctx", 1, 0, "j1"), {}))
    assert (await log.prune(keep_days=0))["jobs"] == ["j0"]  # j2 is younger than j1, which is needed
    for _ in range(2):
        assert await reader.scope_state("ctx") == full
        assert await reader.scope_state("ctx", middle) == then
        assert await reader.scope_state("ctx", first_end) == {"a0": "j0 0"}
        await log.rebuild_caches()


async def test_limits_and_budgets(log: StoreLog, reader: StoreReader) -> None:
    facts = {"bucket": "t", "capacity": 5, "interval_s": 1.0, "tokens": 4.0, "at_ms": 7}
    run = whole_run("a")
    run[3:3] = [
        Event(k.BUDGET_SET, {"limits": {"actions": 5}}, "a"),
        Event(k.RATE_LIMIT_WAIT, {**facts, "waiters": 1, "next_ms": 9}, "a", "a0"),
        Event(k.RATE_LIMIT_GRANT, {**facts, "waiters": 0, "waited_ms": 2}, "a", "a0"),
        Event(k.BUDGET_SETTLED, {"reserved": {"actions": 0}, "spent": {"actions": 1}}, "a", "a0"),
    ]
    await log.write(*run, Event(k.BUDGET_SET, {"limits": {"actions": 1}}, "b"))
    limits = await reader.limits_view()
    assert limits.buckets["t"].grants == 1
    await log.prune(keep_days=0)
    for _ in range(2):
        assert (await reader.limits_view()).buckets == limits.buckets
        assert list((await reader.budget_view()).budgets) == ["b"]
        await log.rebuild_caches()
    rest = await reader.events()
    assert numbered(rest) == [len(run) + 1, len(run) + 2]
    assert fold_all(BudgetView(), rest) == await reader.budget_view()
    assert fold_all(JobsView(), rest) == await reader.jobs_view()


async def test_appends_get_their_turn(log: StoreLog, reader: StoreReader) -> None:
    for n in range(30):
        log.append(*whole_run(f"j{n}", 20))
    await log.flush()
    pruning = asyncio.ensure_future(log.prune(keep_days=0))
    while not pruning.done():
        await log.write(Event("k"))
        await asyncio.sleep(0)
    assert len((await pruning)["jobs"]) == 30
    events = await reader.events(limit=10_000)
    assert {event.kind for event in events} == {"k", k.STORE_PRUNED}
    assert numbered(events) == list(range(events[0].seq, log.last_seq + 1))


async def test_nobody_else_may_delete(log: StoreLog) -> None:
    await log.write(*whole_run("a"), *whole_run("b"))
    await log.prune(max_bytes=1)
    connection = sqlite3.connect(log.home.db)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute("DELETE FROM events")
    connection.close()


async def test_a_prune_takes_small_bites(tmp_path: Path) -> None:
    """No bite deletes much, so that what is appended meanwhile waits for little; nor are there many of them."""
    log = await StoreLog.open(Home(tmp_path))
    for number in range(120):
        await log.write(*whole_run(f"j{number}", 10))
    await log.write(*whole_run("large", 1000))
    await log.settle_caches()
    pruning = Prune(Limits(max_bytes=1), log.clock.time_ms())
    taken: list[int] = []

    def bite(work: Work) -> bool:
        before = work.connection.execute("SELECT count(*) FROM events").fetchone()[0]
        more = pruning.step(work)
        taken.append(before - work.connection.execute("SELECT count(*) FROM events").fetchone()[0])
        return more

    appended = 0
    while await log.in_writer(bite):
        appended = await log.write(Event("between"))
    assert max(taken) <= CHUNK + len(whole_run("j0", 10))
    assert pruning.report.events == 120 * len(whole_run("j", 10)) + len(whole_run("j", 1000))
    assert len(taken) < 60  # giving one page back at a time would take hundreds
    assert len(await log.read(limit=10_000, kinds=["between"])) == len(taken) - 1
    assert appended > 0
    free = await log.in_writer(lambda work: work.connection.execute("PRAGMA freelist_count").fetchone()[0])
    assert free == 0
    await log.close()
