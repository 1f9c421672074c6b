"""The snippets of the README are true."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from headway import parse_proposal

README = (Path(__file__).parents[2] / "README.md").read_text()
IMAGES = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
LINKS = re.findall(r"\]\(([^)#:]+)\)", README)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_plan_is_a_plan() -> None:
    (block,) = blocks("json")
    assert len(parse_proposal(json.loads(block)).actions) == 3


def test_the_python_example_runs_as_printed() -> None:
    _, block = blocks("python")
    run = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.stderr) == ("completed hello you\n", "")


@pytest.mark.parametrize("link", LINKS)
def test_its_links_lead_somewhere(link: str) -> None:
    assert (Path(__file__).parents[2] / link).exists()


def test_its_tool_is_the_one_that_init_writes() -> None:
    from headway_console.cli.commands.init import TOOLS

    tool, _ = blocks("python")
    assert tool.strip() in TOOLS
    assert len([line for line in tool.splitlines() if line.strip()]) <= 10


def lines_of_headway() -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line.removesuffix(" &") for line in lines if line.startswith("headway ")]


@pytest.mark.parametrize("line", lines_of_headway())
def test_its_commands_are_commands(line: str) -> None:
    from headway_console.cli.root import cli

    context = cli.make_context("headway", shlex.split(line)[1:])
    command: click.Command = cli
    while isinstance(command, click.Group):
        _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, context = found, found.make_context(found.name, rest, parent=context)


def test_a_project_of_its_own_in_the_lines_it_gives(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh") if "headway init" in block]
    bin_folder = str(Path(sys.executable).parent)
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    env |= {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("DATA", "CONFIG", "STATE")}
    env.pop("HEADWAY_HOME", None)
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "hello: completed" in run.stdout


@pytest.mark.parametrize("image", IMAGES)
def test_its_pictures_hold_no_path_and_fetch_nothing(image: str) -> None:
    drawn = (Path(__file__).parents[2] / image).read_text()
    assert "/tmp/" not in drawn
    assert "@font-face" not in drawn
    assert "/home/" not in drawn
