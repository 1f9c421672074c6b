"""``headway recordings ls | check``."""

from __future__ import annotations

from pathlib import Path

import click

from headway_console.cli.options import FILE, json_option


@click.group("recordings")
def command() -> None:
    """List and check recordings."""


@command.command("ls")
@json_option()
def ls(as_json: bool) -> None:
    """List the recordings that have a name: those of the folder recordings here, and those that ship with Headway."""
    from headway_console.cli.library import recordings_by_name
    from headway_console.cli.output import say, table, write_json

    found = recordings_by_name()
    if as_json:
        write_json([{"name": name, "path": str(path.absolute())} for name, path in found.items()])
    elif not found:
        say("no recordings")
    else:
        table(("NAME", "FILE"), [(name, str(path)) for name, path in found.items()])


@command.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@json_option()
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Check that files are recordings that replay whole.

    Exit code 2 if one is not. Warnings are told and change nothing.
    """
    from headway.errors import HeadwayError, describe
    from headway.events.recording import Problem
    from headway.events.recording import check as check_recording
    from headway_console.cli import exits
    from headway_console.cli.output import note, say, write_json

    found: dict[Path, list[Problem]] = {}
    for path in files:
        try:
            found[path] = check_recording(path)
        except HeadwayError as error:
            found[path] = [Problem(0, "error", "file", describe(error))]
    sound = {path: all(problem.severity != "error" for problem in problems) for path, problems in found.items()}
    if as_json:
        write_json([{"path": str(path), "ok": sound[path], "problems": found[path]} for path in files])
    else:
        for path, problems in found.items():
            for problem in problems:
                named = str(path) in problem.message
                note(f"{problem.severity}: {'' if named else f'{path}:{problem.line}: '}{problem.message}")
            if sound[path]:
                say(f"{path}: ok")
    return exits.COMPLETED if all(sound.values()) else exits.BAD_INPUT
