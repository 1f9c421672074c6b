"""The protocol of a store: a log's events, and everything that is read from them.

:class:`Reader` is the half that any process may use, :class:`Store` adds the half of the one writer. Every
implementation passes one conformance suite (``tests/unit/store/test_conformance.py``). Seqs are gap-free as long as
nothing is pruned; everything returned was committed when it was asked for. A view or a row that was returned belongs
to the caller, an event to all.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from headway.events.checkpoint import Checkpoint, CheckpointInfo
    from headway.events.event import Event
    from headway.events.log import EventLog
    from headway.events.snapshot import Snapshot
    from headway.events.subscription import Subscription
    from headway.events.views import (
        BudgetView,
        InboxPage,
        InboxView,
        JobRow,
        JobsView,
        LimitsView,
        RunView,
        SchedulesView,
        ThreadsView,
    )


class Claim(msgspec.Struct, frozen=True):
    """The right of ``owner`` to something by ``name``, until ``until_ms`` (ms since 1970) unless it is renewed.

    ``token`` is a fencing token: each new claim of the name has a greater one, also after a release. Who holds an
    older one has lost the right, whatever it believes.
    """

    name: str
    owner: str
    token: int
    until_ms: int


class SchemaVersion(NamedTuple):
    """The schema ``version`` of a store, and the ``oldest`` and ``latest`` that this Headway reads."""

    version: int
    oldest: int
    latest: int


class Statistics(msgspec.Struct, frozen=True):
    """Figures of a store.

    ``events`` are those kept, ``dropped`` those let go of by pruning or by the bound of a log in memory. ``bytes`` is
    the size of the pages in use, 0 in memory; ``pending`` counts appended events that are not committed; ``folded`` is
    the seq up to which the caches of views are whole.
    """

    kind: str
    events: int
    first_seq: int
    last_seq: int
    dropped: int
    jobs: int
    unfinished: int
    pending: int
    folded: int
    bytes: int


class Problem(msgspec.Struct, frozen=True):
    """A fault of a store: ``check`` is file, seq, blobs, checkpoints, caches or unfinished, ``message`` one line."""

    check: str
    message: str


class CheckReport(msgspec.Struct, frozen=True):
    """The report of a check: what it looked at, and what is wrong; nothing if ``problems`` is empty."""

    events: int = 0
    jobs: int = 0
    blobs: int = 0
    checkpoints: int = 0
    problems: list[Problem] = []


class BackupReport(msgspec.Struct, frozen=True):
    """A backup: its file, how many bytes it has, and the seq of the last event in it."""

    file: str
    bytes: int
    last_seq: int


class RedactReport(msgspec.Struct):
    """The report of a redaction: how many events, blobs and checkpoints held a secret."""

    events: int = 0
    blobs: int = 0
    checkpoints: int = 0


class Reader(Protocol):
    """The reading half of a store."""

    async def last_seq(self) -> int:
        """Return the seq of the last committed event; 0 when there is none."""

    async def data_version(self) -> int:
        """Return a number that differs from the last one returned if something was committed meanwhile."""

    async def events(
        self,
        after: int = 0,
        job_id: str | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 1000,
        before: int | None = None,
        resolve: bool = False,
    ) -> list[Event]:
        """Return up to ``limit`` events with ``seq > after``, oldest first, of one job and some kinds.

        With ``before``, the newest ``limit`` of those with ``seq < before``: a page further back. Large outputs and
        proposals may be references unless ``resolve``.
        """

    async def event(self, seq: int) -> Event:
        """Return one event; :class:`headway.errors.NotFound` if there is none of that seq."""

    async def resolve(self, value: Any) -> Any:
        """Return the large value that ``value`` refers to; an event's data with its references replaced; else itself.

        Raises :class:`headway.errors.NotFound` for a reference to something that is gone.
        """

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        """Return jobs, newest first, of one status or of all; ``before`` is the ``first_seq`` of the last one seen."""

    async def jobs_as_of(
        self, status: str | None = None, limit: int = 100, before: int | None = None
    ) -> tuple[int, list[JobRow]]:
        """Return a page of jobs as :meth:`jobs` does, and the seq that they are as of: what comes after it is news."""

    async def job(self, job_id: str) -> JobRow:
        """Return a job's row; :class:`headway.errors.NotFound` if there is no such job."""

    async def unfinished(self) -> list[JobRow]:
        """Return the jobs that have not reached a terminal status, oldest first; always all of them."""

    async def proposal(self, job_id: str) -> dict[str, Any]:
        """Return the proposal that a job was made for; :class:`headway.errors.NotFound` if there is no such job."""

    async def jobs_view(self) -> JobsView:
        """Return all jobs, oldest first."""

    async def limits_view(self) -> LimitsView:
        """Return every token bucket."""

    async def budget_view(self) -> BudgetView:
        """Return every budget."""

    async def inbox_view(self) -> InboxView:
        """Return all that waits for a person."""

    async def threads_view(self) -> ThreadsView:
        """Return every thread."""

    async def schedules_view(self) -> SchedulesView:
        """Return every schedule."""

    async def thread_events(self, thread_id: str, kind: str, *, skip: int = 0, limit: int = 1000) -> list[Event]:
        """Return up to ``limit`` messages or checkpoints of a thread, oldest first, after the first ``skip`` of them.

        Raises :class:`headway.errors.StoreUnreadable` for those that a bounded log has let go of.
        """

    async def run_view(self, job_id: str, upto: int | None = None, *, resolve: bool = False) -> RunView:
        """Return a run as it is, or as it was at seq ``upto``; :class:`headway.errors.NotFound` if there was none.

        Large outputs may be references unless ``resolve``.
        """

    async def scope_state(self, scope: str, upto: int | None = None) -> dict[str, Any]:
        """Return the state of a scope as it is, or as it was at seq ``upto``; empty for one that nobody used."""

    async def scope_events(self, scope: str, limit: int = 1000) -> list[Event]:
        """Return up to ``limit`` events that began a scope's jobs or set its state from outside them, oldest first.

        What was pruned is not among them.
        """

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return every view of the table, and one job's run if asked for, all as of one seq.

        Raises :class:`headway.errors.NotFound` if there is no such job.
        """

    async def complete(self) -> bool:
        """Return whether lists hold every job: not while caches that were lost are being folded anew."""

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints that were saved (not the ends of levels), of a job, a scope or all, oldest first."""

    async def checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """Return a saved checkpoint, whole; :class:`headway.errors.NotFound` if there is none of that id."""

    async def statistics(self) -> Statistics:
        """Return figures: how much is kept, how far the caches are."""

    async def close(self) -> None:
        """Let go of everything; a store ends its log. Closing twice is harmless."""


class Store(Reader, Protocol):
    """The store of one log, whose only writer is this process. Used on one event loop."""

    @property
    def log(self) -> EventLog:
        """The log whose events this store keeps."""

    def append(self, *events: Event) -> None:
        """Put a batch of events at the end, all or none, and return immediately; they are committed soon."""

    async def write(self, *events: Event) -> int:
        """Append a batch of events, wait until they are committed and return the seq of the last one."""

    async def flush(self) -> int:
        """Wait until everything appended so far is committed; return the last seq."""

    def subscribe(self, after: int = 0, *, job_id: str | None = None) -> Subscription:
        """Follow the log from just after seq ``after``: replay, then live, no gap, no duplicate."""

    async def inbox_page(self, limit: int, offset: int = 0) -> InboxPage:
        """Return a page of what waits for a person, as far as it is committed."""

    def live_run(self, job_id: str) -> RunView | None:
        """Return a run as far as it is committed, without waiting; None if its events are not held in memory."""

    async def save_checkpoint(self, checkpoint: Checkpoint, by: str = "") -> int:
        """Keep a checkpoint, whole, and record it; return the seq of its ``checkpoint_saved`` event."""

    async def claim(self, name: str, owner: str, lease_s: float) -> Claim:
        """Claim ``name`` for ``lease_s`` seconds.

        Raises :class:`headway.errors.Conflict` while another owner's lease runs. The owner's own claim is replaced by
        a new one with a greater token.
        """

    async def renew(self, claim: Claim, lease_s: float) -> Claim:
        """Extend a claim to ``lease_s`` seconds from now; :class:`headway.errors.Conflict` if it is lost."""

    async def claimed(self, name: str) -> Claim | None:
        """Return the last claim of a name, which may have run out or been given back; None if there was none."""

    async def release(self, claim: Claim) -> None:
        """Give a claim back; one that is lost already is left as it is."""

    async def prune(self, *, keep_days: float | None = None, max_bytes: int | None = None) -> dict[str, Any]:
        """Delete finished jobs that ended over ``keep_days`` ago, and the oldest while the store is over ``max_bytes``.

        Returns ``{"jobs": [ids], "events": count, "bytes": size of the store now}``.
        """
