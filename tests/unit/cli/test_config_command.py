"""``headway config`` and ``headway init``."""

import json
from pathlib import Path

import pytest

from headway.trust import TrustedProjects
from headway_console.cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HEADWAY_CONFIG", raising=False)
    return folder


def test_path(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "path"]) == 2
    assert capsys.readouterr() == ("", "headway: error: there is no headway.toml here or above: the defaults hold\n")
    (here / "headway.toml").touch()
    assert main(["config", "path"]) == 0
    assert capsys.readouterr().out == f"{here / 'headway.toml'}\n"
    assert main(["config", "path", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(here / "headway.toml")}


def test_check_says_where_each_value_came_from(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "headway.toml").write_text("[a2a]\nport = 1\nhost = 'localhost'\n")
    monkeypatch.setenv("HEADWAY_A2A_PORT", "2")
    assert main(["config", "check"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == [f"{here}/headway.toml:", "ok"]
    assert lines[2:] == [
        ["a2a.host", '"localhost"', f"{here}/headway.toml:3"],
        ["a2a.port", "2", "HEADWAY_A2A_PORT"],
    ]
    assert main(["config", "check", "--all"]) == 0
    assert ["runtime.max_concurrency", "64", "default"] in [
        line.split() for line in capsys.readouterr().out.splitlines()
    ]
    assert main(["config", "check", "--json"]) == 0
    values = {row["key"]: row for row in json.loads(capsys.readouterr().out)["values"]}
    assert values["a2a.port"] == {"key": "a2a.port", "value": 2, "source": "env", "where": "HEADWAY_A2A_PORT"}


def test_check_tells_all_that_is_wrong(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").write_text("[a2a]\nprot = 1\nport = 'x'\n")
    assert main(["config", "check"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sorted(captured.err.splitlines()) == [
        f"headway: error: {here}/headway.toml:2: a2a.prot is not a known key; did you mean a2a.port?",
        f"headway: error: {here}/headway.toml:3: a2a.port must be a whole number, not 'x'",
    ]


def test_check_loads_tools_and_plans(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").write_text(
        "[tools]\npython = ['gone.py']\n[workflows.a]\nplan = 'gone.json'\n[workflows.b]\nplan = 'bad.json'\n"
    )
    (here / "bad.json").write_text("{")
    TrustedProjects().add(here)
    assert main(["config", "check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "gone.py" in lines[0]
    assert lines[1].startswith(f"headway: error: {here}/headway.toml:4: workflows.a.plan: ")
    assert "there is no such file" in lines[1]
    assert lines[2].startswith(f"headway: error: {here}/headway.toml:6: workflows.b.plan: {here}/bad.json:1:2: ")


def test_a_named_file_is_taken_before_and_after_the_command(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    two.touch()
    assert main(["--config", str(one), "config", "path"]) == 0
    assert main(["config", "path", "--config", str(one)]) == 0
    assert main(["--config", str(one), "config", "path", "--config", str(two)]) == 0
    monkeypatch.setenv("HEADWAY_CONFIG", str(one))
    assert main(["config", "path"]) == 0
    assert main(["config", "path", "--config", str(two)]) == 0
    assert capsys.readouterr().out.split() == [str(one), str(one), str(two), str(one), str(two)]


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert "a2a" in json.loads(capsys.readouterr().out)["properties"]


def test_init_writes_what_checks_and_verifies(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["config", "check"]) == 0
    assert main(["verify", "hello"]) == 0
    assert main(["verify", "plans/hello.json", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out[captured.out.index("{") :])["levels"] == [["read"], ["count"], ["keep"]]


INITIAL = ["headway.toml", "tools.py", "plans/hello.json", "policies/base.toml", ".gitignore"]


def test_init_never_overwrites(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "tools.py").write_text("mine")
    assert main(["init", "sub"]) == 2
    assert capsys.readouterr().err == "headway: error: sub/tools.py exists; nothing was written\n"
    assert [path.name for path in (here / "sub").iterdir()] == ["tools.py"]
    assert main(["init", "new/folder", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == INITIAL
    assert all((here / "new" / "folder" / name).is_file() for name in INITIAL)
    (here / "ours").mkdir()
    (here / "ours" / ".gitignore").write_text("mine")
    assert main(["init", "ours"]) == 0
    assert (here / "ours" / ".gitignore").read_text() == "mine"
    assert capsys.readouterr().out.splitlines()[-5:] == [
        "next:",
        "  cd ours",
        "  headway run hello",
        "  headway events",
        "  headway up",
    ]
    assert main(["init", "sub/tools.py"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_check_reads_the_policies(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").touch()
    (here / "policies").mkdir()
    (here / "policies" / "base.toml").write_text("deny_tool = ['shell']\ndeny_tol = ['x']\n")
    plan = here / "plan.json"
    plan.write_text('{"actions": []}')
    for command in (["config", "check"], ["verify", str(plan)]):
        assert main(command) == 2
        out, err = capsys.readouterr()
        assert (out, "base.toml:2" in err) == ("", True), err
    (here / "policies" / "base.toml").write_text("deny_tool = ['shell']\n")
    assert (main(["config", "check"]), main(["verify", str(plan)])) == (0, 0)


def test_verify_knows_that_nobody_grants_anything(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "headway.toml").write_text("[tools]\npython = ['asks.py']\n")
    (here / "asks.py").write_text("import headway\n\n@headway.tool(permission='ask')\ndef risky() -> None: ...\n")
    TrustedProjects().add(here)
    plan = here / "plan.json"
    plan.write_text('{"actions": [{"id": "a", "type": "tool_call", "tool": "risky"}]}')
    assert main(["verify", str(plan), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["valid"], [(i["check"], i["severity"]) for i in report["issues"]]) == (
        False,
        [("permission", "error")],
    )
