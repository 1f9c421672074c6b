"""The console's views without a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.cli.output import say, write_json

if TYPE_CHECKING:
    from headway.home import Home


async def print_snapshot(home: Home, *, as_json: bool) -> None:
    """Print the views of the store as they stand: all as JSON, or the jobs in words."""
    from headway.jobs.info import Snapshot
    from headway_console.cli.reading import open_store

    async with open_store(home) as reader:
        jobs = await reader.jobs_view()
        limits = await reader.limits_view()
        budgets = await reader.budget_view()
    if as_json:
        seq = min(view.last_seq for view in (jobs, limits, budgets))
        write_json(Snapshot(seq, jobs, limits, budgets))
        return
    if not jobs.jobs:
        say("no jobs")
    for job in jobs.jobs.values():
        settled = job.succeeded + job.failed + job.skipped + job.rejected
        say(f"{job.job_id} {job.status}: {settled}/{job.actions} actions: {job.title}")
