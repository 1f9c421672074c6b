"""``headway schedule``: from the store and headway.toml, with no daemon."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
import pytest

from headway.home import Home
from headway.store import StoreLog, StoreReader
from headway_console.cli import main
from headway_console.cli.completing import schedule_names, time_zones
from headway_console.cli.options import Place

pytestmark = pytest.mark.anyio

TOML = """[workflows.nightly]
plan = "nightly.json"

[schedules.good]
workflow = "nightly"
cron = "30 2 * * *"
timezone = "Europe/Berlin"

[schedules.bad]
workflow = "nightly"
cron = "99 * * * *"
"""
PLAN = {"actions": [{"id": "c", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "1"}}]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A project with two schedules, one of them broken, and a home that nobody used."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "headway.toml").write_text(TOML)
    (project / "nightly.json").write_text(json.dumps(PLAN))
    monkeypatch.chdir(project)
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["schedule", *arguments])


async def test_add_pause_resume_rm_without_a_daemon(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run("add", "once", "nightly", "--at", "2999-01-01T12:00:00+02:00", "--json") == 0
    captured = capsys.readouterr()
    added = json.loads(captured.out)
    assert (added["status"], added["next_utc"]) == ("active", "2999-01-01T10:00:00.000Z")
    assert added["next_local"]
    assert "no daemon" in captured.err
    assert await run("pause", "once") == 0
    assert "paused" in capsys.readouterr().out
    assert await run("pause", "once") == 1
    assert "paused already" in capsys.readouterr().err
    assert await run("resume", "once", "--json") == 0
    assert json.loads(capsys.readouterr().out)["status"] == "active"
    assert await run("rm", "good") == 1
    assert "headway.toml" in capsys.readouterr().err
    assert await run("rm", "once") == 0
    assert capsys.readouterr().out == "once: removed\n"
    assert await run("rm", "once") == 2
    assert await run("run", "good") == 3


async def test_ls_shows_next_times_and_what_is_wrong(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    log = await StoreLog.open(home)
    await log.close()
    assert await run("ls", "--json") == 0
    rows = {row["schedule"]["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["good"]["status"], rows["bad"]["status"]) == ("active", "broken")
    assert rows["good"]["next_utc"].endswith(":30:00.000Z")
    assert await run("ls") == 0
    captured = capsys.readouterr()
    assert "NEXT UTC" in captured.out
    assert "bad: '99 * * * *' is no cron expression" in captured.out
    assert "no daemon" in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["add", "x", "nightly"], 2, "--cron or --at"),
        (["add", "x", "nightly", "--cron", "@daily", "--at", "2030-01-01"], 2, "--cron or --at"),
        (["add", "x", "nightly", "--cron", "77 * * * *"], 2, "no cron expression"),
        (["add", "x", "nobody", "--cron", "@daily"], 2, "no workflow 'nobody'"),
        (["add", "../x", "nightly", "--cron", "@daily"], 2, "the name of a schedule"),
        (["add", "x", "nightly", "--at", "2001-01-01"], 2, "is over"),
        (["pause", "nobody"], 2, "no schedule 'nobody'"),
    ],
)
async def test_bad_input_is_one_line(
    home: Home, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(*arguments) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert says in captured.err
    assert captured.err.count("\n") == 1


async def test_config_check_names_the_line(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asyncio.to_thread(main, ["config", "check"]) == 2
    captured = capsys.readouterr()
    assert "headway.toml:11: schedules.bad.cron: '99 * * * *' is no cron expression" in captured.err
    assert captured.err.count("\n") == 1


async def test_names_complete(home: Home) -> None:
    assert await run("add", "tea", "nightly", "--cron", "@daily") == 0
    async with await StoreReader.open(home.db) as reader:
        assert {row.source for row in (await reader.schedules_view()).schedules.values()} == {"config", "api"}
    context = click.Context(click.Command("x"), obj=Place())
    context.obj.home_path = home.path
    found = await asyncio.to_thread(schedule_names, context, click.Argument(["x"]), "t")
    assert [(item.value, item.help) for item in found] == [("tea", "@daily: nightly")]
    zones = time_zones(context, click.Argument(["x"]), "Europe/Berl")
    assert [item.value for item in zones] == ["Europe/Berlin"]
