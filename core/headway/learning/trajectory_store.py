"""Trajectories on disk: JSON Lines in a folder, one file after the other, the oldest given up in the end.

A line is written whole and flushed to disk before ``append`` returns. A writer that was stopped within one leaves a
torn line: readers skip it, and the next writer ends it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from headway.analysis.scoring import ToolFeedback
from headway.arguments import path_of
from headway.clock import rfc3339
from headway.errors import InvalidInput, StoreError, one_line
from headway.events import kinds
from headway.learning.files import refusal, sync_folder
from headway.learning.trajectory import OUTCOMES, Trajectory, line_of
from headway.numbers import whole_number

LINE_LIMIT = 4 * 1024 * 1024
"""The longest line written or read, in bytes."""
MOST_TOOLS = 10_000
"""The most tools that feedback tells of: those seen last."""

_NAME = re.compile(r"trajectories-(\d{6,12})\.jsonl")
_FAULTS = ("tool_error", "timeout")
_decode = msgspec.json.Decoder(Trajectory).decode
Tally = dict[str, tuple[int, int]]


class TrajectoryStore:
    """An append-only store of trajectories in ``folder``, made on the first ``append``.

    A file is full at ``max_file_bytes``; of more than ``max_files`` the oldest is deleted. Threads and processes may
    append at once. ``damaged`` counts the lines left out since the last ``read`` began.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, max_file_bytes: int = 16 * 1024 * 1024, max_files: int = 64
    ) -> None:
        self.folder = path_of(folder)
        self.max_file_bytes = whole_number(max_file_bytes, "max_file_bytes", 1)
        self.max_files = whole_number(max_files, "max_files", 1)
        self.damaged = 0
        self._mutex = threading.Lock()
        self._tallies: dict[str, tuple[int, Tally]] = {}

    def append(self, trajectory: Trajectory) -> None:
        """Write one trajectory, flushed to disk.

        Raises :class:`InvalidInput` for what is no trajectory, is not JSON or is longer than 4 MiB, and
        :class:`StoreError` if the disk refuses it; then the store is as it was.
        """
        line = line_of(trajectory)
        if len(line) > LINE_LIMIT:
            raise InvalidInput(f"the trajectory is {len(line):,} bytes; the limit is {LINE_LIMIT:,}")
        with self._mutex:
            try:
                self._write(line)
            except OSError as error:
                reason = one_line(error.strerror or str(error), 200)
                raise StoreError(f"cannot write to {one_line(str(self.folder), 300)}: {reason}") from None

    def read(
        self,
        *,
        outcome: str | None = None,
        source: str | None = None,
        since: int | None = None,
        limit: int | None = None,
    ) -> Iterator[Trajectory]:
        """Yield trajectories, oldest first: of one outcome, of one source, ended at ``since`` (ms since 1970) or later.

        Memory is bounded by one trajectory. Lines that are none are left out. Raises :class:`InvalidInput` for a
        filter that is none, or a file that cannot be read.
        """
        if outcome is not None and outcome not in OUTCOMES:
            raise InvalidInput(f"an outcome is one of {', '.join(OUTCOMES)}")
        if source is not None and not isinstance(source, str):
            raise InvalidInput(f"source must be a string, not {type(source).__name__}")
        start = _timestamp(since)
        most = whole_number(limit, "limit", 0) if limit is not None else None
        return self._matching(outcome, source, start, most)

    def __iter__(self) -> Iterator[Trajectory]:
        return self.read()

    def feedback(self, *, since: int | None = None) -> ToolFeedback:
        """Return the share of each tool's calls that succeeded, for the planner. Each attempt is a call.

        A call counts against its tool if the tool failed or ran out of time, not if it was refused or cancelled. What a
        cache answered was no call.
        """
        start = _timestamp(since)
        total: Tally = {}
        for path in self.files():
            if start:
                _add(total, _tally_of(found for found in self._lines(path) if found.timestamp >= start))
            else:
                _add(total, self._tally(path))
        return ToolFeedback({tool: good / (good + bad) for tool, (good, bad) in total.items()})

    def files(self) -> list[Path]:
        """Return the files, oldest first."""
        try:
            found = [entry for entry in self.folder.iterdir() if _NAME.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise refusal("read", self.folder, error) from None
        return sorted(found, key=_number)

    def _matching(self, outcome: str | None, source: str | None, start: str, most: int | None) -> Iterator[Trajectory]:
        self.damaged = 0
        count = 0
        for path in self.files():
            for trajectory in self._lines(path):
                if count == most:
                    return
                if outcome is not None and trajectory.outcome != outcome:
                    continue
                if (source is not None and trajectory.source != source) or trajectory.timestamp < start:
                    continue
                count += 1
                yield trajectory

    def _lines(self, path: Path) -> Iterator[Trajectory]:
        try:
            file = os.fdopen(_open_regular(path, os.O_RDONLY), "rb")
        except FileNotFoundError:  # given up meanwhile
            return
        except OSError as error:
            raise refusal("read", path, error) from None
        with file:
            while line := file.readline(LINE_LIMIT + 1):
                if len(line) > LINE_LIMIT:
                    _skip_line(file, line)
                    self.damaged += 1
                    continue
                try:
                    yield _decode(line)
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    self.damaged += bool(line.strip())

    def _tally(self, path: Path) -> Tally:
        """Return the tally of one file, read again only if it grew."""
        try:
            size = path.stat().st_size
        except OSError:
            return {}
        kept = self._tallies.get(path.name)
        if kept is None or kept[0] != size:
            if len(self._tallies) > 2 * self.max_files:
                self._tallies.clear()  # files given up long ago
            kept = self._tallies[path.name] = (size, _tally_of(self._lines(path)))
        return kept[1]

    # -- writing, under the mutex ----------------------------------------------------------------------------------

    def _write(self, line: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files = self.files()
        number = _number(files[-1]) if files else 1
        if files and files[-1].stat().st_size + len(line) > self.max_file_bytes and files[-1].stat().st_size:
            number += 1
        path = self.folder / f"trajectories-{number:06d}.jsonl"
        fresh = not path.exists()
        descriptor = _open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # of this open file: it keeps other processes out
            _append(descriptor, line)
        finally:
            os.close(descriptor)
        if fresh:
            sync_folder(self.folder)
            for old in [*files, path][: -self.max_files]:
                old.unlink(missing_ok=True)
                self._tallies.pop(old.name, None)


def _open_regular(path: Path, flags: int) -> int:
    """Open a file, made with mode 0600; ``OSError`` for what is none, which is not opened if it was there before.

    Opening a fifo waits for its other end, opening a device may act.
    """
    with suppress(FileNotFoundError):
        _refuse_special(path, path.stat())
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o600)
    try:
        _refuse_special(path, os.fstat(descriptor))  # it may have been exchanged meanwhile
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_special(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file")


def _append(descriptor: int, line: bytes) -> None:
    """Write a line at the end, whole or not at all; a torn line before it is ended first."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    try:
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _skip_line(file: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(64 * 1024)


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _timestamp(since: int | None) -> str:
    """Return ms since 1970 as trajectories write the time; "" for None."""
    if since is None:
        return ""
    return rfc3339(min(whole_number(since, "since", 0), 253_402_300_799_999))  # the end of the year 9999


def _tally_of(trajectories: Iterator[Trajectory]) -> Tally:
    """Return (calls that succeeded, calls that failed) by tool."""
    tally: Tally = {}
    for trajectory in trajectories:
        for event in trajectory.events:
            if event.tool is None:
                continue
            if event.kind == kinds.ACTION_SUCCEEDED:
                if not event.data.get("reused"):
                    _add(tally, {event.tool: (1, 0)})
            elif event.kind in _FAILED and event.data.get("error_code") in _FAULTS:
                _add(tally, {event.tool: (0, 1)})
    return tally


_FAILED = frozenset({kinds.ACTION_RETRYING, kinds.ACTION_FAILED, kinds.ACTION_SKIPPED})


def _add(total: Tally, part: Tally) -> None:
    for tool, (good, bad) in part.items():
        before = total.pop(tool, (0, 0))
        total[tool] = (before[0] + good, before[1] + bad)
        if len(total) > MOST_TOOLS:
            del total[next(iter(total))]
