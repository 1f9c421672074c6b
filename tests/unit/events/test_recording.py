"""Recordings: what is written is read; what is damaged is told."""

import random
import stat
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from headway.errors import InvalidInput
from headway.events import recording
from headway.events.event import Event
from headway.events.recording import Header, Problem, Recording, check, read_header, write_recording
from headway.testing import event_stream

EVENTS = event_stream(random.Random(3), jobs=3, noise=False)


def write(tmp_path: Path, *lines: str, header: str | None = None) -> Path:
    path = tmp_path / "r.events.jsonl"
    first = '{"format":"headway-recording","version":1,"title":"T"}' if header is None else header
    path.write_text("\n".join((first, *lines)), encoding="utf-8", newline="")
    return path


def line(seq: int, ts: int | None = None, kind: str = "job_started", **data: object) -> str:
    return msgspec.json.encode(Event(kind, data, ts=seq if ts is None else ts, seq=seq)).decode()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.events.jsonl"
    assert write_recording(path, "A good\nrun", iter(EVENTS)) == len(EVENTS)
    found = Recording(path)
    assert found.header == Header("headway-recording", 1, "A good run", EVENTS[0].ts, True)
    assert list(found) == EVENTS
    assert list(found) == EVENTS  # each time anew
    assert found.problems == []
    assert check(path) == []
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_an_empty_recording(tmp_path: Path) -> None:
    path = tmp_path / "empty.events.jsonl"
    assert write_recording(path, "Empty", [], started_ms=5, redacted=False) == 0
    assert Recording(path).header == Header("headway-recording", 1, "Empty", 5, False)
    assert [problem.message for problem in check(path)] == ["the recording has no events"]


def test_the_header_is_read_with_the_place_of_the_events(tmp_path: Path) -> None:
    path = write(tmp_path, line(1))
    header, offset = read_header(path)
    assert header.title == "T"
    assert path.read_bytes()[offset:].decode() == line(1)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "r.events.jsonl"
    write_recording(path, "Old", EVENTS[:2])

    def broken() -> Iterator[Event]:
        yield EVENTS[0]
        raise OSError(28, "No space left on device")

    with pytest.raises(InvalidInput, match="No space left"):
        write_recording(path, "New", broken())
    assert Recording(path).header.title == "Old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with pytest.raises(InvalidInput, match="cannot write"):
        write_recording(tmp_path / "no" / "where", "T", [])


def test_secrets_are_replaced_in_the_file_only(tmp_path: Path) -> None:
    event = Event("action_succeeded", {"output": {"password": "hunter2", "n": 1}}, seq=1, ts=1)
    path = tmp_path / "r.events.jsonl"
    write_recording(path, "T", [event])
    assert next(iter(Recording(path))).data == {"output": {"password": "[redacted]", "n": 1}}
    assert event.data["output"]["password"] == "hunter2"
    assert check(path) == []
    write_recording(path, "T", [event], redacted=False)
    assert not Recording(path).header.redacted
    assert [(p.check, p.severity, p.line) for p in check(path)] == [("secret", "error", 2)]
    assert "hunter2" not in str(check(path))


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, line(1), line(2)[:-4])
    found = Recording(path)
    assert [event.seq for event in found] == [1]
    assert [(p.line, p.severity, p.check) for p in found.problems] == [(3, "warning", "torn")]
    assert str(found.problems[0]).startswith("line 3: the last line is incomplete")


def test_a_last_line_without_a_newline_counts_if_it_is_whole(tmp_path: Path) -> None:
    found = Recording(write(tmp_path, line(1), line(2)))
    assert [event.seq for event in found] == [1, 2]
    assert found.problems == []


def test_lines_that_are_no_events_are_told_and_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, "{not json", "[1]", '{"kind": 5}', "", line(4), "[" * 5000 + "\n", line(5), "")
    found = Recording(path)
    assert [event.seq for event in found] == [4, 5]
    assert [(p.line, p.check) for p in found.problems] == [(2, "schema"), (3, "schema"), (4, "schema"), (7, "schema")]


def test_unknown_kinds_are_read_and_told_once(tmp_path: Path) -> None:
    path = write(tmp_path, line(1, kind="new[red]"), line(2, kind="new[red]"), line(3, kind="newer"), "")
    found = Recording(path)
    assert [event.seq for event in found] == [1, 2, 3]
    assert [(p.line, p.check, p.message) for p in found.problems] == [
        (2, "kind", "unknown kind 'new[red]'"),
        (4, "kind", "unknown kind 'newer'"),
    ]


def test_a_line_that_is_too_long_is_left_out_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LINE_LIMIT", 2000)
    path = write(tmp_path, line(1, text="x" * 5_000_000), line(2), "")
    tracemalloc.start()
    found = Recording(path)
    assert [event.seq for event in found] == [2]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(p.line, p.check) for p in found.problems] == [(2, "size")]
    assert peak < 1_000_000


def test_reading_takes_the_memory_of_one_event(tmp_path: Path) -> None:
    path = tmp_path / "long.events.jsonl"
    write_recording(path, "Long", (Event("x", {"text": "y" * 500}, ts=n, seq=n) for n in range(1, 10_000)))
    tracemalloc.start()
    assert sum(1 for _ in Recording(path)) == 9_999
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000 < path.stat().st_size


def test_check_finds_what_is_out_of_order_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PAYLOAD_ADVICE", 200)
    monkeypatch.setattr(recording, "FILE_ADVICE", 400)
    path = write(tmp_path, line(2, 50), line(2, 50), line(3, 40), line(4, 60, text="x" * 300), "")
    assert [(p.line, p.severity, p.check) for p in check(path)] == [
        (3, "error", "seq"),
        (4, "warning", "ts"),
        (5, "warning", "size"),
        (1, "warning", "size"),
    ]


def test_check_bounds_what_it_tells(tmp_path: Path) -> None:
    assert len(check(write(tmp_path, *(["?"] * 3000)))) == 1000


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "is not a Headway recording"),
        ("nothing", "is not a Headway recording"),
        ('{"format":"asciinema","version":1}', "is not a Headway recording"),
        ('{"format":"headway-recording","version":99,"title":"T"}', "has version 99 of the format"),
        ('{"format":"headway-recording","version":0,"title":"T"}', "has version 0 of the format"),
        ('{"format":"headway-recording","version":"x","title":"T"}', "is not a Headway recording"),
        ("\x00\ufffd" * 100, "is not a Headway recording"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, header: str, message: str) -> None:
    path = write(tmp_path, line(1), header=header)
    with pytest.raises(InvalidInput, match=message):
        Recording(path)
    assert [(p.line, p.severity, p.check) for p in check(path)] == [(1, "error", "header")]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        Recording(tmp_path / "none")
    with pytest.raises(InvalidInput, match="cannot read"):
        Recording(tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(random.Random(1).randbytes(5000))
    with pytest.raises(InvalidInput, match="not a Headway recording"):
        Recording(binary)


def test_a_header_of_a_newer_minor_writer_and_no_title(tmp_path: Path) -> None:
    path = write(tmp_path, line(1), header='{"format":"headway-recording","version":1,"new_field":[1]}')
    assert check(path) == [Problem(1, "warning", "header", "the recording has no title")]
