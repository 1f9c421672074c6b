"""The sandbox: its modes, what a child sees in it, how it ends, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.errors import InvalidConfig, InvalidInput, TerminalToolError, ToolError, ToolTimeout
from headway.testing import VirtualClock
from headway.tools import SubprocessTool
from headway.tools.context import ToolContext
from headway.tools.files.workspace import Workspace
from headway.tools.process import bwrap
from headway.tools.process.bwrap import Probe, look, probe
from headway.tools.process.placeholder import Placeholder, is_placeholder
from headway.tools.process.shell import shell_tool
from headway.tools.sandbox import Child, Sandbox, SandboxState
from headway.tools.stream import CONTEXT
from tests.unit.tools.process.children import descriptors
from tests.unit.tools.process.confined import Place, need_sandbox, sh

ANSWER = """
import json, os, sys
for line in sys.stdin:
    call = json.loads(line)
    if "id" not in call:
        continue
    code = call["params"]["code"]
    try:
        result = eval(code)
    except Exception as error:
        result = type(error).__name__
    print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}), flush=True)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    need_sandbox()
    place = Place(tmp_path)
    monkeypatch.setenv("HOME", str(place.home))
    return place


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no bubblewrap."""
    monkeypatch.setattr(bwrap, "_found", Probe(None, "there is no bwrap"))


def test_the_machine_of_the_gate_has_one() -> None:
    """CI installs the wheel, so that no test of the sandbox is skipped there unseen."""
    if os.environ.get("CI") and sys.platform == "linux":
        assert probe().bwrap is not None, probe().reason


# -- modes -----------------------------------------------------------------------------------------------------------


async def test_without_one_auto_refuses_and_says_what_to_do(nowhere: None, tmp_path: Path) -> None:
    sandbox = Sandbox(workspace=tmp_path)
    with pytest.raises(TerminalToolError) as refused:
        await sh(sandbox, tmp_path, "true")
    assert refused.value.message == (
        "tool 'shell' runs a program, and there is no bwrap: install bubblewrap (or headway[sandbox]),"
        ' or write `sandbox = "off"` under [tools] of headway.toml'
    )
    assert sandbox.state() == SandboxState(
        "auto", False, reason=f"there is no bwrap; {refused.value.message.split(': ', 1)[1]}"
    )


def test_without_one_require_refuses_to_begin(nowhere: None, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="a sandbox is required and there is none: there is no bwrap"):
        headway.Runtime(sandbox="require")
    Sandbox("auto").check()
    Sandbox("off").check()


async def test_off_runs_programs_as_they_are_and_says_so(nowhere: None, tmp_path: Path) -> None:
    sandbox = Sandbox("off", workspace=tmp_path)
    assert (await sh(sandbox, tmp_path, "echo $PPID"))["stdout"] == f"{os.getpid()}\n"
    assert sandbox.state() == SandboxState(
        "off", False, reason="programs that tools start have all rights of this user"
    )


async def test_a_runtime_confines_by_default(tmp_path: Path) -> None:
    need_sandbox()
    made = headway.Runtime(workspace=tmp_path)
    headway.tools.register_shell(made.registry, Workspace(tmp_path))
    call = {"id": "a", "type": "tool_call", "tool": "shell", "parameters": {"command": "echo $PPID"}}
    result = await made.execute({"actions": [call]})
    assert result["a"].output["stdout"] == "1\n"


@pytest.mark.parametrize(
    "options",
    [{"mode": "on"}, {"workspace": 3}, {"control": "x"}, {"hidden": [1]}, {"network": [""]}, {"readable": ["a\0"]}],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Sandbox(**options)


def test_a_program_that_is_no_bwrap_is_told_from_one(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho bwrap: no namespaces for you >&2\nexit 1\n")
    fake.chmod(0o755)
    found = look([str(fake)])
    assert found.bwrap is None
    assert found.reason == f"{fake} does not work here: no namespaces for you"
    assert look([str(tmp_path / "missing")]).reason.endswith("it cannot be started, or does not end")
    if (working := probe().bwrap) is not None:
        assert look([str(fake), working.program]).bwrap == working


# -- what a child sees -----------------------------------------------------------------------------------------------


async def test_a_child_sees_its_workspace_and_the_system_alone(place: Place) -> None:
    seen = (await sh(place.sandbox, place.project, "pwd; cat README.md; echo new > made; ls ..; ls /; echo ~"))[
        "stdout"
    ]
    lines = seen.splitlines()
    assert lines[:2] == [str(place.project), "hello"]
    assert "headway" not in lines
    assert ".ssh" not in lines
    assert lines[-1] == "/tmp/home"
    assert (place.project / "made").read_text() == "new\n"
    env = (await sh(place.sandbox, place.project, "env", ["ADDED=yes"]))["stdout"].splitlines()
    assert {line.partition("=")[0] for line in env} <= {"PATH", "HOME", "LANG", "PWD", "OLDPWD", "SHLVL", "_", "ADDED"}
    assert "ADDED=yes" in env


async def test_what_is_readable_is_shown_and_no_home_is(place: Place) -> None:
    (place.home / "data").mkdir()
    (place.home / "data" / "x").write_text("shown")
    command = f"cat {place.home}/data/x; echo y > {place.home}/data/y; cat {place.home}/.ssh/id_ed25519"
    shown = await sh(place.sandbox, place.project, command, readable=[place.home / "data", place.home, place.state])
    assert shown["stdout"] == "shown"
    assert not (place.home / "data" / "y").exists()
    place.sandbox.readable = (place.home / "data",)
    assert (await sh(place.sandbox, place.project, command))["stdout"] == "shown"


async def test_its_own_home_of_headway_is_hidden_inside_the_workspace(place: Place) -> None:
    state = place.project / ".state"
    state.mkdir()
    (state / "token").write_text("SECRET")
    place.sandbox.hidden = (state,)
    seen = await sh(
        place.sandbox, place.project, "ls .state; cat .state/token; echo x > .state/y; rm -r .state; ls -d .state"
    )
    assert "token" not in seen["stdout"]
    assert "SECRET" not in str(seen)
    assert sorted(path.name for path in state.iterdir()) == ["token"]


async def test_a_workspace_that_holds_a_home_or_lies_in_headways_is_refused(place: Place) -> None:
    for folder in (place.home, place.home.parent):
        with pytest.raises(TerminalToolError, match="give it a smaller workspace"):
            await sh(Sandbox(workspace=folder), folder, "true")
    (place.state / "jobs").mkdir()
    with pytest.raises(TerminalToolError, match="cannot work in one of Headway's own folders"):
        await sh(Sandbox(hidden=[place.state]), place.state / "jobs", "true")
    (place.state / "workspace").mkdir()  # the demo works there
    assert (await sh(Sandbox(hidden=[place.state]), place.state / "workspace", "pwd"))["exit_code"] == 0


async def test_a_control_file_that_is_a_link_is_refused(place: Place) -> None:
    (place.project / "tools.py").rename(place.project / "real.py")
    (place.project / "tools.py").symlink_to("real.py")
    with pytest.raises(ToolError, match=r"tools.py' is a control file and a link"):
        await sh(place.sandbox, place.project, "true")
    assert place.sandbox.ground(place.project).at_work == 0


async def test_a_program_is_looked_up_before_it_is_confined(place: Place) -> None:
    with pytest.raises(ToolError, match="'no-such-program' cannot be started: there is no such program"):
        await place.sandbox.confine(Child("t", ["no-such-program"], place.project))


# -- programs that stay ----------------------------------------------------------------------------------------------


async def answered(tool: SubprocessTool, sandbox: Sandbox, code: str) -> Any:
    return await tool.call(**{"code": code, CONTEXT: ToolContext(sandbox=sandbox)})


async def test_a_program_that_answers_is_confined_with_its_script(place: Place) -> None:
    script = place.home / "server.py"
    script.write_text(ANSWER)
    tool = SubprocessTool([sys.executable, str(script)], name="t")
    try:
        assert await answered(tool, place.sandbox, "os.getcwd()") == str(place.project)
        assert await answered(tool, place.sandbox, "open('made', 'w').write('12')") == 2
        assert await answered(tool, place.sandbox, "open('policies/p.toml', 'w').write('12')") == "OSError"
        assert await answered(tool, place.sandbox, f"open({str(script)!r}, 'w')") == "OSError"
        seen = await answered(tool, place.sandbox, f"os.listdir({str(place.home)!r})")
        assert sorted(seen) == ["project", "server.py"]
        assert await answered(tool, place.sandbox, f"os.path.exists({str(place.state)!r})") is False
        with pytest.raises(ToolError, match=r"made control files, now renamed: deep/headway.toml"):
            await answered(tool, place.sandbox, "os.mkdir('deep') or open('deep/headway.toml', 'w').write('x')")
        assert (place.project / "deep" / "headway.toml.refused-1").exists()
        assert (place.project / "policies").is_dir()
        with pytest.raises(ToolError):
            await answered(tool, place.sandbox, "open('deep/headway.toml', 'w').write('x') and os._exit(1)")
        assert not (place.project / "deep" / "headway.toml").exists(), "a call that fails is looked at, too"
    finally:
        await tool.aclose()
    assert place.sandbox.ground(place.project).at_work == 0


async def test_a_control_file_that_was_exchanged_is_closed_from_the_next_call_on(place: Place) -> None:
    tool = SubprocessTool([sys.executable, "-c", ANSWER], name="t")
    try:
        assert await answered(tool, place.sandbox, "open('headway.toml', 'a')") == "OSError"
        (place.project / "new").write_text("# as an editor saves\n")
        (place.project / "new").replace(place.project / "headway.toml")
        assert await answered(tool, place.sandbox, "open('headway.toml', 'a')") == "OSError"
        assert tool.statistics().starts == 2
        assert (place.project / "headway.toml").read_text() == "# as an editor saves\n"
    finally:
        await tool.aclose()


async def test_one_that_writes_no_files_cannot(place: Place) -> None:
    tool = SubprocessTool([sys.executable, "-c", ANSWER], name="t", writes_files=False)
    try:
        assert await answered(tool, place.sandbox, "open('README.md').read()") == "hello\n"
        assert await answered(tool, place.sandbox, "open('made', 'w')") == "OSError"
    finally:
        await tool.aclose()


async def test_calls_that_come_together_start_one_process(place: Place) -> None:
    tool = SubprocessTool([sys.executable, "-c", ANSWER], name="t")
    try:
        pids = await asyncio.gather(*(answered(tool, place.sandbox, "os.getpid()") for _ in range(5)))
        assert pids == [2] * 5
        assert tool.statistics().starts == 1
    finally:
        await tool.aclose()


# -- the end ---------------------------------------------------------------------------------------------------------


def inside(place: Place) -> list[int]:
    """Return the processes of this machine whose working folder is the project."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "cwd").readlink() == place.project:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


FORKING = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
        signal.pause()
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("end", ["cancel", "timeout"])
async def test_every_process_in_it_ends(place: Place, end: str) -> None:
    clock, chunks = VirtualClock(), asyncio.Queue[Any]()
    entry = shell_tool(Workspace(place.project), timeout_s=5)
    context = ToolContext(clock=clock, sandbox=place.sandbox, chunks=lambda _, chunk: chunks.put_nowait(chunk))
    code = FORKING.replace('"', "'")
    call = asyncio.create_task(entry.call(command=f'{sys.executable} -c "{code}"', ctx=context))
    assert await chunks.get() == "ready\n"
    assert len(inside(place)) >= 4
    if end == "cancel":
        call.cancel()
        await asyncio.sleep(0)
        await clock.advance(1)
        with pytest.raises(asyncio.CancelledError):
            await call
    else:
        await clock.advance(5)
        await clock.advance(1)
        with pytest.raises(ToolTimeout):
            await call
    assert inside(place) == []


async def test_term_comes_first_and_gives_time_to_clean_up(place: Place) -> None:
    clock, chunks = VirtualClock(), asyncio.Queue[Any]()
    entry = shell_tool(Workspace(place.project), timeout_s=5)
    context = ToolContext(clock=clock, sandbox=place.sandbox, chunks=lambda _, chunk: chunks.put_nowait(chunk))
    command = "trap 'echo cleaned > cleaned; exit 0' TERM; echo ready; while :; do sleep 0.01; done"
    call = asyncio.create_task(entry.call(command=command, ctx=context))
    assert await chunks.get() == "ready\n"
    await clock.advance(5)
    with pytest.raises(ToolTimeout):
        await call
    assert (place.project / "cleaned").read_text() == "cleaned\n"
    assert inside(place) == []


async def test_what_a_command_leaves_running_ends_with_it_and_nothing_stays_open(place: Place) -> None:
    await sh(place.sandbox, place.project, "true")
    before = descriptors()
    await sh(place.sandbox, place.project, "(setsid sh -c 'sleep 600' &); (nohup sleep 600 &); true")
    assert inside(place) == []
    await sh(place.sandbox, place.project, "exit 3")
    assert descriptors() == before
    assert (await sh(place.sandbox, place.project, "kill -9 $$"))["exit_code"] == 137


# -- placeholders ----------------------------------------------------------------------------------------------------


async def test_names_that_are_kept_free_leave_nothing(tmp_path: Path) -> None:
    need_sandbox()
    folder = tmp_path / "work"
    folder.mkdir()
    sandbox = Sandbox(workspace=folder)
    await sh(
        sandbox, folder, "mkdir policies; echo x > policies/p; mkdir .git; echo x > headway.toml; rmdir policies .git"
    )
    assert list(folder.iterdir()) == []


def test_a_placeholder_is_shared_and_removed_by_the_last(tmp_path: Path) -> None:
    path = tmp_path / "policies"
    first, second = Placeholder(path), Placeholder(path)
    assert (first.made, second.made) == (True, True)
    first.close()
    assert is_placeholder(path)
    second.close()
    assert not path.exists()
    path.mkdir()
    assert not Placeholder(path).made  # somebody's own, though it is empty
    path.rmdir()
    third = Placeholder(path)
    (path / "mine.toml").write_text("")
    third.close()
    assert (path / "mine.toml").exists()
    third.close()


def test_a_placeholder_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "policies"
    left = Placeholder(path)
    os.close(left._descriptor)  # type: ignore[arg-type]  # as the end of a process does
    left._descriptor = None
    again = Placeholder(path)
    assert again.made
    again.close()
    assert not path.exists()
