"""``headway jobs ls|show|cancel``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.events.views import JobRow

STATUSES = ("queued", "running", "paused", "completed", "failed", "cancelled")


@click.group("jobs")
def command() -> None:
    """List, show and cancel jobs."""


@command.command("ls")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest so many.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, status: str | None, limit: int, as_json: bool) -> None:
    """List jobs, newest first."""
    from headway_console.cli import loop
    from headway_console.cli.output import say, table, when, write_json
    from headway_console.cli.reading import open_store

    async def main() -> None:
        async with open_store(place.home()) as reader:
            jobs = await reader.jobs(status=status, limit=limit)
        if as_json:
            write_json(jobs)
        elif not jobs:
            say("no jobs")
        else:
            rows = [
                (
                    job.job_id,
                    job.status,
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
@click.argument("job_id", metavar="JOB")
@json_option()
@place_options()
@pass_place
def show(place: Place, job_id: str, as_json: bool) -> None:
    """Show a job: its levels, its actions and how each ended."""
    from headway_console.cli import loop
    from headway_console.cli.following import result_lines
    from headway_console.cli.output import say, write_json
    from headway_console.cli.reading import open_store

    async def main() -> None:
        async with open_store(place.home()) as reader:
            run = await reader.run_view(job_id, resolve=as_json)
        if as_json:
            write_json(run)
            return
        for line in result_lines(run, everything=True):
            say(line)

    loop.run(main())


@command.command("cancel")
@click.argument("job_id", metavar="JOB")
@click.option("--reason", default="canceled by operator", show_default=True, help="What the skipped actions say.")
@click.option("--now", is_flag=True, help="Kill what is in flight, too.")
@json_option()
@place_options()
@pass_place
def cancel(place: Place, job_id: str, reason: str, now: bool, as_json: bool) -> None:
    """Cancel a job of the daemon.

    What is in flight goes on to its end, the rest is skipped. Answers requested, forced (it had not started) or
    already_finished.
    """
    from headway.client import OperatorClient
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json
    from headway_console.cli.runner import SOURCE

    async def main() -> None:
        async with OperatorClient(place.home(), actor=SOURCE) as client:
            answer = await (client.kill(job_id, reason) if now else client.cancel(job_id, reason))
        if as_json:
            write_json({"job_id": job_id, "answer": answer})
        else:
            say(f"{job_id}: {answer.replace('_', ' ')}")

    loop.run(main())


def _counts(job: JobRow) -> str:
    done = job.succeeded + job.failed + job.skipped + job.rejected
    bad = f", {job.failed} failed" if job.failed else ""
    return f"{done}/{job.actions}{bad}"
