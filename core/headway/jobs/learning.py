"""The material that a learner gets after each run: the run's view and its events, read back from the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import JobRow, RunView
from headway.plan.results import ProposalResult

if TYPE_CHECKING:
    from headway.learning.learner import Learner

_BETWEEN = frozenset(
    {kinds.REPLAN_ATTEMPTED, kinds.REPLAN_PROPOSAL_RECEIVED, kinds.REPLAN_REJECTED, kinds.REPLAN_EXHAUSTED}
)


async def learn(learner: Learner, log: EventLog, since: int, result: ProposalResult) -> None:
    """Let ``learner`` see the runs behind ``result``, whose events are those after ``since``; record what it says."""
    jobs = list(dict.fromkeys(step.job_id for step in result.replan_lineage if step.job_id)) or [result.job_id]
    events = await _events_of(log, since, frozenset(jobs))
    between = [event for event in events if event.job_id is None]
    for job_id in jobs:
        own = [event for event in events if event.job_id == job_id]
        run = fold_all(RunView(JobRow(job_id)), own)
        learned = await learner.after_run(run, sorted([*own, *between], key=lambda event: event.seq))
        if learned:
            log.append(*learned)


async def _events_of(log: EventLog, since: int, jobs: frozenset[str]) -> list[Event]:
    found: list[Event] = []
    while page := await log.read(since, limit=5000):
        since = page[-1].seq
        found.extend(e for e in page if e.job_id in jobs or (e.kind in _BETWEEN and e.data.get("failed_job") in jobs))
    return found
