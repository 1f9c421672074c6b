"""Confinement: the command line of a child in the sandbox, from what its tool wants and what the sandbox allows."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import TerminalToolError, ToolError, one_line
from headway.tools.process.bwrap import TMP, Bwrap, system_folders
from headway.tools.process.launch import ARGUMENTS, FILTER, STATUS, Confined, Launch
from headway.tools.process.mounts import HOME, View, holds, mount_options
from headway.tools.process.placeholder import is_placeholder
from headway.trust.control import SPARED, own_folders

if TYPE_CHECKING:
    from headway.tools.sandbox import Child, Sandbox

PATH = "/usr/local/bin:/usr/bin:/bin"
"""The PATH of a child that sees no folder of the given one."""


def compose(sandbox: Sandbox, bwrap: Bwrap, child: Child) -> Launch:
    """Return how to start ``child``. Blocks: the workspace is surveyed. Raises ``ToolError`` in one line."""
    hidden = [real(path) for path in (*sandbox.hidden, *own_folders())]
    cwd = None if child.cwd is None else real(child.cwd)
    writable, readable = _folders(sandbox, child, cwd)
    for folder in writable:
        _refuse_wide(child.tool, folder, hidden)
    private = [*homes(), *hidden]
    readable = [path for path in readable if path.exists() and not any(holds(path, home) for home in private)]
    start = cwd or next(iter(writable or readable), Path(TMP))
    if not any(holds(folder, start) for folder in (*writable, *readable)):
        start = Path(TMP)
    program = _program(child, start)
    confined = Confined(child.tool, [sandbox.ground(folder) for folder in writable])
    try:
        control, absent = confined.enter(_fixed(sandbox, writable))
    except BaseException:
        confined.leave()
        raise
    network = child.network or child.tool in sandbox.network
    view = View(writable, readable, control, absent, private, network)
    confined.options = [option for option in bwrap.namespaces if not (network and option == "--unshare-net")]
    confined.options += [*mount_options(view, bwrap.tmpfs), "--chdir", str(start)]
    seen = [*map(Path, system_folders()), *readable, *writable]
    for name, value in _environment(child.env, seen).items():
        confined.options += ["--setenv", name, value]
    confined.filter = bwrap.filter
    filtered = ["--seccomp", FILTER] if bwrap.filter else []
    command = [bwrap.program, "--args", ARGUMENTS, "--json-status-fd", STATUS, *filtered, "--"]
    return Launch([*command, program, *child.command[1:]], None, {}, confined)


def homes() -> list[Path]:
    """Return the homes of this user: what the environment says, and what the system says."""
    found = [Path(os.environ["HOME"])] if os.environ.get("HOME") else []
    with suppress(KeyError):
        found.append(Path(pwd.getpwuid(os.getuid()).pw_dir))
    known = dict.fromkeys(real(home) for home in found if home.is_absolute())
    return [home for home in known if home != Path("/")]


def real(path: Path) -> Path:
    """Return ``path`` with all links resolved; it need not exist."""
    return Path(os.path.realpath(path))


def _folders(sandbox: Sandbox, child: Child, cwd: Path | None) -> tuple[list[Path], list[Path]]:
    """Return the folders to show, writable and not."""
    own = [real(Path(prefix)) for prefix in dict.fromkeys((sys.prefix, sys.base_prefix))]
    shown = [real(path) for path in (*sandbox.readable, *child.readable)]
    if child.own:
        seen = [*own, *map(Path, system_folders())]
        shown += [file for file in _files_of(child.command, cwd) if not any(holds(place, file) for place in seen)]
    given = [real(place) for place in (sandbox.workspace, cwd) if place is not None]
    places = [place for place in dict.fromkeys(given) if not any(place != one and holds(one, place) for one in given)]
    if not child.writes:
        return [], [*places, *shown, *own]
    return (places, [*shown, *own]) if places else ([], [Path.cwd(), *shown, *own])


def _fixed(sandbox: Sandbox, writable: Sequence[Path]) -> list[Path]:
    """Return the control files at known places in what is writable, existing or not.

    Links on the way are resolved, a link at the end is not: it is a control file itself.
    """
    paths = [real(path.parent) / path.name for path in sandbox.control]
    if sandbox.project is not None:
        project = real(sandbox.project)
        git = project / ".git"
        paths += [project / "headway.toml", project / "policies"]
        paths += [git / "hooks"] if git.is_dir() and not is_placeholder(git) else [git]
    return [path for path in paths if any(holds(folder, path) for folder in writable)]


def _refuse_wide(tool: str, folder: Path, hidden: Sequence[Path]) -> None:
    """Raise ``ToolError`` for a folder that holds a home or the system, or lies in a home of Headway."""
    system = (Path("/etc"), Path("/proc"), Path("/dev"), *map(Path, system_folders()))
    for place in (*homes(), *system):
        if holds(folder, place):
            raise TerminalToolError(
                f"tool '{one_line(tool, 80)}' cannot be confined to '{one_line(str(folder), 200)}', which holds"
                f" '{one_line(str(place), 100)}': give it a smaller workspace"
            )
    if any(holds(place, folder) and not holds(place / SPARED, folder) for place in hidden):
        raise TerminalToolError(f"tool '{one_line(tool, 80)}' cannot work in one of Headway's own folders")


def _program(child: Child, start: Path) -> str:
    """Return the program's path, looked up as the child would; ``ToolError`` if there is none."""
    name = child.command[0]
    if "/" in name:
        found = name if os.access(start / name, os.X_OK) else None
    else:
        found = shutil.which(name, path=child.env.get("PATH", os.defpath))
    if found is None:
        raise ToolError(f"'{one_line(name, 200)}' cannot be started: there is no such program")
    return found


def _files_of(command: Sequence[str], cwd: Path | None) -> list[Path]:
    """Return the files that a tool's own command names, its program and scripts, and what they are links to."""
    found: list[Path] = []
    for number, word in enumerate(command):
        named = Path(word) if "/" in word or number else Path(shutil.which(word) or word)
        with suppress(OSError, ValueError):
            path = (cwd or Path.cwd()) / named
            if path.is_file():
                found += [real(path.parent) / path.name, real(path)]
    return found


def _environment(env: Mapping[str, str], seen: Sequence[Path]) -> dict[str, str]:
    """Return the child's variables: its home is its own, PATH holds what it sees."""
    chosen = dict(env)
    if chosen.get("HOME") == os.environ.get("HOME"):
        chosen["HOME"] = HOME
    folders = [Path(folder) for folder in chosen.get("PATH", "").split(":") if folder.startswith("/")]
    shown = [str(folder) for folder in folders if any(holds(place, folder) for place in seen)]
    chosen["PATH"] = ":".join(shown) or PATH
    return chosen
