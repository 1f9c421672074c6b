"""Jobs of this process are answered from memory, and are what the file says."""

from pathlib import Path

import pytest

from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.store import Store, StoreLog, StoreReader, store_of
from tests.unit.store.runs import created, whole_run


class Counted:
    """A log's reader that counts what it is asked."""

    def __init__(self, reader: StoreReader, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        fetch = reader._fetch

        async def counted(sql: str, parameters: tuple[object, ...] = ()) -> object:
            self.asked += 1
            return await fetch(sql, parameters)

        monkeypatch.setattr(reader, "_fetch", counted)


async def _agrees(store: Store, reader: StoreReader, job_id: str) -> None:
    assert await store.job(job_id) == await reader.job(job_id)
    assert await store.run_view(job_id) == await reader.run_view(job_id)
    assert await store.events(job_id=job_id) == await reader.events(job_id=job_id)


async def test_a_job_of_this_process_costs_no_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = await StoreLog.open(Home(tmp_path))
    store, counted = store_of(log), Counted(await log.reader(), monkeypatch)
    for number in range(50):
        job_id = f"j{number}"
        first, *rest = whole_run(job_id, 5)
        await store.write(first)
        assert (await store.job(job_id)).status == "queued"
        for event in rest:
            await store.write(event)
        run = await store.run_view(job_id)
        assert (run.job.status, (await store.job(job_id)).succeeded) == ("completed", 5)
        assert len(await store.events(job_id=job_id, resolve=True)) == 15
        assert await store.proposal(job_id) == {"id": "p"}
        resolved = await store.run_view(job_id, resolve=True)
        assert await store.resolve(resolved.actions[0].output) == 1
    assert counted.asked == 0
    for number in range(50):
        await _agrees(store, await log.reader(), f"j{number}")
    await log.close()


async def test_a_job_of_an_earlier_process_is_read(tmp_path: Path) -> None:
    log = await StoreLog.open(Home(tmp_path))
    await log.write(*whole_run("ended"), created("open"), Event(k.JOB_STARTED, {}, "open"))
    await log.close()
    log = await StoreLog.open(Home(tmp_path))
    store = store_of(log)
    await store.write(Event(k.LEVEL_STARTED, {}, "open", level=0))
    assert (await store.job("open")).status == "running"
    assert (await store.job("ended")).status == "completed"
    for job_id in ("open", "ended"):
        await _agrees(store, await log.reader(), job_id)
    await log.close()


async def test_what_leaves_the_tail_unasked_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.sqlite.log.TAIL", 40)
    log = await StoreLog.open(Home(tmp_path))
    store = store_of(log)
    first, *rest = whole_run("long", 60)
    await store.write(first)
    await store.write(*rest[:50])
    for number in range(30):
        await store.write(*whole_run(f"j{number}"))
    await store.write(*rest[50:])
    assert log._tail_after > rest[50].seq - 100
    for job_id in ("long", "j0", "j29"):
        await _agrees(store, await log.reader(), job_id)
    assert store.live.events("long") is not None  # type: ignore[attr-defined]
    assert store.live.events("j0") is None  # type: ignore[attr-defined]  # ended, and gone from the tail
    await log.close()


async def test_too_much_is_let_go_of_and_read_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.sqlite.log.TAIL", 10)
    monkeypatch.setattr("headway.store.live.LONGEST", 30)
    monkeypatch.setattr("headway.store.live.MOST", 60)
    log = await StoreLog.open(Home(tmp_path))
    store = store_of(log)
    for number in range(12):
        await store.write(*whole_run(f"j{number}", 3)[:-1])
    await store.write(*whole_run("long", 40)[:-1])
    await store.write(*[Event("x") for _ in range(30)])
    held = [name for name in (*(f"j{n}" for n in range(12)), "long") if store.live.events(name)]  # type: ignore[attr-defined]
    assert "long" not in held
    assert 0 < sum(len(store.live.events(name)) for name in held) <= 60  # type: ignore[attr-defined]
    for name in ("long", "j0", "j11"):
        await _agrees(store, await log.reader(), name)
        assert (await store.job(name)).status == "running"
    await log.close()
