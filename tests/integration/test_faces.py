"""One supervisor under both faces: an Engine and Runtimes on its log share scopes, turns, state and powers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import load_config
from headway.engine import Engine
from headway.errors import Conflict, InvalidConfig, InvalidPlan, NotFound
from headway.jobs.scope import Scope
from headway.jobs.submission import Submission
from tests.unit.execution.kit import call, write


class Remote:
    """An executor."""

    async def execute(self, tool: str, params: dict[str, Any]) -> str:
        return f"{tool} ran"


READ = {"actions": [{"id": "r", "type": "state_read", "parameters": {"key": "k"}}]}


class Meter:
    """A tool that notes how many of its calls there are at a time."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def __call__(self) -> int:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(5):
            await asyncio.sleep(0)
        self.now -= 1
        return self.most


async def test_an_engine_and_a_runtime_on_one_scope_run_one_tool_at_a_time_on_one_state(tmp_path: Path) -> None:
    meter = Meter()

    @headway.tool
    async def work() -> int:
        return await meter()

    async with await Engine.open(tmp_path, tools=[work]) as engine:
        runtime = await engine.runtime("shared")
        plan = {"actions": [call("w", "work"), write("s", "k", 1, dependencies=["w"])]}
        jobs = [await engine.submit(Submission(plan, context_id="shared")) for _ in range(4)]
        results = await asyncio.gather(*(runtime.execute(plan) for _ in range(4)))
        assert all(result.ok for result in results)
        for job in jobs:
            assert (await engine.wait(job.job_id, 30)).job.status == "completed"
        assert meter.most == 1
        await runtime.execute({"actions": [write("s", "k", 7)]})
        seen = await engine.wait((await engine.submit(Submission(READ, context_id="shared"))).job_id, 30)
        assert seen.action("r").output == runtime.state["k"] == 7
        assert await engine.reader.scope_state("shared") == {"k": 7}
        assert len(await engine.jobs(limit=50)) == 10
        with pytest.raises(Conflict, match="'shared'"):
            headway.Runtime(log=engine.log, scope="shared", state=headway.StateStore({"k": 0}))


async def test_a_runtime_of_an_engine_knows_the_state_that_the_log_has(tmp_path: Path) -> None:
    async with await Engine.open(tmp_path) as engine:
        row = await engine.submit(Submission({"actions": [write("w", "k", 5)]}, context_id="thread"))
        await engine.wait(row.job_id, 30)
    async with await Engine.open(str(tmp_path)) as engine:
        runtime = await engine.runtime("thread")
        assert (runtime.state["k"], runtime.scope) == (5, "thread")
        own, other = await engine.runtime(), await engine.runtime(Scope.new())
        assert len({runtime.scope, own.scope, other.scope}) == 3
        assert not own.state.keys()


async def test_an_engine_has_the_powers_of_a_runtime(tmp_path: Path) -> None:
    @headway.tool
    async def boom() -> None:
        raise ValueError("boom")

    @headway.tool
    async def fine() -> str:
        return "fine"

    async with await Engine.open(tmp_path, tools=[boom, fine]) as engine:
        best = await engine.plan_and_execute([{"actions": [call("a", "nope")]}, {"actions": [call("b", "fine")]}])
        assert best["b"].output == "fine"
        engine.set_executor(Remote())
        engine.register_tool("remote")
        assert (await engine.execute({"actions": [call("x", "remote")]}))["x"].output == "remote ran"
        engine.set_capabilities(headway.policy.CapabilitySet(denied_tools=frozenset({"fine"})))
        assert (await engine.execute({"actions": [call("b", "fine")]})).outcome == "rejected"
        engine.set_capabilities(None)

        async def other(context: headway.ReplanContext) -> dict[str, Any]:
            return {"actions": [call("b", "fine")]}

        engine.with_replan(other, headway.ReplanConfig(max_replans=1))
        row = await engine.submit(Submission({"actions": [call("a", "boom")]}))
        replan = await engine.successor(row.job_id, 30)
        assert replan is not None
        assert (await engine.row(replan)).job_id == replan  # told once it is on disk
        assert (await engine.wait(replan, 30)).job.status == "completed"
        assert (await engine.row(row.job_id)).outcome == "aborted"
        assert await engine.successor(row.job_id) == replan  # also when all has ended
        assert await engine.successor(replan) is None
        with pytest.raises(NotFound):
            await engine.successor("nope")
        run = engine.start({"actions": [call("b", "fine")]}, budget=headway.CostBudget(tool_calls=0))
        assert (await run).outcome == "budget_exhausted"


async def test_a_cancel_while_a_job_is_replanned_stops_the_replanning(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def thinking(context: headway.ReplanContext) -> None:
        asked.set()
        await asyncio.Event().wait()

    @headway.tool
    async def boom() -> None:
        raise ValueError("boom")

    async with await Engine.open(tmp_path, tools=[boom]) as engine:
        engine.with_replan(thinking, headway.ReplanConfig(max_replans=3))
        row = await engine.submit(Submission({"actions": [call("a", "boom")]}))
        await asked.wait()
        with pytest.raises(TimeoutError):
            await engine.successor(row.job_id, 0.01)
        assert await engine.cancel(row.job_id) == "requested"
        assert await engine.successor(row.job_id, 30) is None
        assert await engine.cancel(row.job_id) == "already_finished"


REPLAN = """
async def replan(context):
    return {"actions": [{"id": "b", "type": "tool_call", "tool": "fine"}]}

not_callable = 5
"""

TOOLS = """
import headway

@headway.tool
async def boom() -> None:
    raise ValueError("boom")

@headway.tool
async def fine() -> str:
    return "fine"
"""


def project(folder: Path, more: str = "") -> Any:
    (folder / "replan.py").write_text(REPLAN)
    (folder / "my_tools.py").write_text(TOOLS)
    (folder / "headway.toml").write_text('[tools]\npython = ["my_tools.py"]\n' + more)
    return load_config(folder, env={}, trusted=True)


async def test_headway_toml_names_the_replan_callback_and_what_is_learned(tmp_path: Path) -> None:
    more = '[runtime]\nreplan = "replan.py:replan"\n[learning]\nmemory = "memory.json"\ntrajectories = "seen"\n'
    config = project(tmp_path, more)
    async with await Engine.open(tmp_path / "home", config) as engine:
        row = await engine.submit(Submission({"actions": [call("a", "boom")]}))
        replan = await engine.successor(row.job_id, 30)
        assert replan is not None
        assert (await engine.wait(replan, 30)).action("b").output == "fine"
        assert await engine.successor(replan, 30) is None  # what was learned of it is recorded
    assert (tmp_path / "memory.json").exists()
    assert list((tmp_path / "seen").iterdir())


@pytest.mark.parametrize(
    ("more", "actions"),
    [
        ('[capabilities]\ndenied_tools = ["fine"]\n', [call("a", "fine")]),
        ('[runtime]\ngrant = "read_only"\n', [write("w", "k", 1)]),
        ("", [call("a", "unknown")]),
        ("", [call("a", "fine"), call("a", "fine")]),
        ("", None),
    ],
)
async def test_a_refused_plan_leaves_no_memory(tmp_path: Path, more: str, actions: Any) -> None:
    config = project(tmp_path, more + '[learning]\nmemory = "memory.json"\ntrajectories = "seen"\n')
    async with await Engine.open(tmp_path / "home", config) as engine:
        with pytest.raises(InvalidPlan):
            await engine.submit({"actions": actions})
    assert not (tmp_path / "memory.json").exists()
    assert not (tmp_path / "seen").exists()


async def test_an_engine_that_does_not_open_leaves_no_memory(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "broken.toml").write_text("deny_tool = [")
    with pytest.raises(InvalidConfig, match=r"broken\.toml"):
        await Engine.open(tmp_path / "home", project(tmp_path, '[learning]\nmemory = "memory.json"\n'))
    assert not (tmp_path / "memory.json").exists()


async def test_headway_toml_limits_what_plans_may_use(tmp_path: Path) -> None:
    config = project(tmp_path, '[capabilities]\ndenied_tools = ["boom"]\n[runtime]\ngrant = "read_only"\n')
    async with await Engine.open(tmp_path / "home", config) as engine:
        assert (await engine.execute({"actions": [call("a", "boom")]}))["a"].error_code == "capability"
        assert (await engine.execute({"actions": [write("w", "k", 1)]})).outcome == "rejected"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ('[runtime]\nreplan = "replan.py"\n', "a name in it"),
        ('[runtime]\nreplan = "missing.py:replan"\n', "no such file"),
        ('[runtime]\nreplan = "replan.py:nobody"\n', "defines no 'nobody'"),
        ('[runtime]\nreplan = "replan.py:not_callable"\n', "takes a ReplanContext"),
        ('[inference]\nurl = "nonsense"\n', "inference: "),
        ('[learning]\nmemory = "replan.py"\n', "learning: "),
    ],
)
async def test_what_headway_toml_cannot_mean_is_refused_in_one_line(tmp_path: Path, more: str, text: str) -> None:
    with pytest.raises(InvalidConfig, match=text) as refused:
        await Engine.open(tmp_path / "home", project(tmp_path, more))
    assert "\n" not in str(refused.value)
