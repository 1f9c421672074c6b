"""Shell completion: scripts, and what they are told."""

import subprocess
import sys
from pathlib import Path

import pytest

from headway_console.cli import main


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert f"_HEADWAY_COMPLETE={shell}_complete" in text
    assert "headway" in text
    assert "%(" not in text


def test_the_shell_of_the_environment(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert main(["completion"]) == 0
    assert "fish_complete" in capsys.readouterr().out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert main(["completion"]) == 2
    assert "Name the shell: bash, zsh, fish (see" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("headway ver", {"verify"}),
        ("headway jobs ", {"ls", "show", "cancel", "kill", "pause", "resume", "retry", "fork"}),
        ("headway jobs ls --status c", {"completed", "cancelled"}),
        ("headway run --pl", {"--plain"}),
    ],
)
def test_offers(words: str, offered: set[str], tmp_path: Path) -> None:
    count = len(words.split(" ")) - 1
    done = subprocess.run(
        [sys.executable, "-m", "headway_console.cli"],
        env={
            "_HEADWAY_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert {line.split(",")[1] for line in done.stdout.splitlines()} == offered
