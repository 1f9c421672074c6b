"""Fake tools: what a script makes a call do, and what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headway import Runtime, ToolResult
from headway.errors import HeadwayError, InvalidInput, TerminalToolError
from headway.testing import FakeTool, ToolCall, VirtualClock
from tests.unit.execution.kit import call


def with_tool(fake: FakeTool, clock: VirtualClock | None = None) -> Runtime:
    runtime = Runtime(clock=clock or VirtualClock(autojump=True), state={"k": 1})
    runtime.register_tool_entry(fake.entry())
    return runtime


async def run(runtime: Runtime, **fields: Any) -> Any:
    return (await runtime.execute({"actions": [call("a", "fake", **fields)]}))["a"]


async def test_a_script_says_what_each_call_does_and_the_default_what_the_rest_does() -> None:
    fake = FakeTool("fake", default="none left").returns(1, 2).fails("no", times=2).returns({"n": 3})
    runtime = with_tool(fake)
    outputs = [await run(runtime, parameters={"i": i}) for i in range(6)]
    assert [one.output for one in outputs] == [1, 2, None, None, {"n": 3}, "none left"]
    assert [one.error for one in outputs] == [None, None, "no", "no", None, None]
    assert fake.parameters == [{"i": i} for i in range(6)]
    assert (fake.name, fake.left, repr(fake)) == ("fake", 0, "FakeTool('fake', 6 calls, 0 steps left)")


async def test_each_call_is_noted_with_its_context_before_it_ends() -> None:
    clock = VirtualClock()
    fake = FakeTool("fake", clock=clock).returns("late", after=5, times=2)
    runtime = with_tool(fake, clock)
    running = asyncio.create_task(run(runtime, parameters={"x": 1}))
    await clock.advance(4.9)
    (noted,) = fake.calls
    assert isinstance(noted, ToolCall)
    assert (noted.parameters, noted.context.action_id, noted.context.attempt) == ({"x": 1}, "a", 1)
    assert noted.context.state["k"] == 1
    assert (running.done(), fake.left) == (False, 1)
    await clock.advance(0.2)
    assert (await running).output == "late"


async def test_an_answer_may_be_made_of_the_parameters() -> None:
    async def later(parameters: dict[str, Any]) -> Any:
        parameters["changed"] = True
        return ToolResult(len(parameters), effects={"k": 2})

    fake = FakeTool("fake").returns(lambda parameters: parameters["x"] * 2, later)
    runtime = with_tool(fake)
    assert (await run(runtime, parameters={"x": 4})).output == 8
    assert (await run(runtime, parameters={"x": 4})).output == 2
    assert (fake.parameters, runtime.state.get("k")) == ([{"x": 4}] * 2, 2)


async def test_errors_are_raised_as_they_are() -> None:
    clock = VirtualClock(autojump=True)
    fake = FakeTool("fake", clock=clock).fails("busy").fails(TerminalToolError("never"), after=1)
    result = await run(with_tool(fake, clock), failure_behavior="retry")
    assert (result.error, result.terminal, result.attempts, clock.now()) == ("never", True, 2, 1.1)


async def test_its_schema_is_that_of_the_tool_it_stands_for() -> None:
    takes = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    fake = FakeTool("fake", parameters=takes, returns={"type": "string"}, cache_ttl_secs=60, default="x")
    runtime = with_tool(fake)
    assert (await run(runtime)).error == "missing required parameter 'x' for tool 'fake'"
    for _ in range(2):
        assert (await run(runtime, parameters={"x": 1})).output == "x"
    assert len(fake.calls) == 1
    fake.returns(1)
    assert (await run(runtime, parameters={"x": 2})).error_code == "validation"


@pytest.mark.parametrize(
    "make",
    [
        lambda: FakeTool(""),
        lambda: FakeTool("fake", cache_ttl_secs=-1),
        lambda: FakeTool("fake", clock=1),  # type: ignore[arg-type] # that is the point
        lambda: FakeTool("fake").returns(1, after=-1),
        lambda: FakeTool("fake").returns(1, times=0),
        lambda: FakeTool("fake").fails(1),  # type: ignore[arg-type] # that is the point
        lambda: FakeTool("fake", returns=1),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make: Callable[[], object]) -> None:
    with pytest.raises(HeadwayError) as caught:
        make()
    assert isinstance(caught.value, InvalidInput)
    assert "\n" not in str(caught.value)
