"""The jobs whose events are in memory, by job; their views are folded when somebody asks, no earlier.

A log in memory holds every job this way, a durable one those that began in this process and have not ended, or ended
a short while ago: most questions about a job are answered without going to the disk.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import clone, detach, fold_all
from headway.events.views import InboxView, JobRow, JobsView, RunView

if TYPE_CHECKING:
    from headway.events.log import EventLog

LONGEST = 20_000
"""A job with more events than this is let go of, where there is a disk to read it from."""

STEP = 1000
"""The most actions that are copied in one step of the event loop."""

MOST = 200_000
"""All jobs together hold no more events than this there; the longest are let go of first."""


def fold_tail(log: EventLog, view: InboxView) -> bool:
    """Fold on ``view`` what ``log`` has got since; return False if that is not in memory any more."""
    if view.last_seq < log._tail_after:
        return False
    if view.last_seq < log.last_seq:
        fold_all(view, islice(log._tail, view.last_seq - log._tail_after, None))
        view.last_seq = log.last_seq
    return True


class _Job:
    """The events of one job so far, and what has been folded of them."""

    __slots__ = ("events", "row_count", "rows", "run", "run_count")

    def __init__(self, event: Event) -> None:
        self.events = [event]
        self.rows = JobsView()
        self.row_count = 0
        self.run: RunView | None = None
        self.run_count = 0


class LiveJobs:
    """The jobs of ``log`` that it saw from their first event on. ``bounded`` lets go of long ones and of old ones."""

    def __init__(self, log: EventLog, *, bounded: bool) -> None:
        self._log = log
        self._bounded = bounded
        self._jobs: dict[str, _Job] = {}
        self.seq = log.last_seq if bounded else log._tail_after

    def news(self) -> list[Event]:
        """Take in what the log has got since the last call, and return it."""
        start = self.seq - self._log._tail_after
        if self.seq >= self._log.last_seq:
            return []
        events = list(islice(self._log._tail, max(0, start), None))
        self.seq = self._log.last_seq
        self._take(events)
        return events

    def skip(self, upto: int) -> list[Event]:
        """Pass over what is new up to seq ``upto`` without taking it in, and return it."""
        if self.seq >= upto:
            return []
        start = self.seq - self._log._tail_after
        passed = self._log._tail[max(0, start) : upto - self._log._tail_after]
        self.seq = upto
        return passed

    def _take(self, events: Iterable[Event]) -> None:
        jobs = self._jobs
        for event in events:
            job_id = event.job_id
            if job_id is None:
                continue
            job = jobs.get(job_id)
            if job is not None:
                job.events.append(event)
            elif event.kind == k.JOB_CREATED or not self._bounded:
                jobs[job_id] = _Job(event)

    def events(self, job_id: str) -> list[Event] | None:
        """Return the events of a job, all of them; None if it is not held. The list stays this object's."""
        self.news()
        job = self._jobs.get(job_id)
        return job.events if job is not None else None

    def row(self, job_id: str) -> JobRow | None:
        """Return a job's row as of now; None if the job is not held, or was never created."""
        self.news()
        job = self._jobs.get(job_id)
        if job is None:
            return None
        if job.run is not None:  # it has the row, and is folded anyway
            run = self.shared_run(job_id)
            return copy.copy(run.job) if run is not None and run.job.first_seq else None
        if job.row_count < len(job.events):
            fold_all(job.rows, islice(job.events, job.row_count, None))
            job.row_count = len(job.events)
        row = job.rows.jobs.get(job_id)
        return copy.copy(row) if row is not None else None

    def run(self, job_id: str, upto: int | None = None) -> RunView | None:
        """Return a run as of now, or as of seq ``upto``; None if the job is not held."""
        if upto is None:
            view = self.shared_run(job_id)
            if view is not None and view.job.finished:  # nothing is folded on it any more: who asks again folds anew
                self._jobs[job_id].run, self._jobs[job_id].run_count = None, 0
                return detach(view)
            return clone(view) if view is not None else None
        events = self.events(job_id)
        if events is None:
            return None
        return clone(fold_all(RunView(JobRow(job_id)), (event for event in events if event.seq <= upto)))

    async def run_in_steps(self, job_id: str) -> RunView | None:
        """Return a run as of now, as :meth:`run` does: one of many actions in steps, and others have turns between."""
        shared = self.shared_run(job_id)
        if shared is None or shared.job.finished or len(shared.actions) <= STEP:
            return self.run(job_id)
        seq, actions = shared.last_seq, shared.actions
        copied = clone(msgspec.structs.replace(shared, actions=[]))
        for start in range(0, len(actions), STEP):
            await asyncio.sleep(0)
            if shared.last_seq != seq or shared.actions is not actions:  # it was folded on: the parts would not fit
                return self.run(job_id)
            copied.actions += [clone(action) for action in actions[start : start + STEP]]
        return copied

    def shared_run(self, job_id: str) -> RunView | None:
        """Return a run as of now, not to be changed: the same object each time, folded on."""
        self.news()
        job = self._jobs.get(job_id)
        if job is None:
            return None
        if job.run is None:
            job.run = RunView(JobRow(job_id))
        if job.run_count < len(job.events):
            fold_all(job.run, islice(job.events, job.run_count, None))
            job.run_count = len(job.events)
        return job.run

    def let_go(self, upto: int) -> None:
        """Drop jobs that ended with seq ``upto`` or before, and those that are too long to be held."""
        self.news()
        for job_id, job in list(self._jobs.items()):
            ended = job.events[-1].seq <= upto and any(event.kind in k.TERMINAL_JOB for event in job.events[-8:])
            if ended or len(job.events) > LONGEST:
                del self._jobs[job_id]
        surplus = sum(len(job.events) for job in self._jobs.values()) - MOST
        for job_id, job in sorted(self._jobs.items(), key=lambda item: len(item[1].events), reverse=True):
            if surplus <= 0:
                break
            surplus -= len(job.events)
            del self._jobs[job_id]

    def forget(self, job_ids: Iterable[str]) -> None:
        """Drop jobs that were pruned."""
        self.news()
        for job_id in job_ids:
            self._jobs.pop(job_id, None)

    def cut(self, upto: int) -> list[str]:
        """Drop events up to seq ``upto``; return the ids of the jobs that lost their first one."""
        cut = [job_id for job_id, job in self._jobs.items() if job.events[0].seq <= upto]
        for job_id in cut:
            left = [event for event in self._jobs[job_id].events if event.seq > upto]
            if left:
                job = self._jobs[job_id] = _Job(left[0])
                job.events = left
            else:
                del self._jobs[job_id]
        return cut
