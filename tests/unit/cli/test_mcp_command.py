"""``headway mcp ls|test``, and the other commands that know of the MCP servers of a headway.toml."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest

from headway.trust import TrustedProjects
from headway_console.cli import main
from headway_console.cli.completing import mcp_servers
from headway_console.cli.root import cli
from tests.unit.tools.process.confined import need_sandbox

ROGUE = Path(__file__).parents[1] / "tools/mcp/rogue.py"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "rogue.py").write_text(ROGUE.read_text())
    (project / "headway.toml").write_text(
        f"""
[mcp.servers.good]
command = {json.dumps(sys.executable)}
args = ["-IS", "rogue.py", "good"]
env = {{ TOKEN = "a literal" }}

[mcp.servers.bad]
command = {json.dumps(sys.executable)}
args = ["-IS", "rogue.py", "dies"]

[mcp.servers.off]
command = "no-such-program"
enabled = false
"""
    )
    plan = {"actions": [{"id": "a", "type": "tool_call", "tool": "mcp__good__echo", "parameters": {"n": 1}}]}
    (project / "plan.json").write_text(json.dumps(plan))
    monkeypatch.chdir(project)
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return project


@pytest.fixture
def trusted(here: Path) -> Path:
    need_sandbox()
    TrustedProjects().add(here)
    return here


def test_ls_starts_nothing_and_tells_no_values(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "ls"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["SERVER", "IS"], ["good", "on"], ["bad", "on"], ["off", "off"]]
    assert main(["mcp", "ls", "--json"]) == 0
    told = capsys.readouterr().out
    assert [server["name"] for server in json.loads(told)] == ["good", "bad", "off"]
    assert main(["config", "check"]) == 0
    assert "a literal" not in told + capsys.readouterr().out


def test_without_any_that_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").write_text("")
    for command in ("ls", "test"):
        assert main(["mcp", command]) == 0
        assert capsys.readouterr().out.startswith("no MCP servers")


def test_test_starts_each_and_names_what_fails(trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "test"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "bad: failed: ended with exit code 1: no such luck" in lines
    assert "good: ready: rogue 1, protocol 2025-06-18, 13 tools" in lines
    assert "  mcp__good__echo" in lines
    assert "off: cancelled: is switched off" in lines


def test_test_of_one(trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "test", "good", "--json"]) == 0
    [status] = json.loads(capsys.readouterr().out)
    assert (status["name"], status["status"], status["server"]) == ("good", "ready", "rogue")
    assert main(["mcp", "test", "goood"]) == 2
    assert capsys.readouterr().err == "headway: error: there is no [mcp.servers.goood] in headway.toml\n"


def test_nothing_of_a_project_that_is_not_trusted_is_started(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "test", "good"]) == 2
    assert "is not trusted, and its mcp.servers.good, mcp.servers.bad open" in capsys.readouterr().err
    assert main(["run", "plan.json"]) == 2
    assert "is not trusted" in capsys.readouterr().err


def test_verify_knows_the_tools_of_the_servers_that_a_plan_needs(
    trusted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "plan.json"]) == 0
    assert capsys.readouterr().out.startswith("plan.json: valid: 1 action")
    plan = (trusted / "plan.json").read_text()
    (trusted / "plan.json").write_text(plan.replace("good", "bad"))
    assert main(["verify", "plan.json"]) == 2
    told = capsys.readouterr().err
    assert "MCP server 'bad' ended with exit code 1: no such luck: its tools are not known here" in told


def test_run_calls_a_tool_of_a_server(trusted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "plan.json", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["results"][0]["output"] == '{"n": 1}'
    assert main(["events", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = [
        (event["kind"], event["data"].get("server"), event["data"].get("status"))
        for event in events
        if event["kind"].startswith("mcp_startup")
    ]
    assert sorted(told[:-1]) == [
        ("mcp_startup_update", "bad", "failed"),
        ("mcp_startup_update", "bad", "starting"),
        ("mcp_startup_update", "good", "ready"),
        ("mcp_startup_update", "good", "starting"),
        ("mcp_startup_update", "off", "cancelled"),
    ]
    assert told[-1] == ("mcp_startup_complete", None, None)


def test_doctor_has_a_row_for_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").write_text('[mcp.servers.gone]\ncommand = "no-such-program"\n')
    main(["doctor", "--json"])
    [row] = [row for row in json.loads(capsys.readouterr().out)["checks"] if row["name"] == "mcp gone"]
    assert (row["status"], row["text"]) == ("warn", "there is no program no-such-program")


def test_names_are_completed(here: Path) -> None:
    context = click.Context(cli)
    assert [item.value for item in mcp_servers(context, click.Argument(["name"]), "g")] == ["good"]
    (here / "headway.toml").write_text("[mcp]\nno = 1\n")
    assert mcp_servers(context, click.Argument(["name"]), "") == []
