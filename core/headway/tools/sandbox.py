"""The sandbox of tools that start child processes: bubblewrap around each child, by ``[tools] sandbox``.

``auto`` runs children in it and refuses them where there is none; ``require`` also keeps a daemon from starting there;
``off`` runs them as any program of this user. A confined child has namespaces of its own (processes, network, IPC, host
name, users), no capability, no way to gain one, and the file system of :mod:`headway.tools.process.mounts`.

Control files in what it may write are read-only to it. Those that do not exist are kept from being made: in the
project's folder by a :class:`~headway.tools.process.placeholder.Placeholder`, elsewhere by a look at the workspace
after the program: what it made is renamed, and its call fails.

Only settings are here: what they come to is loaded with the first program.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from headway.arguments import expect_many, expect_one_of, path_of, plain
from headway.errors import InvalidConfig, TerminalToolError, one_line

if TYPE_CHECKING:
    from headway.tools.process.bwrap import Probe
    from headway.tools.process.launch import Ground, Launch

SandboxMode = Literal["auto", "off", "require"]
MODES: tuple[SandboxMode, ...] = ("auto", "off", "require")

HOW = 'install bubblewrap (or headway[sandbox]), or write `sandbox = "off"` under [tools] of headway.toml'
"""The advice to who has no sandbox."""

WITHOUT = 'write `sandbox = "auto"` under [tools] of headway.toml to do without'
"""The advice to who has one that cannot filter system calls."""


class SandboxState(msgspec.Struct, omit_defaults=True):
    """The condition of the sandbox: ``working`` says whether children run in one, ``reason`` why not.

    ``unfiltered`` says what a working one does not hold, because it cannot filter system calls here.
    """

    mode: str
    working: bool
    program: str = ""
    version: str = ""
    reason: str = ""
    unfiltered: str = ""


@dataclass(frozen=True, slots=True)
class Child:
    """A child as its tool wants it: ``tool`` names that one, for messages; ``command`` runs in ``cwd`` with ``env``.

    Without ``writes`` it may change nothing. ``readable`` are files and folders that it needs. ``own`` says that the
    command is the tool's, not a plan's: files that it names are shown to it.
    """

    tool: str
    command: Sequence[str]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    writes: bool = True
    network: bool = False
    readable: Sequence[Path] = ()
    own: bool = False


class Sandbox:
    """The sandbox of the tools of one Runtime or Engine.

    Children may change ``workspace``; without one they see the working folder read-only. ``project`` is the folder of
    ``headway.toml`` (default: the workspace), ``control`` the files that it names, ``hidden`` what is never shown
    beside the user's home: the home of Headway. ``network`` are the names of tools whose children reach the network,
    ``readable`` files and folders that all children see. Raises ``InvalidInput`` for what is none of these.
    """

    def __init__(
        self,
        mode: SandboxMode = "auto",
        *,
        workspace: Path | None = None,
        project: Path | None = None,
        control: Iterable[Path] = (),
        hidden: Iterable[Path] = (),
        network: Iterable[str] = (),
        readable: Iterable[Path] = (),
    ) -> None:
        expect_one_of(mode, MODES, "sandbox")
        self.mode = mode
        self.workspace = None if workspace is None else path_of(workspace, "workspace").absolute()
        self.project = self.workspace if project is None else path_of(project, "project").absolute()
        self.control = _paths(control, "control")
        self.hidden = _paths(hidden, "hidden")
        self.network = frozenset(plain(name, "network") for name in expect_many(network, "network"))
        self.readable = _paths(readable, "readable")
        self._grounds: dict[Path, Ground] = {}

    def __repr__(self) -> str:
        return f"Sandbox({self.mode!r}, workspace={None if self.workspace is None else str(self.workspace)!r})"

    def state(self) -> SandboxState:
        """Return whether it works here. Blocks at the first call in a process: bubblewrap is tried out."""
        if self.mode == "off":
            return SandboxState(self.mode, False, reason="programs that tools start have all rights of this user")
        found = _probe()
        if found.bwrap is None:
            return SandboxState(self.mode, False, reason=f"{found.reason}; {HOW}")
        bwrap = found.bwrap
        return SandboxState(self.mode, True, bwrap.program, bwrap.version, unfiltered=bwrap.unfiltered)

    def check(self) -> None:
        """Raise ``InvalidConfig`` if a sandbox is required and none works, or none that filters system calls."""
        if self.mode != "require":
            return
        found = _probe()
        if found.bwrap is None:
            raise InvalidConfig(f"a sandbox is required and there is none: {found.reason}; {HOW}")
        if found.bwrap.unfiltered:
            raise InvalidConfig(f"a whole sandbox is required: {found.bwrap.unfiltered}; {WITHOUT}")

    async def confine(self, child: Child) -> Launch:
        """Return how to start ``child``. Close what comes back: it is an async context manager.

        Raises ``ToolError`` in one line where there is no sandbox, or none for this folder.
        """
        from headway.tools.process.launch import Launch

        if self.mode == "off":
            return Launch(list(child.command), child.cwd, child.env)
        composing = asyncio.ensure_future(asyncio.to_thread(self._compose, child))
        try:
            return await asyncio.shield(composing)
        except asyncio.CancelledError:
            composing.add_done_callback(_unwanted)
            raise

    def _compose(self, child: Child) -> Launch:
        from headway.tools.process.confinement import compose

        found = _probe()
        if found.bwrap is None:
            raise TerminalToolError(f"tool '{one_line(child.tool, 80)}' runs a program, and {found.reason}: {HOW}")
        return compose(self, found.bwrap, child)

    def ground(self, folder: Path) -> Ground:
        """Return what is known of a writable folder."""
        from headway.tools.process.launch import Ground

        return self._grounds.setdefault(folder, Ground(folder))


def _unwanted(composing: asyncio.Future[Launch]) -> None:
    """Let go of a launch whose call was cancelled before it was ready."""
    if not composing.cancelled() and composing.exception() is None:
        composing.result().leave()


def _paths(paths: Iterable[Path], what: str) -> tuple[Path, ...]:
    return tuple(path_of(path, what).absolute() for path in expect_many(paths, what))


def _probe() -> Probe:
    from headway.tools.process.bwrap import probe

    return probe()
