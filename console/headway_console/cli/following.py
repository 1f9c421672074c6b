"""Follows one job to its end, shows it on the way, and says how it ended."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

import click

from headway.errors import Unavailable
from headway_console.cli import exits
from headway_console.cli.answering import Answering
from headway_console.cli.output import note, say, write_json
from headway_console.cli.progress import Plain, ProgressLine, Silent

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.events.views import ActionView, JobRow, RunView
    from headway_console.cli.progress import Reporter
    from headway_console.cli.runner import Runner


def reporter_for(*, plain: bool, as_json: bool) -> Reporter:
    """Return what shows the run: plain lines if asked for, a progress line on a terminal, else nothing."""
    if plain and as_json:
        raise click.UsageError("--plain and --json exclude each other.")
    if plain:
        return Plain()
    return ProgressLine(sys.stderr) if sys.stderr.isatty() else Silent()


MAX_PRINTED = 1000
"""The most lines of one event that are shown; the log has all."""


async def follow(runner: Runner, row: JobRow, reporter: Reporter, *, interactive: bool = False) -> int:
    """Show the job until it ends; return the exit code. ``interactive``: its questions are answered at the prompt."""
    from headway.events import kinds
    from headway.events.fold import fold
    from headway.events.views import JobRow, RunView

    run = RunView(job=JobRow(job_id=row.job_id))
    batches = runner.batches(row)
    answering = Answering(runner, interactive=interactive)
    async with aclosing(batches), AsyncExitStack() as stack:
        stack.callback(answering.close)
        async for batch in batches:
            for event in batch:
                run = fold(run, event)
                if event.kind in kinds.ELICITATION:
                    reporter.pause()
                    answering.event(event)
                if event.kind == kinds.ACTION_PRINT and not reporter.prints:
                    reporter.pause()
                    print_lines(event)
                reporter.event(event, run)
            answering.batch()
            if not answering.open:
                reporter.batch(run)
            if run.job.finished:
                break
    if not run.job.finished:
        raise Unavailable(f"the log ended before job {row.job_id} did")
    return exits.JOB_CODES[run.job.status]


def print_lines(event: Event) -> None:
    """Show on stderr what a tool printed, each line with its action."""
    from headway_console.text import clean

    for line in str(event.data.get("text", "")).splitlines()[:MAX_PRINTED]:
        sys.stderr.write(f"{clean(f'{event.action_id}: {line}')}\n")
    sys.stderr.flush()


async def run_job(
    runner: Runner, starting: Awaitable[JobRow], reporter: Reporter, *, as_json: bool, plain: bool
) -> int:
    """Start a job, follow it to its end, print its result and return the exit code; Ctrl-C and SIGTERM stop it.

    The signals are caught before it starts: its first tool may run before anybody here is told of its id.
    """
    from headway_console.cli.interrupts import Interrupts

    try:
        with Interrupts(runner) as interrupts:
            row = await starting
            interrupts.watch(row.job_id)
            interactive = not (plain or as_json) and sys.stdin.isatty() and sys.stderr.isatty()
            code = await follow(runner, row, reporter, interactive=interactive)
            while code == exits.FAILED and (replan := await runner.successor(row.job_id)) is not None:
                note(f"job {row.job_id} aborted and is replanned: job {replan}")
                interrupts.watch(replan)
                row = await runner.row(replan)
                code = await follow(runner, row, reporter, interactive=interactive)
    finally:
        reporter.close()
    if not plain:
        await conclude(runner, row.job_id, as_json=as_json)
    return code


async def conclude(runner: Runner, job_id: str, *, as_json: bool) -> None:
    """Print the job's result: as JSON, or in words."""
    if as_json:
        write_json(await runner.result(job_id))
        return
    for line in result_lines(await runner.run(job_id)):
        say(line)


def result_lines(run: RunView, *, everything: bool = False) -> list[str]:
    """Return how a run ended and, by level, every action that did not succeed; or every action there is."""
    from headway_console.text import count, duration

    job = run.job
    took = duration((job.finished_ms or 0) - (job.started_ms or job.created_ms)) if job.finished_ms else ""
    counts = [f"{getattr(job, name)} {name}" for name in ("succeeded", "failed", "skipped", "rejected")]
    shown = ", ".join(text for text in counts if not text.startswith("0 ")) or "nothing done"
    size = f"{count(job.actions, 'action')} in {count(job.levels, 'level')}"
    lines = [f"{job.title or job.proposal_id}: {job.status}{f' in {took}' if took else ''}: {shown} of {size}"]
    reason = job.cancel_reason if job.status == "cancelled" else job.error
    if reason:
        lines.append(f"  {job.outcome}: {reason}" if job.outcome else f"  {reason}")
    actions = [action for action in run.actions if everything or action.error]
    lines.extend(f"  {_action_line(action)}" for action in sorted(actions, key=lambda action: action.level))
    lines.append(f"  job {job.job_id}")
    return lines


def _action_line(action: ActionView) -> str:
    from headway_console.text import duration

    took = duration(action.duration_ms)
    text = f"level {action.level}: {action.id}: {action.status.value}"
    if action.error or action.error_code:
        return f"{text}: {action.error or action.error_code}"
    return f"{text} in {took}" if took else text
