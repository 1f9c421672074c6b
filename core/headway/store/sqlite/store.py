"""The store of a durable log: its writer, its reader and what is in memory, as one."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from headway.events.fold import clone
from headway.events.kinds import JOB_CREATED
from headway.jsonvalue import copy_json
from headway.store.live import LiveJobs, fold_tail
from headway.store.protocol import Claim, Statistics
from headway.store.sqlite import claims
from headway.store.sqlite.codec import has_references, is_reference
from headway.store.sqlite.queries import FINISHED
from headway.store.writing import LogWriting

if TYPE_CHECKING:
    from headway.events.checkpoint import Checkpoint, CheckpointInfo
    from headway.events.event import Event
    from headway.events.snapshot import Snapshot
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
    from headway.store.sqlite.log import StoreLog
    from headway.store.sqlite.reader import StoreReader


class SqliteStore(LogWriting["StoreLog"]):
    """The :class:`~headway.store.protocol.Store` of a :class:`StoreLog`, which makes it.

    A job that began in this process and still runs, or ended a short while ago, is answered from memory; everything
    else is asked of the file, through the log's own reader.
    """

    def __init__(self, log: StoreLog) -> None:
        self.log = log
        self.live = LiveJobs(log, bounded=True)
        self._inbox: InboxView | None = None  # kept and folded on, once somebody has asked
        log.on_shed = self.live.let_go

    async def _reader(self) -> StoreReader:
        return await self.log.reader()

    # -- reading -----------------------------------------------------------------------------------------------------

    async def last_seq(self) -> int:
        """Return the seq of the last committed event; 0 when there is none."""
        return self.log.last_seq

    async def data_version(self) -> int:
        """Return a number that differs from the last one returned if something was committed meanwhile."""
        return self.log.last_seq

    async def events(
        self,
        after: int = 0,
        job_id: str | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 1000,
        before: int | None = None,
        resolve: bool = False,
    ) -> list[Event]:
        """Return committed events: see :meth:`Reader.events`."""
        held = self.live.events(job_id) if job_id is not None else None
        if held is not None and before is None:
            found = [event for event in held if event.seq > after and (kinds is None or event.kind in kinds)]
            found = found[: max(0, limit)]
            if not resolve or not any(has_references(event.data) for event in found):
                return found
        return await (await self._reader()).events(after, job_id, kinds, limit, before, resolve)

    async def event(self, seq: int) -> Event:
        """Return one event; :class:`headway.errors.NotFound` if there is none of that seq."""
        return await (await self._reader()).event(seq)

    async def resolve(self, value: Any) -> Any:
        """Return the large value that ``value`` refers to: see :meth:`Reader.resolve`."""
        if not is_reference(value) and not has_references(value):
            return value
        return await (await self._reader()).resolve(value)

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        """Return jobs, newest first: see :meth:`Reader.jobs`."""
        if status is None or status in FINISHED:
            return await (await self._reader()).jobs(status, limit, before)
        rows = [row for row in await self.unfinished() if row.status == status]
        return [row for row in reversed(rows) if before is None or row.first_seq < before][: max(0, limit)]

    async def jobs_as_of(
        self, status: str | None = None, limit: int = 100, before: int | None = None
    ) -> tuple[int, list[JobRow]]:
        """Return a page of jobs and the seq that they are as of: see :meth:`Reader.jobs_as_of`."""
        return await (await self._reader()).jobs_as_of(status, limit, before)

    async def job(self, job_id: str) -> JobRow:
        """Return a job's row; :class:`headway.errors.NotFound` if there is no such job."""
        row = self.live.row(job_id)
        return row if row is not None else await (await self._reader()).job(job_id)

    async def unfinished(self) -> list[JobRow]:
        """Return the jobs that have not reached a terminal status, oldest first."""
        reader = await self._reader()
        rows = []
        for job_id in await reader.unfinished_ids():
            row = await self.job(job_id)
            if not row.finished:  # it ended while this was read
                rows.append(row)
        return rows

    async def proposal(self, job_id: str) -> dict[str, Any]:
        """Return the proposal that a job was made for; :class:`headway.errors.NotFound` if there is no such job."""
        held = await self.events(job_id=job_id, kinds=(JOB_CREATED,), limit=1)
        if not held or has_references(held[0].data):
            return await (await self._reader()).proposal(job_id)
        proposal: dict[str, Any] = copy_json(held[0].data.get("proposal") or {})
        return proposal

    async def jobs_view(self) -> JobsView:
        """Return all jobs, oldest first."""
        return await (await self._reader()).jobs_view()

    async def limits_view(self) -> LimitsView:
        """Return every token bucket."""
        return await (await self._reader()).limits_view()

    async def budget_view(self) -> BudgetView:
        """Return every budget."""
        return await (await self._reader()).budget_view()

    async def inbox_view(self) -> InboxView:
        """Return all that waits for a person."""
        return await (await self._reader()).inbox_view()

    async def inbox_page(self, limit: int, offset: int = 0) -> InboxPage:
        """Return a page of what waits for a person: of a view that is kept here and folded on."""
        kept = self._inbox
        if kept is None or not fold_tail(self.log, kept):
            kept = self._inbox = await self.inbox_view()
        return clone(kept.page(limit, offset))

    async def threads_view(self) -> ThreadsView:
        """Return every thread."""
        return await (await self._reader()).threads_view()

    async def schedules_view(self) -> SchedulesView:
        """Return every schedule."""
        return await (await self._reader()).schedules_view()

    async def thread_events(self, thread_id: str, kind: str, *, skip: int = 0, limit: int = 1000) -> list[Event]:
        """Return messages or checkpoints of a thread: see :meth:`Reader.thread_events`."""
        return await (await self._reader()).thread_events(thread_id, kind, skip=skip, limit=limit)

    async def run_view(self, job_id: str, upto: int | None = None, *, resolve: bool = False) -> RunView:
        """Return a run: see :meth:`Reader.run_view`."""
        run = self.live.run(job_id, upto) if upto is not None else await self.live.run_in_steps(job_id)
        if run is None or run.job.first_seq == 0:
            return await (await self._reader()).run_view(job_id, upto, resolve=resolve)
        if resolve:
            for action in run.actions:
                if is_reference(action.output):
                    action.output = await self.resolve(action.output)
            run.output = await self.resolve(run.output) if is_reference(run.output) else run.output
        return run

    async def scope_state(self, scope: str, upto: int | None = None) -> dict[str, Any]:
        """Return the state of a scope as it is, or as it was at seq ``upto``; empty for one that nobody used."""
        return await (await self._reader()).scope_state(scope, upto)

    async def scope_events(self, scope: str, limit: int = 1000) -> list[Event]:
        """Return the first events that began a scope's jobs or set its state from outside them."""
        return await (await self._reader()).scope_events(scope, limit)

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return every view of the table, and one job's run if asked for, all as of one seq."""
        return await (await self._reader()).snapshot(job_id)

    async def complete(self) -> bool:
        """Return whether lists hold every job: not while caches that were lost are being folded anew."""
        return await (await self._reader()).complete()

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints that were saved, of a job, a scope or all, oldest first."""
        return await (await self._reader()).checkpoints(job_id, scope)

    async def checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """Return a saved checkpoint, whole; :class:`headway.errors.NotFound` if there is none of that id."""
        return await (await self._reader()).checkpoint(checkpoint_id)

    async def statistics(self) -> Statistics:
        """Return figures of the file and of what waits to be written to it."""
        found = await (await self._reader()).statistics()
        return msgspec.structs.replace(found, pending=self.log.pending)

    # -- writing -----------------------------------------------------------------------------------------------------

    def live_run(self, job_id: str) -> RunView | None:
        """Return a run as far as it is committed, without waiting; None if its events are not held in memory."""
        return self.live.run(job_id)

    async def save_checkpoint(self, checkpoint: Checkpoint, by: str = "") -> int:
        """Keep a checkpoint, whole, and record it; return the seq of its ``checkpoint_saved`` event."""
        return await self.log.save_checkpoint(checkpoint, by)

    async def claim(self, name: str, owner: str, lease_s: float) -> Claim:
        """Claim a name for a time: see :meth:`Store.claim`."""
        return await claims.claim(self.log, name, owner, lease_s)

    async def renew(self, claim: Claim, lease_s: float) -> Claim:
        """Extend a claim; :class:`headway.errors.Conflict` if it is lost."""
        return await claims.renew(self.log, claim, lease_s)

    async def claimed(self, name: str) -> Claim | None:
        """Return the last claim of a name; None if there was none."""
        return await claims.claimed(self.log, name)

    async def release(self, claim: Claim) -> None:
        """Give a claim back; one that is lost already is left as it is."""
        await claims.release(self.log, claim)

    async def prune(self, *, keep_days: float | None = None, max_bytes: int | None = None) -> dict[str, Any]:
        """Delete finished jobs: see :meth:`StoreLog.prune`."""
        return await self.log.prune(keep_days=keep_days, max_bytes=max_bytes)
