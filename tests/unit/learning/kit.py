"""Helpers that the tests of learning share: finished runs, and trajectories written short."""

from __future__ import annotations

from typing import Any

from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import JobRow, RunView
from headway.learning.trajectory import TraceEvent, Trajectory, trajectory_of
from headway.testing import VirtualClock
from tests.unit.execution.kit import runtime


async def ran(*actions: dict[str, Any], cached: str | None = None, **fields: Any) -> tuple[RunView, list[Event]]:
    """Return the view and the events of a run of these actions on the tools of the runtime's kit.

    Results of the tool ``cached`` are reused.
    """
    log = EventLog(clock=VirtualClock())
    made, _ = runtime(log=log, clock=VirtualClock(autojump=True))
    if cached is not None:
        made.enable_tool_cache(cached, 3600)
    result = await made.execute({"actions": list(actions), **fields})
    events = await log.read(limit=100_000)
    return fold_all(RunView(JobRow(result.job_id)), events), events


async def traced(*actions: dict[str, Any], **fields: Any) -> Trajectory:
    """Return the trajectory of such a run."""
    return trajectory_of(*await ran(*actions, **fields))


def trajectory(
    *calls: tuple[str, str | None],
    outcome: Any = None,
    job: str = "job",
    domain: str = "web",
    skill: str | None = None,
    code: str = "tool_error",
) -> Trajectory:
    """Return the trajectory of calls one after the other: (tool, None) went well, (tool, class of error) did not."""
    shape = [
        {"id": f"a{n}", "type": "tool_call", "tool": tool, **({"needs": [n - 1]} if n else {})}
        for n, (tool, _) in enumerate(calls)
    ]
    events = [TraceEvent("job_created", data={"actions": shape})]
    for n, (tool, error) in enumerate(calls):
        kind = "action_succeeded" if error is None else "action_failed"
        data = {} if error is None else {"error_class": error, "error_code": code}
        events.append(TraceEvent(kind, f"a{n}", tool, data))
    if outcome is None:
        outcome = "failed" if any(error for _, error in calls) else "success"
    return Trajectory(
        proposal_id="p",
        source="tests",
        action_count=len(calls),
        events=events,
        outcome=outcome,
        timestamp="2026-01-02T03:04:05.678Z",
        duration_ms=1.0,
        job_id=job,
        domain=domain,
        skill=skill,
    )
