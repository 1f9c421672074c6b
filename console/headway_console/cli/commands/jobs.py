"""``headway jobs ls|show|cancel|kill|pause|resume|retry|fork``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from headway_console.cli.completing import job_ids
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.client import OperatorClient
    from headway.client.wire import BulkReport
    from headway.events.views import JobRow

STATUSES = ("queued", "running", "paused", "completed", "failed", "cancelled")


@click.group("jobs")
def command() -> None:
    """List, show and steer jobs: cancel, kill, pause, resume, retry, fork."""


@command.command("ls")
@click.option("--status", type=click.Choice(STATUSES), help="Only jobs with this status.")
@click.option("--where", metavar="FILTER", help="Only jobs that a filter means, as 'waiting:bucket age:>10m'.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest so many.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, status: str | None, where: str | None, limit: int, as_json: bool) -> None:
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
            if where is None:
                jobs = await reader.jobs(status=status, limit=limit)
            else:
                from headway.clock import SYSTEM_CLOCK
                from headway.jobs.bulk import find
                from headway.jobs.filter import parse_filter

                wanted = parse_filter(where if status is None else f"status:{status} {where}")
                jobs = await find(reader, wanted, SYSTEM_CLOCK.time_ms(), limit)
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


def _steering(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add what each command takes that steers jobs: one job, or a filter and whether it is meant."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        for option in (
            click.argument("job_id", metavar="[JOB]", required=False, shell_complete=job_ids),
            click.option("--where", metavar="FILTER", help=f"{what} all jobs that a filter means."),
            click.option("--yes", is_flag=True, help="With --where: do it, not only look."),
            json_option(),
            place_options(),
            pass_place,
        )[::-1]:
            function = option(function)
        return function

    return add


@command.command("cancel")
@click.option("--reason", default="canceled by operator", show_default=True, help="What the skipped actions say.")
@click.option("--now", is_flag=True, help="Kill what is in flight, too.")
@_steering("Cancel")
def cancel(
    place: Place, job_id: str | None, reason: str, now: bool, where: str | None, yes: bool, as_json: bool
) -> None:
    """Cancel a job that the daemon or a headway run holds, or all that a filter means.

    What is in flight runs to its end, the rest is skipped. Answers requested, forced (it had not started) or
    already_finished. With --where the jobs are listed, and asked about on a terminal; --yes asks nothing.
    """
    _steer(place, "kill" if now else "cancel", job_id, where, yes, as_json, reason)


@command.command("kill")
@click.option("--reason", default="killed by operator", show_default=True, help="What the skipped actions say.")
@_steering("Kill")
def kill(place: Place, job_id: str | None, reason: str, where: str | None, yes: bool, as_json: bool) -> None:
    """Kill a job that the daemon or a headway run holds, or all that a filter means: what is in flight is cut off.

    Answers as cancel does.
    """
    _steer(place, "kill", job_id, where, yes, as_json, reason)


@command.command("pause")
@click.option("--reason", default="paused by operator", show_default=True, help="What lists say of it.")
@_steering("Pause")
def pause(place: Place, job_id: str | None, reason: str, where: str | None, yes: bool, as_json: bool) -> None:
    """Pause a job, or all that a filter means: no call starts any more, until it is resumed.

    Answers paused, or requested while calls are in flight.
    """
    _steer(place, "pause", job_id, where, yes, as_json, reason)


@command.command("resume")
@_steering("Resume")
def resume(place: Place, job_id: str | None, where: str | None, yes: bool, as_json: bool) -> None:
    """Queue a paused job again, or all that a filter means; they continue where they were."""
    _steer(place, "resume", job_id, where, yes, as_json)


@command.command("retry")
@_steering("Retry")
def retry(place: Place, job_id: str | None, where: str | None, yes: bool, as_json: bool) -> None:
    """Run a job that waits for its retry now, or one that failed or was cancelled anew, as another job."""
    _steer(place, "retry", job_id, where, yes, as_json)


@command.command("fork")
@_steering("Fork")
def fork(place: Place, job_id: str | None, where: str | None, yes: bool, as_json: bool) -> None:
    """Continue a job that failed or was cancelled from the last level that it finished, as another job."""
    _steer(place, "fork", job_id, where, yes, as_json)


def _steer(
    place: Place,
    action: str,
    job_id: str | None,
    where: str | None,
    yes: bool,
    as_json: bool,
    reason: str | None = None,
) -> None:
    """Ask something of one job, or of all that a filter means."""
    from headway.client import OperatorClient
    from headway_console.cli import loop
    from headway_console.cli.runner import SOURCE

    if (job_id is None) == (where is None):
        raise click.UsageError("Give either a job or --where FILTER.")
    if yes and where is None:
        raise click.UsageError("--yes goes with --where.")

    async def main() -> bool:
        async with OperatorClient(place.home_to_steer(), actor=SOURCE) as client:
            if job_id is not None:
                await _ask_one(client, action, job_id, reason, as_json)
                return True
            assert where is not None
            return await _ask_many(client, action, where, reason, yes, as_json)

    if not loop.run(main()):
        click.get_current_context().exit(1)


async def _ask_one(client: OperatorClient, action: str, job_id: str, reason: str | None, as_json: bool) -> None:
    from headway_console.cli.output import say, write_json

    made = ""
    if action == "resume":
        answer = await client.resume(job_id)
    elif action in ("retry", "fork"):
        ask = client.retry if action == "retry" else client.fork_from_failure
        made = (await ask(job_id)).job_id
        answer = "started" if made != job_id else "retried"
    else:
        stop = {"cancel": client.cancel, "kill": client.kill, "pause": client.pause}[action]
        answer = await stop(job_id, reason)
    if as_json:
        write_json({"job_id": job_id, "answer": answer} | ({"into": made} if made else {}))
    else:
        say(f"{job_id}: {answer.replace('_', ' ')}" + (f" as {made}" if made and made != job_id else ""))


async def _ask_many(
    client: OperatorClient, action: str, where: str, reason: str | None, yes: bool, as_json: bool
) -> bool:
    """Look first; do it if that is meant. Return False if a job refused."""
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.trusting import can_ask

    report = await client.bulk(action, where)
    if report.items and not yes and not as_json:
        _table(report)
        if not can_ask():
            note("nothing is done: --yes does it")
            return True
        yes = click.confirm(f"{action} these {len(report.items)} jobs?", default=False, err=True)
    if yes and report.items:
        report = await client.bulk(action, where, dry_run=False, reason=reason)
    if as_json:
        write_json(report)
    elif not report.items:
        say("no jobs")
    elif report.done:
        _table(report)
        say(", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in sorted(report.counts().items())))
    else:
        note("nothing is done")
    return not report.refused


def _table(report: BulkReport) -> None:
    from headway_console.cli.output import table

    rows = [
        (item.job_id, item.status, item.verdict.replace("_", " "), item.into or item.message or item.title)
        for item in report.items
    ]
    table(("JOB", "WAS", "VERDICT", ""), rows)


def _counts(job: JobRow) -> str:
    done = job.succeeded + job.failed + job.skipped + job.rejected
    bad = f", {job.failed} failed" if job.failed else ""
    return f"{done}/{job.actions}{bad}"
