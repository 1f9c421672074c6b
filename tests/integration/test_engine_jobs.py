"""The job API of an engine: workflows, children, a home that is opened again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

import headway
from headway.config import Config
from headway.config.model import ToolsConfig, WorkflowConfig
from headway.engine import Engine
from headway.errors import Conflict, NotFound
from headway.events import kinds
from headway.home import Home
from headway.testing import VirtualClock, settle
from headway.tools.files.workspace import Workspace
from headway.tools.process.shell import shell_tool
from tests.unit.execution.kit import write
from tests.unit.tools.process.children import alive, until

DEAF = "trap '' TERM; echo $$; while :; do sleep 600; done"


@headway.tool
async def hello(name: str = "you") -> str:
    return f"hello {name}"


async def test_a_workflow_is_run_by_its_name(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"actions": [write("w", "k", 1)]}))
    config = Config(workflows={"nightly": WorkflowConfig(plan=plan)})
    async with await Engine.open(tmp_path / "home", config) as engine:
        row = await engine.manager.enqueue_job("tonight", workflow="nightly")
        assert (row.work, (await engine.wait(row.job_id)).state) == ("workflow:nightly", {"k": 1})
        with pytest.raises(NotFound, match="no workflow 'nightlY': did you mean 'nightly'"):
            await engine.manager.enqueue_job("x", workflow="nightlY")
        plan.unlink()
        with pytest.raises(headway.InvalidInput, match="there is no such file"):
            await engine.manager.enqueue_job("x", workflow="nightly")


async def test_a_home_that_is_opened_again_has_its_jobs(tmp_path: Path) -> None:
    async with await Engine.open(tmp_path, tools=[hello]) as engine:
        external = await engine.manager.enqueue_job("outside")
        claim = await engine.manager.set_job_running(external.job_id, "w", lease_s=3600)
        paused = await engine.manager.enqueue_job("p", {"actions": []}, context_id="c")
        assert (await engine.wait(paused.job_id)).job.status == "completed"
    async with await Engine.open(tmp_path, tools=[hello], on_restart="fail") as engine:
        done = await engine.manager.complete_job(external.job_id, claim, "x" * 100_000)
        assert done.status == "completed"
        assert (await engine.reader.run_view(external.job_id, resolve=True)).output == "x" * 100_000
        assert await engine.cancel(external.job_id) == "already_finished"
        other = await engine.manager.enqueue_job("outside")
        assert await engine.cancel(other.job_id) == "forced"  # by whatever door


async def test_the_end_of_an_external_job_is_waited_for(tmp_path: Path) -> None:
    clock = VirtualClock()
    async with await Engine.open(tmp_path, clock=clock) as engine:
        row = await engine.manager.enqueue_job("outside")
        claim = await engine.manager.set_job_running(row.job_id, lease_s=100)
        waiting = asyncio.create_task(engine.wait(row.job_id))
        late = asyncio.create_task(engine.wait(row.job_id, 5))
        await clock.advance(5)
        assert (await late).job.status == "running"
        assert not waiting.done()
        await engine.manager.complete_job(row.job_id, claim, "made")
        view = await waiting
        assert (view.job.status, view.output) == ("completed", "made")
        left = await engine.manager.enqueue_job("left")
        waiting = asyncio.create_task(engine.wait(left.job_id))
        await settle()
    assert (await waiting).job.status == "queued"  # the engine closed, and the job stays


async def test_a_child_that_ignores_term_is_dead_after_the_grace(tmp_path: Path) -> None:
    clock = VirtualClock()
    config = Config(tools=ToolsConfig(sandbox="off"))
    async with await Engine.open(Home(tmp_path / "home"), config, clock=clock) as engine:
        engine.register_tool_entry(shell_tool(Workspace(tmp_path)))
        arguments = {"command": f"{{ {DEAF}; }} > pid"}
        row = await engine.manager.enqueue_job("x", call="shell", arguments=arguments, grace_s=3)
        pid = tmp_path / "pid"
        await until(lambda: pid.exists() and bool(pid.read_text().strip()))
        child = int(pid.read_text())
        assert await engine.manager.cancel_job(row.job_id) == "requested"
        await clock.advance(3)
        assert alive(child)  # it was told to end, and does not listen
        await clock.advance(1)
        view = await engine.wait(row.job_id)
        assert (view.job.status, view.job.outcome) == ("cancelled", "killed")
        await until(lambda: not alive(child))
        assert clock.now() == 4
        killed = await engine.log.read(job_id=row.job_id, kinds=[kinds.RUN_KILLED])
        assert killed[0].data["reason"] == "still in flight 3 s after the cancel"


async def test_a_job_that_is_elsewhere_cannot_be_taken_over(tmp_path: Path) -> None:
    async with await Engine.open(tmp_path, tools=[hello]) as engine:
        row = await engine.manager.enqueue_job("outside")
        with pytest.raises(Conflict):
            await engine.manager.complete_job((await engine.manager.enqueue_job("x", call=hello)).job_id, 1)
        await engine.idle()
        assert (await engine.manager.app_status()).unfinished == {"queued": 1}
        assert (await engine.row(row.job_id)).external
