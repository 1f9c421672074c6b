"""``headway events``."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.home import Home

PAGE = 1000
POLL_S = 0.1


@click.command("events")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--job", "job_id", metavar="JOB", help="Only events of this job.")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only events with a greater seq.")
@click.option("--limit", type=click.IntRange(min=1), help="End after so many events.")
@json_option("Print each event as JSON on a line of its own.")
@place_options()
@pass_place
def command(place: Place, follow: bool, job_id: str | None, after: int, limit: int | None, as_json: bool) -> None:
    """Print the event log.

    Oldest first, straight from the store: no daemon is needed, also not to follow.
    """
    from headway.events.secrets import redact
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json

    async def main() -> None:
        left = limit
        async with aclosing(_batches(place.home_to_read(), after, job_id, follow=follow, whole=as_json)) as batches:
            async for batch in batches:
                for event in batch if left is None else batch[:left]:
                    if as_json:
                        write_json(redact(event), lines=True)
                    else:
                        say(event_line(redact(event)))
                sys.stdout.flush()
                left = None if left is None else left - len(batch)
                if left is not None and left <= 0:
                    return

    loop.run(main())


async def _batches(
    home: Home, after: int, job_id: str | None, *, follow: bool, whole: bool
) -> AsyncGenerator[list[Event], None]:
    """Yield pages of the log, large outputs put back if ``whole``; when following, wait for more at its end."""
    from headway.clock import SYSTEM_CLOCK
    from headway_console.cli.reading import open_store

    async with open_store(home) as reader:
        if job_id is not None:
            await reader.job(job_id)
        while True:
            version = await reader.data_version()
            while True:
                page = await reader.events(after, job_id, limit=PAGE, resolve=whole)
                if not page:
                    break
                yield page
                after = page[-1].seq
            if not follow:
                return
            while await reader.data_version() == version:
                await SYSTEM_CLOCK.sleep(POLL_S)


def event_line(event: Event) -> str:
    """Return an event as one line: seq, time, kind, where, and what happened in words."""
    from headway_console.summary import summary
    from headway_console.text import clock_time

    level = "" if event.level is None else f" L{event.level}"
    job = f" {event.job_id}" if event.job_id else ""
    action = f" {event.action_id}" if event.action_id else ""
    return f"{event.seq} {clock_time(event.ts)} {event.kind}{job}{level}{action} {summary(event)}".rstrip()
