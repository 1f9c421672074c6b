"""The sandbox from the command line: a plan's shell, what governs it, and the end of both."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.acceptance.commands import Headway, call, plan
from tests.unit.tools.process.confined import need_sandbox

TOOLS = """
from pathlib import Path

from headway.tools import Workspace, shell_tool

commands = shell_tool(Workspace(Path(__file__).parent))
"""

ATTACK = "echo x > policies/p.toml; echo x >> tools.py; rm -rf policies; mv tools.py t.py; echo x > headway.toml; true"


@pytest.fixture
def project(headway: Headway) -> Path:
    need_sandbox()
    (headway.here / "tools.py").write_text(TOOLS)
    (headway.here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    (headway.here / "policies").mkdir()
    (headway.here / "policies" / "p.toml").write_text('deny_tool = ["write_file"]\n')
    headway.trust(headway.here)
    return headway.here


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_plan_cannot_change_what_governs_it(headway: Headway, project: Path) -> None:
    before = files(project)
    done = headway.run("run", "-", "--json", stdin=plan(call("a", "shell", parameters={"command": ATTACK})))
    assert done.code == 0, done
    assert files(project) == before
    seen = done.json["results"][0]["output"]["stderr"]
    assert "Read-only file system" in seen


def test_status_tells_of_the_sandbox(headway: Headway, project: Path) -> None:
    with headway.daemon():
        state = headway.run("status", "--json").json["sandbox"]
        assert (state["mode"], state["working"]) == ("auto", True)
        assert "  sandbox    auto: bubblewrap " in headway.run("status").out
    headway.env["HEADWAY_TOOLS_SANDBOX"] = "off"
    with headway.daemon():
        assert "  sandbox    warning: off: programs that tools start have all rights" in headway.run("status").out


def test_a_killed_headway_leaves_no_program(headway: Headway, project: Path) -> None:
    command = "(setsid sleep 600 &); echo $$ > begun; sleep 600"
    (project / "plan.json").write_text(plan(call("a", "shell", parameters={"command": command})))
    with headway.start("run", "plan.json") as running:
        while not (project / "begun").exists():
            assert running.process.poll() is None
        left = _in(project)
        assert len(left) >= 3
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
    while set(left) & set(_in(project)):
        pass  # the kernel is at it; the test's own limit ends this


def _in(project: Path) -> list[int]:
    """Return the processes of sandboxes that work in the project."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdigit()
                and (folder / "cwd").readlink() == project
                and b"sleep" in (folder / "cmdline").read_bytes()
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return found
