"""The writing half that every store shares: it is its log's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.events.log import EventLog
    from headway.events.subscription import Subscription

Log = TypeVar("Log", bound="EventLog")


class LogWriting(Generic[Log]):
    """Appends to ``log``, follows and ends it."""

    log: Log

    def append(self, *events: Event) -> None:
        """Append a batch of events: see :meth:`headway.events.log.EventLog.append`."""
        self.log.append(*events)

    async def write(self, *events: Event) -> int:
        """Append a batch of events, wait until they are committed and return the seq of the last one."""
        return await self.log.write(*events)

    async def flush(self) -> int:
        """Wait until everything appended so far is committed; return the last seq."""
        return await self.log.flush()

    def subscribe(self, after: int = 0, *, job_id: str | None = None) -> Subscription:
        """Follow the log: see :meth:`headway.events.log.EventLog.subscribe`."""
        return self.log.subscribe(after, job_id=job_id)

    async def close(self) -> None:
        """End the log and all that it holds. Closing twice is harmless."""
        await self.log.close()
