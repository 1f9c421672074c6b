"""Turns: the runs on one state take place one after the other, whichever runtimes they belong to."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from headway.cancellation import CancellationToken, soon
from headway.errors import Conflict
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.execution.run import Run


class Stay:
    """The time that somebody on ``loop`` has the turn. ``waits`` are the turns that code inside of it waits for."""

    __slots__ = ("loop", "waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waits: list[Turn] = []


_inside: contextvars.ContextVar[tuple[Stay, ...]] = contextvars.ContextVar("headway_inside", default=())
"""The turns that this code is inside of, as a tool or a callback; tasks and tool threads inherit it."""


def is_nested() -> bool:
    """Return whether this code runs inside a turn: as a tool or a callback of a run."""
    return bool(_inside.get())


class Turn:
    """The line before one state, first come, first served. ``run`` is the run whose turn it is.

    It may be used by one event loop after another, not by two together: who holds it or waits for it on a loop that is
    closed is left out.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self._stay: Stay | None = None
        self._line: deque[asyncio.Future[Stay]] = deque()

    @property
    def occupied(self) -> bool:
        """True while somebody has the turn."""
        return self._stay is not None and not self._stay.loop.is_closed()

    @asynccontextmanager
    async def taken(self, cancel: CancellationToken) -> AsyncIterator[bool]:
        """Have the turn inside the block; False if ``cancel`` is pulled before it comes, and there is no turn then.

        Raises :class:`Conflict` in a tool or a callback that would wait for itself to end, and while somebody on
        another event loop has the turn.
        """
        stay = await self._comes(cancel)
        if stay is None:
            yield False
            return
        token = _inside.set((*_inside.get(), stay))
        try:
            yield True
        finally:
            self._over(stay)
            with contextlib.suppress(ValueError):  # the loop ended before us: this is the garbage collector's context
                _inside.reset(token)

    async def _comes(self, cancel: CancellationToken) -> Stay | None:
        loop = asyncio.get_running_loop()
        if self._stay is not None and self._stay.loop.is_closed():
            self._over(self._stay)
        if self._stay is None:
            self._stay = Stay(loop)
            return self._stay
        if self._stay.loop is not loop:
            raise Conflict(
                "another event loop works on this state: use a runtime on one loop at a time, or one a thread, each"
                " with a state and a log of its own"
            )
        outer = _inside.get()
        if outer and self._ends_after(outer):
            raise Conflict(
                "a tool cannot execute a plan on the state that it runs on, or on one that waits for it:"
                " give it a Runtime of its own"
            )
        place: asyncio.Future[Stay] = loop.create_future()
        unlisten = cancel.listen(lambda: soon(loop, place.cancel))
        if cancel.is_cancelled():
            place.cancel()
        self._line.append(place)
        for stay in outer:
            stay.waits.append(self)
        try:
            await asyncio.wait([place])
        except asyncio.CancelledError:
            if not place.cancel() and not place.cancelled():
                self._over(place.result())
            raise
        finally:
            unlisten()
            for stay in outer:
                stay.waits.remove(self)
        return None if place.cancelled() else place.result()

    def _ends_after(self, outer: tuple[Stay, ...]) -> bool:
        """Return whether this turn ends only after one of ``outer`` has: it is one, or waits for one."""
        seen: set[Turn] = set()
        turns = [self]
        while turns:
            turn = turns.pop()
            if turn in seen or turn._stay is None:
                continue
            if turn._stay in outer:
                return True
            seen.add(turn)
            turns.extend(turn._stay.waits)
        return False

    def _over(self, stay: Stay) -> None:
        """Let the next in line have the turn after ``stay``; harmless if that has been left out already."""
        if self._stay is not stay:
            return
        self.run = self._stay = None
        while self._line:
            place = self._line.popleft()
            if not place.done() and not place.get_loop().is_closed():
                self._stay = Stay(place.get_loop())
                place.set_result(self._stay)
                return


_turns: WeakKeyDictionary[StateStore, Turn] = WeakKeyDictionary()


def turn_of(state: StateStore) -> Turn:
    """Return the line before ``state``: the same for every runtime that works on it."""
    turn = _turns.get(state)
    if turn is None:
        turn = _turns[state] = Turn()
    return turn
