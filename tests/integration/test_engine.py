"""The engine on a real home: jobs, their ends, checkpoints, what survives a process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import Config, load_config
from headway.engine import Engine
from headway.errors import Conflict, HomeLocked, InvalidInput, InvalidPlan, NotFound, Unavailable
from headway.events import kinds
from headway.home import Home
from headway.jobs.submission import Submission
from headway.plan.results import ActionStatus, ErrorCode
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import Gate, call, write


class Rig:
    """An open engine with a gate tool."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self.engine = engine
        self.gate = gate

    async def submit(self, *actions: dict[str, Any], **options: Any) -> str:
        plan = headway.parse_proposal({"actions": list(actions)})
        return (await self.engine.submit(Submission(plan, **options))).job_id


@asynccontextmanager
async def opened(path: Path, config: Config | None = None, **options: Any) -> AsyncIterator[Rig]:
    engine = await Engine.open(Home(path), config or Config(), **options)
    gate = Gate()

    @headway.tool(name="gate")
    async def gated(name: str = "") -> str:
        return await gate(name)

    @headway.tool
    async def echo(x: Any = None) -> Any:
        return x

    for function in (gated, echo):
        engine.registry.register(entry_of(function))
    try:
        yield Rig(engine, gate)
    finally:
        await engine.close(grace=0)


async def test_a_job_runs_and_its_view_is_its_result(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit(call("a", parameters={"x": 5}), write("w", "k", "$a.output"), context_id="c")
        view = await rig.engine.wait(job_id, 30)
        assert (view.job.status, view.job.scope, view.state) == ("completed", "c", {"k": 5})
        assert view.result()["w"].state_changes == {"k": {"op": "set", "value": 5}}


async def test_a_refused_plan_is_recorded_only_when_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        with pytest.raises(InvalidPlan) as caught:
            await rig.submit(call("a", "nope"))
        assert [issue.message for issue in caught.value.issues] == ["tool 'nope' is not registered"]
        assert await rig.engine.jobs() == []
        job_id = await rig.submit(call("a", "nope"), record_rejected=True)
        view = await rig.engine.run(job_id)
        assert (view.job.status, view.job.outcome) == ("failed", "rejected")
        assert view.issues[0]["message"] == "tool 'nope' is not registered"
        assert await rig.engine.checkpoints(job_id) == []
        with pytest.raises(NotFound):
            await rig.engine.fork(f"{job_id}@L0")


async def test_jobs_of_one_scope_take_turns_and_see_each_others_state(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        first = await rig.submit(call("g", "gate", expected_effects={"k": 1}), context_id="c")
        second = await rig.submit({"id": "r", "type": "state_read", "parameters": {"key": "k"}}, context_id="c")
        await rig.gate.started.get()
        assert (await rig.engine.row(second)).status == "queued"
        other = await rig.submit(call("e"))
        assert (await rig.engine.wait(other, 30)).job.status == "completed"
        rig.gate.open.set()
        assert (await rig.engine.wait(first, 30)).job.status == "completed"
        assert (await rig.engine.wait(second, 30)).action("r").output == 1


async def test_cancel_answers_by_where_the_job_stands(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        running = await rig.submit(call("g", "gate"), call("later", dependencies=["g"]), context_id="c")
        queued = await rig.submit(call("e"), context_id="c")
        await rig.gate.started.get()
        assert await rig.engine.cancel(queued, "no need") == "forced"
        ended = await rig.engine.run(queued)
        assert (ended.job.status, ended.action("e").error) == ("cancelled", "canceled: no need")
        assert await rig.engine.cancel(running, "stop", by="me") == "requested"
        assert await rig.engine.cancel(running, "again") == "requested"
        rig.gate.open.set()
        view = await rig.engine.wait(running, 30)
        assert (view.job.status, view.job.cancel_reason) == ("cancelled", "stop")
        assert [a.status for a in view.actions] == [ActionStatus.SUCCEEDED, ActionStatus.SKIPPED]
        assert await rig.engine.cancel(running) == "already_finished"
        with pytest.raises(NotFound):
            await rig.engine.cancel("nope")


async def test_kill_cuts_off(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit(call("g", "gate"))
        await rig.gate.started.get()
        assert await rig.engine.kill(job_id, "enough", "me") == "requested"
        view = await rig.engine.wait(job_id, 30)
        assert (view.job.status, view.job.outcome) == ("cancelled", "killed")
        assert view.action("g").error_code is ErrorCode.KILLED


async def test_restore_shows_the_difference_and_waits_for_no_running_job(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        first = await rig.submit(write("w", "k", 1), context_id="c")
        await rig.engine.wait(first, 30)
        saved = await rig.engine.save_checkpoint(scope="c", name="one")
        second = await rig.submit(write("w", "k", 2), write("n", "new", 3), context_id="c")
        await rig.engine.wait(second, 30)
        third = await rig.submit(call("g", "gate"), context_id="c")
        await rig.gate.started.get()
        with pytest.raises(Conflict, match="a job is running in scope 'c'"):
            await rig.engine.restore(saved.checkpoint_id)
        rig.gate.open.set()
        await rig.engine.wait(third, 30)
        diff = await rig.engine.diff(saved.checkpoint_id)
        assert (diff.added, diff.removed, diff.changed) == ({}, {"new": 3}, {"k": [2, 1]})
        assert await rig.engine.restore(saved.checkpoint_id, "me") == diff
        assert (await rig.engine.diff(saved.checkpoint_id)).empty
        reader = await rig.submit({"id": "r", "type": "state_read", "parameters": {"key": "k"}}, context_id="c")
        assert (await rig.engine.wait(reader, 30)).action("r").output == 1
        kinds_seen = [event.kind for event in await rig.engine.log.read(kinds=[kinds.CHECKPOINT_RESTORED])]
        assert kinds_seen == [kinds.CHECKPOINT_RESTORED]


async def test_a_fork_goes_on_where_a_cancelled_job_stopped(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit(
            write("w", "k", 1),
            call("g", "gate", state_dependencies=["k"]),
            call("later", dependencies=["g"], parameters={"x": "$g.output"}),
        )
        await rig.gate.started.get()
        await rig.engine.cancel(job_id, "stop")
        rig.gate.open.set()
        before = await rig.engine.wait(job_id, 30)
        points = await rig.engine.checkpoints(job_id=job_id)
        assert [point.checkpoint_id for point in points] == [f"{job_id}@L0", f"{job_id}@L1"]
        row = await rig.engine.fork(points[-1].checkpoint_id, "me")
        fork = await rig.engine.wait(row.job_id, 30)
        assert (fork.job.status, fork.job.forked_from, fork.job.scope) == ("completed", job_id, f"job:{row.job_id}")
        assert fork.action("later").output == "passed "
        assert rig.gate.started.empty()  # g did not run again
        assert await rig.engine.run(job_id) == before  # the old run is as it was


async def test_a_fork_carries_the_budget_on(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text("[budgets]\ntool_calls = 2\n")
    async with opened(tmp_path / "home", load_config(tmp_path)) as rig:
        job_id = await rig.submit(call("a"), call("b", dependencies=["a"]), call("c", dependencies=["b"]))
        assert (await rig.engine.wait(job_id, 30)).job.outcome == "budget_exhausted"
        row = await rig.engine.fork(f"{job_id}@L0")
        fork = await rig.engine.wait(row.job_id, 30)
        assert [a.status.value for a in fork.actions] == ["succeeded", "succeeded", "skipped"]


async def test_a_draining_engine_takes_no_work_and_cancels_what_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit(call("g", "gate"), call("later", dependencies=["g"]))
        await rig.gate.started.get()
        closing = asyncio.create_task(rig.engine.close("shutdown", grace=30))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await rig.submit(call("e"))
        rig.gate.open.set()
        await closing
    async with opened(tmp_path) as again:
        view = await again.engine.run(job_id)
        assert (view.job.status, view.job.cancel_reason) == ("cancelled", "shutdown")
        assert view.action("g").status is ActionStatus.SUCCEEDED


async def test_a_second_engine_is_refused_by_name(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(HomeLocked, match=str(os.getpid())):
            await Engine.open(Home(tmp_path), Config())


_DIE = """
import asyncio, sys
import headway
from headway.config import Config
from headway.engine import Engine
from headway.home import Home
from headway.tools.decorator import entry_of
from headway.jobs.submission import Submission

@headway.tool
async def hang() -> None:
    print("hanging", flush=True)
    await asyncio.Event().wait()

async def main():
    engine = await Engine.open(Home(sys.argv[1]), Config())
    engine.registry.register(entry_of(hang))
    plan = {"actions": [
        {"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}},
        {"id": "sum", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "6*7"},
         "state_dependencies": ["k"]},
        {"id": "hang", "type": "tool_call", "tool": "hang", "state_dependencies": ["k"], "dependencies": ["sum"]},
        {"id": "later", "type": "tool_call", "tool": "hang", "dependencies": ["hang"]}]}
    row = await engine.submit(Submission(headway.parse_proposal(plan), context_id="c"))
    queued = await engine.submit(Submission(headway.parse_proposal(plan), context_id="c"))
    print(row.job_id, queued.job_id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def killed_while_hanging(path: Path) -> list[str]:
    """Run the script until its job hangs, kill -9 it, and return the ids of its two jobs."""
    with subprocess.Popen([sys.executable, "-c", _DIE, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip(), process.stdout.readline().strip()]
        process.send_signal(signal.SIGKILL)
    assert "hanging" in lines
    return next(line for line in lines if line != "hanging").split()


async def test_what_a_killed_process_left_gets_a_true_end_and_can_be_forked(tmp_path: Path) -> None:
    job_id, queued = killed_while_hanging(tmp_path)
    async with opened(tmp_path, on_restart="fail") as rig:
        view = await rig.engine.run(job_id)
        assert (view.job.status, view.job.outcome) == ("failed", "interrupted")
        assert [(a.status.value, a.error_code) for a in view.actions] == [
            ("succeeded", None),
            ("succeeded", None),
            ("failed", ErrorCode.INTERRUPTED),
            ("skipped", ErrorCode.INTERRUPTED),
        ]
        assert view.action("later").error == "interrupted: the process that ran this job ended"
        assert (view.cost.tool_calls, view.cost.actions_skipped) == (1, 1)
        assert (await rig.engine.run(queued)).job.outcome == "interrupted"
        opening = (await rig.engine.log.read(kinds=[kinds.STORE_OPENED]))[-1]
        assert opening.data["recovered"] == [job_id, queued]

        @headway.tool
        async def hang() -> str:
            return "not this time"

        rig.engine.registry.register(entry_of(hang))
        last = (await rig.engine.checkpoints(job_id=job_id))[-1]
        row = await rig.engine.fork(last.checkpoint_id)
        fork = await rig.engine.wait(row.job_id, 30)
        assert fork.job.status == "completed"
        assert (fork.action("sum").started_ms, fork.action("later").output) == (None, "not this time")


async def test_ids_and_contexts_that_belong_to_others_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit(call("a"), job_id="mine")
        with pytest.raises(Conflict, match="there is a job 'mine' already"):
            await rig.submit(call("a"), job_id="mine")
        with pytest.raises(InvalidInput, match="a context id does not start with 'job:'"):
            await rig.submit(call("a"), context_id=f"job:{job_id}")
