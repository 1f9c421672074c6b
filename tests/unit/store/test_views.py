"""Views from the store: whatever was cached when, they are what folding the whole log gives."""

import asyncio
import random
import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.errors import NotFound
from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView, StateView
from headway.home import Home
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.reader import StoreReader
from headway.testing import event_stream
from tests.sizes import cases
from tests.unit.store.runs import created, whole_run


def _copy(events: list[Event]) -> list[Event]:
    return msgspec.json.decode(msgspec.json.encode(events), type=list[Event])


def _stream(seed: int) -> list[Event]:
    events = event_stream(random.Random(seed), jobs=6, actions=12)
    events = [event for event in events if event.kind != k.STORE_PRUNED]  # only a prune writes that
    for seq, event in enumerate(events, 1):
        event.seq = seq
    return events


async def _equal_to_fold(reader: StoreReader, events: list[Event], rng: random.Random) -> None:
    """Check every view against the fold of ``events``, some of them also as of earlier."""
    assert await reader.jobs_view() == fold_all(JobsView(), _copy(events))
    assert await reader.limits_view() == fold_all(LimitsView(), _copy(events))
    assert await reader.budget_view() == fold_all(BudgetView(), _copy(events))
    jobs = fold_all(JobsView(), _copy(events)).jobs
    assert await reader.jobs() == list(reversed(jobs.values()))
    for status in ("queued", "running", "completed", "failed", "cancelled"):
        expected = [row for row in reversed(jobs.values()) if row.status == status]
        assert await reader.jobs(status) == expected
    scopes = {row.scope for row in jobs.values()} | {"ctx0", "ctx1", "unknown"}
    for upto in (len(events), rng.randint(0, len(events))):
        seen = events[:upto]
        for job_id in jobs:
            if any(event.job_id == job_id and event.kind == k.JOB_CREATED for event in seen):
                expected_run = fold_all(RunView(JobRow(job_id)), _copy(seen))
                assert await reader.run_view(job_id, upto) == expected_run
            else:
                with pytest.raises(NotFound):
                    await reader.run_view(job_id, upto)
        for scope in scopes:
            assert await reader.scope_state(scope, upto) == fold_all(StateView(scope), _copy(seen)).state


async def _write_in_pieces(home: Home, events: list[Event], rng: random.Random) -> None:
    """Write events in batches of any size, opening the store anew now and then, checking on the way."""
    log = await StoreLog.open(home)
    done = 0
    while done < len(events):
        size = rng.choice((1, 2, 5, 30, 200))
        if rng.random() < 0.2:
            await log.write(*_unnumbered(events[done : done + size]))
        else:
            log.append(*_unnumbered(events[done : done + size]))
        done += size
        if rng.random() < 0.1:
            await log.close()
            log = await StoreLog.open(home)
        if rng.random() < 0.05:
            await log.flush()
            await _equal_to_fold(await log.reader(), events[:done], rng)
    await log.flush()
    await _equal_to_fold(await log.reader(), events, rng)
    await log.rebuild_caches()
    await _equal_to_fold(await log.reader(), events, rng)
    await log.close()


def _unnumbered(events: list[Event]) -> list[Event]:
    copies = _copy(events)
    for event in copies:
        event.seq = 0
    return copies


@settings(max_examples=cases(64), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), flush_every=st.sampled_from([1, 7, 40]), long=st.sampled_from([3, 15, 50]))
def test_snapshot_and_tail_are_the_whole_fold(
    seed: int, flush_every: int, long: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headway.store.sqlite.caches.FLUSH_EVERY", flush_every)
        patch.setattr("headway.store.sqlite.due.LONG", long)
        patch.setattr("headway.store.sqlite.queries.PAGE", 20)
        asyncio.run(_write_in_pieces(Home(tmp_path_factory.mktemp("home")), _stream(seed), random.Random(seed)))


def _tables(home: Home, table: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(f"file:{home.db}?mode=ro", uri=True)
    try:
        return connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - a name of ours
    finally:
        connection.close()


async def test_deleted_caches_come_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    await log.write(*whole_run("a"), *whole_run("b", scope="ctx"), created("c"))
    await log.close()
    before = _tables(home, "jobs")
    assert len(before) == 3
    for tables in (("jobs", "snapshots", "meta"), ("jobs",), ("snapshots", "meta")):
        connection = sqlite3.connect(home.db)
        for table in tables:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
        connection.commit()
        connection.close()
        await (await StoreLog.open(home)).close()
        assert _tables(home, "jobs") == before


async def test_a_long_run_is_read_from_snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.sqlite.due.LONG", 1000)
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    graph = {"actions": [{"id": f"a{n}"} for n in range(3000)], "levels": [[n] for n in range(3000)]}
    await log.write(Event(k.JOB_CREATED, {"scope": "ctx", "graph": graph}, "long"))
    for level in range(3000):
        log.append(Event(k.ACTION_EXECUTING, {}, "long", f"a{level}", level, 1))
        change = {f"k{level % 50}": {"op": "set", "value": level}}
        log.append(Event(k.ACTION_SUCCEEDED, {"state_changes": change}, "long", f"a{level}", level, 1))
        log.append(Event(k.LEVEL_FINISHED, {}, "long", level=level))
        if level % 100 == 0:
            await log.flush()
            await log.settle_caches()
    await log.write(Event(k.JOB_COMPLETED, {"cost": {}}, "long"))
    await log.settle_caches()
    reader = await log.reader()
    runs = [row for row in _tables(home, "snapshots") if row[0] == "run"]
    assert 3 <= len(runs) <= 10
    assert runs[-1][2] == log.last_seq
    assert sum(len(row[3]) for row in runs) < 5 * len(runs[-1][3])
    assert 5 <= len([row for row in _tables(home, "snapshots") if row[0] == "state"]) <= 10
    events = await reader.events(limit=10_000)
    for upto in (2, 1000, 1005, 5000, 9000, log.last_seq):
        assert await reader.run_view("long", upto) == fold_all(RunView(JobRow("long")), events[:upto])
        assert await reader.scope_state("ctx", upto) == fold_all(StateView("ctx"), events[:upto]).state
    await log.close()
