"""Whose values are whose: tools get copies, callers get copies, errors tell no values, effects need a capability."""

from __future__ import annotations

from typing import Any

import pytest

import headway
from headway import Runtime, ToolResult
from headway.events import kinds
from headway.policy import CapabilitySet
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, events_of, runtime, write

SECRET = "hunter2-s3cret"


@headway.tool
async def sneaky(key: str = "admin") -> ToolResult:
    return ToolResult("done", effects={key: True})


def confined(**options: Any) -> Runtime:
    made, _ = runtime(**options)
    made.register_tool(sneaky)
    made.set_capabilities(CapabilitySet(allowed_state_keys={"notes"}))
    return made


async def test_a_tool_sets_no_key_beyond_the_capabilities() -> None:
    made = confined()
    result = await made.execute({"actions": [call("a", "sneaky")]})
    text = "tool 'sneaky' set what it may not: state key 'admin' is not allowed by the capabilities"
    assert (result.outcome, result["a"].error_code, result["a"].error) == ("aborted", "capability", text)
    assert dict(made.state.snapshot()) == {}
    allowed = await made.execute({"actions": [call("a", "sneaky", parameters={"key": "notes"})]})
    assert (allowed.status, dict(made.state.snapshot())) == ("completed", {"notes": True})


async def test_such_a_tool_is_answered_by_the_failure_behaviour_and_not_retried() -> None:
    made = confined(clock=VirtualClock(autojump=True))
    skipped = await made.execute({"actions": [call("a", "sneaky", failure_behavior="skip"), call("b")]})
    assert (skipped.status, skipped["a"].status, skipped["a"].error_code) == ("completed", "skipped", "capability")
    retried = await made.execute({"actions": [call("a", "sneaky", failure_behavior="retry")]})
    assert (retried["a"].status, retried["a"].attempts) == ("failed", 1)


@pytest.mark.parametrize("behavior", ["abort", "skip"])
async def test_a_kept_result_sets_no_such_key_either(behavior: str) -> None:
    made = confined()
    made.set_capabilities(None)
    made.enable_tool_cache("sneaky", 60)
    plan = {"actions": [call("a", "sneaky", failure_behavior=behavior)]}
    assert (await made.execute(plan)).ok
    made.state.delete("admin")
    made.set_capabilities(CapabilitySet(allowed_state_keys={"notes"}))
    result = await made.execute(plan)
    assert (result["a"].status, result["a"].error_code) == (
        "failed" if behavior == "abort" else "skipped",
        "capability",
    )
    assert dict(made.state.snapshot()) == {}


async def test_a_value_from_elsewhere_is_in_no_error() -> None:
    made, _ = runtime(state={"password": SECRET})

    @headway.tool
    async def pay(amount: int, to: list[int] = []) -> str:  # noqa: B006 - is only read
        return "paid"

    made.register_tool(pay)
    read = {"id": "r", "type": "state_read", "parameters": {"key": "password"}}
    result = await made.execute({"actions": [read, call("p", "pay", parameters={"amount": "$r.output"})]})
    assert result["p"].error == "the value at /amount is not of type 'integer'"
    nested = call("p", "pay", parameters={"amount": 1, "to": ["$r.output"]})
    assert (await made.execute({"actions": [read, nested]}))["p"].error == (
        "the value at /to/0 is not of type 'integer'"
    )
    told = [e.data for e in await made.log.read() if e.action_id != "r" and e.kind != kinds.STATE_COMMITTED]
    assert SECRET not in repr(told)
    literal = await made.execute({"actions": [call("p", "pay", parameters={"amount": "much"})]})
    assert literal["p"].error == '"much" is not of type "integer" (at /amount)'


async def test_what_a_tool_does_to_the_state_it_sees_is_done_to_a_copy() -> None:
    made, _ = runtime(state={"items": [1], "box": {"n": {"deep": 1}}, "n": 5})
    seen: list[Any] = []

    @headway.tool
    async def stray(ctx: headway.ToolContext) -> str:
        seen.append((ctx.state["items"] is ctx.state["items"], list(ctx.state["items"]), sorted(ctx.state)))
        ctx.state["items"].append("stray")
        ctx.state["box"]["n"]["deep"] = 2
        return "x"

    made.register_tool(stray)
    result = await made.execute({"actions": [call("a", "stray"), call("b", "stray")]})
    assert result.ok
    assert seen == [(True, [1], ["box", "items", "n"])] * 2
    assert dict(made.state.snapshot()) == {"items": [1], "box": {"n": {"deep": 1}}, "n": 5}


async def test_what_a_caller_does_to_a_result_touches_neither_log_nor_state() -> None:
    made, _ = runtime()

    @headway.tool
    async def out() -> ToolResult:
        return ToolResult({"v": 1}, effects={"e": [1]}, artifacts=[{"a": 1}], usage={"tokens": 1})

    made.register_tool(out)
    read = {"id": "r", "type": "state_read", "parameters": {"key": "k"}, "dependencies": ["w"]}
    result = await made.execute({"actions": [call("o", "out"), write("w", "k", [1]), read]})
    one = result["o"]
    one.output["v"] = 999
    one.state_changes["e"]["value"].append("x")
    one.artifacts[0]["a"] = 2
    one.usage["tokens"] = 2
    result["w"].state_changes["k"]["value"].append("x")
    result["r"].output.append("x")
    assert dict(made.state.snapshot()) == {"e": [1], "k": [1]}
    succeeded = {event.action_id: event.data for event in await events_of(made, kinds.ACTION_SUCCEEDED)}
    assert (succeeded["o"]["output"], succeeded["o"]["artifacts"]) == ({"v": 1}, [{"a": 1}])
    assert (succeeded["o"]["usage"], succeeded["o"]["state_changes"]["e"]["value"]) == ({"tokens": 1}, [1])
    assert (succeeded["w"]["state_changes"]["k"]["value"], succeeded["r"]["output"]) == ([1], [1])


LIST = {"k": [1], "l": [{"deep": 1}]}


async def assert_still(made: Runtime) -> None:
    """Fail unless the state is :data:`LIST`, for who asks it and for a run."""
    reads = [{"id": key, "type": "state_read", "parameters": {"key": key}} for key in LIST]
    result = await made.execute({"actions": reads})
    assert made.state.snapshot() == {key: result[key].output for key in LIST} == LIST


async def test_what_a_reader_of_the_log_does_to_an_event_changes_no_state() -> None:
    made, _ = runtime()
    plan = [write("w", "k", [1]), write("v", "l", [{"deep": 1}])]
    reads = [{"id": "r", "type": "state_read", "parameters": {"key": "k"}, "dependencies": ["w"]}]
    checks = [{"id": "c", "type": "assertion", "parameters": {"key": "l", "expected": [{"deep": 1}]}}]
    assert (await made.execute({"actions": plan + reads + checks})).ok
    made.state.set("k", [1])  # what is set between runs is in the log too
    await assert_still(made)
    for event in await made.log.read():
        spoil(event.data)
    await assert_still(made)


async def test_a_state_that_is_told_whole_is_not_the_one_in_the_log() -> None:
    first, _ = runtime()
    assert (await first.execute({"actions": [call("a")]})).ok
    made, _ = runtime(state=LIST, log=first.log, scope="other")
    await assert_still(made)
    for event in await made.log.read():
        spoil(event.data)
    await assert_still(made)


async def test_a_rolled_back_value_is_not_the_one_in_the_log() -> None:
    made, _ = runtime(state=LIST)
    failing = call("f", "boom", dependencies=["w"])
    assert not (await made.execute({"actions": [write("w", "k", [2]), failing]})).ok
    for event in await made.log.read():
        spoil(event.data)
    await assert_still(made)


async def test_what_a_policy_does_to_its_call_changes_no_state_and_no_action() -> None:
    made, _ = runtime(state=LIST)
    seen: list[Any] = []

    @headway.tool
    async def take(items: list[int]) -> list[int]:
        return items

    def policy(asked: headway.policy.PolicyCall) -> None:
        seen.append(asked.action_id)
        spoil(dict(asked.state))
        spoil(dict(asked.parameters))
        spoil(dict(asked.effects))

    made.register_tool(take)
    made.policies.register("spoils", policy)
    plan = [call("t", "take", parameters={"items": [1]}, expected_effects={"m": [1]}), write("w", "n", [1])]
    result = await made.execute({"actions": plan})
    assert (result["t"].output, sorted(seen)) == ([1], ["t", "w"])
    assert made.state.snapshot() == {**LIST, "m": [1], "n": [1]}


async def test_what_a_replan_callback_does_to_its_context_changes_no_state() -> None:
    made, _ = runtime(state=LIST)

    seen: list[dict[str, Any]] = []

    async def callback(context: headway.ReplanContext) -> None:
        seen.append(context.state)
        spoil(context.state)

    made.set_replan_callback(callback)
    made.set_replan_config(headway.ReplanConfig(max_replans=1))
    assert not (await made.execute({"actions": [call("f", "boom")]})).ok
    assert len(seen) == 1
    await assert_still(made)


async def test_what_is_done_to_a_checkpoint_changes_no_state() -> None:
    made, _ = runtime(state=LIST)
    assert (await made.execute({"actions": [write("w", "k", [1])]})).ok
    checkpoint = made.save_checkpoint()
    made.restore_checkpoint(checkpoint)
    spoil(checkpoint.state)
    await assert_still(made)


def spoil(value: Any) -> None:
    """Add something to every list and object in ``value``."""
    if isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")
    elif isinstance(value, dict):
        for item in [*value.values()]:
            spoil(item)
        value["spoilt"] = True


async def test_the_last_progress_is_told_before_the_end() -> None:
    clock = VirtualClock(autojump=True)
    made, _ = runtime(clock=clock)

    @headway.tool
    async def work(ctx: headway.ToolContext, fail: bool = False) -> str:
        for n in range(1, 6):
            ctx.report_progress(n, 5)
            await clock.sleep(0.005)
        if fail:
            raise ValueError("no")
        ctx.report_progress(5, 5, "done")
        return "x"

    made.register_tool(work)
    await made.execute({"actions": [call("a", "work"), call("b", "work", parameters={"fail": True})]})
    for name, last in (("a", {"current": 5, "total": 5, "message": "done"}), ("b", {"current": 5, "total": 5})):
        events = [e for e in await made.log.read() if e.action_id == name]
        told = [e.data for e in events if e.kind == kinds.ACTION_PROGRESS]
        assert told == [{"current": 1, "total": 5}, last]
        assert events[-1].kind in kinds.TERMINAL_ACTION


@pytest.mark.parametrize("threaded", [False, True])
async def test_what_a_tool_does_to_its_parameters_touches_no_other_call(threaded: bool) -> None:
    made, _ = runtime(clock=VirtualClock(autojump=not threaded))
    seen: list[Any] = []

    def take(items: list[Any], box: dict[str, Any], attempt: int) -> str:
        seen.append((list(items), dict(box["in"])))
        items.append("stray")
        box["in"]["stray"] = True
        if len(seen) == 1 and not threaded:
            raise RuntimeError("once more")
        return "taken"

    @headway.tool
    async def taking(items: list[Any], box: dict[str, Any]) -> str:
        return take(items, box, 1)

    @headway.tool(name="taking")
    def taking_in_a_thread(items: list[Any], box: dict[str, Any]) -> str:
        return take(items, box, 1)

    @headway.tool
    async def source() -> list[Any]:
        return [1]

    made.register_tool(taking_in_a_thread if threaded else taking)
    made.register_tool(source)
    plan = headway.parse_proposal(
        {
            "actions": [
                call("s", "source"),
                call("a", "taking", parameters={"items": [1], "box": {"in": {}}}, failure_behavior="retry"),
                call("b", "taking", parameters={"items": "$s.output", "box": {"in": {}}}, dependencies=["a"]),
                call("c", "taking", parameters={"items": "$s.output", "box": {"in": {}}}, dependencies=["b"]),
            ]
        }
    )
    result = await made.execute(plan)
    assert result.ok
    assert seen == [([1], {})] * (3 if threaded else 4)
    assert plan.actions[1].parameters == {"items": [1], "box": {"in": {}}}
    assert result["s"].output == [1]
    assert (await made.execute(plan)).ok
    assert seen[-1] == ([1], {})


async def test_what_a_compensation_does_to_its_parameters_touches_no_other_call() -> None:
    made, _ = runtime()
    seen: list[Any] = []

    @headway.tool
    async def source() -> list[Any]:
        return [1]

    @headway.tool
    async def undo(items: list[Any], box: dict[str, Any]) -> None:
        seen.append((list(items), dict(box["in"])))
        items.append("stray")
        box["in"]["stray"] = True

    made.register_tool(source)
    made.register_tool(undo)
    undone = {"type": "tool", "tool": "undo", "parameters": {"items": "$s.output", "box": {"in": {}}}}
    fields = {"reversibility": "compensable", "compensation": undone, "dependencies": ["s"]}
    plan = headway.parse_proposal(
        {
            "actions": [
                call("s", "source"),
                call("a", **fields),
                call("b", **fields, parameters={"x": 1}),
                call("f", "boom", dependencies=["a", "b"]),
            ]
        }
    )
    for _ in range(2):
        result = await made.execute(plan)
        assert result.outcome == "aborted"
    assert seen == [([1], {})] * 4
    assert result["s"].output == [1]


async def test_what_a_check_and_an_estimate_do_to_parameters_reaches_no_call() -> None:
    made, _ = runtime()

    def check(parameters: dict[str, Any]) -> list[str]:
        spoil(parameters)
        return []

    def estimate(parameters: dict[str, Any]) -> dict[str, int]:
        spoil(parameters)
        return {"tokens": 1}

    async def take(**parameters: Any) -> dict[str, Any]:
        return parameters

    made.register_tool_entry(
        headway.tools.ToolEntry(headway.ToolSchema(name="take"), take, is_async=True, check=check, estimate=estimate)
    )
    made.set_cost_budget(headway.CostBudget(tokens=100))
    given = {"items": [1], "box": {"deep": [1]}}
    result = await made.execute({"actions": [call("t", "take", parameters=given)]})
    assert result["t"].output == given == {"items": [1], "box": {"deep": [1]}}
