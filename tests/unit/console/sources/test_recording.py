"""An opened recording gives, at every place, the views that folding from the start gives."""

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.recording import write_recording
from headway.events.snapshot import Snapshot
from headway.events.views import JobRow, RunView
from headway.testing import event_stream
from headway_console.sources.recording import RecordingIndex


def opened(path: Path, events: list[Event], spacing: int = 7, kept_bytes: int = 1 << 20) -> RecordingIndex:
    """Write the events and open them, indexed to the end."""
    write_recording(path, "made up", events, redacted=False)
    index = RecordingIndex(path, spacing=spacing, kept_bytes=kept_bytes)
    while index.advance(5):
        pass
    return index


def folded(events: list[Event]) -> Snapshot:
    views = Snapshot()
    views.fold(events)
    return views


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 40), st.data())
def test_every_place(
    tmp_path_factory: pytest.TempPathFactory, seed: int, jobs: int, spacing: int, data: st.DataObject
) -> None:
    events = event_stream(random.Random(seed), jobs=jobs)
    index = opened(tmp_path_factory.mktemp("made") / "r.jsonl", events, spacing, kept_bytes=20_000)
    assert index.count == len(events)
    assert index.damage == ""
    assert index.read(0, index.count) == events
    for _ in range(4):
        place = data.draw(st.integers(0, len(events)))
        assert index.views(place) == folded(events[:place])
        job_id = data.draw(st.sampled_from([event.job_id for event in events if event.job_id]))
        shown = [event for event in events[:place] if event.job_id == job_id]
        expected = fold_all(RunView(job=JobRow(job_id=job_id)), shown) if shown else None
        assert index.run(job_id, place) == expected
    assert list(index.level_ends) == [n for n, e in enumerate(events, 1) if e.kind == kinds.LEVEL_FINISHED]
    index.close()


def test_the_ends_are_known_at_once(tmp_path: Path) -> None:
    events = event_stream(random.Random(1), jobs=9)
    write_recording(tmp_path / "r.jsonl", "made up", events)
    index = RecordingIndex(tmp_path / "r.jsonl")
    assert (index.count, index.complete) == (1, False)
    assert (index.last_seq, index.first_ms) == (events[-1].seq, events[0].ts)
    assert index.duration_ms == events[-1].ts - events[0].ts
    assert index.header.title == "made up"
    index.close()
    index.close()


def test_kept_views_stay_within_their_room(tmp_path: Path) -> None:
    events = event_stream(random.Random(2), jobs=30, actions=20)
    index = opened(tmp_path / "r.jsonl", events, spacing=3, kept_bytes=400_000)
    kept = index._kept
    assert 1 < len(kept) < len(events) / 3
    assert sum(len(packed) for _, packed in kept) <= 400_000
    assert index.views(len(events)) == folded(events)
    index.close()


def test_one_huge_view_is_still_kept(tmp_path: Path) -> None:
    events = event_stream(random.Random(2), jobs=3)
    index = opened(tmp_path / "r.jsonl", events, spacing=5, kept_bytes=1)
    assert index.views(len(events)) == folded(events)
    index.close()


def test_time_does_not_run_backwards(tmp_path: Path) -> None:
    events = [Event("a", ts=1000, seq=1), Event("b", ts=400, seq=2), Event("c", ts=1500, seq=3)]
    index = opened(tmp_path / "r.jsonl", events)
    assert list(index.times) == [0, 0, 500]
    assert index.read(1, 2)[0].ts == 400
    index.close()


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("place", [2, 40, -1])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (b"{nonsense\n", "is not an event"),
        (b'{"kind": 3}\n', "is not an event"),
        (b'{"kind": "late", "seq": 1}\n', "is out of order: seq 1 after"),
        (b'{"kind": "none"}\n', "is out of order: seq 0 after"),
        (b"\xff\xfe\n", "is not an event"),
        (b"[" * 100_000 + b"\n", "is not an event"),
    ],
    ids=["syntax", "schema", "late", "numberless", "encoding", "depth"],
)
def test_a_damaged_line_is_left_out_and_told(tmp_path: Path, place: int, damage: bytes, told: str) -> None:
    events = event_stream(random.Random(4), jobs=4)
    path = tmp_path / "r.jsonl"
    write_recording(path, "made up", events, redacted=False)
    written = lines(path)
    number = place if place >= 0 else len(written) - 1
    path.write_bytes(b"".join([*written[:number], damage, *written[number:]]))
    index = RecordingIndex(path, spacing=10)
    while index.advance(50):
        pass
    assert index.damage.startswith(f"1 line was left out of r.jsonl: line {number + 1} {told}")
    assert index.read(0, index.count) == events
    assert index.views(index.count) == folded(events)
    index.close()


def test_several_damaged_lines_are_counted(tmp_path: Path) -> None:
    events = event_stream(random.Random(4), jobs=1)
    path = tmp_path / "r.jsonl"
    write_recording(path, "made up", events)
    path.write_bytes(path.read_bytes() + b"x\ny\n\n  \n")
    index = RecordingIndex(path)
    while index.advance(50):
        pass
    assert index.damage.startswith(f"2 lines were left out of r.jsonl: line {len(events) + 2} is not an event")
    assert index.last_seq == events[-1].seq
    index.close()


def test_a_torn_last_line_is_left_out_in_silence(tmp_path: Path) -> None:
    events = event_stream(random.Random(5), jobs=2)
    path = tmp_path / "r.jsonl"
    write_recording(path, "made up", events, redacted=False)
    whole = path.read_bytes()
    for cut in (2, 10, len(lines(path)[-1]) - 1):
        path.write_bytes(whole[:-cut])
        index = RecordingIndex(path)
        assert index.last_seq == events[-2].seq
        while index.advance(50):
            pass
        assert (index.damage, index.count, index.last_seq) == ("", len(events) - 1, events[-2].seq)
        assert index.read(0, len(events)) == events[:-1]
        index.close()
    path.write_bytes(whole[:-1])  # only the end of the line is missing
    index = RecordingIndex(path)
    while index.advance(50):
        pass
    assert index.read(0, len(events)) == events
    index.close()


def test_lines_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    events = [Event("big", {"text": "x" * 2_500_000 + str(n)}, seq=n, ts=n) for n in range(1, 4)]
    index = opened(tmp_path / "r.jsonl", events)
    assert index.read(0, 3) == events
    index.close()


def test_no_events(tmp_path: Path) -> None:
    index = opened(tmp_path / "r.jsonl", [])
    assert (index.count, index.complete, index.last_seq, index.duration_ms, index.damage) == (0, True, 0, 0, "")
    assert index.views(0) == Snapshot()
    index.close()


def test_what_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with pytest.raises(InvalidInput, match="No such file"):
        RecordingIndex(path)
    for content in (
        b"",
        b"hello\n",
        b"\x00" * 100,
        msgspec.json.encode({"format": "headway-recording", "version": 99}),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidInput):
            RecordingIndex(path)
    with pytest.raises(InvalidInput):
        RecordingIndex(tmp_path)


def test_a_file_that_changes_while_it_is_open_is_told(tmp_path: Path) -> None:
    events = event_stream(random.Random(6), jobs=3)
    path = tmp_path / "r.jsonl"
    index = opened(path, events)
    path.write_bytes(b"x" * 500)
    with pytest.raises(InvalidInput, match="was changed while it was open"):
        index.read(0, 5)
    index.close()
