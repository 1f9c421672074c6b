"""``shell``: commands in the workspace. It is registered only where somebody asks for it, by :func:`register_shell`.

A command of a plan runs in the sandbox of its Runtime or Engine. Without one (``off``, or a call outside of them) it
can do whatever its user can: the workspace is where it starts, not where it must stay. ``allow`` keeps honest plans to
the programs they need; it is no sandbox, for most programs can start others.
"""

from __future__ import annotations

import codecs
import os
import shlex
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from headway.arguments import expect, expect_many, path_of
from headway.errors import ToolError, ToolTimeout, one_line
from headway.numbers import positive_seconds, whole_number
from headway.tools.context import ToolContext
from headway.tools.decorator import entry_of, tool
from headway.tools.process.child import ChildProcess
from headway.tools.process.command import environment, passes, texts_of
from headway.tools.process.launch import Launch
from headway.tools.sandbox import Child

if TYPE_CHECKING:
    from headway.tools.files.workspace import Workspace
    from headway.tools.registry import Permission, ToolEntry, ToolRegistry

SHELL = ("/bin/sh", "-c", "--")
MAX_OUTPUT = 64 * 2**10


class Capped:
    """Output of any length in bounded room: its first half and its last, with a word on what is between."""

    def __init__(self, most: int) -> None:
        self._first = most // 2
        self._last = most - self._first
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    @property
    def truncated(self) -> bool:
        """True if something is left out."""
        return self._left_out > 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        room = self._first - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        over = len(self._tail) - self._last
        if over > 0:
            del self._tail[:over]
            self._left_out += over

    def text(self) -> str:
        """Return it as text; bytes that are not UTF-8 are marked."""
        if not self._left_out:
            return (self._head + self._tail).decode(errors="replace")
        gap = f"\n[{self._left_out} bytes left out]\n"
        return self._head.decode(errors="replace") + gap + self._tail.decode(errors="replace")


def register_shell(registry: ToolRegistry, workspace: Workspace, **options: Any) -> ToolEntry:
    """Register the tool ``shell`` and return its entry. ``options`` are those of :func:`shell_tool`."""
    from headway.tools.registry import ToolRegistry

    expect(registry, ToolRegistry, "registry")
    entry = shell_tool(workspace, **options)
    registry.register(entry)
    return entry


def shell_tool(
    workspace: Workspace,
    *,
    allow: Sequence[str] | None = None,
    timeout_s: float = 60.0,
    max_output_bytes: int = MAX_OUTPUT,
    env: Sequence[str] = (),
    permission: Permission = "allow",
    network: bool = False,
    readable: Sequence[str | os.PathLike[str]] = (),
) -> ToolEntry:
    """Return the tool that runs a command in the workspace's folder.

    Without ``allow`` the command goes to ``/bin/sh``. With it no shell is involved: the command is split into words,
    quotes honoured, and its first word must be one of ``allow``. It sees PATH, HOME, LANG and what ``env`` names, and
    reads nothing. After ``timeout_s`` seconds, and when the call is cancelled, its whole process group is ended by TERM
    and KILL; so is what it leaves running when it ends. Of stdout and stderr ``max_output_bytes`` each are kept, the
    beginning and the end. In a sandbox it reaches the network only with ``network``, and sees beside the system's
    programs and the workspace what ``readable`` names.

    Raises ``InvalidInput`` for options that make no sense.
    """
    from headway.tools.files.workspace import Workspace

    expect(workspace, Workspace, "workspace")
    programs = None if allow is None else frozenset(texts_of(allow, "allow"))
    timeout = positive_seconds(timeout_s, "timeout_s")
    most = whole_number(max_output_bytes, "max_output_bytes", 1)
    variables = environment(env)
    networked = expect(network, bool, "network")
    shown = [path_of(path, "readable") for path in expect_many(readable, "readable")]
    which = "" if programs is None else f" Only {', '.join(sorted(programs))}; no pipes, no redirection."

    @tool(
        name="shell",
        description=f"Run a command in the workspace. Gives exit_code, stdout, stderr, truncated.{which}",
        category="shell",
        permission=permission,
        writes_files=True,
    )
    async def shell(command: Annotated[str, "The command line."], *, ctx: ToolContext) -> dict[str, Any]:
        words = _words(command, programs)
        launch = Launch(words, workspace.root, variables)
        if ctx.sandbox is not None:
            child = Child("shell", words, workspace.root, variables, network=networked, readable=shown)
            launch = await ctx.sandbox.confine(child)
        async with launch:
            return await _run(words, launch, ctx, timeout, most)

    entry = entry_of(shell, source="builtin")
    entry.check = partial(_refused, programs)
    entry.command = partial(_started, programs)
    return entry


async def _run(words: list[str], launch: Launch, context: ToolContext, timeout: float, most: int) -> dict[str, Any]:
    """Run a command to its end, showing what it writes; return what it came to."""
    outputs = {"stdout": Capped(most), "stderr": Capped(most)}
    decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in outputs}

    def on_data(name: str, data: bytes) -> None:
        outputs[name].add(data)
        text = decoders[name].decode(data)
        if text:
            context.emit_chunk(text)

    child = ChildProcess(words, clock=context.clock, on_data=on_data, launch=launch)
    await _ended(child, context, timeout)
    return {
        "exit_code": child.code,
        **{name: output.text() for name, output in outputs.items()},
        "truncated": any(output.truncated for output in outputs.values()),
    }


async def _ended(child: ChildProcess, context: ToolContext, timeout: float) -> None:
    """Wait for the end of the child, and see to it after ``timeout`` seconds or when nobody waits any more."""
    late = False

    def expire() -> None:
        nonlocal late
        late = True
        child.terminate()

    timer = context.clock.call_later(timeout, expire)
    try:
        await child.wait()
    finally:
        timer.cancel()
        child.terminate()  # nothing, once it has ended
        await child.wait()
    if late:
        raise ToolTimeout(f"the command ran longer than {timeout:g} s")


def _refused(programs: frozenset[str] | None, params: dict[str, Any]) -> list[str]:
    try:
        _words(params["command"], programs)
    except ToolError as error:
        return [error.message]
    return []


def _started(programs: frozenset[str] | None, params: dict[str, Any]) -> str | tuple[str, ...]:
    """Return what a call starts: a text for a shell, or words."""
    command = params["command"]
    return command if programs is None else tuple(_words(command, programs))


def _words(command: str, programs: frozenset[str] | None) -> list[str]:
    """Return what to run; ``ToolError`` for a command that may not be, or that is none."""
    if not command.strip():
        raise ToolError("the command is empty")
    if not passes(command):
        raise ToolError("the command has a NUL or half a surrogate pair")
    if programs is None:
        return [*SHELL, command]
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ToolError(f"the command cannot be split into words: {error}") from None
    if not words or words[0] not in programs:
        name = one_line(words[0], 80) if words else ""
        raise ToolError(f"the program '{name}' is not allowed; allowed: {', '.join(sorted(programs)) or 'none'}")
    return words
