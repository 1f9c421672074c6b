"""Server-sent events out of bytes, as they arrive, with a bound on each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from headway.errors import EgressError

_END_OF_LINE = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a final \r may be the first half of \r\n


class Frame(NamedTuple):
    """One event with data: its ``id`` and ``data``, joined."""

    id: str | None
    data: bytes


class FrameReader:
    """Takes a stream's bytes and gives its events; one of more than ``most`` bytes raises :class:`EgressError`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest: list[bytes] = []  # of a line that has not ended
        self._data: list[bytes] = []
        self._id: str | None = None
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the events that ``chunk`` completes."""
        self._size += len(chunk)
        if self._size > self._most:
            raise EgressError(f"the other side sends an event larger than {self._most:,} bytes", reason="size")
        if b"\n" not in chunk and b"\r" not in chunk and not (self._rest and self._rest[-1].endswith(b"\r")):
            self._rest.append(chunk)
            return
        *lines, rest = _END_OF_LINE.split(b"".join((*self._rest, chunk)))
        self._rest = [rest] if rest else []
        for line in lines:
            if line:
                self._field(line)
                continue
            if self._data:
                yield Frame(self._id, b"\n".join(self._data))
                self._data = []
            self._size = len(rest)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if name == b"data":
            self._data.append(value)
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
