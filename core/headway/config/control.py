"""The control files of a configuration: all that it names, found by the types of its settings.

A setting that names a file is closed because it is a :data:`~headway.config.model.FilePath` or a
:data:`~headway.config.model.PythonName`; nobody has to remember to list it here. The workspace alone is a path that
tools are meant to write to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from headway.config.find import FILE_NAME
from headway.config.load import load_config
from headway.config.model import Config
from headway.config.section import NAMED
from headway.errors import HeadwayError
from headway.home import Home
from headway.trust.control import ControlFiles
from headway.trust.names import GIT, POLICIES
from headway.trust.projects import TrustedProjects

OPEN = ("tools.workspace",)
"""Settings that name a path which tools may write to."""

HIDDEN = "secrets."
"""The beginning of settings whose files are hidden: a tool gets a secret at its call, or not at all."""

WHOLE = ("tools.path", "learning.trajectories")
"""Settings that name folders, which are closed with all that they hold, whether they exist or not."""

MCP = "mcp.servers."
"""The beginning of settings of MCP servers: ``cwd`` is a folder that tools may write to."""

PROGRAMS = (MCP, "hooks.", "before_tool.")
"""The beginnings of settings of programs: their ``files`` are closed whole."""


def control_files(config: Config, home: Home | None = None) -> ControlFiles:
    """Return what no plan may touch under ``config``; the home in which it is used is hidden too.

    The code of other trusted projects in the workspace would be run as readily as this project's: what governs them
    is closed as well.
    """
    files: list[Path] = []
    folders: list[Path] = []
    secret: list[Path] = []
    for one in (config, *_trusted_in(config.workspace, config.project)):
        files += [one.project / FILE_NAME, *([one.file] if one.file is not None else [])]
        folders += [one.project / POLICIES, one.project / GIT]
        for key, path in named_paths(one):
            if not (key.startswith(MCP) and key.endswith(".cwd")):
                whole = key in WHOLE or (key.startswith(PROGRAMS) and key.endswith(".files"))
                (secret if key.startswith(HIDDEN) else folders if whole else files).append(path)
        started = [server.programs for server in one.mcp.servers.values()]
        started += [hook.programs for hook in (*one.hooks.values(), *one.before_tool.values())]
        for code_of in started:
            programs, packages = code_of(one.project)
            files += programs
            folders += packages
    homes = () if home is None else (home.path, *(() if home.socket.parent == home.path else (home.socket.parent,)))
    return ControlFiles(files, folders, [*homes, *secret])


def _trusted_in(workspace: Path, project: Path) -> Iterator[Config]:
    """Yield the configurations of the other trusted projects that reach into ``workspace``."""
    try:
        trusted = TrustedProjects().all()
    except (HeadwayError, OSError):  # nobody's code is loaded by such a list
        return
    root, own = Path(os.path.realpath(workspace)), Path(os.path.realpath(project))
    for other in trusted:
        if other.path != own and (other.path.is_relative_to(root) or root.is_relative_to(other.path)):
            try:
                yield load_config(other.path, file=other.path / FILE_NAME, env={}, trusted=False)
            except (HeadwayError, OSError):  # what cannot be loaded is not run either
                continue


def named_paths(config: BaseModel, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Yield each path that the configuration names, with its dotted key; those that are open to tools are left out."""
    for name, field in type(config).model_fields.items():
        key = f"{prefix}{name}"
        if key not in OPEN:
            named = any(item is NAMED for item in field.metadata) or NAMED in _inner(field.annotation)
            yield from _paths(key, getattr(config, name), named=named)


def _paths(key: str, value: Any, *, named: bool) -> Iterator[tuple[str, Path]]:
    if isinstance(value, BaseModel):
        yield from named_paths(value, f"{key}.")
    elif isinstance(value, Path):
        yield key, value
    elif isinstance(value, str):
        if named:
            yield key, Path(value.rpartition(":")[0])
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(f"{key}.{name}", inner, named=named)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _paths(key, inner, named=named)


def _inner(annotation: Any) -> list[Any]:
    """Return the metadata of all types that an annotation is made of."""
    found = list(getattr(annotation, "__metadata__", ()))
    for inner in getattr(annotation, "__args__", ()):
        found += _inner(inner)
    return found
