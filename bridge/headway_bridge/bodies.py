"""The budget of request bodies: how many bytes of them are in memory together, and who works on one.

A large body costs a multiple of its size while it is read as JSON and admitted as a plan. So there is one budget over
the bytes of all bodies, and those over :data:`LARGE` are worked on one after the other. A request whose body finds no
room within :data:`PATIENCE_S` is told to come back, without that wait if others wait for all the room there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from contextvars import ContextVar

LARGE = 64 * 1024
"""Bodies of more bytes than this count against the budget of large bodies, and are worked on one at a time."""

SMALL_BUDGET = 16 * 1024 * 1024
"""The bytes that bodies which are not large may have together."""

PATIENCE_S = 0.5
"""Seconds that a body waits for room."""

MAX_VALUES = 500_000
"""The most JSON values in one body: each takes some 60 bytes, and is copied a few times on its way into the log."""

BUDGET = 32 * 1024 * 1024
"""The bytes that large bodies may have together."""


# Possessive and always matching, also where a string does not end: each byte is looked at once.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)

_WHOLE_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_QUOTE = ord('"')
_STEP = 64 * 1024


def without_strings(body: bytes) -> bytes:
    """Return a JSON document with its strings cut out."""
    return _STRINGS.sub(b"", body)


def too_many_values(body: bytes) -> bool:
    """Return whether a JSON document has more than :data:`MAX_VALUES` values and keys, without parsing it."""
    return _marks(body) > MAX_VALUES and _marks_outside_strings(body) > MAX_VALUES


def _marks_outside_strings(body: bytes) -> int:
    """Return the marks outside of strings, at least :data:`MAX_VALUES` and one if there are more; in short steps."""
    count = at = 0
    while at < len(body) and count <= MAX_VALUES:
        if body[at] == _QUOTE:
            found = _STRINGS.match(body, at)
            assert found is not None
            at = found.end()
            continue
        part = _WHOLE_STRINGS.sub(b"", body[at : at + _STEP])
        cut = part.find(_QUOTE)  # of a string that ends behind this step, which the next one begins with
        outside = part if cut < 0 else part[:cut]
        count += _marks(outside)
        at = min(at + _STEP, len(body)) - (len(part) - len(outside))
    return count


def _marks(body: bytes) -> int:
    return sum(map(body.count, (b",", b":", b"[", b"{")))


class Room:
    """A number of bytes that is shared; who does not find enough waits in line. The line is as long as the room."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.size = size
        self._wanted = 0  # by all in line together
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int, patience: float) -> bool:
        """Take ``size`` bytes, waiting at most ``patience`` seconds for them; return whether they were had.

        Where those in line want all the room already, that is told without a wait: their number may be any.
        """
        if not self._line and size <= self.left:
            self.left -= size
            return True
        if self._wanted + size > self.size:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((size, turn))
        self._wanted += size
        try:
            async with asyncio.timeout(patience):
                await turn
            return True
        except TimeoutError:
            return self._leave_line(size, turn)
        except asyncio.CancelledError:
            if self._leave_line(size, turn):
                self.give_back(size)
            raise

    def _leave_line(self, size: int, turn: asyncio.Future[None]) -> bool:
        """Return whether the bytes came in the last moment; else take the place in line away."""
        if turn.done() and not turn.cancelled():
            return True
        with contextlib.suppress(ValueError):  # who gave bytes back may have taken it out of the line already
            self._line.remove((size, turn))
            self._wanted -= size
        self._next()
        return False

    def give_back(self, size: int) -> None:
        """Return what was taken."""
        self.left += size
        self._next()

    def _next(self) -> None:
        while self._line and self._line[0][0] <= self.left:
            size, turn = self._line.popleft()
            self._wanted -= size
            if not turn.done():
                self.left -= size
                turn.set_result(None)


class BodyBudget:
    """The budget of one process: ``large`` bytes for large bodies, and the line of those who work on one."""

    def __init__(self, large: int = BUDGET, *, patience: float = PATIENCE_S) -> None:
        self.large = Room(large)
        self.small = Room(SMALL_BUDGET)
        self.patience = patience
        self.work = asyncio.Lock()


class Held:
    """The share of the budget that one request holds, until :meth:`release`."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._small = self._large = 0
        self._working = False

    @property
    def size(self) -> int:
        """The bytes held."""
        return self._small + self._large

    async def grow(self, size: int) -> bool:
        """Hold ``size`` bytes in all; return whether there was room for them. What is held is kept in any case."""
        if size <= self.size:
            return True
        if size <= LARGE:
            had = await self._budget.small.take(size - self._small, self._budget.patience)
            self._small += (size - self._small) if had else 0
            return had
        had = await self._budget.large.take(size - self._large, self._budget.patience)
        if had:
            self._large = size
            self._give_small()
        return had

    async def begin(self) -> None:
        """Wait for the turn to work on the body, if it is large."""
        if self._large and not self._working:
            await self._budget.work.acquire()
            self._working = True

    def release(self) -> None:
        """Give everything back; doing so twice is harmless."""
        if self._working:
            self._working = False
            self._budget.work.release()
        self._give_small()
        size, self._large = self._large, 0
        if size:
            self._budget.large.give_back(size)

    def _give_small(self) -> None:
        size, self._small = self._small, 0
        if size:
            self._budget.small.give_back(size)


_held: ContextVar[Held | None] = ContextVar("headway_body", default=None)


def hold(held: Held | None) -> None:
    """Make ``held`` what :func:`body_done` of this request gives back."""
    _held.set(held)


def body_is_large() -> bool:
    """Return whether this request has a body that is worked on beside the event loop."""
    held = _held.get()
    return held is not None and held.size > LARGE


def body_done() -> None:
    """Give back what this request's body holds: it has become something else, and what follows may take long."""
    held = _held.get()
    if held is not None:
        held.release()
