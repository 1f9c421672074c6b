"""Two faces, several callers and a hasty one together: one state, true answers, nobody else's jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, EventLog, Runtime, Scope, Submission
from headway.config import Config
from headway.engine import Engine
from headway.errors import Conflict, InvalidInput, InvalidPlan, LogFull
from headway.events import kinds
from headway.jobs.candidates import ranked
from headway.policy import CapabilitySet
from headway.testing import VirtualClock
from tests.unit.execution.kit import Gate, call, runtime, write


def plan(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actions": list(actions)}


async def test_who_asks_of_a_cold_scope_takes_nothing_from_a_run_on_it(tmp_path: Path) -> None:
    async with await Engine.open(tmp_path) as engine:
        for turn in range(20):
            name = f"thread-{turn}"
            await engine.wait((await engine.submit(Submission(plan(write("w", "k", 1)), context_id=name))).job_id, 30)
            scope = Scope(name)
            run = engine.start(plan(write("a", "x", 1)), scope)
            await asyncio.gather(run, *(engine.verify(plan(write("b", "y", 1)), name) for _ in range(3)))
            assert dict(scope.state.snapshot()) == await engine.reader.scope_state(name) == {"k": 1, "x": 1}


async def test_what_is_set_between_runs_is_in_the_log_whoever_runs_next(tmp_path: Path) -> None:
    async with await Engine.open(tmp_path) as engine:
        embedded = await engine.runtime("t")
        embedded.state.set("x", 1)
        await engine.wait((await engine.submit(Submission(plan(write("a", "y", 2)), context_id="t"))).job_id, 30)
        assert await engine.reader.scope_state("t") == dict(embedded.state.snapshot()) == {"x": 1, "y": 2}
        other = Runtime(log=engine.log, scope="t")
        await other.execute(plan(write("b", "z", 3)))
        assert await engine.reader.scope_state("t") == {"x": 1, "y": 2, "z": 3}


async def test_leaving_the_block_of_a_borrowed_runtime_stops_its_own_runs_only(tmp_path: Path) -> None:
    gate = Gate()

    @headway.tool
    async def hold() -> str:
        return await gate()

    async with await Engine.open(tmp_path, tools=[hold]) as engine:
        row = await engine.submit(plan(call("h", "hold")))
        await gate.started.get()
        async with await engine.runtime("mine") as embedded:
            run = embedded.start(plan(call("h", "hold")))
            await gate.started.get()
            gate.open.set()
        assert run.done
        assert (await engine.wait(row.job_id, 30)).job.status == "completed"


async def test_a_runtime_of_an_engine_shares_its_limits_its_results_and_its_executor(tmp_path: Path) -> None:
    class Remote:
        async def execute(self, tool: str, params: dict[str, Any]) -> str:
            return f"{tool} ran"

    @headway.tool(rate_limit=(1, 3600.0))
    async def slow() -> int:
        return 1

    config = Config.model_validate({"rate_limits": {"slow": {"max_calls": 7, "interval_secs": 2.0}}})
    async with await Engine.open(tmp_path, config, tools=[slow]) as engine:
        embedded = await engine.runtime()
        assert [(bucket.capacity, bucket.interval_s) for bucket in embedded.rate_limiter] == [(7, 2.0)]
        embedded.set_executor(Remote())
        engine.register_tool("remote")
        assert (await engine.execute(plan(call("r", "remote"))))["r"].output == "remote ran"


async def test_a_fork_does_no_more_than_it_may(tmp_path: Path) -> None:
    called: list[str] = []

    @headway.tool
    async def danger() -> None:
        called.append("danger")

    @headway.tool
    async def step() -> None:
        called.append("step")

    steps = [call("a0", "step"), *(call(f"a{i}", "step", dependencies=[f"a{i - 1}"]) for i in range(1, 5))]
    async with await Engine.open(tmp_path, tools=[danger, step]) as engine:
        row = await engine.submit(plan(write("w", "k", 1), call("d", "danger", dependencies=["w"])))
        await engine.wait(row.job_id, 30)
        engine.set_capabilities(CapabilitySet(denied_tools=frozenset({"danger"})))
        with pytest.raises(InvalidPlan, match="capabilities"):
            await engine.fork(f"{row.job_id}@L0")
        assert called == ["danger"]
        engine.set_capabilities(None)
        row = await engine.submit(Submission(plan(*steps), budget=CostBudget(tool_calls=2), principal="bob"))
        assert (await engine.wait(row.job_id, 30)).job.outcome == "budget_exhausted"
        fork = await engine.fork(f"{row.job_id}@L1")
        ended = (await engine.wait(fork.job_id, 30)).job
        assert (ended.outcome, ended.principal, called.count("step")) == ("budget_exhausted", "bob", 2)


async def test_a_job_id_is_used_once_by_whatever_call() -> None:
    made, _ = runtime()
    assert (await made.execute(Submission(plan(call("a")), job_id="j"))).ok
    with pytest.raises(Conflict, match="job 'j' already"):
        await made.execute(Submission(plan(call("a")), job_id="j"))
    assert len(await made.log.read(kinds=[kinds.JOB_CREATED])) == 1


async def test_one_runs_cancel_stops_no_other_run_of_the_callers_token() -> None:
    made, gate = runtime()
    token = CancellationToken()
    one, other = (made.start(plan(call("g", "gate")), Scope.new(), cancel=token) for _ in range(2))
    await gate.started.get()
    await gate.started.get()
    one.cancel("only this one")
    assert not token.is_cancelled()
    gate.open.set()
    assert [(await one).status, (await other).status] == ["cancelled", "completed"]
    third = made.start(plan(call("a")), Scope.new(), cancel=token)
    token.cancel("all")
    assert (await third).status == "cancelled"
    assert not token._listeners


async def test_a_handle_outlives_what_the_log_keeps() -> None:
    made, _ = runtime(log=EventLog(max_events=50))
    run = made.start(plan(call("a")))
    await run
    for _ in range(60):
        await made.execute(plan(call("b")))
    assert run.view.job.status == "completed"

    async def events() -> list[Any]:
        return [event async for event in run.events()]

    assert await asyncio.wait_for(events(), 60) == []


async def test_a_full_log_refuses_a_run_before_it_runs() -> None:
    class Full(EventLog):
        refuses = False

        @property
        def full(self) -> bool:
            return self.refuses

    log = Full()
    made, _ = runtime(log=log)
    log.refuses = True
    before = log.last_seq
    with pytest.raises(LogFull):
        await made.execute(plan(write("w", "k", 1)))
    assert (log.last_seq, made.state.keys()) == (before, [])


async def test_candidates_are_ranked_in_their_turn_not_when_they_are_submitted(tmp_path: Path) -> None:
    async with await Engine.open(tmp_path) as engine:
        with pytest.raises(InvalidInput, match="plan_and_execute"):
            await engine.submit(ranked([plan(write("w", "k", 1))], None, None))
        with pytest.raises(InvalidInput, match="candidates"):
            Submission(plan(), candidates=[plan()])  # type: ignore[arg-type]
        assert await engine.jobs() == []


async def test_jobs_whose_tools_run_plans_do_not_wait_for_each_others_places(tmp_path: Path) -> None:
    opened: list[Engine] = []

    @headway.tool
    async def nested() -> str:
        return (await opened[0].execute(plan())).status

    async with await Engine.open(tmp_path, tools=[nested]) as engine:
        opened.append(engine)
        rows = [await engine.submit(plan(call("n", "nested"))) for _ in range(40)]
        views = await asyncio.wait_for(asyncio.gather(*(engine.wait(row.job_id) for row in rows)), 120)
        assert {view.action("n").output for view in views} == {"completed"}


async def test_a_cancel_after_the_last_replan_is_told_that_it_is_late(tmp_path: Path) -> None:
    @headway.tool
    async def boom() -> None:
        raise ValueError("boom")

    async def again(context: headway.ReplanContext) -> dict[str, Any]:
        return plan(call("b", "boom"))

    async with await Engine.open(tmp_path, tools=[boom]) as engine:
        engine.with_replan(again, headway.ReplanConfig(max_replans=1))
        row = await engine.submit(plan(call("a", "boom")))
        last = await engine.successor(row.job_id, 30)
        assert last is not None
        await engine.wait(last, 30)
        assert await engine.cancel(last) == "already_finished"


async def test_a_coroutine_takes_reports_of_progress_too() -> None:
    made, _ = runtime(clock=VirtualClock())
    seen: list[str] = []

    async def report(view: headway.RunView) -> None:
        seen.append(view.job.status)

    await made.start(plan(call("a")), progress=report)
    assert seen[-1] == "completed"
