"""Plans as a command line names them: every mistake is one line that starts with the file."""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.config import load_config
from headway.errors import InvalidPlan
from headway_console.cli import main
from headway_console.cli.plans import folder_of, read_plan, title_of

GOOD = {"actions": [{"id": "a", "type": "tool_call", "tool": "calculate", "parameters": {"expression": "1"}}]}


def action(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "tool_call", "tool": "calculate", "parameters": {"expression": "1"}, **more}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_a_workflow_and_stdin(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "plans").mkdir()
    (here / "plans" / "p.json").write_text(json.dumps(GOOD))
    (here / "headway.toml").write_text("[workflows.mine]\nplan = 'plans/p.json'\n")
    config = load_config(env={})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(GOOD).encode())))
    for name in ("plans/p.json", "mine", "-"):
        assert [item.id for item in read_plan(name, config).actions] == ["a"]
    assert [folder_of(name) for name in ("plans/p.json", "mine", "-")] == [here / "plans", None, None]
    assert [title_of(name) for name in ("plans/p.json", "mine", "-")] == ["p", "mine", "stdin"]


def test_an_existing_file_wins_over_a_workflow(here: Path) -> None:
    (here / "mine").write_text(json.dumps({"actions": []}))
    (here / "headway.toml").write_text("[workflows.mine]\nplan = 'gone.json'\n")
    assert read_plan("mine", load_config(env={})).actions == []


def test_files_that_cannot_be_read(here: Path) -> None:
    config = load_config(env={})
    (here / "folder").mkdir()
    for name, words in {"gone.json": "there is no such file", "folder": "Is a directory", "a\0b": "null"}.items():
        with pytest.raises(InvalidPlan) as caught:
            read_plan(name, config)
        assert words in caught.value.message
        assert "\n" not in caught.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(here: Path) -> None:
    (here / "p.json").write_text("{}")
    (here / "p.json").chmod(0)
    with pytest.raises(InvalidPlan, match=r"p\.json: cannot be read: Permission denied"):
        read_plan("p.json", load_config(env={}))


BAD: dict[str, tuple[Any, str]] = {
    "malformed": ("{", "not valid JSON"),
    "not a plan": ("[]", "not a JSON object"),
    "wrong type": ({"actions": [{"id": "a", "type": "dance"}]}, "actions[0].type"),
    "duplicate id": ({"actions": [action("a"), action("a")]}, "a"),
    "cycle": ({"actions": [action("a", dependencies=["b"]), action("b", dependencies=["a"])]}, "a -> b"),
    "unknown tool": (
        {"actions": [{"id": "a", "type": "tool_call", "tool": "dance"}]},
        "tool 'dance' is not registered",
    ),
    "bad parameters": ({"actions": [action("a", parameters={"expression": 1})]}, "expression"),
    "too large": ('{"actions": [' + " " * 10_000_000 + "]}", "error: p.json: larger than the limit of 8,388,608 bytes"),
    "too deep": ('{"a":' * 100 + "1" + "}" * 100, "nested deeper"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["run", "verify"])
def test_bad_plans(command: str, name: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, words = BAD[name]
    (here / "p.json").write_text(plan if isinstance(plan, str) else json.dumps(plan))
    assert main(["--home", str(here / "home"), command, "p.json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    assert line.startswith("headway: error: ")
    assert words in line


def test_nothing_is_recorded_of_a_bad_plan(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, _ = BAD["unknown tool"]
    (here / "p.json").write_text(json.dumps(plan))
    home = ["--home", str(here / "home")]
    assert main([*home, "run", "p.json"]) == 2
    assert main([*home, "jobs", "ls"]) in (0, 3)
    assert capsys.readouterr().out in ("", "no jobs\n")


def test_verify_as_json_tells_every_issue(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "p.json").write_text(json.dumps({"actions": [action("a", tool="x"), action("b", tool="y")]}))
    assert main(["verify", "p.json", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["valid"] is False
    assert [issue["action_id"] for issue in report["issues"]] == ["a", "b"]


@pytest.mark.parametrize("command", [["verify", "p.json"], ["verify", "p.json", "--json"], ["run", "p.json"]])
def test_of_many_findings_some_are_told(here: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    actions = [{"id": f"a{i}", "type": "tool_call", "tool": "missing", "parameters": {"n": i}} for i in range(300)]
    (here / "p.json").write_text(json.dumps({"actions": actions}))
    assert main(command) == 2
    told = capsys.readouterr()
    if "--json" in command:
        issues = json.loads(told.out)["issues"]
        assert len(issues) == 101
        assert issues[-1]["message"] == "200 more findings are left out"
    else:
        assert told.err.count("'missing' is not registered") == 100
        assert "200 more findings are left out" in told.err


def test_a_plan_of_too_many_actions_is_one_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").write_text("[admission]\nmax_actions = 2\n")
    (here / "p.json").write_text(json.dumps({"actions": [{"type": "tool_call", "tool": "x"}] * 3}))
    for command in ("run", "verify"):
        assert main([command, "p.json"]) == 2
        told = capsys.readouterr()
        assert told.err.count("\n") == 1
        assert "p.json: the plan has 3 actions; the limit is 2 (max_actions under [admission])" in told.err
