"""Whoever asks of a run gets one answer: engine or handle, while it lives or after, embedded or by configuration."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import EventLog, Runtime, Scope, Submission
from headway.engine import Engine
from headway.errors import Conflict
from headway.jobs.supervisor import supervisor_of
from headway.store import store_of
from tests.unit.execution.kit import Gate, call, runtime, write


@headway.tool
async def boom() -> None:
    raise ValueError("boom")


def gated(gate: Gate) -> Any:
    @headway.tool(name="gate")
    async def tool(name: str = "") -> str:
        return await gate(name)

    return tool


@pytest.mark.parametrize("by", ["engine", "handle"])
async def test_a_kill_in_line_is_a_kill(by: str, tmp_path: Path) -> None:
    gate = Gate()
    async with await Engine.open(tmp_path, tools=[gated(gate)]) as engine:
        plan = {"actions": [call("g", "gate")]}
        first = await engine.submit(Submission(plan, context_id="thread"))
        await gate.started.get()
        if by == "engine":
            second = (await engine.submit(Submission(plan, context_id="thread"))).job_id
            assert await engine.kill(second, "enough") == "forced"
        else:
            run = engine.start(Submission(plan, context_id="thread"))
            assert run.kill("enough")
            second = (await run).job_id
        row = await engine.row(second)
        assert (row.status, row.outcome) == ("cancelled", "killed")
        gate.open.set()
        assert (await engine.wait(first.job_id, 60)).job.status == "completed"


async def test_the_next_candidate_is_no_successor_while_it_runs_or_after(tmp_path: Path) -> None:
    gate = Gate()
    async with await Engine.open(tmp_path, tools=[boom, gated(gate)]) as engine:
        plans = [{"actions": [call("a", "boom")]}, {"actions": [call("g", "gate"), write("w", "k", 1)]}]
        running = asyncio.create_task(engine.plan_and_execute(plans))
        await gate.started.get()
        (second, first) = [row.job_id for row in await engine.jobs()]
        assert (await engine.row(first)).outcome == "aborted"
        assert await engine.successor(first, 60) is None
        gate.open.set()
        assert (await running).job_id == second
        assert await engine.successor(first) is None


async def test_a_replan_answers_in_the_format_that_its_runtime_takes() -> None:
    async def replan(context: headway.ReplanContext) -> dict[str, Any]:
        return {"actions": [write("w", "k", 1, confidence=0.5)]}  # no field of the format

    for compat, outcome in (("car", None), (None, "aborted")):
        made = Runtime(tools=[boom], compat=compat, replan=replan)
        result = await made.execute({"actions": [call("a", "boom")]})
        assert result.outcome == outcome


async def test_a_run_that_is_refused_and_not_awaited_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    made, _ = runtime()
    runs: list[headway.RunHandle] = []

    @headway.tool
    async def nested() -> str:
        runs.append(made.start({"actions": []}))
        return "started"

    @headway.tool
    async def awaited() -> None:
        await made.start({"actions": []})

    made.register_tool(nested)
    made.register_tool(awaited)
    with caplog.at_level(logging.WARNING, "headway.jobs"):
        assert (await made.execute({"actions": [call("n", "nested")]})).ok
        with pytest.raises(Conflict, match="on the state that it runs on"):
            await runs[0]
    (told,) = caplog.messages
    assert told.startswith(f"job {runs[0].job_id} did not run, and nobody awaits it: a tool cannot execute a plan")
    caplog.clear()
    with caplog.at_level(logging.WARNING, "headway.jobs"):
        assert not (await made.execute({"actions": [call("a", "awaited")]})).ok
    assert caplog.messages == []


async def test_a_bounded_log_keeps_the_states_of_scopes_in_use_alone() -> None:
    log = EventLog(max_events=40)
    made, store = Runtime(log=log), store_of(log)
    kept = Scope.new()
    await made.start({"actions": [write("w", "k", "kept")]}, scope=kept)
    names = []
    for number in range(60):
        scope = Scope.new()
        names.append(scope.name)
        assert (await made.start({"actions": [write("w", "k", number)]}, scope=scope)).ok
    del scope
    gc.collect()
    await made.execute({"actions": [write(f"w{n}", "k", n) for n in range(60)]})
    assert not any(supervisor_of(log).uses(name) for name in names)
    assert await store.scope_state(kept.name) == {"k": "kept"}
    assert [name for name in names if await store.scope_state(name)] == []
    assert len(store._bases) <= 2
    assert (await made.start({"actions": [write("x", "j", 1)]}, scope=kept)).ok
    assert await store.scope_state(kept.name) == {"k": "kept", "j": 1}
