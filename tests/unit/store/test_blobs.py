"""Large values: out of the rows, back where folds need them, gone when nothing needs them."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidInput, NotFound
from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.jsonvalue import MAX_VALUE_BYTES
from headway.store.sqlite.codec import BLOB_BYTES, is_reference
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.reader import StoreReader
from headway.testing import VirtualClock
from tests.unit.store.runs import created, numbered, whole_run

BIG = "x" * (BLOB_BYTES + 1)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[StoreLog]:
    log = await StoreLog.open(Home(tmp_path))
    yield log
    await log.close()


def _count(home: Home, table: str) -> int:
    connection = sqlite3.connect(f"file:{home.db}?mode=ro", uri=True)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a name of ours
    finally:
        connection.close()


async def test_the_limit_is_64_kib_of_json(log: StoreLog) -> None:
    fits = "x" * (BLOB_BYTES - 2)  # and its quotes
    await log.write(Event("k", {"output": fits, "n": 1}), Event("k", {"output": fits + "x"}))
    reader = await log.reader()
    first, second = await reader.events()
    assert first.data == {"output": fits, "n": 1}
    assert is_reference(second.data["output"])
    assert second.data["output"]["size"] == BLOB_BYTES + 1
    assert await reader.resolve(second.data["output"]) == fits + "x"
    assert await reader.resolve(second.data) == {"output": fits + "x"}
    assert (await reader.events(resolve=True))[1].data == {"output": fits + "x"}


async def test_live_and_read_back_are_the_same(log: StoreLog) -> None:
    data: dict[str, Any] = {
        "output": BIG,
        "proposal": [BIG],
        "state_changes": {"a": {"op": "set", "value": BIG}},
        "n": 1,
    }
    event = Event("k", data)
    subscription = log.subscribe()
    assert await log.write(event) == event.seq == 1
    (live,) = await anext(subscription)
    reader = await log.reader()
    assert await reader.events() == [live]
    assert is_reference(live.data["output"])
    assert is_reference(live.data["proposal"])
    assert live.data["state_changes"] == data["state_changes"]
    assert data["output"] == BIG  # the caller's own is as it was
    assert await reader.resolve(live.data) == data


async def test_equal_values_are_kept_once(log: StoreLog) -> None:
    await log.write(*[Event("k", {"output": BIG}) for _ in range(3)])
    assert _count(log.home, "blobs") == 1
    assert _count(log.home, "blob_refs") == 3


async def test_16_mib_are_taken_and_no_more(log: StoreLog) -> None:
    largest = "x" * (MAX_VALUE_BYTES - 2)
    await log.write(Event("k", {"output": largest}))
    reader = await log.reader()
    assert (await reader.events(resolve=True))[0].data == {"output": largest}
    with pytest.raises(InvalidInput, match="16,777,217 bytes"):
        await log.write(Event("k", {"output": largest + "x"}))
    assert log.pending == 0


async def test_a_value_of_the_state_may_be_as_large_as_an_output(log: StoreLog) -> None:
    change = {"k" * 1024: {"op": "set", "value": "x" * (MAX_VALUE_BYTES - 2)}}
    await log.write(Event(k.STATE_COMMITTED, {"scope": "s", "changes": change}))
    reader = await log.reader()
    assert (await reader.events())[0].data == {"scope": "s", "changes": change}
    with pytest.raises(InvalidInput, match="the limit is 16,842,752"):
        await log.write(Event("k", {"state_changes": {**change, "l": BIG}}))


async def test_a_value_that_looks_like_a_reference_is_just_a_value(log: StoreLog) -> None:
    await log.write(Event("k", {"output": BIG}))
    reader = await log.reader()
    stolen = (await reader.events())[0].data["output"]
    await log.write(Event("k", {"output": stolen, "other": stolen}), Event("k", {"output": {"deep": stolen}}))
    for event in (await reader.events(1, resolve=True))[:1]:
        assert event.data == {"output": stolen, "other": stolen}
    assert (await reader.event(3)).data == {"output": {"deep": stolen}}
    assert await reader.resolve((await reader.event(2)).data["output"]) == stolen


async def test_run_view_resolves_what_it_folds_and_outputs_when_asked(log: StoreLog) -> None:
    run = whole_run("job", 2, output=BIG)
    run[0] = created("job", 2, proposal={"id": "p", "pad": BIG})
    run[0].data["graph"]["actions"][0]["tool"] = BIG
    await log.write(*run)
    reader = await log.reader()
    view = await reader.run_view("job")
    assert view.actions[0].tool == BIG
    assert is_reference(view.actions[0].output)
    assert view.state == {"a0": "job 0", "a1": "job 1"}
    assert (await reader.run_view("job", resolve=True)).actions[1].output == BIG
    assert await reader.proposal("job") == {"id": "p", "pad": BIG}
    assert (await reader.events(job_id="job", kinds=[k.JOB_CREATED]))[0].data["graph"]["actions"][0]["tool"] == BIG


async def test_pruned_blobs_go_with_the_last_who_needs_them(tmp_path: Path) -> None:
    clock = VirtualClock()
    log = await StoreLog.open(Home(tmp_path), clock=clock)
    await log.write(*whole_run("old", 1, output=BIG))
    await clock.advance(86_400)
    await log.write(*whole_run("new", 1, output=BIG))
    reader = await log.reader()
    (reference,) = [event.data["output"] for event in await reader.events(job_id="old", kinds=[k.ACTION_SUCCEEDED])]
    assert (await log.prune(keep_days=0.5))["jobs"] == ["old"]
    assert (await reader.run_view("new", resolve=True)).actions[0].output == BIG
    assert (await log.prune(keep_days=0))["jobs"] == ["new"]
    assert _count(log.home, "blobs") == _count(log.home, "blob_refs") == 0
    with pytest.raises(NotFound, match="no longer has"):
        await reader.resolve(reference)
    await log.close()


async def test_a_missing_blob_leaves_its_reference(log: StoreLog, tmp_path: Path) -> None:
    await log.write(Event("k", {"output": BIG, "graph": BIG}))
    await log.close()
    connection = sqlite3.connect(Home(tmp_path).db)
    connection.execute("DELETE FROM blobs")
    connection.commit()
    connection.close()
    async with await StoreReader.open(Home(tmp_path).db) as reader:
        (event,) = await reader.events()
        assert numbered([event]) == [1]
        assert is_reference(event.data["graph"])
        with pytest.raises(NotFound):
            await reader.resolve(event.data)
