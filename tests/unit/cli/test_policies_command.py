"""``headway policies``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headway_console.cli import main

Out = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    (folder / "policies").mkdir(parents=True)
    (folder / "headway.toml").write_text('[runtime]\napproval = "on_request"\n')
    (folder / "policies" / "a.toml").write_text(
        '[[exec]]\naction = "deny"\ncommand = "git push"\nreason = "a person pushes"\n\n'
        '[[exec]]\nname = "tests"\naction = "allow"\ncommand = "pytest"\n'
    )
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HEADWAY_CONFIG", raising=False)
    return folder


def explained(capsys: Out, *arguments: str) -> dict[str, Any]:
    assert main(["policies", "explain", "--json", *arguments]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_explain_says_what_and_why(capsys: Out) -> None:
    assert main(["policies", "explain", "--", "git", "-C", "x", "push", "--force"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "deny: rule a.toml:1 denies 'git': a person pushes",
        "  runs git -C x push --force",
    ]
    assert main(["policies", "explain", "pytest -q && ls > $(cat x)"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ask: no rule allows 'ls': it writes a file",
        "  runs pytest -q",
        "  runs ls  (it writes a file)",
        "  runs cat x",
    ]
    assert main(["policies", "explain", "cargo test"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  a rule would allow it: tool shell, command 'cargo test'"


def test_explain_takes_words_as_the_words_of_one_command(capsys: Out) -> None:
    found = explained(capsys, "--", "pytest", "a; git push")
    assert found["verdict"] == "allow"
    assert found["rule"] == "tests"
    assert explained(capsys, "pytest a; git push")["verdict"] == "deny"


def test_the_mode_is_that_of_headway_toml_unless_another_is_given(capsys: Out, here: Path) -> None:
    assert explained(capsys, "strange x")["approval"] == "on_request"
    assert explained(capsys, "strange x")["verdict"] == "ask"
    never = explained(capsys, "--approval", "never", "strange x")
    assert (never["verdict"], never["needs_sandbox"], never["sandboxed"]) == ("allow", True, True)
    assert explained(capsys, "--approval", "never", "--no-sandbox", "strange x")["verdict"] == "deny"
    (here / "headway.toml").write_text('[tools]\nsandbox = "off"\n[runtime]\napproval = "never"\n')
    assert explained(capsys, "strange x")["verdict"] == "deny"
    (here / "headway.toml").write_text('[runtime]\napproval = "reject"\napproval_rejects = ["sandbox_approval"]\n')
    assert explained(capsys, "strange x")["verdict"] == "ask"
    assert explained(capsys, "--no-sandbox", "strange x")["verdict"] == "deny"


def test_json_has_all_of_it(capsys: Out) -> None:
    assert explained(capsys, "cargo test $X") == {
        "verdict": "ask",
        "reason": "no rule allows 'cargo'",
        "rule": None,
        "question": "rules",
        "needs_sandbox": False,
        "repeats_outside": False,
        "tier": "full_access",
        "approval": "on_request",
        "sandboxed": True,
        "commands": ["cargo test $X"],
        "unclear": [],
        "amendments": [{"tool": "shell", "command": "cargo test"}],
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["explain"], "Missing argument"),
        (["explain", "--approval", "allow", "x"], "'allow' is no approval mode"),
    ],
)
def test_bad_input_is_one_line(capsys: Out, arguments: list[str], text: str) -> None:
    assert main(["policies", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert captured.err.count("\n") == 1


def test_hostile_commands_are_answered_in_clean_lines(capsys: Out) -> None:
    assert main(["policies", "explain", "a" * 20_000]) == 0
    assert capsys.readouterr().out == "deny: the command is longer than 16,384 characters\n"
    assert main(["policies", "explain", "ls \x1b[31m"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.startswith("ask: it cannot be told what it runs")


def test_ls_lists_the_rules_in_force(capsys: Out, here: Path) -> None:
    assert main(["policies", "ls"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["LAYER", "NAME", "RULE"],
        ["user", "a.toml:1", "deny", "command", "'git", "push'"],
        ["user", "tests", "allow", "command", "'pytest'"],
    ]
    assert main(["policies", "ls", "--json"]) == 0
    rules = json.loads(capsys.readouterr().out)
    assert rules[0] == {
        "layer": "user",
        "action": "deny",
        "command": "git push",
        "name": "a.toml:1",
        "reason": "a person pushes",
    }
    assert {"builtin", "user"} == {rule["layer"] for rule in rules}
    (here / "policies" / "a.toml").unlink()
    assert main(["policies", "ls"]) == 0
    assert "there are no [[exec]] rules" in capsys.readouterr().out


def test_a_wrong_rule_is_told_with_its_line(capsys: Out, here: Path) -> None:
    (here / "policies" / "a.toml").write_text('[[exec]]\naction = "deny"\ncomand = "git push"\n')
    assert main(["policies", "explain", "ls"]) == 2
    assert capsys.readouterr().err == (
        f"headway: error: {here}/policies/a.toml:3: exec.comand is not a known key; did you mean command?\n"
    )
    (here / "policies" / "a.toml").write_text('[[exec]]\naction = "allow"\ncommand = "bash"\n')
    assert main(["policies", "ls"]) == 2
    assert "a.toml:1: exec is wrong: 'bash' runs whatever it is given" in capsys.readouterr().err
