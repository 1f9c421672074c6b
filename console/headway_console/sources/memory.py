"""Looking at a log in this process: for programs that embed the runtime, and for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

from headway.events.event import Event
from headway.events.fold import fold
from headway.events.log import EventLog
from headway.events.snapshot import Snapshot
from headway.events.subscription import Subscription
from headway.events.views import JobRow, RunView
from headway_console.commands import Command, Receipt, send
from headway_console.source import Commands, Item, Link

_PAGE = 1000


class MemorySource:
    """A :class:`headway_console.source.Source` over an :class:`EventLog`, from its first event on.

    ``commands`` is whatever stops and restores in this process, if anything does. It ends when the log is closed. The
    log stays its owner's: closing the source leaves it open.
    """

    replay = None

    def __init__(self, log: EventLog, *, title: str = "this process", commands: Commands | None = None) -> None:
        self.title = title
        self.commands = commands
        self._log = log
        self._followed: set[Subscription] = set()

    @property
    def live(self) -> bool:
        """True if more events may come."""
        return not self._log.closed

    @property
    def read_only(self) -> str:
        """Why there are no commands."""
        return "" if self.commands is not None else "this console only shows: the program that runs takes no commands"

    @property
    def link(self) -> Link:
        """Always connected: what is gone with the process is this, too."""
        return Link()

    def now_ms(self) -> int:
        """Return the log's wall time."""
        return self._log.clock.time_ms()

    async def send(self, command: Command) -> Receipt:
        """Have a command carried out by whatever stops and restores in this process."""
        return await send(self.commands, command, self.read_only)

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """End every iteration."""
        for subscription in list(self._followed):
            subscription.close()

    async def batches(self) -> AsyncIterator[Item]:
        """Yield an empty start, then every event, from the first on, until the log ends."""
        yield Snapshot()
        subscription = self._log.subscribe()
        self._followed.add(subscription)
        try:
            async for batch in subscription:
                yield batch
        finally:
            self._followed.discard(subscription)

    async def run(self, job_id: str) -> RunView | None:
        """Return that run as of now."""
        return await folded_run(self._log, job_id)


async def folded_run(log: EventLog, job_id: str) -> RunView | None:
    """Return a run folded from every event that ``log`` has of it; None if it has none."""
    run: RunView | None = None
    after = 0
    while True:
        events: list[Event] = await log.read(after, job_id=job_id, limit=_PAGE)
        for event in events:
            run = fold(run if run is not None else RunView(job=JobRow(job_id=job_id)), event)
        if len(events) < _PAGE:
            return run
        after = events[-1].seq
