"""A bound on concurrent calls, first come first served."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from headway.numbers import whole_number


class Gate:
    """A semaphore for each event loop that comes by: a provider may outlive a loop, an ``asyncio.Semaphore`` may not.

    ::

        async with gate.slot():
            ...
    """

    __slots__ = ("_slots", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = whole_number(limit, "max_concurrency", 1)
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    def slot(self) -> asyncio.Semaphore:
        """Return the running loop's semaphore, to be entered with ``async with``."""
        loop = asyncio.get_running_loop()
        found = self._slots.get(loop)
        if found is None:
            found = self._slots[loop] = asyncio.Semaphore(self.limit)
        return found
