"""Whatever a tool does or returns, its run ends, says so, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import headway
from headway import CostBudget, Runtime
from headway.errors import LogFull
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import StateView
from headway.execution.level import Level
from headway.plan.results import ErrorCode
from headway.testing import VirtualClock
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call, events_of, runtime, write


class Speechless(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def broken_items() -> Iterator[int]:
    raise ZeroDivisionError("in the middle")
    yield 1


def with_tool(function: Any, **options: Any) -> Runtime:
    made, _ = runtime(**options)
    made.register_tool(headway.tool(name="odd", parameters={})(function))
    return made


def left() -> list[str]:
    """Return the tasks that a run left, by the names of their coroutines."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return [text for task in tasks if "TestRunner" not in (text := repr(task.get_coro()))]


async def ends(made: Runtime) -> list[str]:
    """Return the kinds of the job's terminal events; fails if anything follows them or a task is left."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not left()
    log = await made.log.read(limit=1_000_000)
    assert log[-1].kind in kinds.TERMINAL_JOB
    return [event.kind for event in log if event.kind in kinds.TERMINAL_JOB]


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (headway.ToolError(ValueError("inner")), "inner"),
        (headway.ToolError(Speechless()), ""),
        (Speechless(), "Speechless"),
    ],
)
async def test_an_error_that_cannot_be_described_is_a_tool_error_all_the_same(raised: Exception, text: str) -> None:
    async def odd() -> None:
        raise raised

    made = with_tool(odd)
    result = await made.execute({"actions": [call("a", "odd"), call("b")]})
    assert (result["a"].error, result["a"].error_code) == (text, ErrorCode.TOOL_ERROR)
    assert result["b"].rolled_back
    assert await ends(made) == [kinds.JOB_FAILED]


@pytest.mark.parametrize(
    "returned",
    [
        headway.ToolResult(1, effects={"\ud800": 1}),
        headway.ToolResult(1, effects={Speechless(): 1}),  # type: ignore[dict-item]
        headway.ToolResult(1, effects={"": 1}),
        headway.ToolResult(1, artifacts=broken_items()),  # type: ignore[arg-type]
        headway.ToolResult(1, usage={"tokens": 10**30}),
    ],
    ids=["surrogate", "no text", "empty key", "broken artifacts", "too many tokens"],
)
async def test_a_result_that_cannot_be_recorded_is_a_tool_error(returned: headway.ToolResult) -> None:
    async def odd() -> headway.ToolResult:
        return returned

    made = with_tool(odd)
    result = await made.execute({"actions": [call("a", "odd", failure_behavior="skip"), call("b")]})
    assert str(result["a"].error).startswith("tool 'odd' returned what cannot be recorded")
    assert result["b"].status == "succeeded"
    assert await ends(made) == [kinds.JOB_COMPLETED]


async def test_a_reference_with_an_endless_number_has_no_value() -> None:
    made, _ = runtime()
    plan = [call("a", parameters={"x": [1]}), call("b", parameters={"x": f"$a.output.{'9' * 5000}"})]
    result = await made.execute({"actions": plan})
    assert result["b"].error_code is ErrorCode.VALIDATION


async def test_a_deep_output_can_be_referred_to() -> None:
    deep: Any = 1
    for _ in range(600):
        deep = [deep]

    async def odd() -> Any:
        return deep

    made = with_tool(odd)
    assert (await made.execute({"actions": [call("a", "odd"), call("b", parameters={"x": "$a.output"})]})).ok


async def test_a_tool_that_changes_its_parameters_changes_only_its_own() -> None:
    seen: list[list[int]] = []

    async def odd(x: list[int]) -> None:
        seen.append(list(x))
        x.clear()
        if len(seen) < 3:
            raise RuntimeError("again")

    made = with_tool(odd, clock=VirtualClock(autojump=True))
    proposal = headway.parse_proposal(
        {"actions": [call("a"), call("b", "odd", failure_behavior="retry", parameters={"x": [1, 2]})]}
    )
    assert (await made.execute(proposal)).ok
    assert seen == [[1, 2]] * 3
    assert proposal.actions[1].parameters == {"x": [1, 2]}


async def test_a_call_left_behind_reports_no_progress_after_the_end() -> None:
    go = asyncio.Event()

    async def odd(ctx: headway.ToolContext) -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        ctx.report_progress(1)

    clock = VirtualClock()
    made = with_tool(odd, clock=clock)
    running = asyncio.create_task(made.execute({"actions": [call("a", "odd", timeout_ms=10)]}))
    await clock.advance(5)
    assert (await running)["a"].error_code is ErrorCode.TIMEOUT
    go.set()
    await asyncio.sleep(0.01)
    assert not await events_of(made, kinds.ACTION_PROGRESS)
    assert await ends(made) == [kinds.JOB_FAILED]


async def test_a_call_that_ends_in_the_moment_of_its_timeout_keeps_its_result() -> None:
    clock = VirtualClock()

    async def odd() -> str:
        await clock.sleep(0.010)  # its timer was set after that of the timeout, and both fire in one turn
        return "done"

    made = with_tool(odd, clock=clock)
    waiting = made.execute_with_cancel({"actions": [call("a", "odd")]}, token := headway.CancellationToken())
    running = asyncio.create_task(waiting)
    await clock.advance(0.005)
    task = next(task for task in asyncio.all_tasks() if "_drive" in repr(task.get_coro()))
    task.add_done_callback(lambda _: None)
    clock.call_later(0.005, lambda: asyncio.get_running_loop().call_soon(kill_when_done))

    def kill_when_done() -> None:
        if task.done():
            token.kill("too late")
        else:
            asyncio.get_running_loop().call_soon(kill_when_done)

    await clock.advance(1)
    result = await running
    assert (result["a"].status, result["a"].output, result.status) == ("succeeded", "done", "cancelled")


class FullLog(EventLog):
    """Refuses everything from one kind of event on."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at
        self.refuses = False

    def append(self, *events: Event) -> None:
        self.refuses = self.refuses or any(event.kind == self.at for event in events)
        if self.refuses:
            raise LogFull
        super().append(*events)

    async def flush(self) -> int:
        if self.refuses:
            raise LogFull
        return await super().flush()


@pytest.mark.parametrize(
    "at", [kinds.ACTION_EXECUTING, kinds.ACTION_SUCCEEDED, kinds.RATE_LIMIT_WAIT, kinds.RATE_LIMIT_GRANT]
)
async def test_a_log_that_fills_up_ends_the_run_and_nobody_elses_place_in_line(at: str) -> None:
    clock = VirtualClock()
    made, _ = runtime(log=FullLog(at), clock=clock)
    made.set_rate_limit("echo", 1, 1.0)
    other: list[float] = []
    running = asyncio.create_task(made.execute({"actions": [call(f"a{i}") for i in range(5)]}))
    await asyncio.sleep(0)
    bucket = made.rate_limiter.get("echo")
    assert bucket is not None
    bucket.wait(other.append)
    await clock.advance(30)
    with pytest.raises(LogFull):
        await running
    assert other
    assert not left()
    assert (bucket.waiters, clock.pending) == (0, 0)


class Hiccup(EventLog):
    """Has no room for one event of a kind, and then room again."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at: str | None = at

    def append(self, *events: Event) -> None:
        if any(event.kind == self.at for event in events):
            self.at = None
            raise LogFull
        super().append(*events)


async def test_a_run_that_the_log_has_not_whole_is_not_told_of_as_if_it_had() -> None:
    made, _ = runtime(log=Hiccup(kinds.ACTION_SUCCEEDED))
    with pytest.raises(LogFull):
        await made.execute({"actions": [write("w", "k"), call("a", dependencies=["w"])]})
    assert (await made.log.read())[-1].kind == kinds.LEVEL_STARTED  # nothing came after what was refused
    assert (await made.execute({"actions": [write("v", "l")]})).ok
    scope = fold_all(StateView("runtime"), await made.log.read())
    assert scope.state == dict(made.state.snapshot())


async def test_a_fault_of_the_executor_ends_the_run_as_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    made, gate = runtime()
    sleep = Level._sleep

    async def faulty(level: Level) -> None:
        await sleep(level)
        raise AssertionError("a bug")

    monkeypatch.setattr(Level, "_sleep", faulty)
    plan = [write("w", "k"), call("g", "gate"), call("a"), call("later", dependencies=["g"])]
    result = await made.execute({"actions": plan})
    assert (result.status, result.outcome) == ("failed", "interrupted")
    assert [r.status for r in result.results] == ["succeeded", "failed", "succeeded", "skipped"]
    assert result["g"].error_code is ErrorCode.INTERRUPTED
    assert made.state["k"] == 1
    assert await ends(made) == [kinds.JOB_FAILED]
    assert gate.started.qsize() == 1


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_callback_leaves_a_true_log(interrupt: type[BaseException]) -> None:
    log = EventLog()

    def odd_check(params: dict[str, Any]) -> list[str]:
        if interrupt is KeyboardInterrupt:
            raise KeyboardInterrupt
        return []

    async def main() -> None:
        made, gate = runtime(log=log)
        entry = entry_of(headway.tool(name="odd", parameters={})(lambda **_: 1))
        made.register_tool_entry(dataclasses.replace(entry, check=odd_check))
        if interrupt is SystemExit:  # a check cannot end the program so: the executor itself is what does
            made._powers.env.gates.ask = lambda *_, **__: sys.exit()  # type: ignore[method-assign]
            made.policies.register("any", lambda call: None)
        plan = [
            write("w", "k"),
            call("g", "gate"),
            call("o", "odd", parameters={"x": "$w.output"}, dependencies=["w"]),
            call("later", dependencies=["o"]),
        ]
        gate.open.set()
        await made.execute({"actions": plan})

    with pytest.raises(interrupt):
        asyncio.run(main())
    told = log._tail
    assert told[-1].kind == kinds.JOB_FAILED
    assert told[-1].data["outcome"] == "interrupted"
    assert str(told[-1].data["error"]).startswith(f"interrupted: {interrupt.__name__}")
    settled = {event.action_id for event in told if event.kind in kinds.TERMINAL_ACTION}
    assert settled == {"w", "g", "o", "later"}
    executing = [event.action_id for event in told if event.kind == kinds.ACTION_EXECUTING]
    assert executing == (["g"] if interrupt is KeyboardInterrupt else [])


def test_an_interrupt_in_a_tool_leaves_a_true_log() -> None:
    log = EventLog()

    async def odd() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        made = with_tool(odd, log=log)
        await made.execute({"actions": [call("a", "odd"), call("g", "gate"), call("later", dependencies=["a"])]})

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    told = log._tail
    ends = {event.action_id: event.data["error_code"] for event in told if event.kind in kinds.TERMINAL_ACTION}
    assert ends == {"a": "tool_error", "g": "killed", "later": "canceled"}
    assert (told[-1].kind, told[-1].data["outcome"]) == (kinds.JOB_CANCELLED, "killed")


async def test_a_long_stretch_without_waiting_leaves_room_for_a_cancel() -> None:
    made, _ = runtime()
    token = headway.CancellationToken()
    chain = [write(f"c{i}", f"k{i}", dependencies=[f"c{i - 1}"] if i else []) for i in range(1000)]
    flat = [write(f"f{i}", f"f{i}") for i in range(1000)]
    for plan in (chain, flat):
        token = headway.CancellationToken()
        running = asyncio.create_task(made.execute_with_cancel({"actions": plan}, token))
        for _ in range(3):
            await asyncio.sleep(0)
        token.cancel("enough")
        result = await running
        assert result.status == "cancelled"
        assert 0 < result.cost.actions_executed < 1000


async def test_the_longest_time_limit_is_no_limit() -> None:
    made, _ = runtime()
    undo = {"type": "tool", "tool": "echo", "parameters": {}}
    plan = {
        "actions": [
            call("a", timeout_ms=2**53, reversibility="compensable", compensation=undo),
            call("b", "boom", timeout_ms=2**53, dependencies=["a"]),
        ]
    }
    result = await made.execute(plan)
    assert (result["b"].error, result["a"].compensated) == ("ValueError: boom!", True)


async def test_an_executor_or_an_estimate_cannot_end_the_program() -> None:
    async def execute(tool: str, params: dict[str, Any]) -> Any:
        raise SystemExit(3)

    made, _ = runtime(executor=execute)
    made.register_tool("remote")
    made.register_tool(headway.tool(name="odd", estimate=lambda params: sys.exit(2))(lambda: 1))
    made.set_cost_budget(CostBudget(tokens=5))
    result = await made.execute({"actions": [call("a", "remote", failure_behavior="skip"), call("b", "odd")]})
    assert (result["a"].error, result["b"].output) == ("SystemExit: 3", 1)


async def test_a_check_that_breaks_is_a_finding() -> None:
    def check(params: dict[str, Any]) -> list[str]:
        raise ZeroDivisionError("in the check")

    made, _ = runtime()
    entry = entry_of(headway.tool(name="odd", parameters={})(lambda **_: 1))
    made.register_tool_entry(dataclasses.replace(entry, check=check))
    result = await made.execute({"actions": [call("a", "odd")]})
    assert result.outcome == "rejected"
    assert "the check of tool 'odd' failed: ZeroDivisionError: in the check" in (result.error or "")
    late = {"actions": [call("e"), call("a", "odd", parameters={"x": "$e.output"}, failure_behavior="skip")]}
    found = (await made.execute(late))["a"]
    assert (found.status.value, found.error_code) == ("skipped", ErrorCode.VALIDATION)


async def test_references_do_not_multiply_an_output_without_limit() -> None:
    made, _ = runtime()

    async def big() -> str:
        return "x" * 2_000_000

    taken: list[int] = []

    async def use(items: list[str]) -> int:
        taken.append(len(items))
        return len(items)

    made.register_tool(headway.tool(name="big")(big))
    made.register_tool(headway.tool(name="use")(use))
    plans = [{"actions": [call("b", "big"), call("u", "use", parameters={"items": ["$b.output"] * n})]} for n in (8, 9)]
    assert (await made.execute(plans[0]))["u"].output == 8
    refused = (await made.execute(plans[1]))["u"]
    assert (refused.status.value, refused.error_code, taken) == ("rejected", ErrorCode.VALIDATION, [8])
    assert refused.error == "the parameters would be 18,000,018 bytes with what they refer to; the limit is 16,777,216"


def test_a_runtime_takes_no_odd_policies_or_principal() -> None:
    with pytest.raises(headway.InvalidInput, match="policies"):
        Runtime(policies=5)  # type: ignore[arg-type]
    with pytest.raises(headway.InvalidInput, match="principal"):
        Runtime(principal=object())  # type: ignore[arg-type]
