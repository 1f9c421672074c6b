"""Recordings: a piece of a log in a file.

JSON Lines. Line 1 is the header ``{"format": "headway-recording", "version": 1, "title", "started_ms", "redacted"}``;
then one event a line, exactly as the log has it. What plays a recording folds it as it would the live log.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from headway.errors import InvalidInput, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.events.secrets import looks_secret, redact

FORMAT = "headway-recording"
VERSION = 1

LINE_LIMIT = 32 * 1024 * 1024
"""The longest line that is read, in bytes: an event with the largest output that a store keeps fits in."""
PAYLOAD_ADVICE = 64 * 1024
"""Above this an event is too large for a recording that is shared; ``check`` says so."""
FILE_ADVICE = 50 * 1024 * 1024
_MOST_PROBLEMS = 1000
_HEADER_LIMIT = 64 * 1024

_decode = msgspec.json.Decoder(Event).decode
_encode = msgspec.json.Encoder().encode


class Header(msgspec.Struct, omit_defaults=False):
    """The first line of a recording. ``redacted``: secret-looking texts were replaced when it was written."""

    format: str = ""
    version: int = 0
    title: str = ""
    started_ms: int = 0
    redacted: bool = False


class Problem(msgspec.Struct):
    """A fault of a recording. ``severity``: error (not a sound recording) or warning; lines count from 1.

    ``check``: header, schema, torn, size, seq, ts, kind, secret.
    """

    line: int
    severity: str
    check: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class Recording:
    """A recording on disk. Making one reads the header; iterating reads the events, anew each time.

    Memory is bounded by one event. A line that is no event is left out and noted in ``problems``, which describes the
    last (or present) reading: a torn last line and each unknown kind once, too. Events of unknown kinds are yielded:
    the fold skips them. Raises what :func:`read_header` raises.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.problems: list[Problem] = []
        self.header, self._start = read_header(path)

    def __iter__(self) -> Iterator[Event]:
        for _, _, event in self.numbered():
            yield event

    def numbered(self) -> Iterator[tuple[int, int, Event]]:
        """Yield (line number, bytes of the line, event)."""
        self.problems = []
        unknown: set[str] = set()
        with _open(self.path) as file:
            file.seek(self._start)
            for number, line in _lines(file, first=2):
                event = self._event(number, line)
                if event is None:
                    continue
                if event.kind not in kinds.ALL and event.kind not in unknown and len(unknown) < _MOST_PROBLEMS:
                    unknown.add(event.kind)
                    self.report(number, "warning", "kind", f"unknown kind {event.kind!r}")
                yield number, len(line), event

    def report(self, line: int, severity: str, check: str, message: str) -> None:
        """Note a problem; the 1000 first are kept."""
        if len(self.problems) < _MOST_PROBLEMS:
            self.problems.append(Problem(line, severity, check, one_line(message, 300)))

    def _event(self, number: int, line: bytes) -> Event | None:
        if not line.strip():
            return None
        if len(line) > LINE_LIMIT:
            self.report(number, "error", "size", f"longer than {LINE_LIMIT} bytes, left out")
            return None
        try:
            return _decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            if line.endswith(b"\n"):
                self.report(number, "error", "schema", f"not an event: {error}")
            else:
                self.report(number, "warning", "torn", "the last line is incomplete: its writer was stopped")
            return None


def read_header(path: str | Path) -> tuple[Header, int]:
    """Return the header of a recording and the offset of the first event's line.

    Raises :class:`InvalidInput` if the file cannot be read, is no recording, or is of a newer version of the format.
    """
    try:
        with _open(Path(path)) as file:
            line = file.readline(_HEADER_LIMIT)
        header = msgspec.json.decode(line, type=Header)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    except msgspec.DecodeError:
        raise InvalidInput(f"{path} is not a Headway recording") from None
    if header.format != FORMAT:
        raise InvalidInput(f"{path} is not a Headway recording")
    if not 1 <= header.version <= VERSION:
        raise InvalidInput(f"{path} has version {header.version} of the format, this Headway reads {VERSION}")
    return header, len(line)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None


def _lines(file: BinaryIO, first: int) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines; of one over the limit only the beginning, so that memory stays bounded."""
    number = first
    while line := file.readline(LINE_LIMIT + 1):
        if len(line) > LINE_LIMIT:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(64 * 1024)
        yield number, line
        number += 1


def check(path: str | Path) -> list[Problem]:
    """Return what is wrong with a recording: schema, order of seq and time, kinds, sizes, secret-looking texts.

    An empty list says that it may be shared.
    """
    try:
        recording = Recording(path)
    except InvalidInput as error:
        return [Problem(1, "error", "header", error.message)]
    untitled = [] if recording.header.title else [Problem(1, "warning", "header", "the recording has no title")]
    seq = ts = size = 0
    for line, length, event in recording.numbered():
        size += length
        if event.seq <= seq:
            recording.report(line, "error", "seq", f"seq {event.seq} after {seq}: it must grow")
        if event.ts < ts:
            recording.report(line, "warning", "ts", f"the time goes back by {ts - event.ts} ms")
        seq, ts = max(seq, event.seq), event.ts
        if length > PAYLOAD_ADVICE:
            recording.report(line, "warning", "size", f"{length} bytes, more than {PAYLOAD_ADVICE} for one event")
        where = looks_secret(event.data)
        if where is not None:
            recording.report(line, "error", "secret", f"data.{where} looks like a secret")
    if seq == 0 and not recording.problems:
        recording.report(1, "warning", "schema", "the recording has no events")
    if size > FILE_ADVICE:
        recording.report(1, "warning", "size", f"{size} bytes, more than {FILE_ADVICE}")
    return [*untitled, *recording.problems]


def write_recording(
    path: str | Path, title: str, events: Iterable[Event], *, redacted: bool = True, started_ms: int | None = None
) -> int:
    """Write events (in seq order) to a recording and return how many; an existing file is replaced at the end, whole.

    ``redacted`` replaces secret-looking texts. ``started_ms`` defaults to the time of the first event. Raises
    :class:`InvalidInput` if the file cannot be written.
    """
    path = Path(path)
    count = 0
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            for event in events:
                if count == 0:
                    start = event.ts if started_ms is None else started_ms
                    file.write(_header(title, start, redacted))
                file.write(_encode(redact(event) if redacted else event) + b"\n")
                count += 1
            if count == 0:
                file.write(_header(title, started_ms or 0, redacted))
        Path(name).replace(path)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None
    finally:
        Path(name).unlink(missing_ok=True)
    return count


def _header(title: str, started_ms: int, redacted: bool) -> bytes:
    return _encode(Header(FORMAT, VERSION, one_line(title, 200), started_ms, redacted)) + b"\n"
