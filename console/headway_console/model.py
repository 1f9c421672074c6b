"""The console's model: the views folded from its source's events, and which run is looked at.

Pure: no terminal, no clock of its own, no I/O. Time is asked of the source (``now_ms``), so what is painted depends on
the events, the source's time, the size and the theme, and on nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, InboxView, JobRow, JobsView, LimitsView, RunView
from headway_console.source import Item

MAX_EVENTS = 200_000
"""The most events listed; older ones are counted, and still in the store."""

MAX_RUNS = 32
"""The most finished runs kept whole; one that was let go is asked of the source again."""


class ConsoleModel:
    """The state behind every panel. ``feed`` is the only way in; ``version`` changes with every change.

    ``epoch`` changes when the past was replaced (a :class:`Snapshot`), so that who keeps row numbers starts anew.
    ``first`` is the number of events dropped from the front of ``events`` since then: the event at ``events[i]`` is
    row ``first + i``, for as long as the epoch lasts.

    The run in sight is *pinned*, or the newest one is followed. Following takes each run that begins into sight. A run
    that ends in sight (see :meth:`seen`) is pinned by that: nothing but :meth:`choose` takes it away again.
    ``keeps_ended`` is False for a recording: there the place in it alone says what is in sight. ``opening`` is True
    until something was fed.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        *,
        max_events: int = MAX_EVENTS,
        max_runs: int = MAX_RUNS,
        keeps_ended: bool = True,
    ) -> None:
        self.now_ms = now_ms
        self.keeps_ended = keeps_ended
        self.version = 0
        self.epoch = 0
        self._views = Snapshot()
        self.runs: dict[str, RunView] = {}
        self.events: list[Event] = []
        self.first = 0
        self.older = 0
        self.last_seq = 0
        self.last_ts = 0
        self._max_events = max_events
        self._max_runs = max_runs
        self.opening = True
        self._pinned: str | None = None
        self._newest: str | None = None
        self._in_sight: str | None = None
        self._live: dict[str, None] = {}
        self._finished: deque[str] = deque()
        self._unknown: set[str] = set()

    @property
    def jobs(self) -> JobsView:
        """All jobs."""
        return self._views.jobs

    @property
    def limits(self) -> LimitsView:
        """Every token bucket."""
        return self._views.limits

    @property
    def budgets(self) -> BudgetView:
        """Every budget."""
        return self._views.budgets

    @property
    def inbox(self) -> InboxView:
        """All that waits for a person."""
        return self._views.inbox

    @property
    def views(self) -> Mapping[str, Any]:
        """Every view over the whole log, by its name in the table of views."""
        return self._views.views

    @property
    def complete(self) -> bool:
        """True if the lists hold every job: not while a store that lost its caches folds its log anew."""
        return self._views.complete

    # -- events in -----------------------------------------------------------------------------------------------

    def feed(self, item: Item) -> None:
        """Take the next item of :meth:`headway_console.source.Source.batches`."""
        if isinstance(item, Snapshot):
            self._restart(item)
        else:
            self._fold(item)
        self.opening = False
        self.version += 1

    def install(self, job_id: str, run: RunView | None) -> None:
        """Take a run that was asked of the source; events listed after it are folded on. None: there is no such run."""
        if run is None:
            self._unknown.add(job_id)
            self.version += 1
            return
        for event in self.events:
            if event.job_id == job_id and event.seq > run.last_seq:
                run = fold(run, event)
        self._unknown.discard(job_id)
        self.runs[job_id] = run
        if run.job.finished:
            self._remember_finished(job_id)
        self.version += 1

    def _restart(self, snapshot: Snapshot) -> None:
        if self._in_sight in self._live and self._in_sight == self.current_id:  # it may have ended meanwhile
            row = snapshot.jobs.jobs.get(self._in_sight)
            if row is not None and row.finished and self.keeps_ended:
                self._pinned = row.job_id
        self._views = snapshot
        self.runs = dict(snapshot.runs)
        self.events = list(snapshot.events)
        self.first = 0
        self.older = snapshot.older
        self.last_seq = snapshot.seq
        self.last_ts = self.events[-1].ts if self.events else 0
        self._finished.clear()
        self._unknown.clear()
        self._live = {row.job_id: None for row in self.jobs.jobs.values() if not row.finished}
        self._newest = self._begun_last()
        self.epoch += 1

    def _fold(self, events: Iterable[Event]) -> None:
        runs = self.runs
        listed = self.events
        fresh = []
        for event in events:
            if event.seq and event.seq <= self.last_seq:
                continue  # told twice
            self.last_seq = event.seq or self.last_seq
            fresh.append(event)
        listed += fresh
        self._views.fold_log(fresh)
        for event in fresh:
            job_id = event.job_id
            if job_id is None:
                continue
            kind = event.kind
            if kind == kinds.JOB_CREATED:
                self._live[job_id] = None
                if self._newest is None:
                    self._newest = job_id
            elif kind == kinds.JOB_STARTED:
                self._newest = job_id
            elif kind in kinds.TERMINAL_JOB:
                self._live.pop(job_id, None)
                self._keep(job_id)
            run = runs.get(job_id)
            if run is None:
                if kind != kinds.JOB_CREATED:
                    continue  # begun before this view did: asked for when it is looked at
                run = RunView(job=JobRow(job_id=job_id))
                self._unknown.discard(job_id)
            runs[job_id] = fold(run, event)
            if kind in kinds.TERMINAL_JOB:
                self._remember_finished(job_id)
        if listed:
            self.last_ts = listed[-1].ts
        if len(listed) > self._max_events * 1.1:
            surplus = len(listed) - self._max_events
            del listed[:surplus]
            self.first += surplus
            self.older += surplus

    def _keep(self, job_id: str) -> None:
        """Pin a run that ends in sight, so that what is seen next is its end and not another run."""
        if self.keeps_ended and job_id == self.current_id == self._in_sight:
            self._pinned = job_id

    def _remember_finished(self, job_id: str) -> None:
        """Keep this finished run, let the oldest ones go that nobody looks at."""
        self._finished.append(job_id)
        for _ in range(len(self._finished)):
            if len(self._finished) <= self._max_runs:
                break
            oldest = self._finished.popleft()
            if oldest == self.current_id:
                self._finished.append(oldest)
            else:
                self.runs.pop(oldest, None)

    # -- what is looked at ---------------------------------------------------------------------------------------

    def choose(self, job_id: str | None) -> None:
        """Pin that job; None follows the newest one."""
        self._pinned = job_id
        self.version += 1

    def seen(self) -> None:
        """Note that the job in sight has been painted."""
        self._in_sight = self.current_id

    def pin(self) -> None:
        """Pin the job in sight."""
        if not self.pinned and self.current_id is not None:
            self.choose(self.current_id)

    @property
    def pinned(self) -> bool:
        """True if the job in sight stays there until the operator leaves it; else the newest one is followed."""
        return self._pinned is not None and self._pinned in self.jobs.jobs

    @property
    def current_id(self) -> str | None:
        """The id of the job in sight; None if there are no jobs."""
        rows = self.jobs.jobs
        if self._pinned is not None and self._pinned in rows:
            return self._pinned
        return self._newest if self._newest in rows else next(reversed(rows), None)

    def newer(self) -> int:
        """Return how many jobs were created after the one in sight."""
        count = 0
        for job_id in reversed(self.jobs.jobs):
            if job_id == self.current_id:
                break
            count += 1
        return count

    def _begun_last(self) -> str | None:
        """Return the id of the job that began last; if none has begun, the newest one."""
        started = [row for row in self.jobs.jobs.values() if row.started_ms is not None]
        if not started:
            return next(reversed(self.jobs.jobs), None)
        latest = max(row.started_ms or 0 for row in started)
        return next(row.job_id for row in reversed(started) if row.started_ms == latest)

    @property
    def job(self) -> JobRow | None:
        """The row of the job in sight."""
        job_id = self.current_id
        return self.jobs.jobs.get(job_id) if job_id else None

    @property
    def run(self) -> RunView | None:
        """The run looked at; None if there is none, or it must be asked for (:attr:`missing`)."""
        job_id = self.current_id
        return self.runs.get(job_id) if job_id else None

    @property
    def missing(self) -> str | None:
        """The id of the job looked at if its run has to be asked of the source, else None."""
        job_id = self.current_id
        if job_id is None or job_id in self.runs or job_id in self._unknown:
            return None
        return job_id

    def live_jobs(self) -> list[JobRow]:
        """Return the jobs that are not finished, oldest first."""
        rows = self.jobs.jobs
        return [rows[job_id] for job_id in self._live if job_id in rows]

    @property
    def busy(self) -> bool:
        """True if something runs, so that ages shown change by themselves."""
        return any(row.status != "queued" for row in self.live_jobs())

    def refilling(self, now_ms: int) -> bool:
        """Return whether a bucket is not full at that time, so that what is shown of it changes by itself."""
        return any(bucket.level(now_ms) < bucket.capacity for bucket in self.limits.buckets.values())

    def event_at(self, row: int) -> Event | None:
        """Return the event of a row number (see ``first``), None if it is no longer listed."""
        index = row - self.first
        return self.events[index] if 0 <= index < len(self.events) else None
