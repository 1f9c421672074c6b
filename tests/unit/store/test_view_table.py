"""A view is one row of the table: whoever reads views picks it up from there."""

from pathlib import Path

import msgspec
import pytest

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.fold.table import VIEWS, ViewRow
from headway.events.log import EventLog
from headway.events.recording import write_recording
from headway.events.snapshot import Snapshot, answer_schema
from headway.home import Home
from headway.store import StoreLog, StoreReader, store_of
from headway_console.model import ConsoleModel
from headway_console.sources.memory import MemorySource
from headway_console.sources.recording import RecordingIndex
from headway_console.sources.store import StoreSource
from tests.unit.store.runs import created, whole_run


class Tally(msgspec.Struct):
    """The number of actions that succeeded."""

    succeeded: int = 0
    last_seq: int = 0


class Note(msgspec.Struct):
    """The notes of one job."""

    levels: int = 0


class Notes(msgspec.Struct):
    """The notes of every job."""

    notes: dict[str, Note] = {}
    last_seq: int = 0


def fold_tally(view: Tally, event: Event) -> None:
    if event.seq:
        view.last_seq = event.seq
    view.succeeded += event.kind == k.ACTION_SUCCEEDED


def fold_notes(view: Notes, event: Event) -> None:
    if event.seq:
        view.last_seq = event.seq
    if event.kind == k.JOB_CREATED and event.job_id:
        view.notes[event.job_id] = Note()
    elif event.kind == k.LEVEL_FINISHED and event.job_id in view.notes:
        view.notes[event.job_id].levels += 1
    elif event.kind == k.STORE_PRUNED:
        for job_id in event.data["jobs"]:
            view.notes.pop(job_id, None)


@pytest.fixture(autouse=True)
def two_more_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    notes_kinds = frozenset({k.JOB_CREATED, k.LEVEL_FINISHED, k.STORE_PRUNED})
    tally: ViewRow[Tally] = ViewRow("tally", Tally, fold_tally, frozenset({k.ACTION_SUCCEEDED}))
    notes: ViewRow[Notes] = ViewRow("notes", Notes, fold_notes, notes_kinds, parts="notes", part=Note)
    monkeypatch.setitem(VIEWS, "tally", tally)
    monkeypatch.setitem(VIEWS, "notes", notes)


def _is_whole(views: Snapshot | ConsoleModel) -> None:
    assert views.views["tally"].succeeded == 5
    assert views.views["notes"].notes == {"a": Note(1), "b": Note(1), "c": Note(0)}


async def _fill(log: EventLog) -> None:
    await log.write(*whole_run("a", 2), *whole_run("b", 3), created("c"))


async def test_the_fold_and_a_store_in_memory_know_it() -> None:
    log = EventLog()
    await _fill(log)
    events = await log.read()
    assert fold_all(Tally(), events).succeeded == 5
    _is_whole(await store_of(log).snapshot())


async def test_the_caches_of_the_file_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.sqlite.caches.BITE", 4)
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    await _fill(log)
    _is_whole(await store_of(log).snapshot())  # folded by the reader
    await log.settle_caches()
    kept = await log.in_writer(
        lambda work: work.connection.execute(
            "SELECT view, key, body FROM snapshots WHERE view IN ('tally', 'notes') ORDER BY view DESC, key"
        ).fetchall()
    )
    assert kept[0] == ("tally", "", '{"succeeded":5,"last_seq":%d}' % log.last_seq)  # noqa: UP031 - braces
    assert [(view, key) for view, key, _ in kept[1:]] == [("notes", "a"), ("notes", "b"), ("notes", "c")]
    await log.write(Event(k.LEVEL_FINISHED, {}, "c", level=0))
    await log.close()
    async with await StoreReader.open(home.db) as reader:
        assert (await reader.snapshot()).views["notes"].notes["c"] == Note(1)


async def test_pruned_jobs_leave_what_they_amounted_to(tmp_path: Path) -> None:
    log = await StoreLog.open(Home(tmp_path))
    await _fill(log)
    assert (await log.prune(max_bytes=1))["jobs"] == ["a", "b"]
    found = await store_of(log).snapshot()
    assert (found.views["tally"].succeeded, found.views["notes"].notes) == (5, {"c": Note(0)})
    await log.rebuild_caches()
    found = await store_of(log).snapshot()
    assert (found.views["tally"].succeeded, found.views["notes"].notes) == (5, {"c": Note(0)})
    await log.close()


async def test_a_home_of_before_the_row_is_folded_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    with monkeypatch.context() as before:
        before.delitem(VIEWS, "tally")
        before.delitem(VIEWS, "notes")
        log = await StoreLog.open(home)
        await _fill(log)
        await log.close()
    log = await StoreLog.open(home)
    _is_whole(await store_of(log).snapshot())
    await log.settle_caches()
    _is_whole(await store_of(log).snapshot())
    await log.close()


def test_the_answer_of_the_operator_api_names_it() -> None:
    snapshot = Snapshot()
    snapshot.fold([Event(k.ACTION_SUCCEEDED, {}, "a", seq=1)])
    body = msgspec.json.encode(snapshot.to_dict())
    assert msgspec.json.decode(body)["tally"] == {"succeeded": 1, "last_seq": 1}
    assert Snapshot.answered(body) == snapshot
    assert "tally" in {field.name for field in msgspec.structs.fields(answer_schema())}


async def test_every_source_of_the_console_shows_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await _fill(log)
    events = await log.read()
    await log.close()

    memory = EventLog()
    memory.append(*events)
    shown = ConsoleModel(lambda: 0)
    async for batch in MemorySource(memory).batches():  # an empty view comes first
        shown.feed(batch)
        if shown.last_seq == memory.last_seq:
            break
    _is_whole(shown)

    source = StoreSource(home)
    await source.open()
    shown = ConsoleModel(lambda: 0)
    shown.feed(await anext(source.batches()))
    _is_whole(shown)
    await source.close()

    write_recording(tmp_path / "r.jsonl", "some", events)
    index = RecordingIndex(tmp_path / "r.jsonl", spacing=7)
    while index.advance(5):
        pass
    _is_whole(index.views(index.count))
    assert index.views(2).views["tally"].succeeded == 0
    index.close()
