"""The rounds of the demo, on a virtual clock."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import pytest

from headway import Unavailable, parse_proposal
from headway.events import kinds
from headway.events.event import Event
from headway.events.views import JobRow
from headway.home import Home
from headway.testing import VirtualClock
from headway.tools.loader import load_tool_files
from headway.tools.registry import ToolRegistry
from headway.trust import TrustedProjects
from headway_console import resources
from headway_console.cli.demo.director import Director
from headway_console.cli.demo.folder import prepare
from headway_console.cli.demo.plans import entries


class Runner:
    """Takes runs and ends them when told; stands for a daemon."""

    def __init__(self, *, down: bool = False) -> None:
        self.titles: list[str] = []
        self.down = down

    async def submit(self, proposal: Any, title: str) -> JobRow:
        if self.down:
            raise Unavailable("the daemon is gone")
        self.titles.append(title)
        return JobRow(job_id=str(len(self.titles)))

    async def batches(self, row: JobRow) -> Any:
        await asyncio.Event().wait()
        yield []


@pytest.mark.parametrize("pace", [1.0, 0.1])
def test_every_plan_of_a_round_is_a_plan_of_its_tools(pace: float) -> None:
    folder = resources.examples()
    tools = ToolRegistry()
    load_tool_files([folder / "demo" / "demo_tools.py", folder / "tools.py"], tools)
    found = entries(folder, pace=pace)
    assert [entry.at_s for entry in found] == sorted(entry.at_s for entry in found)
    own = {str(action["tool"]) for entry in found[1:] for action in entry.plan["actions"] if "tool" in action}
    assert own <= {schema.name for schema in tools.schemas()}
    for entry in found:
        parse_proposal(entry.plan)


def test_a_round_fits_the_budget_and_comes_near_its_end() -> None:
    folder = resources.examples()
    budget = tomllib.loads((folder / "demo" / "headway.toml").read_text())["budgets"]
    tokens = []
    for entry in entries(folder):
        calls = [action for action in entry.plan["actions"] if action["type"] == "tool_call"]
        assert len(calls) < budget["tool_calls"]
        tokens.append(sum(call["parameters"].get("tokens", 0) for call in calls))
    assert 0.9 * budget["tokens"] < max(tokens) < budget["tokens"]


async def test_runs_start_at_their_second_and_the_next_round_after_a_minute() -> None:
    clock, runner = VirtualClock(), Runner()
    director = Director(runner, alone=False, clock=clock)  # type: ignore[arg-type]  # as much of one as it uses
    task = asyncio.create_task(director.rounds(resources.examples()))
    await clock.advance(0.0)
    assert [title.partition(":")[0] for title in runner.titles] == ["audit"]
    await clock.advance(4.0)
    assert [title.partition(":")[0] for title in runner.titles] == ["audit", "release", "crawl", "triage", "import"]
    await clock.advance(60.0)
    assert len(runner.titles) == 11
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_round_waits_until_the_one_before_the_last_has_ended() -> None:
    clock, runner = VirtualClock(), Runner()
    director = Director(runner, alone=False, clock=clock)  # type: ignore[arg-type]  # likewise
    task = asyncio.create_task(director.rounds(resources.examples()))
    await clock.advance(60.0 * 5)
    assert runner.titles.count("audit") == 2  # nothing ends: there is no third round
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class Ending(Runner):
    """Ends every run as soon as it is followed, and saves checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.client = self
        self.saved: list[tuple[str, str]] = []

    async def batches(self, row: JobRow) -> Any:
        yield [Event(kinds.JOB_COMPLETED, {}, row.job_id)]

    async def save_checkpoint(self, *, job_id: str, name: str) -> None:
        self.saved.append((self.titles[int(job_id) - 1], name))


async def test_a_checkpoint_is_saved_of_the_run_that_says_so() -> None:
    clock, runner = VirtualClock(), Ending()
    director = Director(runner, alone=False, clock=clock)  # type: ignore[arg-type]  # likewise
    task = asyncio.create_task(director.round(resources.examples()))
    await clock.advance(60.0)
    await task
    assert runner.saved == [("import: a branch fails", "imported")]


def test_the_workspace_has_the_files_of_this_version(tmp_path: Path) -> None:
    home = Home(tmp_path / "demo")
    workspace = prepare(home)
    file = workspace / "plans" / "audit.json"
    shipped, before = file.read_bytes(), (workspace / "tools.py").stat().st_mtime_ns
    file.write_text("of an earlier version")
    assert prepare(home) == workspace
    assert file.read_bytes() == shipped
    assert (workspace / "tools.py").stat().st_mtime_ns == before
    assert TrustedProjects().holds(workspace)


async def test_a_daemon_that_is_gone_ends_the_rounds_with_its_own_error() -> None:
    director = Director(Runner(down=True), alone=False, clock=VirtualClock())  # type: ignore[arg-type]  # likewise
    with pytest.raises(Unavailable, match="the daemon is gone"):
        await director.rounds(Path(resources.examples()))
