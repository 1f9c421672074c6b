"""Recovery: jobs whose process is gone get a true end.

What finished stays finished, with its output and its state changes. What was in flight may or may not have taken
effect: it is failed, ``interrupted``. What had not started is Skipped. The job is failed with outcome interrupted, or
cancelled if a cancel was committed before the end came.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headway.events import kinds
from headway.events.event import Event
from headway.events.views import ActionView, RunView
from headway.execution.stop import interrupted
from headway.plan.format import ActionType
from headway.plan.results import ActionStatus, CostSummary, ErrorCode

WHY = "the process that ran this job ended"


def closing_events(run: RunView, why: str = WHY) -> list[Event]:
    """Return the events that end a job as its log left it. ``run`` is not changed."""
    job_id = run.job.job_id
    stop = interrupted(why)
    cost = run_cost(run)
    events: list[Event] = []
    for action in run.actions:
        if action.compensating:
            undoing: dict[str, Any] = {"error": stop.here, "duration_ms": 0.0}
            events.append(Event(kinds.COMPENSATION_FAILED, undoing, job_id, action.id, action.level))
        if action.done:
            continue
        data: dict[str, Any] = {"error": stop.here, "error_code": ErrorCode.INTERRUPTED.value}
        kind = kinds.ACTION_SKIPPED
        if action.attempt:
            kind = kinds.ACTION_FAILED
            data["duration_ms"] = action.duration_ms or 0.0
            cost.actions_executed += 1
        else:
            cost.actions_skipped += 1
        events.append(Event(kind, data, job_id, action.id, action.level, action.attempt or None))
    open_level = next((level for level in run.levels if level.started_ms and not level.finished_ms), None)
    if open_level is not None:
        counts = dict.fromkeys(("succeeded", "failed", "skipped", "rejected"), 0)
        for i in open_level.actions:
            counts[_final_status(run.actions[i]).value] += 1
        events.append(Event(kinds.LEVEL_FINISHED, counts, job_id, level=open_level.index))
    end: dict[str, Any] = {"cost": msgspec.to_builtins(cost), "outcome": stop.outcome}
    kind = kinds.JOB_FAILED
    if run.job.cancel_reason is not None:
        kind = kinds.JOB_CANCELLED
        end["reason"] = run.job.cancel_reason
    else:
        end["error"] = stop.error
    events.append(Event(kind, end, job_id, proposal_id=run.job.proposal_id))
    return events


def _final_status(action: ActionView) -> ActionStatus:
    if action.done:
        return action.status
    return ActionStatus.FAILED if action.attempt else ActionStatus.SKIPPED


def run_cost(run: RunView) -> CostSummary:
    """Return the costs of a run so far, counted from its actions."""
    cost = CostSummary()
    for action in run.actions:
        if action.done:
            cost.count(
                action.status,
                tool_call=action.type == ActionType.TOOL_CALL,
                attempts=action.attempt,
                duration_ms=action.duration_ms,
                usage=action.usage,
                cost=action.cost,
            )
    cost.total_duration_ms = round(cost.total_duration_ms, 3)
    return cost
