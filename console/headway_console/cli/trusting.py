"""Trust of a project, as a command line needs it: asked once on a terminal, never for what only looks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headway.config import Config
    from headway_console.cli.options import Place


def require_trust(config: Config, *, as_json: bool = False) -> None:
    """Let the code of ``config`` be loaded, or raise :class:`headway.errors.NotTrusted`.

    Of a project that is not on the user's list the user is asked, if there is a terminal and ``as_json`` does not speak
    for a script; yes puts it on the list. What ships with Headway is trusted as Headway is.
    """
    if config.trusted or not (config.code or config.opens):
        return
    if _ships(config.project):
        config.trust()
        return
    if not as_json and can_ask():
        say_code(config)
        if click.confirm(f"headway: trust {config.project}?", default=False, err=True):
            from headway.trust import TrustedProjects

            TrustedProjects().add(config.project)
            config.trust()
    config.require_trust()


def can_ask() -> bool:
    """Return whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def say_code(config: Config) -> None:
    """Tell on stderr which code trusting the project lets run, and what it opens."""
    from headway.errors import one_line
    from headway_console.cli.output import note

    if config.code:
        note(f"{config.project} has code that runs as you, without a sandbox:")
    for path in config.code:
        note(f"  {path}")
    values = {value.key: value.value for value in config.values()}
    servers = {f"mcp.servers.{name}": server.shown for name, server in config.mcp.servers.items()}
    for key in config.opens:
        what = servers[key] if key in servers else values[key]
        note(f"{config.project} opens more than its folder: {key} = {one_line(str(what), 300)}")


def trusts(config: Config) -> bool:
    """Return whether the project is trusted: by the user, or as Headway is."""
    return config.trusted or _ships(config.project)


def left_out(config: Config) -> list[Path]:
    """Return the code that is not loaded, because the project is not trusted."""
    return [] if trusts(config) else config.code


def trusted_part(config: Config) -> Config:
    """Return ``config`` without what may not be loaded; nobody is asked."""
    if config.trusted or not (config.code or config.opens):
        return config
    if _ships(config.project):
        config.trust()
        return config
    return config.without_code()


def project_at(place: Place, path: Path | None) -> Path:
    """Return the project at ``path`` (a folder, or a headway.toml): its folder; by default the one that holds here.

    Raises :class:`headway.errors.NotFound` if there is nothing at ``path``.
    """
    from headway.config import find_file
    from headway.errors import NotFound

    if path is None:
        if place.config_path is not None:
            return place.config_path.absolute().parent
        found = find_file(Path.cwd())
        return found.parent if found is not None else Path.cwd()
    if not path.exists():
        raise NotFound(f"{path}: there is no such folder")
    return path.absolute() if path.is_dir() else path.absolute().parent


def _ships(project: Path) -> bool:
    from headway_console.resources import examples

    try:
        return project.resolve() == examples().resolve()
    except (OSError, FileNotFoundError):
        return False
