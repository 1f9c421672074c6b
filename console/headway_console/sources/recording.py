"""A recording opened for going to any place of it.

The file is read once, a slice at a time, to learn where each event lies and to fold the views. Every 1,000 events the
views are kept; to see a place, the views kept before it are folded on by fewer than 1,000 events. Kept views may take
32 MiB: with more, every second one is let go and the distance doubles.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path

import msgspec

from headway.errors import InvalidInput, one_line
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.recording import LINE_LIMIT, read_header
from headway.events.snapshot import Snapshot
from headway.events.views import JobRow, RunView

SPACING = 1000
"""Events between two kept views, as long as there is room."""

KEPT_BYTES = 32 * 1024 * 1024
"""Room for kept views."""

_CHUNK = 1024 * 1024  # of the file, read at once
_TAIL = 64 * 1024  # from the file's end, where its last event is looked for first

_event = msgspec.json.Decoder(Event).decode
_events = msgspec.json.Decoder(Event).decode_lines
_FOLD_AT = 500  # events folded together


class RecordingIndex:
    """The events of one file by number, from 0. ``count`` of them are indexed so far; :meth:`advance` indexes more.

    ``seqs`` and ``times`` hold one entry an indexed event: its seq, and the ms since the first event at which it is
    shown: recorded time, kept from running backwards. ``level_ends`` has the number *after* each end of a level.
    ``damage`` says in one line that lines were left out because they are no events or out of order, "" while none was.
    ``last_seq`` and ``duration_ms`` are known from the start, from the file's end.

    Raises :class:`InvalidInput` if the file cannot be read or is no recording.
    """

    def __init__(self, path: Path, *, spacing: int = SPACING, kept_bytes: int = KEPT_BYTES) -> None:
        self.path = path
        self.count = 0
        self.complete = False
        self.damage = ""
        self.seqs = array("Q")
        self.times = array("Q")
        self.level_ends = array("Q")
        self.first_ms = 0
        self.last_seq = 0
        self.duration_ms = 0
        self._jobs: dict[str, array[int]] = {}
        self._spacing = spacing
        self._kept_bytes = kept_bytes
        self._kept: list[tuple[int, bytes]] = []
        self._now = Snapshot()
        self._unfolded: list[Event] = []
        self._lines: Iterator[bytes] = iter(())
        self._rest: list[bytes] = []
        self._line = 1  # lines read, the header is the first
        self._left_out = 0
        self._damage = ""
        self._broken = False  # whether there is anything between the events' lines
        self.header, self._first = read_header(path)
        self._fd = self._open()
        self._starts = array("Q")
        self._ends = array("Q")
        self._read_to = self._at = self._first
        self.advance(1)
        last = self._last_event() if self.count else None
        if last is not None:
            self.last_seq = last.seq
            self.duration_ms = max(0, last.ts - self.first_ms)

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidInput(f"{self.path} cannot be read: {one_line(error.strerror or str(error))}") from None

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    # -- indexing --------------------------------------------------------------------------------------------------

    def advance(self, limit: int) -> bool:
        """Index up to ``limit`` more events; return whether there may be more after them."""
        goal = self.count + limit
        while self.count < goal and not self.complete:
            line = next(self._lines, None)
            if line is None:
                if not self._read_lines():
                    self._finish()
                continue
            self._line += 1
            event = self._event(line)
            if event is None:
                self._broken = True
            else:
                self._take(event, len(line))
            self._at += len(line)
        return not self.complete

    def _read_lines(self) -> bool:
        """Get the next whole lines of the file; False at its end. A torn last line counts if it is an event."""
        while True:
            try:
                chunk = os.pread(self._fd, _CHUNK, self._read_to)
            except OSError as error:
                self._leave_out(f"cannot be read: {error.strerror}")
                return False
            self._read_to += len(chunk)
            if chunk and b"\n" not in chunk:
                self._rest.append(chunk)
                continue
            text = b"".join((*self._rest, chunk))
            lines = text.splitlines(keepends=True) if chunk or _is_event(text) else []
            self._rest = [lines.pop()] if chunk and not lines[-1].endswith(b"\n") else []
            self._lines = iter(lines)
            return bool(lines)

    def _event(self, line: bytes) -> Event | None:
        """Return the event of a line; None, and noted, if it is none."""
        if not line.strip():
            return None
        if len(line) > LINE_LIMIT:
            self._leave_out("is too long")
            return None
        try:
            event = _event(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._leave_out(f"is not an event: {one_line(str(error), 120)}")
            return None
        before = self.seqs[-1] if self.count else 0
        if event.seq <= before:
            self._leave_out(f"is out of order: seq {event.seq} after {before}")
            return None
        return event

    def _leave_out(self, why: str) -> None:
        self._left_out += 1
        if self._left_out == 1:
            self._damage = f"line {self._line} {why}"
        lines = "1 line was" if self._left_out == 1 else f"{self._left_out} lines were"
        self.damage = f"{lines} left out of {self.path.name}: {self._damage}"

    def _take(self, event: Event, length: int) -> None:
        if not self.count:
            self.first_ms = event.ts
        self.seqs.append(event.seq)
        self.times.append(max(self.times[-1] if self.count else 0, event.ts - self.first_ms))
        if event.job_id is not None:
            self._jobs.setdefault(event.job_id, array("Q")).append(self.count)
        self._starts.append(self._at)
        self._ends.append(self._at + length)
        self._unfolded.append(event)
        if len(self._unfolded) == _FOLD_AT:
            self._fold()
        self.count += 1
        if event.kind == kinds.LEVEL_FINISHED:
            self.level_ends.append(self.count)
        if self.count % self._spacing == 0:
            self._keep()

    def _finish(self) -> None:
        self.complete = True
        self.last_seq = self.seqs[-1] if self.count else 0
        self.duration_ms = self.times[-1] if self.count else 0
        self._lines = iter(())
        self._rest = []
        self._unfolded = []
        self._now = Snapshot()

    def _fold(self) -> None:
        self._now.fold(self._unfolded)
        self._unfolded = []

    def _keep(self) -> None:
        self._fold()
        self._kept.append((self.count, self._now.pack()))
        while len(self._kept) > 1 and sum(len(packed) for _, packed in self._kept) > self._kept_bytes:
            self._spacing *= 2
            self._kept = [(count, packed) for count, packed in self._kept if count % self._spacing == 0]

    def _last_event(self) -> Event | None:
        """Return the last event of the file, read from its end; None if there is none in the last MiB."""
        size = os.fstat(self._fd).st_size
        for length in (_TAIL, _CHUNK):
            start = max(self._first, size - length)
            for line in reversed(os.pread(self._fd, size - start, start).splitlines()):
                if _is_event(line):
                    return _event(line)
        return None

    # -- places ----------------------------------------------------------------------------------------------------

    def read(self, start: int, stop: int) -> list[Event]:
        """Return the events with the numbers from ``start`` to before ``stop``, all of them indexed."""
        stop = min(stop, self.count)
        if start >= stop:
            return []
        try:
            if self._broken:
                return [_event(self._bytes(place, place)) for place in range(start, stop)]
            found = _events(self._bytes(start, stop - 1))
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):
            found = []
        if len(found) != stop - start:
            raise InvalidInput(f"{self.path} was changed while it was open: open it again")
        return found

    def _bytes(self, first: int, last: int) -> bytes:
        start = self._starts[first]
        return os.pread(self._fd, self._ends[last] - start, start)

    def views(self, number: int) -> Snapshot:
        """Return the views after the first ``number`` events; they are the caller's."""
        folded, start = self._kept_before(number)
        folded.fold(self.read(start, number))
        return folded

    def run(self, job_id: str, number: int) -> RunView | None:
        """Return a run after the first ``number`` events; None if none of them is of that job."""
        places = self._jobs.get(job_id)
        stop = bisect_left(places, number) if places else 0
        if not places or not stop:
            return None
        end = places[stop - 1] + 1  # the job's last event decides: views kept after it may have let it go
        folded, start = self._kept_before(end)
        run = folded.runs.get(job_id)
        if run is not None:
            events = [event for event in self.read(start, end) if event.job_id == job_id]
        else:
            run = RunView(job=JobRow(job_id=job_id))
            events = [event for place in places[:stop] for event in self.read(place, place + 1)]
        for event in events:
            run = fold(run, event)
        return run

    def _kept_before(self, number: int) -> tuple[Snapshot, int]:
        """Return the last views kept at or before ``number``, and the number they were kept at."""
        place = bisect_right(self._kept, number, key=lambda kept: kept[0])
        if not place:
            return Snapshot(), 0
        count, packed = self._kept[place - 1]
        return Snapshot.unpack(packed), count


def _is_event(line: bytes) -> bool:
    try:
        return bool(_event(line).seq)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
