"""Several plans for one goal: ranked, run, fallen back from."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import CancellationToken
from headway.analysis.scoring import PlannerConfig, ToolFeedback
from headway.errors import InvalidInput, InvalidPlan
from headway.events import kinds
from headway.jobs.candidates import _steps
from headway.learning.trajectory_store import TrajectoryStore
from headway.plan.results import ErrorCode, ReplanStep
from headway.testing import settle
from tests.unit.execution.kit import call, events_of, runtime, write


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


NEEDS_READY = {"id": "needs ready", "actions": [call("a"), call("b", dependencies=["a"], state_dependencies=["ready"])]}


@pytest.mark.parametrize(
    "unfit",
    [{"state_dependencies": ["ready"]}, {"preconditions": [{"key": "ready", "operator": "exists"}]}],
)
async def test_where_no_candidate_is_valid_nothing_runs(unfit: dict[str, Any]) -> None:
    made, _ = runtime()
    plan = {"id": "first", "actions": [call("a"), call("b", dependencies=["a"], **unfit)]}
    result = await made.plan_and_execute([plan, {"actions": [call("x", "nope")]}])
    assert (result.proposal_id, result.status, result.outcome, result.replan_lineage) == (
        "first",
        "failed",
        "rejected",
        [],
    )
    assert (result["a"].status, result["b"].status) == ("skipped", "rejected")
    assert result["b"].error_code is ErrorCode.PRECONDITION
    created, failed = await made.log.read()
    assert (created.kind, failed.kind, failed.job_id) == (kinds.JOB_CREATED, kinds.JOB_FAILED, result.job_id)
    (issue,) = failed.data["issues"]
    assert (failed.data["outcome"], failed.data["error"], issue["action_id"]) == ("rejected", result.error, "b")
    assert "ready" in issue["message"]


async def test_candidates_are_judged_on_the_state_that_they_run_on() -> None:
    made, gate = runtime()
    before = asyncio.create_task(made.execute({"actions": [call("g", "gate", expected_effects={"ready": True})]}))
    await gate.started.get()
    long = {"id": "long", "actions": [call(f"a{i}") for i in range(20)]}
    planned = asyncio.create_task(made.plan_and_execute([NEEDS_READY, long]))
    await settle()
    assert not planned.done()
    gate.open.set()
    assert (await before).ok
    result = await planned
    assert (result.status, result.proposal_id) == ("completed", "needs ready")


async def test_candidates_are_judged_anew_after_one_that_failed() -> None:
    made, _ = runtime()

    @headway.tool
    async def prepare() -> None:
        made.state.set("ready", True)
        raise ValueError("that was all")

    made.register_tool(prepare)
    result = await made.plan_and_execute([NEEDS_READY, {"id": "prepares", "actions": [call("p", "prepare")]}])
    assert [(step.proposal_id, step.status) for step in result.replan_lineage] == [
        ("prepares", "failed"),
        ("needs ready", "completed"),
    ]


async def test_all_candidates_run_in_one_turn() -> None:
    made, gate = runtime()
    fails = {"id": "fails", "actions": [call("g", "gate"), call("f", "boom", dependencies=["g"])]}
    longer = {"id": "longer", "actions": [call(f"a{i}") for i in range(12)]}
    planned = asyncio.create_task(made.plan_and_execute([fails, longer]))
    await gate.started.get()
    other = asyncio.create_task(made.execute({"id": "other", "actions": [write("w", "k")]}))
    await settle()
    gate.open.set()
    assert (await planned).proposal_id == "longer"
    assert (await other).ok
    assert [e.proposal_id for e in await events_of(made, kinds.JOB_CREATED)] == ["fails", "longer", "other"]


@pytest.mark.parametrize("candidates", [[{"id": "fit", "actions": [call("a")]}], [NEEDS_READY]])
async def test_a_cancel_in_line_is_answered_at_once_and_as_a_cancel(candidates: list[dict[str, Any]]) -> None:
    made, gate = runtime()
    before = asyncio.create_task(made.execute({"actions": [call("g", "gate")]}))
    await gate.started.get()
    token = CancellationToken()
    planned = asyncio.create_task(made.plan_and_execute(candidates, cancel=token))
    await settle()
    token.cancel("no need")
    result = await asyncio.wait_for(planned, 60)
    assert (result.status, result["a"].error) == ("cancelled", "canceled: no need")
    assert not before.done()
    gate.open.set()
    assert (await before).ok
    assert len(await events_of(made, kinds.ACTION_EXECUTING)) == 1


async def test_every_candidate_that_ran_leaves_its_trajectory(tmp_path: Path) -> None:
    store = TrajectoryStore(tmp_path)
    made, _ = runtime(trajectory_store=store)
    bad, good = {"id": "bad", "actions": [call("f", "boom")]}, {"id": "good", "actions": [call("a"), call("b")]}
    assert (await made.plan_and_execute([bad, good], PlannerConfig(action_budget=1, tool_call_budget=1))).ok
    assert [(found.proposal_id, found.outcome) for found in store] == [("bad", "failed"), ("good", "success")]


async def test_what_the_capabilities_refuse_is_not_valid_and_not_tried() -> None:
    made, _ = runtime()
    made.set_capabilities(headway.policy.CapabilitySet(denied_tools={"gate"}))
    refused = [{"id": name, "actions": [call("a"), call("g", "gate")]} for name in ("c1", "c2")]
    result = await made.plan_and_execute(refused)
    assert (result.proposal_id, result.outcome, result.replan_lineage) == ("c1", "rejected", [])
    assert (result["g"].status, result["g"].error_code) == ("rejected", ErrorCode.CAPABILITY)
    assert result["a"].status == "skipped"
    assert [e.proposal_id for e in await events_of(made, kinds.JOB_CREATED)] == ["c1"]
    longer = {"id": "longer", "actions": [call(f"a{i}") for i in range(12)]}
    passed = await made.plan_and_execute([*refused, longer])
    assert (passed.proposal_id, passed.status, passed.replan_lineage) == ("longer", "completed", [])
    assert len(await events_of(made, kinds.JOB_CREATED)) == 2


@pytest.mark.parametrize("permission", ["ask", "deny"])
async def test_what_nobody_has_granted_is_not_valid(permission: Any) -> None:
    made, _ = runtime()
    guarded = headway.tools.ToolEntry(headway.ToolSchema(name="guarded"), dict, is_async=False, permission=permission)
    made.register_tool_entry(guarded)
    plan = {"id": "guarded", "actions": [call("a", "guarded", state_dependencies=["ready"])]}
    assert (
        await made.plan_and_execute([plan, {"id": "long", "actions": [call("a"), call("b")]}])
    ).proposal_id == "long"
    refused = await made.plan_and_execute([plan])
    assert (refused.outcome, refused["a"].error_code) == ("rejected", ErrorCode.POLICY_DENIED)
    first, *others = str(refused["a"].error).split("; ")
    assert "permission" in first
    assert others == ["state dependency 'ready' not available at this point"]


async def test_the_lineage_of_a_candidate_names_a_replan_that_was_refused_and_why() -> None:
    made, _ = runtime(replan=lambda _: {"id": "other", "actions": [call("g", "gate")]})
    made.set_replan_config(headway.ReplanConfig(max_replans=1, verify_before_execute=False))
    made.set_capabilities(headway.policy.CapabilitySet(denied_tools={"gate"}))
    bad, good = {"id": "bad", "actions": [call("f", "boom")]}, {"id": "good", "actions": [call(f"a{i}") for i in "bcd"]}
    result = await made.plan_and_execute([good, bad], PlannerConfig(action_budget=1, tool_call_budget=1))
    assert (result.proposal_id, result.original_proposal_id) == ("good", "bad")
    found = [(s.generation, s.proposal_id, s.status, s.rejection_reason is not None) for s in result.replan_lineage]
    assert found == [(0, "bad", "failed", False), (1, "other", "rejected", True), (2, "good", "completed", False)]


async def test_the_first_that_was_tried_is_the_original() -> None:
    made, _ = runtime()
    bad, good = {"id": "bad", "actions": [call("f", "boom")]}, {"id": "good", "actions": [call("a"), call("b")]}
    result = await made.plan_and_execute([good, bad], PlannerConfig(action_budget=1, tool_call_budget=1))
    assert (result.proposal_id, result.original_proposal_id) == ("good", "bad")
    assert (await made.plan_and_execute([good])).original_proposal_id is None


async def test_a_candidate_that_was_not_run_is_rejected_in_the_lineage_whatever_kept_it() -> None:
    made, _ = runtime()
    refused = await made.execute({"id": "p", "actions": [call("a", "nope")]})
    (step,) = _steps(refused, 3)
    assert step == ReplanStep(3, "p", refused.job_id, "rejected", refused.error)
