"""Several plans for one goal: ranked, run, fallen back from."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway import CancellationToken
from headway.errors import InvalidInput, InvalidPlan
from headway.events import kinds
from headway.learning.trajectory_store import TrajectoryStore
from headway.plan.score import PlannerConfig, ToolFeedback
from tests.unit.runtime.kit import call, events_of, runtime


async def test_plan_and_execute_takes_the_best_and_falls_back() -> None:
    made, _ = runtime()
    failing = {"id": "best", "actions": [call("f", "boom")]}
    longer = {"id": "longer", "actions": [call(f"a{i}") for i in range(12)]}
    invalid = {"id": "invalid", "actions": [call("x", "nope")]}
    result = await made.plan_and_execute([invalid, longer, failing])
    assert (result.proposal_id, result.status) == ("longer", "completed")
    created = [e.proposal_id for e in await events_of(made, kinds.JOB_CREATED)]
    assert created == ["best", "longer"]
    rejected = await made.plan_and_execute([invalid, invalid])
    assert (rejected.proposal_id, rejected.outcome) == ("invalid", "rejected")
    with pytest.raises(InvalidInput, match="at least one candidate"):
        await made.plan_and_execute([])


async def test_planner_config_and_feedback_change_the_choice() -> None:
    made, _ = runtime()
    one = {"id": "one", "actions": [call("a", "echo")]}
    other = {"id": "other", "actions": [call("a", "gate")]}
    feedback = ToolFeedback({"echo": 0.1, "gate": 0.9})
    token = CancellationToken()
    token.cancel("only to see which comes first")
    first = await made.plan_and_execute([one, other], PlannerConfig(feedback_weight=1.0), feedback, cancel=token)
    assert first.proposal_id == "other"


async def test_the_planner_knows_what_trajectories_say_and_tells_what_it_tried(tmp_path: Path) -> None:
    made, _ = runtime(trajectory_store=TrajectoryStore(tmp_path))
    for _ in range(4):
        await made.execute({"actions": [call("f", "boom")]})
        await made.execute({"actions": [call("a")]})
    bad, good = {"id": "bad", "actions": [call("f", "boom")]}, {"id": "good", "actions": [call("a")]}
    result = await made.plan_and_execute([bad, good], PlannerConfig(feedback_weight=1.0))
    assert (result.proposal_id, result.replan_lineage) == ("good", [])
    tried = await made.plan_and_execute([bad, good], PlannerConfig(feedback_weight=1.0), ToolFeedback({"boom": 1.0}))
    assert [(s.generation, s.proposal_id, s.status) for s in tried.replan_lineage] == [
        (0, "bad", "failed"),
        (1, "good", "completed"),
    ]


async def test_a_candidate_that_is_no_plan_is_only_passed_over() -> None:
    made, _ = runtime()
    assert (await made.plan_and_execute(["{", {"actions": [call("a")]}])).ok
    with pytest.raises(InvalidPlan):
        await made.plan_and_execute(["{", b"\xff"])
