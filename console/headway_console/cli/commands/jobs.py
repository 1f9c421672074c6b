"""``headway jobs ls|show|cancel|kill``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli.completing import job_ids
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.events.views import JobRow

STATUSES = ("queued", "running", "paused", "completed", "failed", "cancelled")


@click.group("jobs")
def command() -> None:
    """List, show, cancel and kill jobs."""


@command.command("ls")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest so many.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, status: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first.

    Of an unfinished job whose process has died, STATUS says so, and "owner_alive" is false in JSON: the next command
    that writes to the home settles it.
    """
    from headway_console.cli import loop
    from headway_console.cli.output import say, table, when, write_json
    from headway_console.cli.reading import open_store, row_of, status_of, writer_lives

    async def main() -> None:
        home = place.home_to_read()
        async with open_store(home) as reader:
            jobs = await reader.jobs(status=status, limit=limit)
        alive = writer_lives(home)
        if as_json:
            write_json([row_of(job, alive) for job in jobs])
        elif not jobs:
            say("no jobs")
        else:
            rows = [
                (
                    job.job_id,
                    status_of(job, alive),
                    f"{job.levels_done}/{job.levels}",
                    _counts(job),
                    when(job.created_ms),
                    job.title,
                )
                for job in jobs
            ]
            table(("JOB", "STATUS", "LEVELS", "ACTIONS", "CREATED", "TITLE"), rows)

    loop.run(main())


@command.command("show")
@click.argument("job_id", metavar="JOB", shell_complete=job_ids)
@json_option()
@place_options()
@pass_place
def show(place: Place, job_id: str, as_json: bool) -> None:
    """Show a job: its levels, its actions and how each ended, and who gave commands that concern it."""
    from headway.secrets import mask
    from headway_console.cli import loop
    from headway_console.cli.following import result_lines
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.reading import commands_on, open_store, row_of, writer_lives
    from headway_console.summary import operator_text

    async def main() -> None:
        home = place.home_to_read()
        async with open_store(home) as reader:
            run = await reader.run_view(job_id, resolve=as_json)
            commands = await commands_on(reader, run.job)
        alive = writer_lives(home)
        if as_json:
            import msgspec

            write_json(mask(msgspec.to_builtins(run)) | {"job": row_of(run.job, alive), "commands": commands})
            return
        if not (run.job.finished or alive):
            note("the process that ran it is gone; the next command that writes to the home settles it")
        for line in result_lines(run, everything=True):
            say(line)
        for data in commands:
            say(f"  by {operator_text(data, target=False)}")

    loop.run(main())


@command.command("cancel")
@click.argument("job_id", metavar="JOB", shell_complete=job_ids)
@click.option("--reason", default="canceled by operator", show_default=True, help="What the skipped actions say.")
@click.option("--now", is_flag=True, help="Kill what is in flight, too.")
@json_option()
@place_options()
@pass_place
def cancel(place: Place, job_id: str, reason: str, now: bool, as_json: bool) -> None:
    """Cancel a job that the daemon or a headway run holds.

    What is in flight runs to its end, the rest is skipped. Answers requested, forced (it had not started) or
    already_finished.
    """
    _stop(place, job_id, reason, kill=now, as_json=as_json)


@command.command("kill")
@click.argument("job_id", metavar="JOB", shell_complete=job_ids)
@click.option("--reason", default="killed by operator", show_default=True, help="What the skipped actions say.")
@json_option()
@place_options()
@pass_place
def kill(place: Place, job_id: str, reason: str, as_json: bool) -> None:
    """Kill a job that the daemon or a headway run holds: what is in flight is cut off.

    Answers as cancel does.
    """
    _stop(place, job_id, reason, kill=True, as_json=as_json)


def _stop(place: Place, job_id: str, reason: str, *, kill: bool, as_json: bool) -> None:
    from headway.client import OperatorClient
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json
    from headway_console.cli.runner import SOURCE

    async def main() -> None:
        async with OperatorClient(place.home_to_steer(), actor=SOURCE) as client:
            answer = await (client.kill(job_id, reason) if kill else client.cancel(job_id, reason))
        if as_json:
            write_json({"job_id": job_id, "answer": answer})
        else:
            say(f"{job_id}: {answer.replace('_', ' ')}")

    loop.run(main())


def _counts(job: JobRow) -> str:
    done = job.succeeded + job.failed + job.skipped + job.rejected
    bad = f", {job.failed} failed" if job.failed else ""
    return f"{done}/{job.actions}{bad}"
