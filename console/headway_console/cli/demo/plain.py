"""The demo without a console: one quick round, in lines of words or as JSON, that ends by itself."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import Unavailable

if TYPE_CHECKING:
    from headway.events.views import JobRow
    from headway_console.cli.options import Place
    from headway_console.cli.runner import LocalRunner, RemoteRunner

PACE = 0.1
"""A tenth of the waits of the round that a console shows."""

LIMIT_S = 120.0
"""Seconds after which a round that does not end is given up."""


def run_round(place: Place, workspace: Path, *, as_json: bool) -> int:
    """Run one round, print what happens, or as JSON how each run ended, and return the exit code."""
    from headway_console.cli import exits, loop

    rows = loop.run(_round(place, workspace, as_json=as_json))
    if as_json:
        from headway_console.cli.output import write_json

        write_json({"status": "completed", "jobs": rows})
    return exits.COMPLETED


async def _round(place: Place, workspace: Path, *, as_json: bool) -> list[JobRow]:
    from headway_console.cli.demo.director import Director
    from headway_console.cli.runner import open_runner

    config = place.config({"rate_limits.fetch_page.interval_secs": 4 * PACE})
    runner = await open_runner(place.home(), config)
    rows: list[JobRow] = []
    try:
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as told:
            lines = _Lines(runner, silent=as_json)

            def started(row: JobRow) -> None:
                rows.append(row)
                told.create_task(lines.tell(row))

            await Director(runner, alone=True, started=started).round(workspace, pace=PACE)
        return [await runner.row(row.job_id) for row in rows]
    except TimeoutError:
        raise Unavailable(f"the demo did not end within {LIMIT_S:g} seconds") from None
    finally:
        await runner.close()


class _Lines:
    """Prints what happens in runs, each line with its job."""

    def __init__(self, runner: LocalRunner | RemoteRunner, *, silent: bool) -> None:
        from headway_console.plain import PlainLines

        self._runner = runner
        self._lines = PlainLines(several=True)
        self._silent = silent

    async def tell(self, row: JobRow) -> None:
        """Print what happens in one run until it has ended."""
        from headway.events.fold import fold
        from headway.events.views import JobRow, RunView
        from headway_console.cli import exits
        from headway_console.cli.output import say

        run = RunView(job=JobRow(job_id=row.job_id))
        async with aclosing(self._runner.batches(row)) as batches:
            async for batch in batches:
                for event in batch:
                    run = fold(run, event)
                    for line in [] if self._silent else self._lines.lines(event):
                        say(line)
                exits.flush()
                if run.job.finished:
                    return
