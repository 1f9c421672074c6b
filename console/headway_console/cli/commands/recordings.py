"""``headway recordings check``."""

from __future__ import annotations

from pathlib import Path

import click

from headway_console.cli.options import FILE, json_option


@click.group("recordings")
def command() -> None:
    """Check recordings."""


@command.command("check")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@json_option()
def check(files: tuple[Path, ...], as_json: bool) -> int:
    """Check that files are recordings that replay whole.

    Exit code 2 if one is not.
    """
    from headway.errors import HeadwayError
    from headway.events.recording import check as check_recording
    from headway_console.cli import exits
    from headway_console.cli.output import note, say, write_json

    answers = []
    for path in files:
        try:
            problems = check_recording(path)
        except HeadwayError as error:
            problems = exits.lines_of(error)
        answers.append({"path": str(path), "ok": not problems, "problems": problems})
    if as_json:
        write_json(answers)
    else:
        for answer in answers:
            for problem in answer["problems"]:
                note(f"error: {problem}")
            if answer["ok"]:
                say(f"{answer['path']}: ok")
    return exits.COMPLETED if all(answer["ok"] for answer in answers) else exits.BAD_INPUT
