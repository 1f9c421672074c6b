"""The console's views without a console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway_console.cli.output import say, write_json

if TYPE_CHECKING:
    from headway.home import Home


async def print_snapshot(home: Home, *, as_json: bool) -> None:
    """Print the views of the store as they stand: all as JSON, or the jobs in words."""
    from headway_console.cli.reading import open_store

    async with open_store(home) as reader:
        snapshot = await reader.snapshot()
    if as_json:
        write_json(snapshot.to_dict())
        return
    jobs = snapshot.jobs.jobs
    if not jobs:
        say("no jobs")
    for job in jobs.values():
        settled = job.succeeded + job.failed + job.skipped + job.rejected
        say(f"{job.job_id} {job.status}: {settled}/{job.actions} actions: {job.title}")
