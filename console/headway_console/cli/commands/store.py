"""``headway store prune | check | backup | redact``."""

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


@command.command("redact")
@click.option(
    "--value-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds a value to take out, too; its last line break does not count. May be given several times.",
)
@click.option("--values-only", is_flag=True, help="Leave literals under the names of secrets as they are.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option()
@place_options()
@pass_place
def redact(place: Place, files: tuple[Path, ...], values_only: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Take secrets out of the store: literals under names such as password, and given values.

    Events, blobs, checkpoints and what is made of them are written anew, so that no byte of the file keeps one. There
    is no way back, and no daemon may run. Backups, recordings and logs beside the store are yours to delete.
    """
    import sys

    from headway.clock import SYSTEM_CLOCK
    from headway.secrets import FileSource
    from headway.store import redact as redact_store
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, write_json
    from headway_console.text import count

    home = place.home()
    if not home.db.exists():
        raise Unavailable(f"there is no store in {home}; headway run and headway up make one")
    values = [FileSource(path).read().reveal() for path in files]
    if not (yes or dry_run):
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("There is nobody to ask: give --yes.")
        click.confirm(f"Rewrite {home.db}? There is no way back.", abort=True, err=True)

    def progress(done: int, total: int) -> None:
        if not as_json and done % 50_000 < 500 and total > 50_000:
            note(f"{done:,} of {total:,} events")

    options = {"names": not values_only, "dry_run": dry_run, "progress": progress, "by": "headway store redact"}
    report = loop.run(redact_store(home, values, now_ms=SYSTEM_CLOCK.time_ms(), **options))  # type: ignore[arg-type]
    if as_json:
        write_json({"dry_run": dry_run, "report": report})
    else:
        found = [count(report.events, "event"), count(report.blobs, "blob"), count(report.checkpoints, "checkpoint")]
        say(f"{', '.join(found)} {'hold' if dry_run else 'held'} secrets")
