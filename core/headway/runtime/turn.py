"""Turns: the runs on one state take place one after the other, whichever runtimes they belong to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from headway.runtime.cancel import CancellationToken
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.runtime.run import Run


class Turn:
    """The line before one state. ``run`` is whose turn it is."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self._lock = asyncio.Lock()
        self._in_line = 0

    async def comes(self, cancel: CancellationToken) -> bool:
        """Wait for this run's turn; return False if it is cancelled before it comes."""
        if not (self._lock.locked() or self._in_line):
            return await self._lock.acquire()
        loop = asyncio.get_running_loop()
        waiting = loop.create_task(self._lock.acquire())
        unlisten = cancel.listen(lambda: loop.call_soon_threadsafe(waiting.cancel))
        if cancel.is_cancelled():
            waiting.cancel()
        self._in_line += 1
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError:
            if not waiting.cancel() and not waiting.cancelled():
                self._lock.release()
            raise
        finally:
            self._in_line -= 1
            unlisten()
        return not waiting.cancelled()

    def over(self) -> None:
        """Let the next run have its turn."""
        self.run = None
        self._lock.release()


_turns: WeakKeyDictionary[StateStore, Turn] = WeakKeyDictionary()


def turn_of(state: StateStore) -> Turn:
    """Return the line before ``state``: the same for every runtime that works on it."""
    turn = _turns.get(state)
    if turn is None:
        turn = _turns[state] = Turn()
    return turn
