"""One runtime, several callers: runs take turns, and every wait for a turn ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import CancellationToken, Runtime
from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import JobRow, RunView
from headway.limits.budget import CostBudget
from headway.plan.results import ErrorCode
from headway.testing import VirtualClock
from tests.unit.execution.kit import Gate, call, events_of, runtime, write


async def test_runs_of_one_runtime_take_turns_in_the_order_they_came() -> None:
    made, _ = runtime()
    plans = [{"actions": [write("w", "k", i), call("c", dependencies=["w"])]} for i in range(20)]
    results = await asyncio.gather(*(made.execute(plan) for plan in plans))
    assert made.state["k"] == 19
    order = [event.job_id for event in await events_of(made, kinds.JOB_STARTED, *kinds.TERMINAL_JOB)]
    assert order == [result.job_id for result in results for _ in range(2)]


async def test_a_cancel_in_the_line_for_a_turn_is_answered_at_once() -> None:
    made, gate = runtime()
    first = asyncio.create_task(made.execute({"actions": [call("g", "gate")]}))
    await gate.started.get()
    token = CancellationToken()
    second = asyncio.create_task(made.execute_with_cancel({"actions": [call("a")]}, token))
    third = asyncio.create_task(made.execute({"actions": [call("b")]}))
    await asyncio.sleep(0)
    token.cancel("no need")
    result = await asyncio.wait_for(second, 60)
    assert (result.status, result["a"].error) == ("cancelled", "canceled: no need")
    assert not first.done()
    gate.open.set()
    assert (await first).ok
    assert (await third).ok


async def test_a_task_cancelled_in_the_line_blocks_nobody() -> None:
    made, gate = runtime()
    first = asyncio.create_task(made.execute({"actions": [call("g", "gate")]}))
    await gate.started.get()
    waiting = [asyncio.create_task(made.execute({"actions": [call("a")]})) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[3].cancel()
    gate.open.set()
    await first
    waiting[1].cancel()  # in the moment in which its turn comes
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ends] == [True, True, False, True, False]
    assert (await asyncio.wait_for(made.execute({"actions": []}), 60)).ok


async def test_a_tool_that_executes_on_its_own_runtime_is_refused_instead_of_waiting_for_itself() -> None:
    made, other = Runtime(), Runtime()

    @headway.tool
    async def nested(there: bool) -> str:
        return (await (other if there else made).execute({"actions": []})).status

    made.register_tool(nested)
    plan = [call("a", "nested", parameters={"there": True}), call("b", "nested", parameters={"there": False})]
    result = await asyncio.wait_for(made.execute({"actions": plan}), 60)
    assert result["a"].output == "completed"
    assert str(result["b"].error).startswith("a tool cannot execute a plan on the state that it runs on")


@pytest.mark.parametrize("wrong", [None, "stop", 3])
async def test_wrong_arguments_are_refused_before_anything_is_recorded(wrong: Any) -> None:
    made, _ = runtime()
    with pytest.raises(InvalidInput, match="CancellationToken"):
        await made.execute_with_cancel({"actions": []}, wrong)
    with pytest.raises(InvalidInput, match="is text"):
        CancellationToken().cancel(5)  # type: ignore[arg-type]
    assert made.log.last_seq == 0
    if wrong is not None:
        with pytest.raises(InvalidInput, match="CostBudget"):
            made.set_cost_budget(wrong)


async def test_a_reason_is_made_fit_for_the_log() -> None:
    token = CancellationToken()
    token.cancel("line one\nline\ud800 two" + "x" * 1000)
    assert token.reason.startswith("line one line\N{REPLACEMENT CHARACTER} two")
    assert len(token.reason) == 500


async def test_a_budget_that_is_just_enough_is_enough() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))
    made.set_cost_budget(CostBudget(actions=1))
    assert (await made.execute({"actions": [call("f", "flaky", failure_behavior="retry")]})).ok
    made.set_cost_budget(CostBudget(tool_calls=1))
    assert (await made.execute({"actions": [call("a"), write("w", "k"), write("v", "k")]})).ok
    made.set_cost_budget(CostBudget(tool_calls=1))
    result = await made.execute({"actions": [call("a"), call("b", dependencies=["a"])]})
    assert result["b"].error_code is ErrorCode.BUDGET_EXHAUSTED


async def test_a_refused_plan_costs_the_same_in_its_result_and_in_the_log() -> None:
    made, _ = runtime()
    result = await made.execute({"actions": [call("a"), call("b", "nope")]})
    view = fold_all(RunView(job=JobRow(job_id=result.job_id)), await made.log.read())
    assert view.cost == result.cost
    assert (result.cost.actions_rejected, result.cost.actions_skipped) == (1, 1)


def test_a_runtime_serves_one_event_loop_after_another() -> None:
    made, gate = runtime()

    async def both() -> list[Any]:
        gate.started, gate.open = asyncio.Queue(), asyncio.Event()
        first = asyncio.create_task(made.execute({"actions": [call("g", "gate")]}))
        await gate.started.get()
        others = [asyncio.create_task(made.execute({"actions": [call("a")]})) for _ in range(3)]
        await asyncio.sleep(0)
        gate.open.set()
        return [result.status for result in await asyncio.gather(first, *others)]

    assert asyncio.run(both()) == asyncio.run(both()) == ["completed"] * 4


def test_who_waited_in_a_loop_that_ended_is_left_out() -> None:
    made, gate = runtime()

    async def abandoned() -> None:
        running = asyncio.create_task(made.execute({"actions": [call("g", "gate")]}))
        await gate.started.get()
        waiting = asyncio.create_task(made.execute({"actions": [call("a")]}))
        await asyncio.sleep(0)
        assert [running.done(), waiting.done()] == [False, False]

    async def after() -> str:
        return (await made.execute({"actions": [call("b")]})).status

    asyncio.run(abandoned())
    assert asyncio.run(after()) == "completed"


async def test_runtimes_whose_tools_execute_on_each_other_do_not_wait_for_ever() -> None:
    one, gate = runtime()
    other, _ = runtime()

    @headway.tool
    async def on_other() -> str:
        await gate()
        return (await other.execute({"actions": [call("x", "on_one")]})).status

    @headway.tool
    async def on_one() -> str:
        return (await one.execute({"actions": [call("y")]})).status

    one.register_tool(on_other)
    other.register_tool(on_one)
    running = asyncio.create_task(one.execute({"actions": [call("a", "on_other")]}))
    await gate.started.get()
    gate.open.set()
    result = await asyncio.wait_for(running, 60)
    assert (result.status, result["a"].output) == ("completed", "failed")


async def test_a_long_chain_of_runtimes_is_no_circle() -> None:
    made = [runtime()[0] for _ in range(5)]

    def passing_on(at: int) -> Any:
        async def onward() -> str:
            return (await made[at + 1].execute({"actions": [call("a", "onward" if at < 3 else "echo")]})).status

        return onward

    for at in range(4):
        made[at].register_tool(headway.tool(name="onward")(passing_on(at)))
    assert (await made[0].execute({"actions": [call("a", "onward")]}))["a"].output == "completed"


async def test_a_replan_callback_cannot_execute_on_the_state_that_waits_for_it() -> None:
    made, _ = runtime()

    async def callback(_: headway.ReplanContext) -> None:
        await made.execute({"actions": [call("a")]})

    made.with_replan(callback, headway.ReplanConfig(max_replans=1))
    result = await asyncio.wait_for(made.execute({"actions": [call("f", "boom")]}), 60)
    assert result.outcome == "aborted"
    assert "give it a Runtime of its own" in str(result.replan_lineage[-1].rejection_reason)


async def test_replans_and_further_candidates_spend_one_budget() -> None:
    async def callback(_: headway.ReplanContext) -> dict[str, Any]:
        return {"actions": [call("f", "boom"), call("g", "boom", dependencies=["f"])]}

    made, _ = runtime()
    made.set_cost_budget(CostBudget(tool_calls=2))
    made.with_replan(callback, headway.ReplanConfig(max_replans=5))
    result = await made.execute({"actions": [call("f", "boom")]})
    assert len(await events_of(made, kinds.ACTION_EXECUTING)) == 2
    assert result.outcome == "budget_exhausted"
    created = [event.data.get("spent") for event in await events_of(made, kinds.JOB_CREATED)]
    assert created == [None, {"tool_calls": 1}, {"tool_calls": 2}]
    made.with_replan(callback, headway.ReplanConfig())
    await made.plan_and_execute([{"actions": [call("f", "boom")]} for _ in range(5)])
    assert len(await events_of(made, kinds.ACTION_EXECUTING)) == 4


def in_mid_run(made: Runtime) -> tuple[asyncio.AbstractEventLoop, asyncio.Task[headway.ProposalResult]]:
    """Return a loop that stands still while a run on it waits at the gate, and the task of that run."""
    loop = asyncio.new_event_loop()
    run = loop.create_task(made.execute({"actions": [call("g", "gate")]}))
    for _ in range(20):
        loop.run_until_complete(asyncio.sleep(0))
    return loop, run


def test_a_loop_that_ended_in_mid_run_keeps_no_turn() -> None:
    made, _ = runtime()
    loop, left = in_mid_run(made)
    token = CancellationToken()
    waiting = loop.create_task(made.execute_with_cancel({"actions": [call("w")]}, token))
    loop.run_until_complete(asyncio.sleep(0))
    assert not left.done()
    assert not waiting.done()
    loop.close()
    token.cancel("to nobody")
    made.restore_checkpoint(made.save_checkpoint())  # nobody has the turn

    async def elsewhere() -> None:
        gate = Gate()
        made.register_tool(headway.tool(name="hold", parameters={})(gate))
        held = asyncio.create_task(made.execute({"actions": [call("h", "hold")]}))
        await gate.started.get()
        left.get_coro().close()  # type: ignore[union-attr]
        waiting.get_coro().close()  # type: ignore[union-attr]
        late = asyncio.create_task(made.execute({"actions": [call("b")]}))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not late.done()  # what was left behind gives away no turn but its own
        assert made.log.last_seq == (await events_of(made, kinds.ACTION_EXECUTING))[-1].seq
        gate.open.set()
        assert (await held).ok
        assert (await late).ok

    asyncio.run(asyncio.wait_for(elsewhere(), 60))


def test_two_loops_at_once_are_told_so() -> None:
    made, _ = runtime()
    loop, first = in_mid_run(made)
    with pytest.raises(headway.errors.Conflict, match="one loop at a time"):
        asyncio.run(made.execute({"actions": [call("a")]}))
    first.cancel()
    loop.run_until_complete(asyncio.gather(first, return_exceptions=True))
    loop.close()
    assert asyncio.run(made.execute({"actions": [call("a")]})).ok
