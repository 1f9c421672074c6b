"""Replanning: another plan after an abort, and nothing between the two that waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import CancellationToken, ReplanConfig, ReplanContext
from headway.errors import InvalidInput
from headway.events import kinds
from headway.policy import CapabilitySet
from headway.testing import VirtualClock, settle
from tests.unit.execution.kit import call, events_of, runtime, write

PLAN = {"actions": [call("f", "boom")]}


@pytest.mark.parametrize("where", ["delay", "callback", "stubborn callback"])
async def test_a_cancel_ends_the_wait_for_another_plan(where: str) -> None:
    clock, token = VirtualClock(), CancellationToken()
    asked = asyncio.Event()
    release = asyncio.Event()

    async def callback(context: ReplanContext) -> dict[str, Any]:
        asked.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if where != "stubborn callback":
                    raise
        return PLAN

    made, _ = runtime(clock=clock)
    made.with_replan(callback, ReplanConfig(max_replans=3, delay_ms=60_000 if where == "delay" else 0))
    running = asyncio.create_task(made.execute_with_cancel(PLAN, token))
    await settle()
    assert asked.is_set() == (where != "delay")
    token.cancel("enough")
    result = await running
    assert (result.status, result.outcome) == ("failed", "aborted")
    (refused,) = await events_of(made, kinds.REPLAN_REJECTED)
    assert refused.data["error"] == "canceled: enough"
    release.set()
    await settle()
    assert not made._powers.env.left_behind
    assert clock.pending == 0
    assert (await made.execute({"actions": [call("a")]})).ok  # the turn is free


async def test_a_caller_that_goes_away_takes_the_wait_along() -> None:
    clock = VirtualClock()

    async def callback(context: ReplanContext) -> None:
        await clock.sleep(3600)

    made, _ = runtime(clock=clock)
    made.with_replan(callback, ReplanConfig(max_replans=1))
    running = asyncio.create_task(made.execute(PLAN))
    await settle()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    await settle()
    assert clock.pending == 0
    assert (await made.execute({"actions": [call("a")]})).ok


async def test_replan_rolls_back_asks_and_runs_the_new_plan() -> None:
    made, _ = runtime()
    asked: list[ReplanContext] = []

    async def callback(context: ReplanContext) -> dict[str, Any]:
        asked.append(context)
        return {"id": "second", "actions": [call("ok", parameters={"x": 1})]}

    made.set_replan_callback(callback)
    made.set_replan_config(ReplanConfig(max_replans=2))
    plan = {
        "id": "first",
        "context": {"goal": "get there"},
        "actions": [write("w", "k"), call("f", "boom", dependencies=["w"], parameters={"text": "no"})],
    }
    result = await made.execute(plan)
    assert (result.status, result.proposal_id, result.original_proposal_id) == ("completed", "second", "first")
    assert [(s.generation, s.proposal_id, s.status) for s in result.replan_lineage] == [
        (0, "first", "failed"),
        (1, "second", "completed"),
    ]
    (context,) = asked
    assert (context.goal, context.attempt, context.state) == ("get there", 1, {})
    (failed,) = context.failed
    assert (failed.action_id, failed.tool, failed.error, failed.parameters) == (
        "f",
        "boom",
        "ValueError: no",
        {"text": "no"},
    )
    seen = [e.kind for e in await events_of(made, kinds.REPLAN_ATTEMPTED, kinds.REPLAN_PROPOSAL_RECEIVED)]
    assert seen == [kinds.REPLAN_ATTEMPTED, kinds.REPLAN_PROPOSAL_RECEIVED]
    created = (await events_of(made, kinds.JOB_CREATED))[1]
    assert created.data["replan_of"] == {"job_id": result.replan_lineage[0].job_id, "attempt": 1}


async def test_replans_end_when_exhausted_refused_or_given_up() -> None:
    made, _ = runtime()
    answers: list[Any] = [
        {"actions": [call("f", "boom")]},
        {"actions": [call("f", "boom")]},
    ]

    async def callback(_: ReplanContext) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made.set_replan_callback(callback)
    made.set_replan_config(ReplanConfig(max_replans=2))
    plan = {"actions": [call("f", "boom")]}
    result = await made.execute(plan)
    assert (result.outcome, len(result.replan_lineage)) == ("aborted", 3)
    assert len(await events_of(made, kinds.REPLAN_EXHAUSTED)) == 1
    for last in (None, RuntimeError("no idea"), {"actions": [call("x", "nope")]}, {"actions": 5}):
        answers = [last]
        assert (await made.execute(plan)).outcome == "aborted"
    reasons = [e.data["error"] for e in await events_of(made, kinds.REPLAN_REJECTED)]
    assert [reason.split(":")[0] for reason in reasons] == [
        "the callback gave up",
        "RuntimeError",
        "the new plan is not valid",
        "actions",
    ]


@pytest.mark.parametrize("way", ["constructor", "with_replan", "set_replan_callback"])
async def test_a_callback_may_be_an_object_with_cars_method(way: str) -> None:
    class Callback:
        async def replan(self, context: ReplanContext) -> dict[str, Any]:
            return {"id": "second", "actions": [call("a")]}

    if way == "constructor":
        made, _ = runtime(replan=Callback())
    else:
        made, _ = runtime()
        if way == "with_replan":
            made.with_replan(Callback(), ReplanConfig(max_replans=1))
        else:
            made.set_replan_config(ReplanConfig(max_replans=1))
            made.set_replan_callback(Callback())
    result = await made.execute(PLAN)
    assert (result.proposal_id, result.status) == ("second", "completed")
    made.set_replan_callback(None)
    assert (await made.execute(PLAN)).replan_lineage == []


def test_what_cannot_be_asked_for_a_plan_is_refused_and_nothing_is_set() -> None:
    class Wrong:
        replan = "a text"

    made, _ = runtime()
    for callback in (Wrong(), 5, None):
        with pytest.raises(InvalidInput, match="a replan callback takes a ReplanContext"):
            made.with_replan(callback, ReplanConfig(max_replans=1))  # type: ignore[arg-type]
    assert made._powers.replan.config.max_replans == 0


async def test_without_a_callback_or_a_config_an_abort_is_just_an_abort() -> None:
    made, _ = runtime()
    made.set_replan_config(ReplanConfig(max_replans=3))
    assert (await made.execute({"actions": [call("f", "boom")]})).replan_lineage == []
    with pytest.raises(InvalidInput):
        ReplanConfig(max_replans=-1)
    with pytest.raises(InvalidInput):
        made.set_replan_callback(5)  # type: ignore[arg-type]


async def test_a_callback_sees_the_parameters_that_a_call_had_and_a_refusal_is_told() -> None:
    seen: list[ReplanContext] = []

    made, _ = runtime()
    plan = [call("a", parameters={"x": {"deep": "why"}}), call("f", "boom", parameters={"text": "$a.output.deep"})]
    made.set_replan_config(ReplanConfig(max_replans=2, verify_before_execute=False))
    made.set_capabilities(CapabilitySet(denied_tools=frozenset({"gate"})))

    async def refused(context: ReplanContext) -> dict[str, Any]:
        seen.append(context)
        return {"actions": [call("g", "gate")]}

    made.set_replan_callback(refused)
    result = await made.execute({"actions": plan})
    assert seen[0].failed[0].parameters == {"text": "why"}
    # the failed run stands, as docs/embedding.md says: nothing of the other plan ran
    assert (result.outcome, result["f"].error, result["a"].rolled_back) == ("aborted", "ValueError: why", True)
    ran, step = result.replan_lineage
    assert (ran.job_id, ran.status, ran.rejection_reason) == (result.job_id, "failed", None)
    assert (step.generation, step.status) == (1, "rejected")
    assert "gate" in str(step.rejection_reason)
    (event,) = await events_of(made, kinds.REPLAN_REJECTED)
    assert (event.data["failed_job"], event.data["error"]) == (result.job_id, step.rejection_reason)
    assert len(seen) == 1
    failed = await events_of(made, kinds.JOB_FAILED)  # both runs are in the log
    assert [e.job_id for e in failed] == [result.job_id, step.job_id]
    assert not await events_of(made, kinds.REPLAN_EXHAUSTED)


@pytest.mark.parametrize("how", ["raises", "exits", "awaits a future", "awaits a task", "cancels itself"])
async def test_a_callback_that_is_cancelled_gives_up_and_the_failed_run_stands(how: str) -> None:
    async def callback(_: ReplanContext) -> None:
        if how == "raises":
            raise asyncio.CancelledError
        if how == "exits":
            raise SystemExit("no more")
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if how == "awaits a task":
            waiting = asyncio.create_task(asyncio.sleep(60))
        elif how == "cancels itself":
            this = asyncio.current_task()
            assert this is not None
            this.cancel()
        if how != "cancels itself":
            waiting.cancel()
        await waiting

    made, _ = runtime(replan=callback)
    result = await made.execute(PLAN)
    why = "SystemExit: no more" if how == "exits" else "the callback was cancelled"
    assert (result.outcome, result["f"].error) == ("aborted", "ValueError: boom!")
    assert [(step.status, step.rejection_reason) for step in result.replan_lineage] == [
        ("failed", None),
        ("rejected", why),
    ]
    (refused,) = await events_of(made, kinds.REPLAN_REJECTED)
    assert refused.data["error"] == why
    assert (await made.execute({"actions": [call("a")]})).ok  # the turn is free


async def test_what_a_callback_is_told_is_its_own() -> None:
    def callback(context: ReplanContext) -> None:
        context.state["config"]["x"] = "changed"
        for result in context.result.results:
            result.error = "changed"
        context.result["a"].output["deep"].append("changed")
        context.result.cost.tool_calls = 99
        context.result.replan_lineage.clear()
        context.failed[0].parameters["text"].append("changed")
        context.proposal.actions[0].parameters["x"]["deep"].append("changed")

    plan = [call("a", parameters={"x": {"deep": [1]}}), call("f", "boom", parameters={"text": "$a.output.deep"})]
    plain, _ = runtime(state={"config": {"x": 1}})
    expected = await plain.execute({"id": "p", "actions": plan})
    made, _ = runtime(state={"config": {"x": 1}}, replan=callback)
    given = headway.parse_proposal({"id": "p", "actions": plan})
    result = await made.execute(given)
    assert [(r.error, r.output) for r in result.results] == [(r.error, r.output) for r in expected.results]
    assert result["a"].output == {"deep": [1]}
    assert result.cost.tool_calls == expected.cost.tool_calls
    assert given.actions[0].parameters == {"x": {"deep": [1]}}
    assert made.state["config"] == {"x": 1}
    assert (await events_of(made, kinds.STATE_COMMITTED))[0].data["changes"]["config"]["value"] == {"x": 1}
    (succeeded,) = await events_of(made, kinds.ACTION_SUCCEEDED)
    assert succeeded.data["output"] == {"deep": [1]}
    assert (await events_of(made, kinds.REPLAN_REJECTED))[0].data["error"] == "the callback gave up"


async def test_the_lineage_names_a_plan_that_was_received_and_not_run() -> None:
    answers: list[Any] = [{"id": "refused", "actions": [call("x", "nope")]}, {"actions": 5}]
    made, _ = runtime(replan=lambda _: answers.pop(0))
    steps = [(await made.execute(PLAN)).replan_lineage[-1] for _ in range(2)]
    assert [(step.generation, step.proposal_id, step.job_id, step.status) for step in steps] == [
        (1, "refused", "", "rejected"),
        (1, "", "", "rejected"),  # no plan at all: it has no id
    ]
