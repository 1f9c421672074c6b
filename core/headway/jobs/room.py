"""Room: the places for jobs that run side by side, shared fairly by those who wait for one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from headway.cancellation import soon

if TYPE_CHECKING:
    from headway.cancellation import CancellationToken

Waiting = asyncio.Future[bool]


class Line:
    """Who waits: the greater priority first, within one the principals in turns, of each first come, first served."""

    def __init__(self) -> None:
        self._by_priority: dict[int, OrderedDict[str, deque[Waiting]]] = {}

    def join(self, waiting: Waiting, principal: str, priority: int) -> None:
        """Stand at the end of the principal's own line."""
        self._by_priority.setdefault(priority, OrderedDict()).setdefault(principal, deque()).append(waiting)

    def pop(self) -> Waiting | None:
        """Take out the next one who still waits; None if nobody does."""
        while self._by_priority:
            priority = max(self._by_priority)
            lines = self._by_priority[priority]
            principal, line = next(iter(lines.items()))
            waiting = line.popleft()
            if line:
                lines.move_to_end(principal)
            else:
                del lines[principal]
            if not lines:
                del self._by_priority[priority]
            if not waiting.done():
                return waiting
        return None


class Room:
    """The places for jobs of one face that run side by side; None: any number."""

    def __init__(self, size: int | None = None) -> None:
        self._free = size
        self._line = Line()

    def place(
        self, cancel: CancellationToken, *, principal: str | None = None, priority: int = 0, nested: bool = False
    ) -> Place:
        """Return a place that is still to be taken; a run that is ``nested`` in another needs none of its own."""
        return Place(None if nested else self, cancel, principal or "", priority)

    async def enter(self, cancel: CancellationToken, principal: str, priority: int) -> bool:
        """Wait for a place and take it; return False if ``cancel`` is pulled before: what is cancelled needs none."""
        if self._free is None or cancel.is_cancelled():
            return False
        if self._free:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        waiting: Waiting = loop.create_future()

        def give_up() -> None:
            if not waiting.done():
                waiting.set_result(False)

        unlisten = cancel.listen(lambda: soon(loop, give_up))
        if cancel.is_cancelled():  # pulled by another thread meanwhile
            give_up()
        self._line.join(waiting, principal, priority)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.result():  # it came as the task was cancelled
                self.leave()
            raise
        finally:
            unlisten()

    def leave(self) -> None:
        """Give a place to the next in line, or keep it free."""
        following = self._line.pop()
        if following is not None:
            following.set_result(True)
        elif self._free is not None:
            self._free += 1


class Place:
    """One job's place: taken, left for as long as the job is paused or waits for a retry, taken again."""

    def __init__(self, room: Room | None, cancel: CancellationToken, principal: str, priority: int) -> None:
        self._room = room
        self._cancel = cancel
        self._principal = principal
        self._priority = priority
        self._taken = False

    async def take(self) -> None:
        """Wait for the place; return without one once the job is cancelled."""
        if self._room is not None and not self._taken:
            self._taken = await self._room.enter(self._cancel, self._principal, self._priority)

    def leave(self) -> None:
        """Let somebody else have it; harmless without one."""
        if self._taken and self._room is not None:
            self._taken = False
            self._room.leave()
