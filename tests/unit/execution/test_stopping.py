"""Cancel, kill, timeouts: every wait ends, and the records say how."""

from __future__ import annotations

import asyncio
import threading

import pytest

import headway
from headway import CancellationToken, CostBudget
from headway.dispatch.protocol import KILL_GRACE_S
from headway.events import kinds
from headway.plan.results import ActionStatus, ErrorCode
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, events_of, runtime, write


async def test_cancel_lets_flights_end_skips_the_rest_and_keeps_changes() -> None:
    made, gate = runtime()
    token = CancellationToken()
    plan = {
        "actions": [
            write("w", "k"),
            call("g", "gate", state_dependencies=["k"], expected_effects={"done": True}),
            call("later", dependencies=["g"]),
        ]
    }
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    await gate.started.get()
    assert token.cancel("user pulled the plug")
    assert not token.cancel("again")
    gate.open.set()
    result = await run
    assert result.status == "cancelled"
    assert result["g"].status is ActionStatus.SUCCEEDED
    assert (result["later"].status, result["later"].error, result["later"].error_code) == (
        ActionStatus.SKIPPED,
        "canceled: user pulled the plug",
        ErrorCode.CANCELED,
    )
    assert dict(made.state.snapshot()) == {"k": 1, "done": True}
    (request,) = await events_of(made, kinds.RUN_CANCEL_REQUESTED)
    assert request.data["reason"] == "user pulled the plug"
    assert (await events_of(made, *kinds.TERMINAL_JOB))[-1].kind == kinds.JOB_CANCELLED


async def test_a_run_cancelled_before_it_starts_runs_nothing() -> None:
    made, gate = runtime()
    token = CancellationToken()
    token.cancel("no")
    result = await made.execute_with_cancel({"actions": [call("g", "gate")]}, token)
    assert (result.status, result["g"].error) == ("cancelled", "canceled: no")
    assert gate.started.empty()
    assert await events_of(made, kinds.JOB_STARTED) == []


async def test_a_cancel_with_nothing_left_to_skip_still_ends_cancelled() -> None:
    made, gate = runtime()
    token = CancellationToken()
    run = asyncio.create_task(made.execute_with_cancel({"actions": [call("g", "gate")]}, token))
    await gate.started.get()
    token.cancel("late")
    gate.open.set()
    result = await run
    assert (result.status, result["g"].status) == ("cancelled", ActionStatus.SUCCEEDED)


async def test_cancel_ends_waits_for_tokens_and_slots() -> None:
    made, gate = runtime(clock=VirtualClock(), max_concurrency=1)
    made.set_rate_limit("echo", 1, 1000)
    token = CancellationToken()
    plan = {"actions": [call("a"), call("limited"), call("g", "gate"), call("slotless", "gate")]}
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    await gate.started.get()
    token.cancel("stop")
    gate.open.set()
    result = await run
    assert [r.status.value for r in result.results] == ["succeeded", "skipped", "succeeded", "skipped"]
    assert {result["limited"].error, result["slotless"].error} == {"canceled: stop"}
    assert made.rate_limiter.get("echo").waiters == 0  # type: ignore[union-attr]


async def test_cancel_in_backoff_fails_with_the_last_error_kept() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    token = CancellationToken()
    plan = {"actions": [call("f", "boom", failure_behavior="retry")]}
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    await clock.advance(0.05)
    token.cancel("stop")
    result = await run
    assert (result["f"].status, result["f"].error, result["f"].error_code, result["f"].attempts) == (
        ActionStatus.FAILED,
        "ValueError: boom!",
        ErrorCode.CANCELED,
        1,
    )
    assert result.status == "cancelled"


async def test_an_abort_after_a_cancel_does_not_roll_back() -> None:
    made, _ = runtime()
    started, go = asyncio.Event(), asyncio.Event()

    @headway.tool
    async def late_boom() -> None:
        started.set()
        await go.wait()
        raise ValueError("late")

    made.register_tool(late_boom)
    token = CancellationToken()
    plan = {"actions": [write("w", "k"), call("f", "late_boom", dependencies=["w"])]}
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    await started.wait()
    token.cancel("stop")
    go.set()
    result = await run
    assert (result.status, result["f"].error) == ("cancelled", "ValueError: late")
    assert not result["w"].rolled_back
    assert dict(made.state.snapshot()) == {"k": 1}


async def test_a_token_may_be_pulled_from_another_thread() -> None:
    made, gate = runtime()
    token = CancellationToken()
    run = asyncio.create_task(
        made.execute_with_cancel({"actions": [call("g", "gate"), call("b", dependencies=["g"])]}, token)
    )
    await gate.started.get()
    thread = threading.Thread(target=token.cancel, args=("from outside",))
    thread.start()
    thread.join()
    gate.open.set()
    assert (await run)["b"].error == "canceled: from outside"


async def test_kill_cuts_coroutines_off_and_leaves_threads_behind() -> None:
    made, gate = runtime()
    release = threading.Event()
    entered = threading.Event()

    @headway.tool
    def stuck() -> str:
        entered.set()
        release.wait(30)
        return "too late"

    made.register_tool(stuck)
    token = CancellationToken()
    plan = {"actions": [call("g", "gate"), call("s", "stuck"), call("later", dependencies=["g"])]}
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    await gate.started.get()
    await asyncio.to_thread(entered.wait, 30)
    token.kill("enough")
    result = await run
    release.set()
    assert (result.status, result.outcome) == ("cancelled", "killed")
    for name in ("g", "s"):
        assert (result[name].status, result[name].error, result[name].error_code) == (
            ActionStatus.FAILED,
            "killed: enough",
            ErrorCode.KILLED,
        )
    assert result["later"].error == "canceled: enough"


async def test_a_coroutine_that_ignores_the_kill_is_left_behind_after_the_grace() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    started, release = asyncio.Event(), asyncio.Event()

    @headway.tool
    async def stubborn() -> str:
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    made.register_tool(stubborn)
    token = CancellationToken()
    run = asyncio.create_task(made.execute_with_cancel({"actions": [call("s", "stubborn")]}, token))
    await started.wait()
    try:
        token.kill("enough")
        await clock.advance(1.0)
        assert run.done()
        assert run.result()["s"].error_code is ErrorCode.KILLED
    finally:
        release.set()


async def test_a_call_that_timed_out_has_timed_out_though_a_kill_comes_in_its_grace() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    release = asyncio.Event()

    @headway.tool
    async def stubborn() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    made.register_tool(stubborn)
    token = CancellationToken()
    plan = {"actions": [call("s", "stubborn", timeout_ms=100)]}
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    try:
        await clock.advance(0.1)
        token.kill("enough")
        await clock.advance(KILL_GRACE_S)
        assert run.done()
        result = run.result()
        assert (result.status, result.outcome) == ("cancelled", "killed")
        assert (result["s"].error_code, result["s"].error) == (ErrorCode.TIMEOUT, "timed out after 100 ms")
    finally:
        release.set()  # else a failure would leave a task that nothing ends


async def test_timeout_bounds_one_attempt_and_is_retried() -> None:
    clock = VirtualClock(autojump=True)
    made, _ = runtime(clock=clock)
    plan = {"actions": [call("g", "gate", timeout_ms=50, failure_behavior="retry", max_retries=1)]}
    result = await made.execute(plan)
    assert (result["g"].error, result["g"].error_code, result["g"].attempts) == (
        "timed out after 50 ms",
        ErrorCode.TIMEOUT,
        2,
    )


async def test_a_thread_that_times_out_is_not_retried_while_it_lives() -> None:
    made, _ = runtime()
    release = threading.Event()

    @headway.tool
    def stuck() -> None:
        release.wait(30)

    made.register_tool(stuck)
    plan = {"actions": [call("s", "stuck", timeout_ms=20, failure_behavior="retry")]}
    result = await made.execute(plan)
    release.set()
    assert (result["s"].error_code, result["s"].attempts) == (ErrorCode.TIMEOUT, 1)


async def test_a_budget_never_overshoots_and_stops_without_roll_back() -> None:
    made, _ = runtime()
    made.set_cost_budget(CostBudget(tool_calls=3))
    plan = {"actions": [call(f"a{i}", expected_effects={f"k{i}": i}) for i in range(5)]}
    result = await made.execute(plan)
    assert (result.status, result.outcome, result.cost.tool_calls) == ("failed", "budget_exhausted", 3)
    assert [r.status.value for r in result.results] == ["succeeded"] * 3 + ["skipped"] * 2
    assert result["a3"].error == result["a4"].error == "budget exhausted: tool_calls (limit 3)"
    assert made.state.keys() == ["k0", "k1", "k2"]
    (warning,) = await events_of(made, kinds.BUDGET_WARNING)
    assert warning.data == {"dimension": "tool_calls", "spent": 3, "limit": 3}


async def test_tokens_and_money_are_counted_from_tool_results() -> None:
    made, _ = runtime()

    @headway.tool
    async def model() -> object:
        return headway.ToolResult("x", usage={"input_tokens": 60, "output_tokens": 50}, cost=1500)

    made.register_tool(model)
    made.set_cost_budget(CostBudget(tokens=100, usd_micros=10_000))
    result = await made.execute({"actions": [call("a", "model"), call("b", "model", dependencies=["a"])]})
    assert (result["a"].status, result["b"].error) == (
        ActionStatus.SUCCEEDED,
        "budget exhausted: tokens (limit 100)",
    )
    settled = (await events_of(made, kinds.BUDGET_SETTLED))[-1]
    assert settled.data["spent"] == {"tokens": 110, "usd_micros": 1500}


async def test_rate_limits_wait_in_line_and_say_so() -> None:
    clock = VirtualClock(autojump=True)
    made, _ = runtime(clock=clock)
    made.set_rate_limit("echo", 2, 1.0)
    result = await made.execute({"actions": [call(f"a{i}") for i in range(5)]})
    assert [r.waited_ms for r in result.results] == [None, None, 500.0, 1000.0, 1500.0]
    waits = await events_of(made, kinds.RATE_LIMIT_WAIT)
    grants = await events_of(made, kinds.RATE_LIMIT_GRANT)
    assert (len(waits), len(grants)) == (3, 5)
    assert [event.action_id for event in grants] == ["a0", "a1", "a2", "a3", "a4"]


async def test_waiters_hold_no_slot() -> None:
    made, gate = runtime(clock=VirtualClock(), max_concurrency=1)
    made.set_rate_limit("echo", 1, 1000)
    plan = {"actions": [call("first"), call("waits"), call("g", "gate")]}
    run = asyncio.create_task(made.execute(plan))
    assert await gate.started.get() == ""
    gate.open.set()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert made.rate_limiter.get("echo").waiters == 0  # type: ignore[union-attr]


async def test_cancelling_the_task_of_a_run_ends_it_at_once_and_records_it() -> None:
    made, gate = runtime()
    before = asyncio.all_tasks()
    run = asyncio.create_task(made.execute({"actions": [call("g", "gate"), call("later", dependencies=["g"])]}))
    await gate.started.get()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert run.cancelled()
    settled = {event.action_id: event.data["error_code"] for event in await events_of(made, *kinds.TERMINAL_ACTION)}
    assert settled == {"g": "killed", "later": "canceled"}
    assert (await events_of(made, *kinds.TERMINAL_JOB))[-1].data["outcome"] == "killed"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_progress_is_coalesced() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    done = asyncio.Event()

    @headway.tool
    async def long(ctx: headway.ToolContext) -> None:
        for i in range(100):
            ctx.report_progress(i, 100, f"step {i}")
        await done.wait()

    made.register_tool(long)
    run = asyncio.create_task(made.execute({"actions": [call("l", "long")]}))
    await clock.advance(1.0)
    done.set()
    await run
    reports = [event.data["current"] for event in await events_of(made, kinds.ACTION_PROGRESS)]
    assert reports == [0, 99]


async def test_waiting_for_a_thread_is_not_the_tools_time() -> None:
    clock = VirtualClock()
    made, _ = runtime(max_concurrency=1, clock=clock)
    other, _ = runtime(max_concurrency=1, clock=clock)
    other._powers.env.dispatcher = made._powers.env.dispatcher  # two jobs of one engine share its threads
    first_in, first_out = threading.Event(), threading.Event()

    @headway.tool
    def hold() -> None:
        first_in.set()
        first_out.wait(30)

    @headway.tool
    def quick(ctx: headway.ToolContext) -> float | None:
        return ctx.remaining()

    made.register_tool(hold)
    other.register_tool(quick)
    holding = asyncio.create_task(made.execute({"actions": [call("h", "hold")]}))
    await asyncio.to_thread(first_in.wait, 30)
    waiting = asyncio.create_task(other.execute({"actions": [call("q", "quick", timeout_ms=100)]}))
    await clock.advance(0.25)  # longer than the limit
    first_out.set()
    await holding
    result = await waiting
    assert result.ok
    assert result["q"].output == pytest.approx(0.1)
    assert result["q"].duration_ms == 0


async def test_a_cancel_of_another_thread_is_in_the_log_whenever_it_comes() -> None:
    made, _ = runtime()
    token = CancellationToken()

    def elsewhere(_: headway.policy.PolicyCall) -> None:
        thread = threading.Thread(target=token.cancel, args=("stop", "a thread"))
        thread.start()
        thread.join()  # its message to the loop is still on the way when the run goes on

    made.policies.register("elsewhere", elsewhere)
    result = await made.execute_with_cancel({"actions": [write("a", "k"), write("b", "l")]}, token)
    assert (result.status, result.error) == ("cancelled", "stop")
    assert [result[name].error_code for name in "ab"] == [None, ErrorCode.CANCELED]
    (request,) = await events_of(made, kinds.RUN_CANCEL_REQUESTED)
    assert request.data == {"reason": "stop", "by": "a thread"}
    (skipped,) = await events_of(made, kinds.ACTION_SKIPPED)
    assert request.seq < skipped.seq, "what was asked is told before what came of it"


async def test_a_cancel_of_another_thread_in_the_last_moment_is_in_time() -> None:
    made, _ = runtime()
    token = CancellationToken()

    def elsewhere(asked: headway.policy.PolicyCall) -> str | None:
        if asked.parameters != {"x": "undo"}:
            return None
        thread = threading.Thread(target=token.cancel, args=("stop",))
        thread.start()
        thread.join()
        return "not now"

    made.policies.register("elsewhere", elsewhere)
    undo = {"type": "tool", "tool": "echo", "parameters": {"x": "undo"}}
    a = call("a", reversibility="compensable", compensation=undo)
    result = await made.execute_with_cancel({"actions": [a, call("b", "boom", dependencies=["a"])]}, token)
    assert (result.status, result.error, result["a"].compensated) == ("cancelled", "stop", False)
    asked, end = await events_of(made, kinds.RUN_CANCEL_REQUESTED, *kinds.TERMINAL_JOB)
    assert (asked.kind, end.kind) == (kinds.RUN_CANCEL_REQUESTED, kinds.JOB_CANCELLED)


async def test_a_cancel_takes_back_calls_that_wait_for_a_thread() -> None:
    clock = VirtualClock()
    made, _ = runtime(max_concurrency=1, clock=clock)
    inside, go = threading.Event(), threading.Event()
    began: list[str] = []

    @headway.tool
    def hang(name: str) -> None:
        began.append(name)
        inside.set()
        go.wait(30)

    made.register_tool(hang)
    for name in ("one", "two"):  # one is replaced, and the second has the place for good
        hanging = asyncio.create_task(
            made.execute({"actions": [call(name, "hang", parameters={"name": name}, timeout_ms=20)]})
        )
        await asyncio.to_thread(inside.wait, 30)
        inside.clear()
        await clock.advance(0.02)
        await clock.advance(KILL_GRACE_S)
        await hanging
    token = CancellationToken()
    plan = {"actions": [call("late", "hang", parameters={"name": "late"}), call("after", dependencies=["late"])]}
    run = asyncio.create_task(made.execute_with_cancel(plan, token))
    while len(await events_of(made, kinds.ACTION_EXECUTING)) < 3:  # noqa: ASYNC110 - nothing else tells
        await asyncio.sleep(0)
    token.cancel("enough")
    result = await asyncio.wait_for(run, 60)
    late = result["late"]
    assert (result.status, late.status, late.error, late.error_code, late.attempts, late.duration_ms) == (
        "cancelled",
        ActionStatus.SKIPPED,
        "canceled: enough",
        ErrorCode.CANCELED,
        0,
        None,
    )
    assert result.cost.tool_calls == 0
    timed = {"actions": [call("timed", "hang", parameters={"name": "timed"}, timeout_ms=20)]}
    waiting = asyncio.create_task(made.execute(timed))
    await clock.advance(0.02)
    stuck = await asyncio.wait_for(waiting, 60)
    assert stuck["timed"].error == "timed out after 20 ms"
    assert began == ["one", "two"]
    go.set()
