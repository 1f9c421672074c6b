"""Following a log: a cursor and a wake-up, not a queue.

A subscription holds the seq it has read up to and nothing else. It takes from the log's tail in memory, or reads the
log where its cursor is older than the tail. So a slow reader costs no memory, misses nothing and sees nothing twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headway.events.event import Event
from headway.numbers import MOST, whole_number

if TYPE_CHECKING:
    from types import TracebackType

    from headway.events.log import EventLog

BATCH = 500
"""The most events in one batch."""

_SCAN = 5000  # events looked at for a job's before other tasks get their turn


class Subscription:
    """An async iterator of non-empty lists of events, in seq order: replay first, then live.

    It ends when the log is closed and read to its end, or after :meth:`close`. One task reads it at a time. Leaving
    one behind unread is harmless: the log does not know of a subscription that nobody waits on.
    """

    __slots__ = ("_closed", "_full", "_log", "_reading", "_waiter", "cursor", "job_id", "loop")

    def __init__(self, log: EventLog, after: int, job_id: str | None) -> None:
        self._log = log
        self.cursor = max(0, whole_number(after, "after", -MOST))
        self.job_id = job_id
        self.loop: asyncio.AbstractEventLoop
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._reading = False
        self._full = False

    @property
    def lag(self) -> int:
        """The number of committed events that this reader is behind (events of other jobs included)."""
        return max(0, self._log.last_seq - self.cursor)

    def close(self) -> None:
        """End the iteration, also for a task that waits in it now. Closing twice is harmless."""
        self._closed = True
        self._wake()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> list[Event]:
        """Return the next batch, 1 to 500 events. A cancelled call loses none."""
        if self._reading:
            raise RuntimeError("another task is reading this subscription")
        self._reading = True
        try:
            if self._full:  # a long replay from memory must not starve the loop
                self._full = False
                await asyncio.sleep(0)
            while not self._closed:
                if self.cursor < self._log.last_seq:
                    batch = await self._take()
                    if batch:
                        self._full = len(batch) == BATCH
                        return batch
                elif self._log.closed:
                    break
                else:
                    await self._wait()
            raise StopAsyncIteration
        finally:
            self._reading = False

    async def _take(self) -> list[Event]:
        """Read on from the cursor and move it; an empty list says that nothing in the part read was for us."""
        log = self._log
        start = self.cursor - log._tail_after
        if start < 0:
            head = log.last_seq
            batch = await log.read(self.cursor, job_id=self.job_id, limit=BATCH)
            last = batch[-1].seq if batch else 0
            self.cursor = last if len(batch) >= BATCH else max(head, last)
            return batch
        if self.job_id is None:
            batch = log._tail[start : start + BATCH]
            self.cursor = batch[-1].seq
            return batch
        stop = min(start + _SCAN, len(log._tail))
        batch = []
        for event in log._tail[start:stop]:
            if event.job_id == self.job_id:
                batch.append(event)
                if len(batch) == BATCH:
                    self.cursor = event.seq
                    return batch
        self.cursor = log._tail_after + stop
        if not batch and stop - start == _SCAN:
            await asyncio.sleep(0)
        return batch

    async def _wait(self) -> None:
        """Sleep until the log has news, ends, or this subscription is closed."""
        self.loop = asyncio.get_running_loop()
        self._waiter = self.loop.create_future()
        self._log._add_waiting(self)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._log._waiting.pop(self, None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
