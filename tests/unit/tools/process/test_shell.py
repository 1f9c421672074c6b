"""The shell tool: where commands run, what they give back, what they may be, and how they are ended."""

from __future__ import annotations

import asyncio
import math
import os
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidInput, ToolError, ToolTimeout
from headway.testing import VirtualClock
from headway.tools.context import ToolContext
from headway.tools.files.workspace import Workspace
from headway.tools.process.child import TERM_GRACE_S
from headway.tools.process.shell import Capped, register_shell, shell_tool
from headway.tools.registry import ToolEntry, ToolRegistry
from tests.unit.tools.process.children import alive, descriptors, until


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


async def run(entry: ToolEntry, command: str, context: ToolContext | None = None) -> Any:
    return await entry.call(command=command, ctx=context or ToolContext())


class Shown:
    """A context whose chunks and clock the test has."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.chunks: asyncio.Queue[str] = asyncio.Queue()
        self.context = ToolContext(clock=self.clock, chunks=lambda _, chunk: self.chunks.put_nowait(chunk))


def test_it_is_there_only_when_asked_for(workspace: Workspace) -> None:
    registry = ToolRegistry()
    entry = register_shell(registry, workspace, permission="ask")
    assert registry.get("shell") is entry
    assert (entry.source, entry.category, entry.permission) == ("builtin", "shell", "ask")
    assert entry.writes_files
    assert entry.is_async
    assert list(entry.schema.parameters["properties"]) == ["command"]


async def test_it_runs_in_the_workspace_and_tells_how_it_ended(workspace: Workspace) -> None:
    entry = shell_tool(workspace)
    result = await run(entry, "pwd; echo wrong >&2; touch made; exit 3")
    assert result == {"exit_code": 3, "stdout": f"{workspace.root}\n", "stderr": "wrong\n", "truncated": False}
    assert (workspace.root / "made").exists()
    assert (await run(entry, "kill -9 $$"))["exit_code"] == -9
    assert (await run(entry, "-x"))["exit_code"] == 127  # no option of the shell's
    assert (await run(entry, "cat"))["stdout"] == ""  # there is nothing to read


async def test_it_has_a_group_of_its_own_and_little_environment(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_SECRET", "hunter2")
    monkeypatch.setenv("NAMED", "yes")
    entry = shell_tool(workspace, env=["NAMED", "SET=1"])
    seen = (await run(entry, "env"))["stdout"]
    assert "hunter2" not in seen
    assert {"NAMED=yes", "SET=1"} <= set(seen.split("\n"))
    words = (await run(entry, "ps -o pid=,pgid= -p $$ || echo $$ $$"))["stdout"].split()
    assert words[0] == words[1] != str(os.getpgid(0))


async def test_long_output_keeps_its_beginning_and_its_end(workspace: Workspace) -> None:
    entry = shell_tool(workspace, max_output_bytes=20)
    result = await run(entry, "printf first; head -c 100000 /dev/zero | tr '\\0' x; printf last")
    assert result["stdout"] == "firstxxxxx\n[99989 bytes left out]\nxxxxxxlast"
    assert result["truncated"]
    assert result["stderr"] == ""


async def test_output_is_shown_while_it_is_made(workspace: Workspace) -> None:
    shown, fifo = Shown(), workspace.root / "fifo"
    os.mkfifo(fifo)
    command = "printf 'h\\303'; read x < fifo; printf '\\251'"
    call = asyncio.create_task(run(shell_tool(workspace), command, shown.context))
    assert await shown.chunks.get() == "h"
    os.close(await asyncio.to_thread(os.open, fifo, os.O_WRONLY))
    assert (await call)["stdout"] == "hé"
    assert shown.chunks.get_nowait() == "é"


async def test_bytes_that_are_no_text_are_marked(workspace: Workspace) -> None:
    assert (await run(shell_tool(workspace), "printf 'a\\377\\000b'"))["stdout"] == "a\N{REPLACEMENT CHARACTER}\0b"


@pytest.mark.parametrize(
    "command", ["echo started; sleep 600", "trap '' TERM; echo started; while :; do sleep 600; done"]
)
async def test_a_command_that_takes_too_long_is_ended_with_all_it_started(workspace: Workspace, command: str) -> None:
    shown = Shown()
    call = asyncio.create_task(run(shell_tool(workspace, timeout_s=5), f"echo $$; {command}", shown.context))
    pid = int((await shown.chunks.get()).split()[0])
    await shown.clock.advance(5)
    await shown.clock.advance(TERM_GRACE_S)
    with pytest.raises(ToolTimeout, match="the command ran longer than 5 s"):
        await call
    await until(lambda: not alive(pid))
    assert shown.clock.pending == 0


async def test_a_cancelled_call_ends_the_command_before_it_ends(workspace: Workspace) -> None:
    before, shown = descriptors(), Shown()
    call = asyncio.create_task(run(shell_tool(workspace), "trap '' TERM; echo $$; sleep 600", shown.context))
    pid = int(await shown.chunks.get())
    call.cancel()
    await shown.clock.advance(TERM_GRACE_S)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not alive(pid)
    assert descriptors() == before


async def test_what_a_command_leaves_running_ends_with_it(workspace: Workspace) -> None:
    result = await run(shell_tool(workspace), "sleep 600 & echo $!")
    assert result["exit_code"] == 0
    pid = int(result["stdout"])
    await until(lambda: not alive(pid))


async def test_a_flood_is_bounded_and_ends_in_time(workspace: Workspace) -> None:
    shown = Shown()
    call = asyncio.create_task(run(shell_tool(workspace), "yes", shown.context))
    for _ in range(50):
        await shown.chunks.get()
    await shown.clock.advance(60)
    with pytest.raises(ToolTimeout):
        await call


async def test_with_a_list_only_its_programs_run_and_no_shell(workspace: Workspace) -> None:
    entry = shell_tool(workspace, allow=["echo", "git"])
    assert (await run(entry, "echo 'a b' $HOME; touch made | cat > file"))["stdout"] == (
        "a b $HOME; touch made | cat > file\n"
    )
    assert os.listdir(workspace.root) == []  # noqa: PTH208 - nothing else runs
    assert entry.validate({"command": "git status"}) == []
    for command in ("rm -rf x", "/bin/echo a", "./echo", "echo; rm", "A=1 echo", "$(echo)", "\\echo\\ "):
        (problem,) = entry.validate({"command": command})
        assert problem.endswith("is not allowed; allowed: echo, git")
        with pytest.raises(ToolError, match="is not allowed"):
            await run(entry, command)
    assert "Only echo, git" in entry.schema.description


@pytest.mark.parametrize("command", ["", "  \n", "a\0b", "a\ud800", "echo 'open"])
async def test_a_command_that_is_none_is_refused_at_admission_and_at_the_call(
    workspace: Workspace, command: str
) -> None:
    entry = shell_tool(workspace, allow=["echo"])
    (problem,) = entry.validate({"command": command})
    assert "\n" not in problem
    with pytest.raises(ToolError):
        await run(entry, command)


async def test_a_command_that_is_too_long_for_the_system_fails(workspace: Workspace) -> None:
    with pytest.raises(ToolError, match="cannot be started: Argument list too long"):
        await run(shell_tool(workspace), "x" * 3_000_000)


@pytest.mark.parametrize(
    "options",
    [
        {"allow": "ls"},
        {"allow": [3]},
        {"timeout_s": 0},
        {"timeout_s": math.nan},
        {"max_output_bytes": 0},
        {"env": ["="]},
        {"permission": "maybe"},
    ],
)
def test_options_that_make_no_sense_are_refused(workspace: Workspace, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        shell_tool(workspace, **options)


def test_a_cap_of_one_byte() -> None:
    output = Capped(1)
    for byte in b"abc":
        output.add(bytes([byte]))
    assert output.text() == "\n[2 bytes left out]\nc"
