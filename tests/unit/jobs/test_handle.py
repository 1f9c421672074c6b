"""The handle of a run: its id at once, its events, its view, its end; many at a time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, Runtime, Scope
from headway.errors import Conflict, InvalidInput, InvalidPlan
from headway.events import kinds
from headway.events.event import Event
from headway.events.views import RunView
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, runtime, write


async def events_of(run: headway.RunHandle) -> list[Event]:
    return [event async for event in run.events()]


async def test_a_handle_has_its_id_at_once_its_events_its_view_and_its_result() -> None:
    made, gate = runtime()
    run = made.start({"actions": [write("w", "k", 1), call("g", "gate", dependencies=["w"])]})
    assert (run.job_id, run.job_ids, run.done) == (run.job_ids[0], [run.job_id], False)
    assert run.view.job.status == "queued"
    following = asyncio.create_task(events_of(run))
    await gate.started.get()
    view = run.view
    assert (view.job.status, view.action("w").status, view.action("g").status) == ("running", "succeeded", "executing")
    gate.open.set()
    result = await run
    assert (result.job_id, result.ok, run.done) == (run.job_id, True, True)
    assert (run.view.job.status, view.job.status) == ("completed", "running")  # a view is as of its moment
    events = await following
    assert {event.job_id for event in events} == {run.job_id}
    assert (events[0].kind, events[-1].kind) == (kinds.JOB_CREATED, kinds.JOB_COMPLETED)
    assert await events_of(run) == events  # replayed to who comes late
    assert await run == result  # and again


async def test_runs_in_scopes_of_their_own_run_side_by_side_on_states_of_their_own() -> None:
    clock = VirtualClock(autojump=True)
    made = Runtime(clock=clock)

    @headway.tool
    async def doze() -> None:
        await clock.sleep(0.1)

    made.register_tool(doze)
    began = clock.now()
    plans = [{"actions": [call("d", "doze"), write("w", "k", i, dependencies=["d"])]} for i in range(10)]
    runs = [made.start(plan, scope=Scope.new()) for plan in plans]
    results = await asyncio.gather(*runs)
    assert [result.ok for result in results] == [True] * 10
    assert clock.now() - began == pytest.approx(0.1)
    assert [run.scope.state["k"] for run in runs] == list(range(10))
    assert len({run.scope.name for run in runs}) == 10
    assert "k" not in made.state


async def test_runs_of_one_scope_take_turns_and_a_scope_can_be_used_again() -> None:
    made, _ = runtime()
    scope = Scope.new()
    runs = [made.start({"actions": [write("w", "k", i)]}, scope=scope) for i in range(5)]
    await asyncio.gather(*runs)
    assert scope.state["k"] == 4
    read = await made.start({"actions": [{"id": "r", "type": "state_read", "parameters": {"key": "k"}}]}, scope)
    assert read["r"].output == 4
    by_name = await made.start({"actions": [{"id": "r", "type": "state_read", "parameters": {"key": "k"}}]}, scope.name)
    assert by_name["r"].output == 4


async def test_cancel_and_kill_of_a_handle() -> None:
    made, gate = runtime()
    plan = {"actions": [call("g", "gate"), call("later", dependencies=["g"])]}
    run = made.start(plan)
    queued = made.start(plan)
    await gate.started.get()
    assert queued.cancel("not needed")
    assert not queued.cancel("again")
    result = await asyncio.wait_for(queued, 60)
    assert (result.status, result["g"].error) == ("cancelled", "canceled: not needed")
    assert run.kill("enough")
    result = await asyncio.wait_for(run, 60)
    assert (result.status, result.outcome, result["g"].error_code) == ("cancelled", "killed", "killed")
    assert (run.cancel(), run.kill()) == (False, False)
    assert (await events_of(queued))[-1].kind == kinds.JOB_CANCELLED


async def test_who_awaits_a_handle_may_be_cancelled_and_the_run_lives_on() -> None:
    made, gate = runtime()
    run = made.start({"actions": [call("g", "gate")]})

    async def waiting() -> Any:
        return await run

    task = asyncio.create_task(waiting())
    await gate.started.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.open.set()
    assert (await run).ok


async def test_a_budget_a_replan_callback_and_a_token_of_one_run() -> None:
    made, _ = runtime()
    result = await made.start({"actions": [call("a"), call("b", dependencies=["a"])]}, budget=CostBudget(tool_calls=1))
    assert result.outcome == "budget_exhausted"
    assert (await made.execute({"actions": [call("a"), call("b", dependencies=["a"])]})).ok

    async def other(context: headway.ReplanContext) -> dict[str, Any]:
        assert context.failed[0].tool == "boom"
        return {"actions": [call("a")]}

    run = made.start({"actions": [call("f", "boom")]}, replan=other)
    result = await run
    assert (result.ok, len(result.replan_lineage), run.job_ids[-1]) == (True, 2, result.job_id)
    assert len(run.job_ids) == 2
    seen = await events_of(run)
    assert [event.kind for event in seen if event.kind in kinds.TERMINAL_JOB] == [kinds.JOB_FAILED, kinds.JOB_COMPLETED]
    assert not (await made.execute({"actions": [call("f", "boom")]})).replan_lineage
    token = CancellationToken()
    token.cancel("before")
    assert (await made.start({"actions": [call("a")]}, cancel=token)).status == "cancelled"


async def test_progress_is_reported_and_what_the_callback_raises_ends_the_reports_only() -> None:
    made, _ = runtime()
    seen: list[tuple[str, int]] = []

    def progress(view: RunView) -> None:
        seen.append((view.job.status, view.job.succeeded))

    plan = {"actions": [call("a"), call("b", dependencies=["a"])]}
    await made.start(plan, progress=progress)
    assert seen[-1] == ("completed", 2)

    def broken(view: RunView) -> None:
        raise ValueError("no")

    assert (await made.start(plan, progress=broken)).ok


async def test_what_cannot_be_started_is_refused_and_nothing_is_recorded() -> None:
    made, _ = runtime()
    with pytest.raises(InvalidPlan):
        made.start("no plan")
    for wrong in ({"budget": 5}, {"replan": 5}, {"cancel": 5}, {"progress": 5}, {"session": ""}, {"scope": ""}):
        with pytest.raises(InvalidInput):
            made.start({"actions": []}, **wrong)  # type: ignore[arg-type]
    with pytest.raises(Conflict, match="with another state"):
        made.start({"actions": []}, scope=Scope(made.scope, {"other": 1}))
    assert made.log.last_seq == 0


async def test_a_tool_that_waits_for_its_own_scope_gets_a_conflict() -> None:
    made = Runtime()

    @headway.tool
    async def nested(mine: bool) -> str:
        return (await made.start({"actions": []}, scope=None if mine else Scope.new())).status

    made.register_tool(nested)
    plan = [call("a", "nested", parameters={"mine": False}), call("b", "nested", parameters={"mine": True})]
    result = await asyncio.wait_for(made.execute({"actions": plan}), 60)
    assert result["a"].output == "completed"
    assert "a Runtime of its own" in str(result["b"].error)


async def test_leaving_the_block_of_a_runtime_ends_what_runs() -> None:
    made, gate = runtime(clock=VirtualClock(autojump=True))
    async with made as same:
        assert same is made
        run = made.start({"actions": [call("g", "gate")]})
        await gate.started.get()
    assert run.done
    assert (await run).status == "cancelled"


def test_run_sync_runs_a_plan_with_tools() -> None:
    @headway.tool
    def double(x: int) -> int:
        return 2 * x

    plan = {"actions": [{"id": "d", "type": "tool_call", "tool": "double", "parameters": {"x": 4}}]}
    result = headway.run_sync(plan, tools=[double])
    assert result["d"].output == 8
    state = headway.run_sync(
        {"actions": [{"id": "r", "type": "state_read", "parameters": {"key": "k"}}]}, state={"k": 3}
    )
    assert state["r"].output == 3
    with pytest.raises(InvalidPlan):
        headway.run_sync("nothing")
    with pytest.raises(InvalidInput):
        headway.run_sync(plan, tools=[5])  # type: ignore[list-item]


async def test_run_sync_is_refused_where_a_loop_runs() -> None:
    with pytest.raises(Conflict, match="event loop"):
        headway.run_sync({"actions": []})


def test_a_run_needs_an_event_loop() -> None:
    made = headway.Runtime()
    plan = headway.Submission({"actions": []}, job_id="mine")
    with pytest.raises(Conflict, match=r"headway.run_sync\(plan\)"):
        made.start(plan)

    async def later() -> str:
        return (await made.start(plan)).job_id

    assert asyncio.run(later()) == "mine"  # nothing was left of the first try


async def test_a_scope_belongs_to_one_log() -> None:
    write = {"actions": [{"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}}]}
    scope, log = headway.Scope.new(), headway.EventLog()
    assert (await headway.Runtime(log=log).start(write, scope=scope)).ok
    with pytest.raises(Conflict, match="in use on another log"):
        headway.Runtime().start(write, scope=scope)
    assert (await headway.Runtime(log=log, scope="second").start(write, scope=scope)).ok
    assert scope.state.version("k") == 2
