"""Budgets that ask: what is left waits for a person, and after a top-up nothing finished runs again."""

from __future__ import annotations

import random
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, ToolResult
from headway.errors import InvalidInput
from headway.events import kinds
from headway.plan.results import ErrorCode
from tests.sizes import cases
from tests.unit.elicitation.kit import Asking
from tests.unit.execution.kit import call, events_of, write

CHAIN = [call("a"), call("b", dependencies=["a"]), call("c", dependencies=["b"]), write("w", "k", dependencies=["c"])]


def rig(budget: CostBudget | None, **options: Any) -> Asking:
    """Return a rig whose tools note their calls and cost what they are told."""
    made: Asking

    @headway.tool
    async def echo(x: Any = None, cost: int = 0) -> ToolResult:
        made.calls.append(str(x))
        return ToolResult(x, usage={"total_tokens": cost})

    made = Asking(echo, **options)
    made.made.set_cost_budget(budget)
    return made


async def test_the_run_says_what_is_left_and_resumes_after_a_top_up() -> None:
    made = rig(CostBudget(tool_calls=2, actions=10, on_exhausted="ask"))
    run = await made.start(*CHAIN)
    (question,) = await made.waiting()
    assert question.prompt == (
        "the budget is exhausted: 2 of 2 tool_calls are spent; 2 of 4 actions are done, 2 are left, which need an"
        " estimated 1 tool_calls, 2 actions"
    )
    assert (question.kind, question.action_id, question.choices) == ("budget", None, ["top_up", "deny"])
    assert question.detail["estimate"] == {"tool_calls": 1, "actions": 2}
    assert (run.view.job.status, run.view.job.waiting_for, len(made.calls)) == ("running", "budget", 2)
    await made.answer("top_up", {"tool_calls": 1}, by="mia")
    result = await run
    assert (result.ok, len(made.calls), made.made.state["k"]) == (True, 3, 1)
    limits = [event.data["limits"]["tool_calls"] for event in await events_of(made.made, kinds.BUDGET_SET)]
    assert limits == [2, 3]
    assert not await events_of(made.made, kinds.BUDGET_EXHAUSTED)


async def test_a_top_up_that_is_too_small_asks_again() -> None:
    made = rig(CostBudget(tool_calls=1, on_exhausted="ask"))
    run = await made.start(*CHAIN)
    await made.answer("top_up", {"tool_calls": 1})
    assert len(await made.waiting()) == 1
    await made.answer("top_up", {"tool_calls": 5})
    assert (await run).ok
    assert len(made.calls) == 3


async def test_several_actions_wait_for_one_answer() -> None:
    made = rig(CostBudget(tool_calls=1, on_exhausted="ask"))
    run = await made.start(*[call(f"a{n}", parameters={"x": n}) for n in range(5)])
    assert len(await made.waiting()) == 1
    await made.answer("top_up", {"tool_calls": 4})
    assert (await run).ok
    assert sorted(made.calls) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("how", ["deny", "expire", "cancel"])
async def test_without_a_top_up_the_rest_is_skipped(how: str) -> None:
    made, token = rig(CostBudget(tool_calls=1, on_exhausted="ask")), CancellationToken()
    run = await made.start(*CHAIN, cancel=token)
    if how == "deny":
        await made.answer("deny")
    elif how == "expire":
        await made.clock.advance(8 * 86_400)
    else:
        token.cancel("enough")
    await made.clock.advance(0)
    result = await run
    assert await made.waiting() == []
    code = ErrorCode.CANCELED if how == "cancel" else ErrorCode.BUDGET_EXHAUSTED
    assert [each.error_code for each in result.results] == [None, code, code, code]
    assert result.status == ("cancelled" if how == "cancel" else "failed")
    assert len(await events_of(made.made, kinds.BUDGET_EXHAUSTED)) == (how != "cancel")


@pytest.mark.parametrize(
    "value", [None, {}, [], 5, {"tool_calls": 0}, {"tool_calls": -1}, {"tool_calls": 1.5}, {"nope": 1}, {"tokens": 5}]
)
async def test_a_top_up_that_does_not_fit_changes_nothing(value: Any) -> None:
    made = rig(CostBudget(tool_calls=1, on_exhausted="ask"))
    run = await made.start(*CHAIN)
    before = made.made.log.last_seq
    with pytest.raises(InvalidInput):
        await made.answer("top_up", value)
    assert made.made.log.last_seq == before
    await made.answer("deny")
    await run


async def test_measured_dimensions_ask_too_and_estimate_by_what_calls_used() -> None:
    made = rig(CostBudget(tokens=100, on_exhausted="ask"))
    costly = {"cost": 60}
    run = await made.start(
        call("a", parameters=costly), call("b", parameters=costly, dependencies=["a"]), call("c", dependencies=["b"])
    )
    (question,) = await made.waiting()
    assert (question.detail["spent"], question.detail["estimate"]) == ({"tokens": 120}, {"tokens": 60})
    await made.answer("top_up", {"tokens": 1000})
    assert (await run).ok


async def test_nobody_to_ask_stops_the_run_and_the_word_is_checked() -> None:
    made = rig(CostBudget(tool_calls=1, on_exhausted="ask"))
    made.made.elicitations.attend(False)
    assert (await (await made.start(*CHAIN))).outcome == "budget_exhausted"
    with pytest.raises(InvalidInput, match="on_exhausted is one of stop, ask"):
        CostBudget(tool_calls=1, on_exhausted="beg")


@pytest.mark.parametrize("seed", range(cases(200)))
async def test_in_random_runs_no_finished_action_runs_again(seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    count = rng.randint(2, 12)
    plan = [
        call(
            f"a{n}",
            parameters={"x": f"a{n}", "cost": rng.randint(0, 40)},
            dependencies=[f"a{m}" for m in range(n) if rng.random() < 0.25],
        )
        for n in range(count)
    ]
    budget = CostBudget(tool_calls=rng.randint(1, count), tokens=rng.randint(20, 200), on_exhausted="ask")
    made = rig(budget, max_concurrency=rng.randint(1, 4))
    run = await made.start(*plan)
    stops = 0
    while not run.done:
        (question,) = await made.waiting()
        dimension = question.detail["dimension"]
        stops += 1
        await made.answer("top_up", {dimension: rng.randint(1, 60)})
    result = await run
    assert result.ok
    assert sorted(made.calls) == sorted(f"a{n}" for n in range(count)), "each action ran once"
    assert len(await events_of(made.made, kinds.ELICITATION_ANSWERED)) == stops
