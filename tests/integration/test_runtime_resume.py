"""An embedded runtime on a durable log: after its process died, another one goes on with its jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, EventLog, ReplanConfig, Runtime
from headway.errors import Conflict, InvalidInput, NotFound
from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.plan.results import ErrorCode
from headway.store import StoreLog
from tests.integration.test_resume import PLAN, die_after, in_flight, tools
from tests.unit.execution.kit import call, write


@asynccontextmanager
async def on(path: Path, **options: Any) -> AsyncIterator[tuple[Runtime, list[str]]]:
    """Yield a runtime on the store at ``path``, and the calls that its tools get."""
    home = Home(path)
    home.prepare()
    log = await StoreLog.open(home)
    try:
        made = Runtime(log=log, **options)
        calls: list[str] = []
        tools(made.registry, calls)
        yield made, calls
    finally:
        await log.close()


async def whole(path: Path, plan: dict[str, Any] = PLAN, **options: Any) -> tuple[list[Event], str]:
    """Run ``plan`` to its end; return the log and the job's id."""
    async with on(path, **options) as (made, _):
        result = await made.execute(plan)
        return await made.log.read(limit=10_000), result.job_id


def after(events: list[Event], kind: str, nth: int = 0) -> list[Event]:
    """Return the events up to the nth of ``kind``."""
    return events[: [i for i, event in enumerate(events) if event.kind == kind][nth] + 1]


async def test_resume_after_every_single_event(tmp_path: Path) -> None:
    events, job_id = await whole(tmp_path / "whole", state={"before": 1})
    first = next(i for i, e in enumerate(events) if e.kind == kinds.JOB_CREATED)
    for cut in range(first, len(events) - 1):
        known = events[: cut + 1]
        await die_after(tmp_path / f"cut{cut}", known)
        async with on(tmp_path / f"cut{cut}") as (made, calls):
            assert await made.unfinished() == [job_id]
            result = await made.resume(job_id)
            done = {e.action_id for e in known if e.kind in kinds.TERMINAL_ACTION}
            assert not done & set(calls), f"after event {cut} ({known[-1].kind}) a finished action ran again"
            assert await made.unfinished() == []
            assert len([e for e in await made.log.read(limit=10_000) if e.kind in kinds.TERMINAL_JOB]) == 1
            if "a" in in_flight(known):  # not idempotent: nobody knows whether it took effect
                assert (result["a"].error_code, result.outcome) == (ErrorCode.INTERRUPTED, "aborted")
                assert dict(made.state.snapshot()) == {"before": 1}
                continue
            assert result.status == "completed", (cut, known[-1].kind, result.error)
            assert (result["c"].output, result["read"].output) == ("did c did b", 2)
            assert dict(made.state.snapshot()) == {"before": 1, "k": 2, "a": 1}
            assert await made.log.reader() is not None
            scope = await (await made.log.reader()).scope_state("runtime")  # type: ignore[attr-defined]
            assert scope == dict(made.state.snapshot())


async def test_recover_goes_on_with_all_or_ends_all(tmp_path: Path) -> None:
    events, job_id = await whole(tmp_path / "whole")
    for on_restart, status in (("resume", "completed"), ("fail", "failed")):
        path = tmp_path / on_restart
        await die_after(path, after(events, kinds.LEVEL_FINISHED))
        async with on(path) as (made, calls):
            with pytest.raises(InvalidInput, match="on_restart"):
                await made.recover("again")
            (result,) = await made.recover(on_restart)
            assert (result.job_id, result.status, bool(calls)) == (job_id, status, on_restart == "resume")
            assert made.state["k"] == (2 if on_restart == "resume" else 1)
            assert await made.recover() == []
            assert (await made.execute({"actions": [write("w", "z")]})).ok
            scope = await (await made.log.reader()).scope_state("runtime")  # type: ignore[attr-defined]
            assert scope == dict(made.state.snapshot())


async def test_what_cannot_go_on_is_refused_in_one_line(tmp_path: Path) -> None:
    events, job_id = await whole(tmp_path / "whole")
    async with on(tmp_path / "whole") as (made, _):
        with pytest.raises(Conflict, match="has ended: it is completed"):
            await made.resume(job_id)
        with pytest.raises(NotFound):
            await made.resume("nope")
        with pytest.raises(InvalidInput):
            await made.resume(5)  # type: ignore[arg-type]
    await die_after(tmp_path / "cut", after(events, kinds.LEVEL_FINISHED))
    async with on(tmp_path / "cut", scope="other") as (made, _):
        assert await made.unfinished() == []
        with pytest.raises(Conflict, match="scope 'runtime'"):
            await made.resume(job_id)
    async with on(tmp_path / "cut", workspace=tmp_path) as (made, calls):
        with pytest.raises(Conflict, match="another workspace"):
            await made.resume(job_id)
        assert (calls, dict(made.state.snapshot())) == ([], {})
    with pytest.raises(NotFound):
        await Runtime(log=EventLog()).resume(job_id)
    assert await Runtime().unfinished() == []


async def test_a_cancelled_job_is_only_ended(tmp_path: Path) -> None:
    events, job_id = await whole(tmp_path / "whole")
    request = Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": ""}, job_id)
    await die_after(tmp_path / "cut", [*after(events, kinds.LEVEL_FINISHED), request])
    async with on(tmp_path / "cut") as (made, calls):
        result = await made.resume(job_id)
        assert (result.status, result.error, calls) == ("cancelled", "enough", [])
        assert made.state["k"] == 1


async def test_a_resumed_run_can_be_cancelled_and_one_at_a_time_goes_on(tmp_path: Path) -> None:
    events, job_id = await whole(tmp_path / "whole")
    await die_after(tmp_path / "cut", after(events, kinds.LEVEL_FINISHED))
    async with on(tmp_path / "cut") as (made, calls):
        token = CancellationToken()
        token.cancel("at once")
        first, second = await asyncio.gather(
            made.resume(job_id), made.resume(job_id, CancellationToken()), return_exceptions=True
        )
        assert isinstance(first, headway.ProposalResult)
        assert isinstance(second, Conflict)
        assert len(calls) == len(set(calls)) + 1  # "r" fails once and is tried again
        with pytest.raises(Conflict):
            await made.resume(job_id, token)


async def test_a_budget_and_a_replan_go_on_too(tmp_path: Path) -> None:
    plan = {"actions": [call("b", "step", parameters={"name": "b"}), call("s", "fails", dependencies=["b"])]}
    async with on(tmp_path / "whole") as (made, _):
        made.set_cost_budget(CostBudget(tool_calls=3))
        result = await made.execute(plan)
        events = await made.log.read(limit=1000)
    await die_after(tmp_path / "cut", after(events, kinds.LEVEL_FINISHED))
    async with on(tmp_path / "cut") as (made, calls):
        made.set_cost_budget(CostBudget(tool_calls=3))

        async def callback(context: headway.ReplanContext) -> dict[str, Any]:
            return {"actions": [call("c", "step", parameters={"name": "c"})]}

        made.with_replan(callback, ReplanConfig(max_replans=1))
        again = await made.resume(result.job_id)
        assert (again.status, calls) == ("completed", ["s", "c"])
        assert [step.job_id for step in again.replan_lineage] == [result.job_id, again.job_id]
        settled = [e for e in await made.log.read(kinds=[kinds.BUDGET_SETTLED]) if e.job_id == result.job_id]
        assert [e.data["spent"]["tool_calls"] for e in settled] == [1, 2]
