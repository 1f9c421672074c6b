"""``headway projects ls``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.project import KnownHome


@click.group("projects")
def command() -> None:
    """List the projects of this machine and their homes."""


@command.command("ls")
@json_option()
@place_options()
@pass_place
def ls(place: Place, as_json: bool) -> None:
    """List the projects that have a home, by name, and the home that --home or HEADWAY_HOME names.

    A project is the folder of a headway.toml, or a folder in which a plan was run without one. OWNER is the process
    that writes to the home: a daemon, or a headway run. A folder that is gone is marked "missing": headway --home HOME
    still reads what was done there.
    """
    from headway.home import Home
    from headway.project import known_homes, look
    from headway_console.cli.output import say, table, when, write_json

    homes = list(known_homes())
    named = Home(place.home_path) if place.home_path is not None else None
    if named is not None and named.db.is_file() and all(home.home != str(named) for home in homes):
        homes.append(look(named))
    if as_json:
        write_json([_entry(home) for home in homes])
    elif not homes:
        say("no projects")
    else:
        rows = [
            (
                _name(home),
                f"{home.bytes / 1e6:.1f} MB",
                _owner(home),
                when(home.used_ms),
                f"{home.project.root if home.project else '-'}{' (missing)' if home.missing else ''}",
                home.home,
            )
            for home in homes
        ]
        table(("PROJECT", "SIZE", "OWNER", "LAST USED", "ROOT", "HOME"), rows)


def _name(home: KnownHome) -> str:
    if home.shared:
        return "(shared by all, once)"
    return home.project.name if home.project is not None else "-"


def _owner(home: KnownHome) -> str:
    if home.owner is None:
        return "-"
    return f"{_kind(home)} {home.owner}" if home.owner else _kind(home)


def _kind(home: KnownHome) -> str:
    """Return what kind of process writes there: only a daemon leaves its file."""
    from headway.client.daemon import read_daemon_file
    from headway.home import Home

    info = read_daemon_file(Home(home.home))
    return "daemon" if info is not None and info.pid == home.owner else "run"


def _entry(home: KnownHome) -> dict[str, Any]:
    return {
        "name": home.project.name if home.project is not None else None,
        "root": home.project.root if home.project is not None else None,
        "missing": home.missing,
        "home": home.home,
        "bytes": home.bytes,
        "owner": {"kind": _kind(home), "pid": home.owner} if home.owner is not None else None,
        "last_used_ms": home.used_ms,
        "shared": home.shared,
    }
