"""Results that are reused: by time to live across runs, and of idempotent actions; one call at a time for all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import CancellationToken
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import LimitsView
from headway.execution.environment import Environment
from headway.execution.run import Run
from headway.plan.graph import compile_plan
from headway.testing import VirtualClock
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call, events_of, runtime, write


def counting(made: headway.Runtime) -> list[Any]:
    calls: list[Any] = []

    @headway.tool
    async def count(x: int = 0, fail: bool = False) -> object:
        calls.append(x)
        if fail:
            raise RuntimeError("no")
        return headway.ToolResult({"n": len(calls)}, effects={"n": len(calls)})

    made.register_tool(count)
    return calls


async def test_a_cached_result_is_used_until_its_time_is_over() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    calls = counting(made)
    made.enable_tool_cache("count", 10)
    plan = {"actions": [call("a", "count", parameters={"x": 1})]}
    first, second = await made.execute(plan), await made.execute(plan)
    assert first["a"].output == second["a"].output == {"n": 1}
    assert (second["a"].attempts, second["a"].duration_ms, second.cost.tool_calls) == (0, 0.0, 1)
    assert second["a"].state_changes == {}, "a reused result writes its effects no second time"
    assert (made.result_cache.statistics().hits, len(made.result_cache)) == (1, 1)
    (event,) = await events_of(made, kinds.ACTION_DEDUPLICATED)
    assert event.data == {"source": "cache"}
    await clock.advance(10)
    assert (await made.execute(plan))["a"].output == {"n": 2}
    assert (await made.execute({"actions": [call("a", "count", parameters={"x": 2})]}))["a"].output == {"n": 3}
    assert calls == [1, 1, 2]


async def test_identical_idempotent_actions_are_called_once_even_at_once() -> None:
    made, _ = runtime()
    calls = counting(made)
    plan = {"actions": [call(f"a{i}", "count", idempotent=True) for i in range(5)]}
    result = await made.execute(plan)
    assert [r.output for r in result.results] == [{"n": 1}] * 5
    assert [r.attempts for r in result.results] == [1, 0, 0, 0, 0]
    assert calls == [0]
    assert made.result_cache.statistics().entries == 0


def reader(made: headway.Runtime) -> dict[str, str]:
    """Register tools that read and write a file that is a dictionary."""
    files = {"f": "old"}

    @headway.tool(idempotent=True)
    async def read(name: str = "f") -> str:
        return files[name]

    @headway.tool
    async def put(text: str, name: str = "f") -> None:
        files[name] = text

    made.register_tool(read)
    made.register_tool(put)
    return files


READ_WRITE_READ = {
    "actions": [
        call("first", "read", idempotent=True),
        call("write", "put", parameters={"text": "new"}, dependencies=["first"]),
        call("second", "read", idempotent=True, dependencies=["write"]),
    ]
}


async def test_a_read_after_a_write_sees_what_was_written() -> None:
    made, _ = runtime()
    files = reader(made)
    result = await made.execute(READ_WRITE_READ)
    assert (result["first"].output, result["second"].output, result["second"].attempts) == ("old", "new", 1)
    files["f"] = "newer"
    assert (await made.execute(READ_WRITE_READ))["first"].output == "newer"
    assert not await events_of(made, kinds.ACTION_DEDUPLICATED)


async def test_by_cars_rule_it_sees_what_was_there_before() -> None:
    made, _ = runtime(reuse="runtime")
    reader(made)
    result = await made.execute(READ_WRITE_READ)
    assert (result["first"].output, result["second"].output, result["second"].attempts) == ("old", "old", 0)


def test_an_environment_knows_two_rules_of_reuse() -> None:
    assert [Environment(reuse=rule).reuse.idempotency.keep for rule in ("ttl", "runtime")] == [False, True]
    with pytest.raises(headway.InvalidInput, match="reuse"):
        Environment(reuse="always")


async def test_a_run_that_has_written_shares_no_read_of_before() -> None:
    """Two runs of one environment: one reads for long, the other writes and then reads the same."""
    clock = VirtualClock(autojump=True)
    env = Environment(clock=clock)
    files = {"f": "old"}

    @headway.tool
    async def read() -> str:
        found = files["f"]
        await clock.sleep(10)
        return found

    @headway.tool
    async def put() -> None:
        files["f"] = "new"

    for function in (read, put):
        env.registry.register(entry_of(function))
    long = {"actions": [call("r", "read", idempotent=True)]}
    both = {"actions": [call("w", "put"), call("r", "read", idempotent=True, dependencies=["w"])]}
    at_once = {"actions": [call("r", "read", idempotent=True), call("s", "read", idempotent=True)]}
    runs = [
        Run(env, name, compile_plan(headway.parse_proposal(plan)), headway.StateStore(), CancellationToken())
        for name, plan in (("long", long), ("both", both), ("at_once", at_once))
    ]
    first, second, third = await asyncio.gather(*(run.execute() for run in runs))
    assert (first["r"].output, second["r"].output) == ("old", "new")
    assert [r.attempts for r in third.results] == [1, 0]


async def test_a_cached_result_serves_the_principal_it_was_made_for() -> None:
    env = Environment()
    calls: list[str] = []

    @headway.tool(cache_ttl_secs=60)
    async def mail() -> int:
        calls.append("mail")
        return len(calls)

    @headway.tool(shared=True)
    async def news() -> int:
        calls.append("news")
        return len(calls)

    for function in (mail, news):
        env.registry.register(entry_of(function))
        env.results.enable(function.__name__, 60)
    plan = headway.parse_proposal({"actions": [call("m", "mail"), call("n", "news", dependencies=["m"])]})
    for principal in ("ada", "bob", "ada", None):
        token = CancellationToken()
        run = Run(env, "job", compile_plan(plan), headway.StateStore(), token, principal=principal)
        assert (await run.execute()).ok
    assert calls == ["mail", "news", "mail", "mail"]


async def test_a_reused_result_overwrites_nothing_and_still_makes_what_was_not_there() -> None:
    made, _ = runtime()
    counting(made)
    made.enable_tool_cache("count", 60)
    plan = {"actions": [call("a", "count"), {**write("w", "n", "mine"), "dependencies": ["a"]}]}
    await made.execute(plan)
    again = await made.execute({"actions": [call("a", "count")]})
    assert (again["a"].output, again["a"].state_changes, made.state["n"]) == ({"n": 1}, {}, "mine")
    made.state.delete("n")  # as in another scope, that has never seen it
    needs = {"actions": [call("a", "count", write_set=["n"]), call("b", state_dependencies=["n"])]}
    assert (await made.execute(needs)).ok
    assert made.state["n"] == 1


async def test_others_are_called_each_time() -> None:
    made, _ = runtime()
    calls = counting(made)
    await made.execute({"actions": [call(f"a{i}", "count") for i in range(3)]})
    assert len(calls) == 3


async def test_a_failure_is_not_shared_and_the_next_one_makes_the_call() -> None:
    made, _ = runtime()
    calls = counting(made)
    actions = [
        call(f"a{i}", "count", idempotent=True, parameters={"fail": True}, failure_behavior="skip") for i in range(3)
    ]
    result = await made.execute({"actions": actions})
    assert len(calls) == 3
    assert [r.status.value for r in result.results] == ["skipped"] * 3


async def test_a_cancel_ends_the_wait_for_anothers_call() -> None:
    made, gate = runtime()
    made.enable_tool_cache("gate", 100)
    token = headway.CancellationToken()
    run = asyncio.create_task(made.execute_with_cancel({"actions": [call("a", "gate"), call("b", "gate")]}, token))
    await gate.started.get()
    token.cancel("stop")
    gate.open.set()
    result = await run
    assert (result["a"].status, result["b"].error) == ("succeeded", "canceled: stop")


async def test_a_hit_costs_an_action_but_no_call() -> None:
    made, _ = runtime()
    counting(made)
    made.set_cost_budget(headway.CostBudget(tool_calls=1, actions=3))
    result = await made.execute({"actions": [call(f"a{i}", "count", idempotent=True) for i in range(4)]})
    assert [r.status.value for r in result.results] == ["succeeded"] * 3 + ["skipped"]


async def test_a_tools_own_time_to_live_is_honoured() -> None:
    made, _ = runtime()
    calls: list[int] = []

    @headway.tool(cache_ttl_secs=5)
    async def cached() -> int:
        calls.append(1)
        return len(calls)

    made.register_tool(cached)
    for _ in range(2):
        assert (await made.execute({"actions": [call("a", "cached")]}))["a"].output == 1


async def test_what_an_action_declares_is_copied_into_the_state() -> None:
    made, _ = runtime()
    made.enable_tool_cache("echo", 10)
    for _ in range(2):
        proposal = headway.parse_proposal({"actions": [call("a", expected_effects={"list": [1]})]})
        result = await made.execute(proposal)
        proposal.actions[0].expected_effects["list"].append("later")
        assert (result.ok, made.state["list"]) == (True, [1])
    assert await events_of(made, kinds.ACTION_DEDUPLICATED)


async def test_a_tool_registered_anew_gets_no_result_of_the_one_before() -> None:
    made, gate = runtime()
    made.enable_tool_cache("gate", 100)
    plan = {"actions": [call("g", "gate", parameters={"name": "x"}, idempotent=True)]}
    first = asyncio.create_task(made.execute(plan))
    await gate.started.get()

    async def other(name: str = "") -> str:
        return "the other"

    made.register_tool(headway.tool(name="gate", cache_ttl_secs=100)(other))
    gate.open.set()
    assert (await first)["g"].output == "passed x"
    assert (await made.execute(plan))["g"].output == "the other"


async def test_a_limit_that_is_removed_is_removed_from_the_view() -> None:
    made, _ = runtime()
    made.set_rate_limit("echo", 1, 60)
    assert made.remove_rate_limit("echo")
    assert not made.remove_rate_limit("echo")
    assert [e.data["bucket"] for e in await events_of(made, kinds.LIMIT_REMOVED)] == ["echo"]
    assert fold_all(LimitsView(), await made.log.read()).buckets == {}


@pytest.mark.parametrize("shared", ["kept", "in flight"])
async def test_a_result_that_the_tools_schema_refuses_is_given_to_nobody_else(shared: str) -> None:
    made, gate = runtime()
    calls: list[int] = []

    @headway.tool(returns={"type": "integer"})
    async def number() -> object:
        calls.append(len(calls))
        if shared == "in flight" and len(calls) == 1:
            await gate("number")
        return "none" if len(calls) == 1 else 7

    made.register_tool(number)
    made.enable_tool_cache("number", 100)
    actions = [call(name, "number", failure_behavior="skip") for name in "ab"]
    if shared == "kept":
        first = (await made.execute({"actions": actions[:1]}))["a"]
        second = (await made.execute({"actions": actions[1:]}))["b"]
    else:
        running = asyncio.create_task(made.execute({"actions": actions}))
        await gate.started.get()
        gate.open.set()
        result = await running
        first, second = result["a"], result["b"]
    assert (first.status, first.error_code) == ("skipped", "validation")
    assert (second.status, second.output, len(calls)) == ("succeeded", 7, 2)
