"""A check finds what is wrong with a store, and nothing where nothing is."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from headway.errors import NotFound, StoreUnreadable
from headway.events import kinds as k
from headway.events.checkpoint import CheckpointInfo
from headway.events.event import Event
from headway.events.views import JobRow
from headway.home import Home
from headway.store import StoreLog, check
from headway.testing import event_stream
from tests.unit.store.runs import checkpoint_of, created, whole_run


async def _filled(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a store with everything in it: long runs, blobs, a pruned job, a checkpoint, an unfinished job."""
    monkeypatch.setattr("headway.store.sqlite.due.LONG", 10)
    log = await StoreLog.open(home)
    await log.write(*whole_run("gone", scope="ctx"), *whole_run("gone too", output="y" * 100_000))
    await log.prune(max_bytes=1)
    await log.write(*whole_run("kept", actions=20, scope="ctx"), *whole_run("large", output="x" * 100_000))
    stream = [e for e in event_stream(random.Random(5), jobs=5, actions=12) if e.kind != k.STORE_PRUNED]
    for event in stream:
        event.seq = 0
        log.append(event)
    await log.flush()
    await log.settle_caches()
    await log.save_checkpoint(checkpoint_of(CheckpointInfo("ckpt_1", "manual", "ctx", 3, 4), {"a": 1}))
    await log.write(created("open"))
    await log.close()


async def test_a_sound_store_has_no_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    await _filled(home, monkeypatch)
    report = await check(home)
    assert report.problems == []
    assert (report.jobs, report.blobs, report.checkpoints) == (8, 1, 1)
    assert report.events > 100


async def test_a_store_is_sound_while_it_is_written_to(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    ended = asyncio.Event()

    async def write() -> None:
        number = 0
        while not ended.is_set():
            await log.write(*whole_run(f"j{number}"))
            number += 1

    writing = asyncio.create_task(write())
    seen = []
    for _ in range(5):
        report = await check(home)
        assert report.problems == []
        seen.append(report.events)
        await log.settle_caches()
    ended.set()
    await writing
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]
    await log.close()


async def test_an_empty_store_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await check(Home(tmp_path))
    await (await StoreLog.open(Home(tmp_path))).close()
    assert (await check(Home(tmp_path))).problems == []


def _loose(connection: sqlite3.Connection) -> None:
    connection.execute("DROP TRIGGER events_keep")
    connection.execute("DROP TRIGGER events_stay")


def _delete_event(connection: sqlite3.Connection) -> None:
    _loose(connection)
    connection.execute("DELETE FROM events WHERE seq = (SELECT max(seq) - 40 FROM events)")


_NOBODY = ", ".join("'nobody'" if name == "job_id" else name for name in JobRow.__struct_fields__)

DAMAGES: dict[str, tuple[str | Callable[[sqlite3.Connection], None], str, str]] = {
    "a missing event": (_delete_event, "seq", "1 more|events are missing"),
    "a changed blob": ("UPDATE blobs SET body = 'other'", "blobs", "does not hold what its name says"),
    "a lost blob": ("DELETE FROM blobs", "blobs", "which is gone"),
    "a useless blob": ("INSERT INTO blobs VALUES ('sha256:0', 1, 'x')", "blobs", "needed by nothing"),
    "a reference of nothing": (
        "INSERT INTO blob_refs SELECT 10000000, hash FROM blobs LIMIT 1",
        "blobs",
        "event 10000000",
    ),
    "a damaged checkpoint": ("UPDATE checkpoints SET body = '{'", "checkpoints", "ckpt_1"),
    "a changed row": ("UPDATE jobs SET succeeded = 7 WHERE job_id = 'kept'", "caches", "row of job kept"),
    "a lost row": ("DELETE FROM jobs WHERE job_id = 'kept'", "caches", "job kept has no row"),
    "a row of nothing": (
        f"INSERT INTO jobs SELECT {_NOBODY} FROM jobs LIMIT 1",  # noqa: S608 - names of fields
        "caches",
        "row of job nobody",
    ),
    "a changed view": (
        "UPDATE snapshots SET body = json_set(body, '$.buckets', json('{}')) WHERE view = 'limits'",
        "caches",
        "the view limits is not",
    ),
    "a changed budget": (
        "UPDATE snapshots SET body = json_set(body, '$.exhausted', 'odd') WHERE view = 'budgets'",
        "caches",
        "the view budgets",
    ),
    "a changed run": (
        "UPDATE snapshots SET body = json_set(body, '$.job.title', 'odd') WHERE view = 'run' AND key = 'kept'",
        "caches",
        "the snapshot of the run kept",
    ),
    "a changed state": (
        "UPDATE snapshots SET body = json_set(body, '$.state.odd', 1) WHERE view = 'state' AND key = 'ctx'",
        "caches",
        "the snapshot of the state ctx",
    ),
    "a forgotten job": ("DELETE FROM unfinished WHERE job_id = 'open'", "unfinished", "wrong about open"),
    "a job that ended": ("INSERT INTO unfinished VALUES ('kept', 1)", "unfinished", "wrong about kept"),
}


@pytest.mark.parametrize("what", DAMAGES)
async def test_each_damage_is_found(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    await _filled(home, monkeypatch)
    damage, name, message = DAMAGES[what]
    with closing(sqlite3.connect(home.db)) as connection:
        if isinstance(damage, str):
            assert connection.execute(damage).rowcount > 0
        else:
            damage(connection)
        connection.commit()
    problems = (await check(home)).problems
    told = [problem.message for problem in problems if problem.check == name]
    assert any(part in one for one in told for part in message.split("|")), problems


async def test_a_damaged_file_is_a_problem_and_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    await _filled(home, monkeypatch)
    data = bytearray(home.db.read_bytes())
    for place in range(5, 20):
        data[place * 4096 : place * 4096 + 2000] = b"\xff" * 2000
    home.db.write_bytes(data)
    report = await check(home)
    assert any(problem.check == "file" for problem in report.problems)
    home.db.write_bytes(b"not a store at all, " * 500)
    with pytest.raises(StoreUnreadable):
        await check(home)


async def test_what_was_cached_behind_an_older_prune_counts(tmp_path: Path) -> None:
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    await log.write(*whole_run("a", scope="ctx"), Event(k.LIMIT_CONFIGURED, {"bucket": "b", "capacity": 3}))
    await log.prune(max_bytes=1)
    await log.rebuild_caches()
    await log.write(*whole_run("b", scope="ctx"))
    assert (await check(home)).problems == []
    await log.close()
    assert (await check(home)).problems == []
