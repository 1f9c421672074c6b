"""The durable log: the in-memory log's promises, on disk."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidInput, StoreError
from headway.events.event import Event
from headway.home import Home
from headway.store.sqlite.insert import insert_rows, one_statement
from headway.store.sqlite.log import TAIL, StoreLog
from headway.store.sqlite.reader import StoreReader
from headway.testing import VirtualClock
from tests.unit.store.runs import names, numbered


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[StoreLog]:
    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock())
    yield log
    await log.close()


def _kinds(home: Home) -> list[str]:
    """Return what is on disk, as another process sees it."""
    connection = sqlite3.connect(f"file:{home.db}?mode=ro", uri=True)
    try:
        return [row[0] for row in connection.execute("SELECT kind FROM events ORDER BY seq")]
    finally:
        connection.close()


async def test_written_means_on_disk(log: StoreLog) -> None:
    assert await log.write(Event("a"), Event("b")) == 2
    assert _kinds(log.home) == ["a", "b"]
    assert log.last_seq == 2
    assert log.pending == 0


async def test_append_is_in_order_and_committed_soon(log: StoreLog) -> None:
    first = Event("a")
    log.append(first)
    log.append(Event("b"), Event("c"))
    assert log.last_seq == 0
    assert log.pending == 3
    assert await log.flush() == 3
    assert first.seq == 1
    assert first.ts == 1_700_000_000_000
    assert _kinds(log.home) == ["a", "b", "c"]
    log.append(Event("d"))
    await asyncio.wait_for(anext(log.subscribe(3)), 60)  # nobody flushed
    assert await log.write() == 4


async def test_concurrent_writers_get_their_own_seq(log: StoreLog) -> None:
    events = [Event(f"k{n}") for n in range(300)]
    seqs = await asyncio.gather(*(log.write(event) for event in events))
    assert sorted(seqs) == list(range(1, 301))
    assert numbered(events) == seqs
    assert _kinds(log.home) == [f"k{seqs.index(seq)}" for seq in range(1, 301)]


async def test_more_than_a_batch(log: StoreLog) -> None:
    log.append(*[Event(str(n)) for n in range(1733)])
    assert await log.flush() == 1733
    assert _kinds(log.home) == [str(n) for n in range(1733)]


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 64, 65, 256, 257, 499, 500])
def test_every_number_of_rows(count: int, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    connection.execute(
        "CREATE TABLE events (seq, ts, kind, tenant, job_id, proposal_id, action_id, level, attempt, trace_id, data)"
    )
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    rows: list[tuple[Any, ...]] = [(n, *range(10)) for n in range(count)]
    insert_rows(connection, rows)
    assert one_statement(count) == (len(statements) == 1)
    assert connection.execute("SELECT * FROM events ORDER BY rowid").fetchall() == rows
    connection.close()


async def test_every_field_comes_back(log: StoreLog) -> None:
    event = Event("k", {"ünï": ["\x00", 2**63 - 1, 0.1, None, True]}, "j", "a", 3, 2, "p", "t", "tr", ts=17)
    await log.write(event)
    async with await StoreReader.open(log.home.db) as reader:
        assert await reader.events() == [event]
        assert await reader.event(1) == event


async def test_an_event_in_a_log_already_is_copied(log: StoreLog) -> None:
    event = Event("a")
    log.append(event, event)
    log.append(event)
    await log.flush()
    assert await log.write(event) == 4
    assert numbered(await log.read()) == [1, 2, 3, 4]


async def test_data_that_is_not_json_is_refused_at_once(log: StoreLog) -> None:
    bad: list[Any] = [object(), {(1, 2): 3}, "\ud800", "x" * (16 * 1024 * 1024 + 1)]
    for value in bad:
        with pytest.raises(InvalidInput):
            log.append(Event("good"), Event("bad", {"output": value}))
    with pytest.raises(InvalidInput, match="kind"):
        log.append(Event(""))
    assert await log.write(Event("next")) == 1
    assert _kinds(log.home) == ["next"]


async def test_an_envelope_that_the_file_cannot_hold_is_mended(log: StoreLog) -> None:
    log.append(Event("a"), Event("b", job_id="\ud800", level=2**70, attempt=2), Event("c"))
    await log.flush()
    assert _kinds(log.home) == ["a", "b", "c"]
    async with await StoreReader.open(log.home.db) as reader:
        event = await reader.event(2)
    assert (event.job_id, event.level, event.attempt) == ("?", None, 2)


async def test_reads_and_follows_beyond_the_tail(tmp_path: Path) -> None:
    log = await StoreLog.open(Home(tmp_path))
    count = 2 * TAIL + 700
    for start in range(0, count, 3000):
        log.append(*[Event("k", job_id=f"j{n % 3}") for n in range(start, min(start + 3000, count))])
        await log.flush()
    assert log._tail_after > 0
    assert numbered(await log.read(5, limit=3)) == [6, 7, 8]
    assert numbered(await log.read(5, job_id="j0", limit=2)) == [7, 10]
    assert numbered(await log.read(count - 2)) == [count - 1, count]
    subscription = log.subscribe(0)
    seen: list[int] = []
    async for batch in subscription:
        seen += numbered(batch)
        if len(seen) == 1000:
            await log.write(Event("more"))
        if subscription.lag == 0:
            break
    assert seen == list(range(1, count + 2))
    one = log.subscribe(0, job_id="j1")
    await log.close()
    assert [seq async for batch in one for seq in numbered(batch)] == [n + 1 for n in range(count) if n % 3 == 1]


async def test_goes_on_where_it_ended(tmp_path: Path) -> None:
    for turn in range(3):
        log = await StoreLog.open(Home(tmp_path))
        assert log.last_seq == turn
        assert await log.write(Event("k")) == turn + 1
        assert numbered(await log.read()) == list(range(1, turn + 2))
        await log.close()
        await log.close()


async def test_close_commits_and_ends(tmp_path: Path) -> None:
    log = await StoreLog.open(Home(tmp_path))
    subscription = log.subscribe()
    following = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    log.append(Event("a"))
    await log.close()
    assert numbered(await following) == [1]
    with pytest.raises(StopAsyncIteration):
        await anext(subscription)
    assert _kinds(log.home) == ["a"]
    assert names(tmp_path) == ["headway.alive", "headway.db", "headway.lock"]
    for use in (lambda: log.write(Event("b")), log.prune, log.rebuild_caches):
        with pytest.raises(StoreError, match="closed"):
            await use()
    with pytest.raises(StoreError, match="closed"):
        log.append(Event("b"))


async def test_a_cancelled_writer_loses_nothing(log: StoreLog) -> None:
    waiting = asyncio.ensure_future(log.write(Event("a")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await log.write(Event("b")) == 2
    assert _kinds(log.home) == ["a", "b"]


_NO_CLOSE = """
import asyncio, sys
from headway.events.event import Event
from headway.home import Home
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.reader import StoreReader

async def main():
    log = await StoreLog.open(Home(sys.argv[1]))
    reader = await StoreReader.open(log.home.db)
    await log.write(Event("a"))
    kept.extend([log, reader])

kept = []
asyncio.run(main())
print("ended")
"""


def test_an_exit_without_close_does_not_hang(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _NO_CLOSE, str(tmp_path)], timeout=30, capture_output=True, check=True
    )
    assert done.stdout == b"ended\n"
    assert _kinds(Home(tmp_path)) == ["a"]
