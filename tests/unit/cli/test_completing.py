"""Completion of jobs, checkpoints, workflows and recordings; it only looks, and never says a word."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from headway_console.cli.root import cli, main


def complete(line: str, incomplete: str = "") -> list[str]:
    return [item.value for item in ShellComplete(cli, {}, "headway", "_X").get_completions(line.split(), incomplete)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return folder


def test_without_anything_there_nothing_is_completed_or_made(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete("jobs show") == []
    assert complete("checkpoints diff") == []
    assert complete("run", "hel") == ["hel"]  # files, by the shell
    assert capsys.readouterr() == ("", "")
    assert not (here.parent / "home").exists()


def test_what_is_there_is_completed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["run", "hello"]) == 0
    capsys.readouterr()
    [job] = complete("jobs cancel")
    assert complete("jobs cancel", job[:4]) == [job]
    assert complete("jobs cancel", "nothing") == []
    assert job in complete("checkpoints ls --job")
    assert f"{job}@L0" in complete("checkpoints fork")
    assert complete("run", "he") == complete("verify", "he") == ["hello"]
    (here / "headway.toml").write_text("broken")
    assert complete("run", "he") == ["he"]
    assert capsys.readouterr() == ("", "")


def test_recordings_have_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "good-run" in complete("replay", "good")
    assert main(["replay", "good-run", "--plain"]) == 0
    assert "completed" in capsys.readouterr().out
    assert main(["replay", "god-run", "--plain"]) == 2
    assert "did you mean good-run?" in capsys.readouterr().err
    assert main(["recordings", "ls"]) == 0
    assert "good-run" in capsys.readouterr().out
    (here / "recordings").mkdir()
    (here / "recordings" / "mine.jsonl").write_text("")
    assert "mine" in complete("replay", "mi")
