"""Readers: another process's view of the store."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import NotFound, StoreError, StoreUnreadable
from headway.events import kinds as k
from headway.events.checkpoint import CheckpointInfo
from headway.events.event import Event
from headway.home import Home
from headway.plan.results import ActionResult, ActionStatus
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.migrate import LATEST
from headway.store.sqlite.reader import StoreReader
from headway.testing.clock import settle
from tests.unit.store.runs import checkpoint_of, created, names, numbered, whole_run


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[StoreLog]:
    log = await StoreLog.open(Home(tmp_path))
    yield log
    await log.close()


@pytest.fixture
async def reader(log: StoreLog) -> AsyncIterator[StoreReader]:
    async with await StoreReader.open(log.home.db) as reader:
        yield reader


async def test_without_a_store(tmp_path: Path) -> None:
    for path in (tmp_path / "headway.db", tmp_path / "no" / "headway.db"):
        with pytest.raises(NotFound, match="no store at"):
            await StoreReader.open(path)
    assert names(tmp_path) == []


async def test_a_store_at_rest_is_read_without_a_trace(tmp_path: Path) -> None:
    home = Home(tmp_path / "h ome?x=1&mode=rwc#%41")
    log = await StoreLog.open(home)
    await log.write(Event("k"))
    await log.close()
    before = names(home.path)
    async with await StoreReader.open(home.db) as reader:
        assert await reader.last_seq() == 1
        assert names(home.path) == before
        log = await StoreLog.open(home)  # and while it is open, a writer comes
        await log.write(Event("k"))
        assert await reader.last_seq() == 2
        await log.close()
        assert await reader.last_seq() == 2
    assert names(tmp_path) == [home.path.name]


async def test_an_older_schema_is_for_the_writer_to_mend(log: StoreLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.sqlite.reader.OLDEST", LATEST + 1)
    with pytest.raises(StoreUnreadable, match="older schema"):
        await StoreReader.open(log.home.db)


async def test_events(log: StoreLog, reader: StoreReader) -> None:
    await log.write(*[Event(f"k{n % 3}", job_id=f"j{n % 2}") for n in range(1, 21)])
    assert numbered(await reader.events()) == list(range(1, 21))
    assert numbered(await reader.events(5, limit=3)) == [6, 7, 8]
    assert numbered(await reader.events(5, job_id="j1", kinds=["k0", "k1"], limit=3)) == [7, 9, 13]
    assert numbered(await reader.events(before=10, limit=3)) == [7, 8, 9]
    assert numbered(await reader.events(8, before=10, limit=3)) == [9]
    assert numbered(await reader.events(job_id="j0", before=10, limit=2)) == [6, 8]
    assert await reader.events(kinds=[]) == []
    assert await reader.events(limit=0) == []
    assert await reader.events(99) == []
    assert (await reader.event(7)).seq == 7
    for seq in (0, 21):
        with pytest.raises(NotFound):
            await reader.event(seq)
    assert await reader.events(job_id="j1' OR 1=1 --") == []


async def test_data_version_tells_of_commits(log: StoreLog, reader: StoreReader) -> None:
    first = await reader.data_version()
    assert await reader.data_version() == first
    await log.write(Event("k"))
    second = await reader.data_version()
    assert second != first
    assert await reader.data_version() == second


async def test_jobs(log: StoreLog, reader: StoreReader) -> None:
    await log.write(*whole_run("a"), *whole_run("b"), created("c", 5), Event(k.JOB_STARTED, {}, "c"))
    await log.write(Event(k.ACTION_SUCCEEDED, {}, "c", "a0", 0, 1))
    assert [row.job_id for row in await reader.jobs()] == ["c", "b", "a"]
    assert [row.job_id for row in await reader.jobs("completed")] == ["b", "a"]
    (running,) = await reader.jobs("running")
    assert (running.job_id, running.succeeded, running.last_seq) == ("c", 1, log.last_seq)
    assert [row.job_id for row in await reader.jobs(limit=2)] == ["c", "b"]
    assert [row.job_id for row in await reader.jobs(before=running.first_seq, limit=1)] == ["b"]
    assert await reader.jobs("nonsense") == []
    assert await reader.job("c") == running
    for missing in (reader.job("x"), reader.run_view("x"), reader.proposal("x")):
        with pytest.raises(NotFound, match="no job 'x'"):
            await missing
    assert await reader.proposal("a") == {"id": "p"}


async def test_late_events_of_a_finished_job(log: StoreLog, reader: StoreReader) -> None:
    await log.write(*whole_run("a"))
    await log.write(Event(k.CHECKPOINT_SAVED, {}, "a"))
    assert (await reader.job("a")).last_seq == log.last_seq
    assert (await reader.jobs_view()).jobs["a"].last_seq == log.last_seq


async def test_many_tasks_share_a_reader(log: StoreLog, reader: StoreReader) -> None:
    async def produce() -> None:
        for n in range(40):
            await log.write(*whole_run(f"j{n}"))
            assert (await reader.job(f"j{n}")).status == "completed"  # reads what was acknowledged, at once

    async def look() -> None:
        last = 0
        for _ in range(40):
            view = await reader.jobs_view()
            assert view.last_seq >= last
            assert max((row.last_seq for row in view.jobs.values()), default=0) <= view.last_seq
            last = view.last_seq

    await asyncio.gather(produce(), look(), look())


async def test_an_opening_that_is_cancelled_leaves_no_thread_behind(
    log: StoreLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, go = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []
    connect = sqlite3.connect

    def slow(*values: Any, **more: Any) -> sqlite3.Connection:
        threads.append(threading.current_thread())
        inside.set()
        go.wait(30)
        return connect(*values, **more)

    monkeypatch.setattr(sqlite3, "connect", slow)
    opening = asyncio.create_task(StoreReader.open(log.home.db))
    await asyncio.to_thread(inside.wait, 30)
    opening.cancel()
    await settle()
    assert not opening.done()  # its thread could not answer a loop that has gone meanwhile
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.to_thread(threads[0].join, 30)
    assert not threads[0].is_alive()


async def test_a_cancelled_question_leaves_no_transaction_open(log: StoreLog, reader: StoreReader) -> None:
    for turns in range(8):
        task = asyncio.ensure_future(reader.jobs_view())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        seq = await log.write(Event("k"))
        assert await reader.last_seq() == seq


async def test_closed(log: StoreLog) -> None:
    reader = await StoreReader.open(log.home.db)
    await reader.close()
    await reader.close()
    with pytest.raises(StoreError, match="is closed"):
        await reader.last_seq()


async def test_saved_checkpoints(log: StoreLog, reader: StoreReader) -> None:
    await log.write(*whole_run("a"))
    results = [ActionResult("a0", ActionStatus.SUCCEEDED, output={"n": 1}, attempts=1)]
    of_job = checkpoint_of(
        CheckpointInfo("ckpt_1", "manual", "job:a", log.last_seq, 5, "a", name="it's", keys=1, done=1, total=2),
        {"k": 1},
        results,
    )
    of_scope = checkpoint_of(CheckpointInfo("ckpt_2", "manual", "ctx", log.last_seq, 6, keys=0), {})
    seq = await log.save_checkpoint(of_job, by="me")
    await log.save_checkpoint(of_scope)
    event = await reader.event(seq)
    assert (event.kind, event.job_id) == (k.CHECKPOINT_SAVED, "a")
    assert event.data["by"] == "me"
    assert await reader.checkpoints() == [of_job.info, of_scope.info]
    assert await reader.checkpoints(job_id="a") == [of_job.info]
    assert await reader.checkpoints(scope="ctx") == [of_scope.info]
    assert await reader.checkpoint("ckpt_1") == of_job
    with pytest.raises(NotFound):
        await reader.checkpoint("ckpt_3")


_READ = """
import asyncio, sys
from headway.store.sqlite.reader import StoreReader
from headway.testing.clock import settle
async def main():
    reader = await StoreReader.open(sys.argv[1])
    print(await reader.last_seq())
    kept.append(reader)
kept = []
asyncio.run(main())
"""


async def test_from_another_process_that_does_not_close(log: StoreLog) -> None:
    await log.write(Event("k"))
    command = [sys.executable, "-W", "ignore", "-c", _READ, str(log.home.db)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=30, check=True)
    assert done.stdout == b"1\n"
