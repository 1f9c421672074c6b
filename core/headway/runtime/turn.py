"""Turns: the runs on one state take place one after the other, whichever runtimes they belong to."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from headway.errors import Conflict
from headway.runtime.cancel import CancellationToken
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.runtime.run import Run


class Stay:
    """The time that somebody has the turn. ``waits`` are the turns that code inside of it waits for."""

    __slots__ = ("waits",)

    def __init__(self) -> None:
        self.waits: list[Turn] = []


_inside: contextvars.ContextVar[tuple[Stay, ...]] = contextvars.ContextVar("headway_inside", default=())
"""The turns that this code is inside of, as a tool or a callback; tasks and tool threads inherit it."""


class Turn:
    """The line before one state, first come, first served. ``run`` is the run whose turn it is.

    It may be used by one event loop after another: who waits on a loop that has ended is left out.
    """

    def __init__(self) -> None:
        self.run: Run | None = None
        self._stay: Stay | None = None
        self._line: deque[asyncio.Future[Stay]] = deque()

    @property
    def occupied(self) -> bool:
        """Whether somebody has the turn."""
        return self._stay is not None

    @asynccontextmanager
    async def taken(self, cancel: CancellationToken) -> AsyncIterator[bool]:
        """Have the turn inside the block; False if ``cancel`` is pulled before it comes, and there is no turn then.

        Raises :class:`Conflict` in a tool or a callback that would wait for itself to end.
        """
        stay = await self._comes(cancel)
        if stay is None:
            yield False
            return
        token = _inside.set((*_inside.get(), stay))
        try:
            yield True
        finally:
            _inside.reset(token)
            self._over()

    async def _comes(self, cancel: CancellationToken) -> Stay | None:
        if self._stay is None:
            self._stay = Stay()
            return self._stay
        outer = _inside.get()
        if outer and self._ends_after(outer):
            raise Conflict(
                "a tool cannot execute a plan on the state that it runs on, or on one that waits for it:"
                " give it a Runtime of its own"
            )
        loop = asyncio.get_running_loop()
        place: asyncio.Future[Stay] = loop.create_future()
        unlisten = cancel.listen(lambda: loop.call_soon_threadsafe(place.cancel))
        if cancel.is_cancelled():
            place.cancel()
        self._line.append(place)
        for stay in outer:
            stay.waits.append(self)
        try:
            await asyncio.wait([place])
        except asyncio.CancelledError:
            if not place.cancel() and not place.cancelled():
                self._over()
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

    def _over(self) -> None:
        """Let the next in line have the turn."""
        self.run = self._stay = None
        while self._line:
            place = self._line.popleft()
            if not place.done() and not place.get_loop().is_closed():
                self._stay = Stay()
                place.set_result(self._stay)
                return


_turns: WeakKeyDictionary[StateStore, Turn] = WeakKeyDictionary()


def turn_of(state: StateStore) -> Turn:
    """Return the line before ``state``: the same for every runtime that works on it."""
    turn = _turns.get(state)
    if turn is None:
        turn = _turns[state] = Turn()
    return turn
