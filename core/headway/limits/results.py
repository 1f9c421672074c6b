"""Results of calls, kept and shared: what the result cache and the idempotency cache have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import InvalidInput
from headway.limits.flight import Answer, Flight, FlightWaiter, Hit, Line, call_key, encode
from headway.numbers import whole_number

MAX_ENTRIES = 10_000
MAX_BYTES = 64 * 2**20
_OVERHEAD = 200  # what an entry costs beside its key and its result, in bytes


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """``hits`` results given without a call, those of waiters included; ``misses`` calls that had to be made.

    ``entries`` and ``bytes`` kept now, ``evictions`` entries dropped for room (not for age), ``in_flight`` calls being
    made, ``waiting`` who waits for one.
    """

    hits: int
    misses: int
    entries: int
    bytes: int
    evictions: int
    in_flight: int
    waiting: int


class _Entry:
    __slots__ = ("encoded", "since", "size", "tool")

    def __init__(self, tool: str, encoded: bytes, since: float, size: int) -> None:
        self.tool = tool
        self.encoded = encoded
        self.since = since
        self.size = size


class ResultStore:
    """Results of calls, the least recently used dropped first, and the calls being made.

    Results are kept as JSON text: nobody can change them, their size is known, every hit is a fresh copy. At most
    ``max_entries``, and ``max_bytes`` of results and keys; a result larger than that is shared but not kept. All
    methods belong to the event loop's thread.
    """

    source = "cache"

    def __init__(
        self, clock: Clock = SYSTEM_CLOCK, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._clock = clock_of(clock)
        self.max_entries = whole_number(max_entries, "max_entries", 1)
        self.max_bytes = whole_number(max_bytes, "max_bytes", 1)
        self._entries: dict[str, _Entry] = {}  # the least recently used first
        self._lines: dict[str, Line] = {}
        self._bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def lookup(self, tool: str, params: dict[str, Any], *, principal: str | None = None) -> Hit | None:
        """Return the result of a call if it is kept, and count a hit or a miss."""
        key = call_key(tool, params, principal)
        hit = self._find(key)
        self._misses += hit is None
        return hit

    def forget(
        self, tool: str | None = None, params: dict[str, Any] | None = None, *, principal: str | None = None
    ) -> int:
        """Drop what is kept of one call, of a tool, or of all; return how many results that were.

        Calls being made continue, and who waits for one gets its result. Of those, what is forgotten as a whole keeps
        nothing; forget a single call after the end of what made it wrong.
        """
        if tool is None:
            keys = list(self._entries)
        elif params is not None:
            keys = [key for key in (call_key(tool, params, principal),) if key in self._entries]
        else:
            keys = [key for key, entry in self._entries.items() if entry.tool == tool]
        if params is None:
            for line in self._lines.values():
                line.kept = line.kept and tool is not None and line.tool != tool
        for key in keys:
            self._drop(key)
        return len(keys)

    def keys(self) -> list[str]:
        """Return the keys of the results kept, ``tool:digest``, the least recently used first; for checkpoints."""
        self._drop_old()
        return list(self._entries)

    def statistics(self) -> CacheStatistics:
        """Return the statistics of the cache."""
        self._drop_old()
        waiting = sum(len(line.waiters) - line.gone for line in self._lines.values())
        return CacheStatistics(
            self._hits, self._misses, len(self._entries), self._bytes, self._evictions, len(self._lines), waiting
        )

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._entries)} results)"

    def _lifetime(self, tool: str) -> float:
        """Return for how many seconds results of ``tool`` are kept."""
        return math.inf

    def _begin(
        self, key: str, tool: str, callback: Answer, *, number: int = 0, since: int = 0
    ) -> Hit | Flight | FlightWaiter:
        """Ask for a call's result. ``number`` is that of this moment.

        A call in flight that was asked for before ``since`` is too old to be shared: another one takes its place.
        """
        line = self._lines.get(key)
        if line is not None and line.number >= since:
            waiter = FlightWaiter(line, callback, self._clock.now())
            line.waiters.append(waiter)
            return waiter
        hit = self._find(key)
        if hit is not None:
            return hit
        self._misses += 1
        line = self._lines[key] = Line(key, tool, number)
        line.leader = Flight(self, line)
        return line.leader

    def _find(self, key: str) -> Hit | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._is_old(entry):
            self._drop(key)
            return None
        self._entries[key] = self._entries.pop(key)  # the most recently used is last
        return self._hit(entry.encoded)

    def _hit(self, encoded: bytes, *, kept: bool = True) -> Hit:
        self._hits += 1
        output, effects, artifacts = msgspec.json.decode(encoded)
        return Hit(output, effects, artifacts, self.source, kept)

    def _is_old(self, entry: _Entry) -> bool:
        return self._clock.now() - entry.since >= self._lifetime(entry.tool)

    def _drop_old(self) -> None:
        for key in [key for key, entry in self._entries.items() if self._is_old(entry)]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        self._bytes -= self._entries.pop(key).size

    def _keep(self, key: str, tool: str, encoded: bytes) -> None:
        size = len(encoded) + len(key) + _OVERHEAD
        if key in self._entries:
            self._drop(key)
        if size > self.max_bytes or not self._lifetime(tool) > 0:
            return
        while self._entries and (len(self._entries) >= self.max_entries or self._bytes + size > self.max_bytes):
            self._drop(next(iter(self._entries)))
            self._evictions += 1
        self._entries[key] = _Entry(tool, encoded, self._clock.now(), size)
        self._bytes += size

    def _succeeded(
        self, line: Line, output: Any, effects: Mapping[str, Any] | None, artifacts: Sequence[Any], kept: bool
    ) -> None:
        try:
            encoded = encode([output, None if effects is None else dict(effects), list(artifacts)], "the result")
        except InvalidInput:
            line.leader = None
            self._next(line)
            raise
        if self._lines.get(line.key) is line:
            del self._lines[line.key]
        if line.kept:
            self._keep(line.key, line.tool, encoded)
        while (waiter := line.first()) is not None:
            waiter._tell(self._hit(encoded, kept=kept), self._clock.now())

    def _next(self, line: Line) -> None:
        """Let the first in line make the call. If a waiter fails its flight there and then, the loop continues."""
        if line.serving:
            return
        line.serving = True
        try:
            while line.leader is None and (waiter := line.first()) is not None:
                self._misses += 1
                line.leader = flight = Flight(self, line)
                waiter._tell(flight, self._clock.now())
        finally:
            line.serving = False
        if line.leader is None and self._lines.get(line.key) is line:
            del self._lines[line.key]
