"""Files of an earlier version are opened, resumed, forked, restored, shown and played: see ``tests/fixtures/make.py``.

Where a file holds what that version said of it, this one must say the same; fields that are new since do not count.
"""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway.config import Config
from headway.config.model import BudgetsConfig, ToolsConfig
from headway.engine import Engine
from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.fold import fold, fold_all
from headway.events.recording import Recording, check
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView, RunView
from headway.home import Home
from headway.jobs.submission import Submission
from headway.store import StoreLog, StoreReader
from headway.tools.decorator import entry_of
from headway_console.cli import main
from headway_console.sources import ReplaySource
from tests.fixtures.tools import LARGE, Shop

FIXTURES = Path(__file__).parents[1] / "fixtures"
WORKSPACE = Path("/usr/share")
STORY_STATE = {"k": {"list": [1, 2.5, None, "é"]}, "s": True}
UNFINISHED = ["half", "queued", "torn", "undoing", "stopping"]


def home_of(archive: str, path: Path) -> Home:
    """Unpack a home."""
    home = Home(path)
    home.prepare()
    with tarfile.open(FIXTURES / archive) as packed:
        packed.extractall(path, filter="data")
    return home


def kept(name: str) -> Any:
    """Return what the earlier version said."""
    text = (FIXTURES / name).read_text().replace("<x>", "x" * LARGE).replace("<y>", "y" * LARGE)
    return json.loads(text)


def said(value: Any) -> Any:
    """Return what this version says, as JSON."""
    return json.loads(msgspec.json.encode(value))


def agrees(now: Any, then: Any, where: str = "") -> None:
    """Assert that ``now`` says all that ``then`` did; objects may have more fields."""
    if isinstance(then, dict):
        assert isinstance(now, dict), where
        for key, value in then.items():
            assert key in now, f"{where}.{key} is gone"
            agrees(now[key], value, f"{where}.{key}")
    elif isinstance(then, list):
        assert isinstance(now, list), where
        assert len(now) == len(then), where
        for number, (one, other) in enumerate(zip(now, then, strict=True)):
            agrees(one, other, f"{where}[{number}]")
    else:
        assert now == then, where


@asynccontextmanager
async def opened(home: Home, on_restart: str = "resume", **budget: int) -> AsyncIterator[tuple[Engine, Shop]]:
    """Yield an engine on an old home, and the tools that its jobs call."""
    shop = Shop()
    config = Config(tools=ToolsConfig(workspace=WORKSPACE), budgets=BudgetsConfig(**budget))
    tools = [entry_of(function) for function in shop.tools()]
    engine = await Engine.open(home, config, on_restart=on_restart, tools=tools)
    try:
        yield engine, shop
    finally:
        await engine.close(grace=0)


async def test_a_reader_says_of_the_home_what_the_earlier_version_did(tmp_path: Path) -> None:
    then = kept("home.json")
    async with await StoreReader.open(home_of("home.tar.xz", tmp_path).db) as reader:
        agrees({row.job_id: said(row) for row in await reader.jobs(limit=100)}, then["rows"])
        for job_id, result in then["results"].items():
            run = await reader.run_view(job_id, resolve=True)
            agrees(said(run.result()), result, job_id)
            agrees(said(run), then["runs"][job_id], job_id)
        for scope, state in then["states"].items():
            assert await reader.scope_state(scope) == state, scope
        agrees(said(await reader.checkpoints()), then["checkpoints"])
        agrees(said(await reader.budget_view()), then["budgets"])
        agrees(said(await reader.limits_view()), then["limits"])
        many = await reader.run_view("many")
        assert [action.status.value for action in many.actions] == ["succeeded"] * 501
        assert await reader.events(job_id="pruned-story") == []


async def test_caches_made_anew_say_the_same(tmp_path: Path) -> None:
    home = home_of("home.tar.xz", tmp_path)
    log = await StoreLog.open(home)
    try:
        await log.rebuild_caches()
        then = kept("home.json")
        reader = await log.reader()
        agrees({row.job_id: said(row) for row in await reader.jobs(limit=100)}, then["rows"])
        for scope, state in then["states"].items():
            assert await reader.scope_state(scope) == state, scope
        agrees(said(await reader.budget_view()), then["budgets"])
    finally:
        await log.close()


async def test_unfinished_jobs_are_resumed(tmp_path: Path) -> None:
    async with opened(home_of("home.tar.xz", tmp_path), tool_calls=50) as (engine, shop):
        views = {job_id: await engine.wait(job_id, 30) for job_id in UNFINISHED}
        half, queued, torn, undoing, stopping = (views[job_id] for job_id in UNFINISHED)

        assert half.job.status == "completed"
        assert half.action("once").error_code == "interrupted"
        assert half.action("never").error_code == "dependency"
        assert half.action("later").output == f"later({LARGE})"  # what it was given lay in a blob
        assert half.action("read").output == "yes"
        assert half.cost.tool_calls == 3
        assert queued.action("read").output == 1

        assert (torn.job.status, torn.job.outcome) == ("failed", "aborted")
        assert torn.action("once").error_code == "interrupted"
        assert torn.action("seat").rolled_back
        assert await engine.reader.scope_state("job:torn") == {}

        assert (undoing.job.status, undoing.job.outcome) == ("failed", "aborted")
        assert undoing.action("seat").rolled_back
        assert await engine.reader.scope_state("job:undoing") == {}
        assert (stopping.job.status, stopping.job.cancel_reason) == ("cancelled", "enough")

        assert sorted(shop.calls) == [
            ("hang", "again"),
            ("step", "later"),
            ("unbook", "seat"),  # torn's
            ("unbook", "seat"),  # undoing's; its other compensation was in flight and may not be repeated
        ]
        assert await engine.reader.scope_state("shop") == {**STORY_STATE, "half": 1, "done": "yes"}
        spent = (await engine.reader.budget_view()).budgets["half"].spent
        assert spent == {"tool_calls": 5}  # the one that was cut off counts


async def test_unfinished_jobs_are_ended_where_that_is_asked_for(tmp_path: Path) -> None:
    async with opened(home_of("home.tar.xz", tmp_path), "fail") as (engine, shop):
        outcomes = [(await engine.wait(job_id, 30)).job.outcome for job_id in UNFINISHED]
        assert outcomes == ["interrupted"] * 5
        assert (await engine.row("stopping")).status == "cancelled"
        assert shop.calls == []
        row = await engine.fork("half@L0")
        assert (await engine.wait(row.job_id, 30)).job.status == "completed"
        assert set(shop.calls) == {("large", "y"), ("hang", "again"), ("hang", "once"), ("step", "later"),
                                   ("step", "never")}  # fmt: skip


async def test_old_jobs_are_forked_and_old_states_restored(tmp_path: Path) -> None:
    async with opened(home_of("home.tar.xz", tmp_path), "fail") as (engine, shop):
        named = {info.name: info.checkpoint_id for info in await engine.checkpoints() if info.kind == "manual"}
        assert set(named) == {"after the story", "of the scope"}
        levels = [info.checkpoint_id for info in await engine.checkpoints(job_id="story") if info.kind == "level"]
        assert levels == [f"story@L{n}" for n in range(4)]

        row = await engine.fork("story@L1")
        fork = await engine.wait(row.job_id, 30)
        assert (fork.job.status, fork.job.forked_from, shop.calls) == (
            "completed",
            "story",
            [("flaky", "r"), ("flaky", "r2"), ("flaky", "r"), ("flaky", "r2")],
        )
        assert await engine.reader.scope_state(row.scope) == STORY_STATE
        row = await engine.fork(named["after the story"])
        assert (await engine.wait(row.job_id, 30)).job.status == "completed"
        row = await engine.fork("booking@L0")
        assert (await engine.wait(row.job_id, 30)).job.outcome == "aborted"
        assert shop.calls[4:] == [("book", "first"), ("book", "second"), ("fail", "pay"), ("unbook", "second"),
                                  ("unbook", "first")]  # fmt: skip

        diff = await engine.diff(named["of the scope"])
        assert (diff.removed, diff.added, diff.changed) == ({"half": 1, "done": "yes"}, {}, {})
        await engine.restore(named["of the scope"])
        assert await engine.reader.scope_state("shop") == STORY_STATE
        assert (await engine.diff(named["of the scope"])).empty


async def test_an_old_home_takes_new_jobs_and_is_pruned(tmp_path: Path) -> None:
    async with opened(home_of("home.tar.xz", tmp_path), "fail") as (engine, _):
        read = {"actions": [{"id": "read", "type": "state_read", "parameters": {"key": "k"}}]}
        row = await engine.submit(
            Submission(headway.parse_proposal(read), context_id="old")
        )  # its jobs were pruned long ago
        assert (await engine.wait(row.job_id, 30)).action("read").output == STORY_STATE["k"]
        report = await engine.log.prune(keep_days=0)
        assert {"many", "booking", "exhausted", row.job_id} <= set(report["jobs"])
        assert "story" not in report["jobs"]  # a checkpoint needs it
        assert await engine.reader.scope_state("many") == {"many": 500}
        assert await engine.reader.scope_state("old") == STORY_STATE
    async with opened(Home(tmp_path)) as (engine, _):
        assert await engine.reader.scope_state("old") == STORY_STATE


@asynccontextmanager
async def embedded(home: Home) -> AsyncIterator[tuple[headway.Runtime, Shop]]:
    """Yield a runtime on an old home."""
    shop = Shop()
    log = await StoreLog.open(home)
    try:
        runtime = headway.Runtime(log=log)
        for function in shop.tools():
            runtime.register_tool(function)
        yield runtime, shop
    finally:
        await log.close()


@pytest.mark.parametrize("on_restart", ["resume", "fail"])
async def test_an_embedded_runtime_recovers_its_job(tmp_path: Path, on_restart: str) -> None:
    async with embedded(home_of("embedded.tar.xz", tmp_path)) as (runtime, shop):
        (job_id,) = await runtime.unfinished()
        (result,) = await runtime.recover(on_restart)
        state = {"before": 1, "instead": True, "carried": [1], "seat.seat": "taken"}
        assert dict(runtime.state.snapshot()) == state
        assert result.job_id == job_id
        if on_restart == "fail":
            assert (result.outcome, shop.calls) == ("interrupted", [])
        else:
            assert (result.status, result["end"].output) == ("completed", "end(h came back)")
            assert shop.calls == [("hang", "h"), ("step", "end")]
        replanned = await runtime.log.read(kinds=[kinds.JOB_FAILED])
        assert [event.data["outcome"] for event in replanned][:1] == ["aborted"]


def shopping(state: dict[str, Any]) -> tuple[headway.Runtime, Shop]:
    """Return a runtime in memory with the shop's tools."""
    shop = Shop()
    runtime = headway.Runtime(state=state)
    for function in shop.tools():
        runtime.register_tool(function)
    return runtime, shop


async def test_a_checkpoint_file_is_loaded_and_continued(tmp_path: Path) -> None:
    path = FIXTURES / "carried.json"
    with pytest.raises(InvalidInput, match="not registered: hang, step"):
        headway.Runtime().load_checkpoint_from_file(path)
    runtime, shop = shopping({"mine": 1})
    checkpoint = runtime.load_checkpoint_from_file(path)
    state = {"before": 1, "instead": True, "carried": [1], "seat.seat": "taken"}
    assert dict(runtime.state.snapshot()) == state
    assert (checkpoint.version, checkpoint.spent) == (1, {"tool_calls": 1, "tokens": 10})
    runtime.set_cost_budget(headway.CostBudget(tool_calls=3))
    result = await runtime.continue_from(checkpoint)
    assert (result.status, result["end"].output) == ("completed", "end(h came back)")
    assert shop.calls == [("hang", "h"), ("step", "end")]
    runtime, _ = shopping({})
    runtime.set_cost_budget(headway.CostBudget(tool_calls=2))  # one was spent before the checkpoint
    again = await runtime.continue_from(checkpoint)
    assert (again.outcome, again["end"].error_code) == ("budget_exhausted", "budget_exhausted")
    saved = runtime.save_checkpoint_to_file(tmp_path / "again.json")
    assert runtime.load_checkpoint_from_file(tmp_path / "again.json") == saved


async def test_a_recording_is_played_to_the_same_views() -> None:
    path, then = FIXTURES / "recording.jsonl", kept("recording.json")
    assert check(path) == []
    events = list(Recording(path))
    runs: dict[str, RunView] = {}
    for event in events:
        assert event.job_id is not None
        runs[event.job_id] = fold(runs.get(event.job_id) or RunView(job=JobRow(job_id=event.job_id)), event)
    agrees(said(runs), then["runs"])
    for name, view in (("jobs", JobsView()), ("limits", LimitsView()), ("budgets", BudgetView())):
        agrees(said(fold_all(view, events)), then[name], name)

    source = ReplaySource(path, playing=False)
    await source.open()
    items = source.batches()
    source.seek(source.last_seq)
    folded = Snapshot()
    while folded.seq < source.last_seq:
        item = await anext(items)
        if isinstance(item, list):
            folded.fold(item)
        else:
            folded = item
    await items.aclose()  # type: ignore[attr-defined]  # every async generator has it
    await source.close()
    agrees(said(folded.runs), then["runs"])
    agrees(said(folded.jobs), then["jobs"])


async def test_the_command_line_lists_and_shows_old_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home_of("home.tar.xz", tmp_path)
    then = kept("home.json")

    async def output(*arguments: str) -> str:
        assert await asyncio.to_thread(main, [*arguments, "--home", str(tmp_path)]) == 0
        return capsys.readouterr().out

    listed = json.loads(await output("jobs", "ls", "--json"))
    agrees({row["job_id"]: row for row in listed}, then["rows"])
    text = await output("jobs", "ls")
    assert all(job_id in text for job_id in then["rows"])
    for job_id in ("story", "booking", "half", "exhausted"):
        agrees(json.loads(await output("jobs", "show", job_id, "--json")), then["runs"][job_id], job_id)
        assert job_id in await output("jobs", "show", job_id)
