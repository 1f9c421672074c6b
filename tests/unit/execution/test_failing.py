"""The effects of a failure: abort, skip, retry, dependencies, roll-back."""

from __future__ import annotations

import asyncio

import headway
from headway.events import kinds
from headway.plan.results import ROLLED_BACK, ActionStatus, ErrorCode
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, events_of, runtime, write


async def test_abort_rolls_back_skips_and_says_why() -> None:
    made, _ = runtime(state={"k": 1})
    plan = {
        "actions": [
            write("w", "k", 2),
            call("f", "boom", state_dependencies=["k"]),
            call("sibling", state_dependencies=["k"], parameters={"x": 5}),
            call("later", dependencies=["f"]),
        ]
    }
    result = await made.execute(plan)
    assert (result.status, result.outcome) == ("failed", "aborted")
    assert (result["f"].status, result["f"].error, result["f"].error_code) == (
        ActionStatus.FAILED,
        "ValueError: boom!",
        ErrorCode.TOOL_ERROR,
    )
    for name in ("w", "sibling"):
        assert result[name].status is ActionStatus.SUCCEEDED
        assert (result[name].rolled_back, result[name].error, result[name].state_changes) == (True, ROLLED_BACK, {})
    assert (result["later"].status, result["later"].error) == (ActionStatus.SKIPPED, "skipped due to earlier abort")
    assert dict(made.state.snapshot()) == {"k": 1}
    (rollback,) = await events_of(made, kinds.STATE_ROLLBACK)
    assert rollback.data == {"restored": {"k": {"op": "set", "value": 1}}, "rolled_back": ["w", "sibling"]}


async def test_roll_back_deletes_keys_that_were_not_there() -> None:
    made, _ = runtime()
    await made.execute({"actions": [write("w", "new"), call("f", "boom", dependencies=["w"])]})
    assert "new" not in made.state


async def test_unstarted_siblings_of_an_abort_are_skipped() -> None:
    made, _ = runtime(max_concurrency=1)
    result = await made.execute({"actions": [call("f", "boom"), call("b")]})
    assert (result["b"].status, result["b"].error) == (ActionStatus.SKIPPED, "skipped due to abort")


async def test_cars_concurrency_runs_a_level_with_an_abort_action_one_by_one() -> None:
    made, _ = runtime(concurrency="car")
    assert (await made.execute({"actions": [call("f", "boom"), call("b")]}))["b"].error == "skipped due to abort"
    skips = [call("f", "boom", failure_behavior="skip"), call("b", failure_behavior="skip")]
    assert (await made.execute({"actions": skips}))["b"].status is ActionStatus.SUCCEEDED


async def test_one_abort_action_is_enough_for_cars_concurrency() -> None:
    for concurrency, together in (("car", False), ("level", True)):
        made, gate = runtime(concurrency=concurrency)
        actions = [call("a", "gate", failure_behavior="skip"), call("b", "gate", failure_behavior="abort")]
        running = asyncio.create_task(made.execute({"actions": actions}))
        await gate.started.get()
        for _ in range(100):
            await asyncio.sleep(0)
        assert gate.started.empty() is not together
        gate.open.set()
        assert (await running).ok


async def test_skip_goes_on_and_skips_what_depends_on_it() -> None:
    made, _ = runtime()
    plan = {
        "actions": [
            call("f", "boom", failure_behavior="skip", expected_effects={"k": 1}),
            call("by_id", dependencies=["f"]),
            call("by_reference", parameters={"x": "$f.output"}),
            call("by_state", state_dependencies=["k"]),
            call("free"),
        ]
    }
    result = await made.execute(plan)
    assert result.status == "completed"
    assert (result["f"].status, result["f"].error) == (ActionStatus.SKIPPED, "ValueError: boom!")
    for name in ("by_id", "by_reference", "by_state"):
        assert result[name].error_code is ErrorCode.DEPENDENCY
        assert result[name].error == "dependency 'f' did not succeed"
    assert result["free"].status is ActionStatus.SUCCEEDED


async def test_retry_backs_off_and_counts() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))
    result = await made.execute({"actions": [call("r", "flaky", failure_behavior="retry")]})
    assert (result["r"].output, result["r"].attempts, result["r"].waited_ms) == (7, 3, 300.0)
    assert result.cost.retries == 2
    delays = [event.data["delay_ms"] for event in await events_of(made, kinds.ACTION_RETRYING)]
    assert delays == [100, 200]


async def test_a_level_changes_the_state_at_its_end_or_not_at_all() -> None:
    made, gate = runtime(state={"k": 0})
    running = asyncio.create_task(made.execute({"actions": [write("w", "k", 1), call("g", "gate")]}))
    await gate.started.get()
    assert dict(made.state.snapshot()) == {"k": 0}
    gate.open.set()
    assert (await running).ok
    assert dict(made.state.snapshot()) == {"k": 1}
    result = await made.execute({"actions": [write("w", "k", 2), call("f", "boom")]})
    assert (result.outcome, dict(made.state.snapshot())) == ("aborted", {"k": 1})


async def test_roll_back_goes_back_to_what_was_there_before_the_run() -> None:
    made, _ = runtime(state={"k": 0})
    plan = [write("a", "k", 1), write("b", "k", 2, dependencies=["a"]), call("f", "boom", dependencies=["b"])]
    result = await made.execute({"actions": plan})
    assert (result.outcome, dict(made.state.snapshot())) == ("aborted", {"k": 0})


async def test_backoff_doubles_up_to_ten_seconds() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))
    await made.execute({"actions": [call("a", "boom", failure_behavior="retry", max_retries=9)]})
    delays = [event.data["delay_ms"] for event in await events_of(made, kinds.ACTION_RETRYING)]
    assert delays == [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]


async def test_exhausted_retries_abort() -> None:
    made, _ = runtime(clock=VirtualClock(autojump=True))
    result = await made.execute({"actions": [call("r", "boom", failure_behavior="retry", max_retries=2)]})
    assert (result.outcome, result["r"].attempts) == ("aborted", 3)


async def test_a_terminal_error_is_not_retried_and_aborts_whatever_the_behaviour() -> None:
    made, _ = runtime()
    for behavior in ("retry", "skip"):
        result = await made.execute({"actions": [call("t", "terminal", failure_behavior=behavior)]})
        assert (result.outcome, result["t"].attempts, result["t"].terminal) == ("aborted", 1, True)


async def test_an_unmet_precondition_is_rejected_and_aborts_or_is_skipped() -> None:
    guard = {"preconditions": [{"key": "q"}], "state_dependencies": ["x"]}
    made, _ = runtime()
    result = await made.execute({"actions": [call("a", **guard)]})
    assert (result["a"].status, result["a"].error_code) == (ActionStatus.REJECTED, ErrorCode.PRECONDITION)
    assert result["a"].error == "key 'q' has no value; state dependency 'x' not found"
    assert result.outcome == "aborted"
    skipped = await made.execute({"actions": [call("a", failure_behavior="skip", **guard), call("b")]})
    assert skipped.status == "completed"
    assert skipped["a"].status is ActionStatus.SKIPPED


async def test_a_failed_assertion_fails_without_telling_the_value() -> None:
    made, _ = runtime(state={"k": "secret"})
    plan = {"actions": [{"id": "a", "type": "assertion", "parameters": {"key": "k", "expected": 5}}]}
    result = await made.execute(plan)
    assert (result["a"].status, result["a"].error) == (
        ActionStatus.FAILED,
        "assertion failed: state['k'] is not the expected value",
    )


async def test_a_reference_without_a_value_is_refused_by_name() -> None:
    made, _ = runtime()
    plan = {"actions": [call("a", parameters={"x": {"y": [1]}}), call("b", parameters={"x": "$a.output.y.3"})]}
    result = await made.execute(plan)
    assert (result["b"].status, result["b"].error) == (
        ActionStatus.REJECTED,
        "reference '$a.output.y.3' has no value",
    )


async def test_references_and_escapes_are_resolved_in_copies() -> None:
    made, _ = runtime()
    plan = headway.parse_proposal(
        {
            "actions": [
                call("a", parameters={"x": {"y": [1, {"z": 2}]}}),
                call("b", parameters={"x": {"whole": "$a.output", "deep": "$a.output.y.1.z", "text": "$$a.output"}}),
            ]
        }
    )
    result = await made.execute(plan)
    assert result["b"].output == {"whole": {"y": [1, {"z": 2}]}, "deep": 2, "text": "$a.output"}
    assert plan.actions[1].parameters["x"]["whole"] == "$a.output"


async def test_an_output_that_is_not_json_is_a_tool_error() -> None:
    made, _ = runtime()

    @headway.tool
    async def odd(kind: str) -> object:
        return {"nan": float("nan"), "object": object(), "surrogate": "\ud800"}[kind]

    made.register_tool(odd)
    for kind in ("nan", "object", "surrogate"):
        result = await made.execute({"actions": [call("o", "odd", parameters={"kind": kind})]})
        assert result["o"].error_code is ErrorCode.TOOL_ERROR
        assert "returned what cannot be recorded" in (result["o"].error or "")


async def test_confirmed_effects_beat_declared_ones() -> None:
    made, _ = runtime()

    @headway.tool
    async def effects(given: dict | None = None) -> object:  # type: ignore[type-arg]
        return headway.ToolResult("out", effects=given)

    made.register_tool(effects)
    plan = {
        "actions": [
            call("declared", "effects", expected_effects={"a": 1}),
            call("confirmed", "effects", expected_effects={"b": 1}, parameters={"given": {"b": 2}}),
            call("denied", "effects", expected_effects={"c": 1}, parameters={"given": {}}),
        ]
    }
    await made.execute(plan)
    assert dict(made.state.snapshot()) == {"a": 1, "b": 2}


async def test_each_attempt_is_asked_about_and_counted() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    asked: list[str] = []

    def three_times(call: headway.policy.PolicyCall) -> str | None:
        asked.append(call.action_id)
        return "that was enough" if len(asked) > 3 else None

    made.policies.register("three", three_times)
    action = call("a", "boom", failure_behavior="retry", max_retries=20)
    run = asyncio.create_task(made.execute({"actions": [action, call("b", dependencies=["a"])]}))
    await clock.advance(300)  # enough for all 20, if nobody asks
    assert run.done()
    result = run.result()
    assert (result["a"].status, result["a"].attempts, result["a"].error_code, result["a"].error) == (
        "failed",
        3,
        "policy_denied",
        "ValueError: boom!",
    )
    assert (result.outcome, result["b"].error, asked) == ("aborted", "skipped due to earlier abort", ["a"] * 4)
    (denied,) = await events_of(made, kinds.POLICY_VIOLATION)
    assert denied.data["reasons"] == ["policy 'three': that was enough"]
