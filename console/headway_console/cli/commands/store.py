"""``headway store prune | check | backup``."""

from __future__ import annotations

from pathlib import Path

import click

from headway.errors import Unavailable
from headway_console.cli.options import Place, json_option, pass_place, place_options


@click.group("store")
def command() -> None:
    """Look after the event store."""


@command.command("prune")
@json_option()
@place_options()
@pass_place
def prune(place: Place, as_json: bool) -> None:
    """Remove finished jobs that retention no longer keeps.

    [store] keep_days and max_bytes of headway.toml say which; without them nothing goes.
    """
    from headway_console.cli import loop
    from headway_console.cli.commanding import open_operations
    from headway_console.cli.output import say, write_json
    from headway_console.text import count

    async def main() -> None:
        async with open_operations(place.home(), place.config()) as operations:
            done = await operations.prune()
        if as_json:
            write_json(done)
        else:
            jobs = done.get("jobs", [])
            say(f"removed {count(len(jobs), 'job')}, {count(int(done.get('events', 0)), 'event')}")

    loop.run(main())


@command.command("check")
@json_option()
@place_options()
@pass_place
def check(place: Place, as_json: bool) -> int:
    """Check the store: the file, its log, and that what is cached is what the log says.

    Works beside a daemon. Exit code 1 if something is wrong.
    """
    from headway.store import check as check_store
    from headway_console.cli import exits, loop
    from headway_console.cli.output import say, write_json
    from headway_console.text import count

    home = place.home_to_read()
    if not home.db.exists():
        raise Unavailable(f"there is no store in {home}; headway run and headway up make one")
    report = loop.run(check_store(home))
    if as_json:
        write_json({"ok": not report.problems, "report": report})
    else:
        for problem in report.problems:
            say(f"{problem.check}: {problem.message}")
        counted = f"{count(report.events, 'event')}, {count(report.jobs, 'job')}, {count(report.blobs, 'blob')}"
        wrong = count(len(report.problems), "problem") if report.problems else "no problems"
        say(f"{counted}: {wrong}")
    return exits.FAILED if report.problems else exits.COMPLETED


@command.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@json_option()
@place_options()
@pass_place
def backup(place: Place, file: Path, force: bool, as_json: bool) -> None:
    """Copy the store to FILE as of one moment, beside a daemon too.

    To go back to it, stop the daemon and put FILE in the place of headway.db of a home.
    """
    from headway.store import backup as backup_store
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json

    home = place.home_to_read()
    if not home.db.exists():
        raise Unavailable(f"there is no store in {home}; headway run and headway up make one")
    report = loop.run(backup_store(home, file, force=force))
    if as_json:
        write_json(report)
    else:
        say(f"{report.file}: {report.bytes:,} bytes, up to event {report.last_seq:,}")
