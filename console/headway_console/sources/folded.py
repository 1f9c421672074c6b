"""All views of one position of a log, folded together."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway_console.source import Snapshot

FINISHED = 8
"""How many finished runs are kept whole, besides those that are not finished."""


class Folded(msgspec.Struct):
    """The views after the event ``seq``. ``runs``: those not finished, and the last few that are, oldest first."""

    seq: int = 0
    jobs: JobsView = msgspec.field(default_factory=JobsView)
    limits: LimitsView = msgspec.field(default_factory=LimitsView)
    budgets: BudgetView = msgspec.field(default_factory=BudgetView)
    runs: dict[str, RunView] = msgspec.field(default_factory=dict)

    def fold(self, events: Iterable[Event]) -> None:
        """Take in the next events, in seq order."""
        jobs, limits, budgets, runs = self.jobs, self.limits, self.budgets, self.runs
        for event in events:
            self.seq = event.seq
            jobs = fold(jobs, event)
            limits = fold(limits, event)
            budgets = fold(budgets, event)
            job_id = event.job_id
            if job_id is None:
                if event.kind == kinds.STORE_PRUNED:
                    self.runs = runs = {known: run for known, run in runs.items() if known in jobs.jobs}
                continue
            run = runs.get(job_id)
            if run is None:
                if event.kind != kinds.JOB_CREATED:
                    continue  # let go before, or begun before this log did
                run = RunView(job=JobRow(job_id=job_id))
            runs[job_id] = fold(run, event)
            if event.kind in kinds.TERMINAL_JOB:
                self._let_go()
        self.jobs, self.limits, self.budgets = jobs, limits, budgets

    def snapshot(self, events: list[Event] | None = None, older: int = 0) -> Snapshot:
        """Return these views as a fresh start. They belong to the receiver from then on."""
        return Snapshot(
            seq=self.seq,
            jobs=self.jobs,
            limits=self.limits,
            budgets=self.budgets,
            runs=self.runs,
            events=events or [],
            older=older,
        )

    def _let_go(self) -> None:
        finished = [job_id for job_id, run in self.runs.items() if run.job.finished]
        for job_id in finished[:-FINISHED]:
            del self.runs[job_id]
