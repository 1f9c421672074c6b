"""Nothing goes round the dispatcher: a run on a fake one calls no tool, whatever happens in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import CancellationToken, InvalidInput
from headway.execution.environment import Environment
from headway.testing import Answer, FakeDispatcher, VirtualClock
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call

CORE = Path(headway.__file__).parent


def stage() -> tuple[headway.Runtime, FakeDispatcher]:
    """Return a runtime whose tools must not be called, and the fake that answers for them."""
    clock = VirtualClock(autojump=True)
    fake = FakeDispatcher(clock)
    made = headway.Runtime(clock=clock, dispatcher=fake)

    for name in ("fetch", "book", "refund", "pay"):

        async def never(**_: Any) -> Any:
            raise AssertionError("a tool was called")

        made.register_tool_entry(entry_of(headway.tool(name=name, parameters={})(never)))
    return made, fake


async def test_a_run_with_retries_timeouts_and_compensations_uses_the_dispatcher_alone() -> None:
    made, fake = stage()
    fake.answer("fetch", Answer(error=ValueError("first")), Answer(hangs=True), Answer({"page": 1}))
    fake.answer("book", Answer({"seat": 7}, seconds=1))
    fake.answer("pay", Answer(hangs=True, stubborn=True))
    undo = {"type": "tool", "tool": "refund", "parameters": {"seat": "$b.output.seat"}}
    plan = [
        call("f", "fetch", failure_behavior="retry", timeout_ms=100),
        call("b", "book", parameters={"page": "$f.output.page"}, reversibility="compensable", compensation=undo),
        call("p", "pay", timeout_ms=200, dependencies=["b"]),
    ]
    result = await made.execute({"actions": plan})
    assert (result.outcome, result["f"].attempts, result["p"].error) == ("aborted", 3, "timed out after 200 ms")
    assert (result["b"].compensated, result["b"].duration_ms) == (True, 1000)
    assert fake.tools == ["fetch", "fetch", "fetch", "book", "pay", "refund"]
    assert fake.parameters[3:] == [{"page": 1}, {}, {"seat": 7}]
    assert [(r.action_id, r.attempt, r.compensates) for r in fake.requests][2:] == [
        ("f", 3, False),
        ("b", 1, False),
        ("p", 1, False),
        ("b", 1, True),
    ]
    assert {request.job_id for request in fake.requests} == {result.job_id}
    assert fake.requests[0].timeout_ms == 100
    assert fake.health().running == 0


async def test_a_kill_and_the_end_of_a_task_reach_the_dispatcher() -> None:
    made, fake = stage()
    fake.answer("fetch", Answer(hangs=True))
    token = CancellationToken()
    fake._clock.call_later(1, token.kill, "enough")
    result = await made.execute_with_cancel({"actions": [call("f", "fetch"), call("g", "fetch")]}, token)
    assert [r.error for r in result.results] == ["killed: enough"] * 2
    assert fake.health().running == 0


async def test_a_cancel_takes_back_what_the_dispatcher_has_not_begun() -> None:
    made, fake = stage()
    fake.answer("fetch", Answer(queued=True))
    token = CancellationToken()
    fake._clock.call_later(1, token.cancel, "enough")
    result = await made.execute_with_cancel({"actions": [call("f", "fetch")]}, token)
    assert (result["f"].status, result["f"].error, result["f"].attempts) == ("skipped", "canceled: enough", 0)


def test_tools_are_called_in_one_place() -> None:
    """A tool's entry holds its function as ``call``; what calls it stands in the local dispatcher and nowhere else."""
    calls = re.compile(r"\b(?:entry|tool|found|made|self)\.call\(")
    places = {str(path.relative_to(CORE)) for path in CORE.rglob("*.py") if calls.search(path.read_text())}
    assert places == {"dispatch/local.py"}


def test_an_environment_takes_no_odd_dispatcher() -> None:
    with pytest.raises(InvalidInput, match="a dispatcher has call, cancel, kill and health"):
        Environment(dispatcher=object())  # type: ignore[arg-type]
