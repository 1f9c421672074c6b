"""The store of a log in memory: the same questions, answered by folding what the log holds.

Events are filed by job and by scope when somebody asks, so appending costs nothing more. When a bounded log sheds its
oldest events, the views over the whole log and the states of shared scopes keep what those amounted to; jobs whose
beginning is gone are gone.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import InvalidInput, NotFound, StoreUnreadable, one_line
from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import clone, fold_all
from headway.events.fold.table import SCOPE_KINDS, STATE_KINDS, log_views
from headway.events.log import EventLog, check_question
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
    StateView,
    ThreadsView,
)
from headway.jsonvalue import copy_json
from headway.numbers import number_between
from headway.store.checkpoints import checkpoint_saved, decode_checkpoint
from headway.store.claims import check_names, lease_ms, next_claim, renewed
from headway.store.live import LiveJobs
from headway.store.protocol import Claim, Statistics
from headway.store.writing import LogWriting

if TYPE_CHECKING:
    from headway.events.checkpoint import Checkpoint, CheckpointInfo

DAY_MS = 86_400_000

_PRIVATE = "job:"
_FRESH = "scope:"
_seq = attrgetter("seq")


class MemoryStore(LogWriting["EventLog"]):
    """The :class:`~headway.store.protocol.Store` of an :class:`EventLog` in memory; :func:`store_of` makes it."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.live = LiveJobs(log, bounded=False)
        self._seq = self.live.seq  # folded and filed so far; who asks for one run alone moves only the live jobs on
        self._views: dict[str, Any] = {row.name: row.empty() for row in log_views()}
        self._scope_of: dict[str, str] = {}
        self._scopes: dict[str, list[Event]] = {}
        self._threads: dict[tuple[str, str], tuple[list[Event], int]] = {}  # with how many were shed
        self._gone: set[str] = set()  # jobs whose beginning was shed and whose end was not
        self._bases: dict[str, StateView] = {}
        self._states: dict[str, tuple[StateView, int]] = {}  # with how many of the scope's events are folded
        self._checkpoints: dict[str, tuple[CheckpointInfo, bytes]] = {}
        self._claims: dict[str, Claim] = {}
        log.on_shed = self._shed

    # -- events ------------------------------------------------------------------------------------------------------

    async def last_seq(self) -> int:
        """Return the seq of the last event; 0 when there is none."""
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
        """Return events: see :meth:`Reader.events`. Those that a bounded log has shed are not among them."""
        check_question(after, kinds, limit)
        held = self.log._tail if job_id is None else self.live.events(job_id) or []
        start = bisect_right(held, after, key=_seq)
        stop = len(held) if before is None else bisect_left(held, before, key=_seq)
        if kinds is None:
            part = held[start:stop]
            return part[:limit] if before is None else part[max(0, len(part) - limit) :]
        places = range(start, stop) if before is None else range(stop - 1, start - 1, -1)
        found: list[Event] = []
        for place in places:
            if len(found) >= limit:
                break
            if held[place].kind in kinds:
                found.append(held[place])
        return found if before is None else found[::-1]

    async def event(self, seq: int) -> Event:
        """Return one event; :class:`NotFound` if there is none of that seq."""
        found = await self.events(seq - 1, before=seq + 1, limit=1)
        if not found:
            raise NotFound(f"there is no event {seq}")
        return found[0]

    async def resolve(self, value: Any) -> Any:
        """Return ``value`` itself: nothing is kept elsewhere."""
        return value

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        """Return jobs, newest first: see :meth:`Reader.jobs`."""
        found: list[JobRow] = []
        for row in reversed(self._jobs().values()):
            if len(found) >= limit:
                break
            if (status is None or row.status == status) and (before is None or row.first_seq < before):
                found.append(copy.copy(row))
        return found

    async def jobs_as_of(
        self, status: str | None = None, limit: int = 100, before: int | None = None
    ) -> tuple[int, list[JobRow]]:
        """Return a page of jobs and the seq that they are as of: see :meth:`Reader.jobs_as_of`."""
        rows = await self.jobs(status, limit, before)
        return self.log.last_seq, rows

    async def job(self, job_id: str) -> JobRow:
        """Return a job's row; :class:`NotFound` if there is no such job."""
        row = self._jobs().get(job_id)
        if row is None:
            raise self._no_job(job_id)
        return copy.copy(row)

    async def unfinished(self) -> list[JobRow]:
        """Return the jobs that have not reached a terminal status, oldest first."""
        return [copy.copy(row) for row in self._jobs().values() if not row.finished]

    async def proposal(self, job_id: str) -> dict[str, Any]:
        """Return the proposal that a job was made for; :class:`NotFound` if there is no such job."""
        found = await self.events(job_id=job_id, kinds=[k.JOB_CREATED], limit=1)
        if not found:
            raise self._no_job(job_id)
        proposal: dict[str, Any] = copy_json(found[0].data.get("proposal") or {})
        return proposal

    def _jobs(self) -> dict[str, JobRow]:
        self._catch_up()
        view: JobsView = self._views["jobs"]
        return view.jobs

    def _no_job(self, job_id: str) -> NotFound:
        dropped = self.log.statistics().dropped
        gone = f": the log in memory has let go of its first {dropped} events" if dropped else ""
        return NotFound(f"there is no job '{one_line(job_id, 200)}'{gone}")

    # -- views -------------------------------------------------------------------------------------------------------

    async def jobs_view(self) -> JobsView:
        """Return all jobs, oldest first."""
        return JobsView({job_id: copy.copy(row) for job_id, row in self._jobs().items()}, self.log.last_seq)

    async def limits_view(self) -> LimitsView:
        """Return every token bucket."""
        self._catch_up()
        view: LimitsView = clone(self._views["limits"])
        return view

    async def budget_view(self) -> BudgetView:
        """Return every budget."""
        self._catch_up()
        view: BudgetView = clone(self._views["budgets"])
        return view

    async def inbox_view(self) -> InboxView:
        """Return all that waits for a person."""
        self._catch_up()
        view: InboxView = clone(self._views["inbox"])
        return view

    async def inbox_page(self, limit: int, offset: int = 0) -> InboxPage:
        """Return a page of what waits for a person."""
        self._catch_up()
        view: InboxView = self._views["inbox"]
        return clone(view.page(limit, offset))

    async def threads_view(self) -> ThreadsView:
        """Return every thread."""
        self._catch_up()
        view: ThreadsView = clone(self._views["threads"])
        return view

    async def schedules_view(self) -> SchedulesView:
        """Return every schedule."""
        self._catch_up()
        view: SchedulesView = clone(self._views["schedules"])
        return view

    async def thread_events(self, thread_id: str, kind: str, *, skip: int = 0, limit: int = 1000) -> list[Event]:
        """Return messages or checkpoints of a thread: see :meth:`Reader.thread_events`."""
        self._catch_up()
        held, shed = self._threads.get((thread_id, kind), ([], 0))
        if skip < shed and limit > 0:
            raise StoreUnreadable(f"the log in memory has let go of the first {shed} events of thread '{thread_id}'")
        return held[skip - shed : skip - shed + max(0, limit)]

    async def run_view(self, job_id: str, upto: int | None = None, *, resolve: bool = False) -> RunView:
        """Return a run as it is, or as it was at seq ``upto``; :class:`NotFound` if there was no such job."""
        self._catch_up()
        run = self.live.run(job_id, upto)
        if run is None or run.job.first_seq == 0:
            raise self._no_job(job_id)
        return run

    async def scope_state(self, scope: str, upto: int | None = None) -> dict[str, Any]:
        """Return the state of a scope as it is, or as it was at seq ``upto``; empty for one that nobody used."""
        self._catch_up()
        events = self._scopes.get(scope, [])
        view, count = self._states.get(scope, (None, 0))
        if view is None or upto is not None:
            base = self._bases.get(scope)
            view, count = clone(base) if base is not None else StateView(scope), 0
        fold_all(view, (event for event in islice(events, count, None) if upto is None or event.seq <= upto))
        if upto is None and events:
            self._states[scope] = (view, len(events))
        return clone(view).state

    async def scope_events(self, scope: str, limit: int = 1000) -> list[Event]:
        """Return the first events that began a scope's jobs or set its state from outside them."""
        self._catch_up()
        found = (event for event in self._scopes.get(scope, []) if event.kind in SCOPE_KINDS)
        return list(islice(found, max(0, limit)))

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return every view of the table, and one job's run if asked for, all as of the last event."""
        run = await self.run_view(job_id) if job_id is not None else None
        self._catch_up()
        views = {name: clone(view) for name, view in self._views.items()}
        return Snapshot(self.log.last_seq, runs={run.job.job_id: run} if run is not None else None, **views)

    async def complete(self) -> bool:
        """Return True: lists hold every job that the log does."""
        return True

    # -- checkpoints -------------------------------------------------------------------------------------------------

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints that were saved, of a job, a scope or all, oldest first."""
        infos = [
            copy.copy(info)
            for info, _ in self._checkpoints.values()
            if (job_id is None or info.job_id == job_id) and (scope is None or info.scope == scope)
        ]
        return sorted(infos, key=_seq)

    async def checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """Return a saved checkpoint, whole; :class:`NotFound` if there is none of that id."""
        found = self._checkpoints.get(checkpoint_id)
        if found is None:
            raise NotFound(f"there is no checkpoint '{one_line(checkpoint_id, 200)}'")
        return decode_checkpoint(checkpoint_id, found[1])

    def live_run(self, job_id: str) -> RunView | None:
        """Return a run as far as it is committed, without waiting; None if its events are not held in memory."""
        return self.live.run(job_id)

    async def save_checkpoint(self, checkpoint: Checkpoint, by: str = "") -> int:
        """Keep a checkpoint, whole, and record it; return the seq of its ``checkpoint_saved`` event."""
        body = self.log.redactor.encoded(msgspec.json.encode(checkpoint))
        seq = await self.log.write(checkpoint_saved(checkpoint, by))
        info = msgspec.structs.replace(checkpoint.info, keys=len(checkpoint.state))
        self._checkpoints[info.checkpoint_id] = (info, body)
        return seq

    # -- claims ------------------------------------------------------------------------------------------------------

    async def claim(self, name: str, owner: str, lease_s: float) -> Claim:
        """Claim a name for a time: see :meth:`Store.claim`."""
        check_names(name, owner)
        made = next_claim(self._claims.get(name), name, owner, lease_ms(lease_s), self.log.clock.time_ms())
        self._claims[name] = made
        return made

    async def renew(self, claim: Claim, lease_s: float) -> Claim:
        """Extend a claim; :class:`headway.errors.Conflict` if it is lost."""
        made = renewed(self._claims.get(claim.name), claim, lease_ms(lease_s), self.log.clock.time_ms())
        self._claims[claim.name] = made
        return made

    async def claimed(self, name: str) -> Claim | None:
        """Return the last claim of a name; None if there was none."""
        return self._claims.get(name)

    async def release(self, claim: Claim) -> None:
        """Give a claim back; one that is lost already is left as it is."""
        last = self._claims.get(claim.name)
        if last is not None and last.token == claim.token:
            self._claims[claim.name] = msgspec.structs.replace(last, until_ms=0)

    # -- administration ----------------------------------------------------------------------------------------------

    async def prune(self, *, keep_days: float | None = None, max_bytes: int | None = None) -> dict[str, Any]:
        """Let go of the oldest finished jobs, up to the first that is younger, not finished or has a checkpoint.

        A log in memory has no size in bytes: ``max_bytes`` raises :class:`InvalidInput` (``max_events`` bounds it).
        """
        if max_bytes is not None:
            raise InvalidInput("a log in memory has no size in bytes: bound it with max_events")
        if keep_days is None:
            return {"jobs": [], "events": 0, "bytes": 0}
        number_between(keep_days, "keep_days", 0, 1e6)
        cutoff = self.log.clock.time_ms() - int(keep_days * DAY_MS)
        kept = {info.job_id for info, _ in self._checkpoints.values()}
        end, gone = self.log.last_seq, []
        for row in self._jobs().values():
            if row.finished_ms is None or row.finished_ms > cutoff or row.job_id in kept:
                end = min(end, row.first_seq - 1)
        for row in self._jobs().values():
            if row.last_seq > end and row.first_seq <= end:  # half of it would go
                end = row.first_seq - 1
        gone = [row.job_id for row in self._jobs().values() if row.last_seq <= end]
        if not gone:
            return {"jobs": [], "events": 0, "bytes": 0}
        count = self.log.shed(end)
        await self.log.write(Event(k.STORE_PRUNED, {"jobs": gone, "events": count, "reason": "keep_days"}))
        return {"jobs": gone, "events": count, "bytes": 0}

    async def statistics(self) -> Statistics:
        """Return figures of the log."""
        jobs = self._jobs()
        log = self.log.statistics()
        return Statistics(
            kind="memory",
            events=log.events,
            first_seq=self.log._tail[0].seq if log.events else 0,
            last_seq=self.log.last_seq,
            dropped=log.dropped,
            jobs=len(jobs),
            unfinished=sum(not row.finished for row in jobs.values()),
            pending=0,
            folded=self.log.last_seq,
            bytes=0,
        )

    # -- inside ------------------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """File and fold what came since the last question."""
        self.live.news()
        news = self._unseen(self.log.last_seq)
        if news:
            known = [event for event in news if event.job_id not in self._gone] if self._gone else news
            for row in log_views():
                fold_all(self._views[row.name], news if row.parts is None else known)
                self._views[row.name].last_seq = self._seq
            self._file(news)

    def _unseen(self, upto: int) -> list[Event]:
        """Return the events up to seq ``upto`` that were not folded yet; from now on they count as folded."""
        if self._seq >= upto:
            return []
        after = self.log._tail_after
        passed = self.log._tail[max(0, self._seq - after) : upto - after]
        self._seq = upto
        return passed

    def _file(self, events: Iterable[Event]) -> None:
        """Put the events that states depend on to those of their scope."""
        for event in events:
            if event.kind in (k.THREAD_MESSAGE, k.THREAD_CHECKPOINT):
                key = (str(event.data.get("thread")), event.kind)
                self._threads.setdefault(key, ([], 0))[0].append(event)
            if event.kind not in STATE_KINDS:
                continue
            scope = event.data.get("scope") if event.job_id is None else None
            if event.job_id is not None:
                if event.kind == k.JOB_CREATED:
                    self._scope_of[event.job_id] = str(event.data.get("scope") or "")
                scope = self._scope_of.get(event.job_id)
            if isinstance(scope, str):
                self._scopes.setdefault(scope, []).append(event)

    def _shed(self, upto: int) -> None:
        """Keep what the events up to seq ``upto``, which are about to go, amounted to.

        Jobs that began among them go too, so what nobody has asked about is not folded for them.
        """
        self.live.skip(upto)
        unseen = self._unseen(upto)
        for row in log_views():
            view = self._views[row.name]
            if row.parts is None:
                fold_all(view, unseen)
            view.last_seq = max(view.last_seq, upto)
        self._file(unseen)
        for key, (held, shed) in list(self._threads.items()):
            lost = bisect_right(held, upto, key=_seq)
            if lost:
                self._threads[key] = held[lost:], shed + lost
        for scope, events in list(self._scopes.items()):
            cut = bisect_right(events, upto, key=_seq)
            if not cut:
                continue
            self._states.pop(scope, None)
            self._bases[scope] = fold_all(self._bases.get(scope) or StateView(scope), events[:cut])
            self._scopes[scope] = events[cut:]
        for scope in [scope for scope in self._bases if not self._scopes[scope] and self._is_over(scope)]:
            del self._scopes[scope], self._bases[scope]
            self._states.pop(scope, None)
        begun = {event.job_id for event in unseen if event.kind == k.JOB_CREATED and event.job_id is not None}
        gone = begun.union(self.live.cut(upto))
        for job_id in gone:
            self._forget(job_id, upto)
        left = {event.job_id for event in self.log._tail if event.seq > upto}
        self._gone = {job_id for job_id in self._gone | gone if job_id in left}

    def _is_over(self, scope: str) -> bool:
        """Return whether nobody can come back to a scope: it was one job's, or made anew by a program that let go."""
        if scope.startswith(_PRIVATE):
            return True
        supervisor = self.log.supervisor
        return scope.startswith(_FRESH) and (supervisor is None or not supervisor.uses(scope))

    def _forget(self, job_id: str, upto: int) -> None:
        row = self._views["jobs"].jobs.get(job_id)
        if row is None or row.first_seq <= upto:
            self._scope_of.pop(job_id, None)
            for table_row in log_views():
                if table_row.parts is not None:
                    getattr(self._views[table_row.name], table_row.parts).pop(job_id, None)
