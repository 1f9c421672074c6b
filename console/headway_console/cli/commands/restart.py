"""``headway restart``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.errors import Conflict, NoAnswer, StoreError, Unavailable
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.client import DaemonStatus
    from headway.home import Home

POLL_S = 0.2
"""Seconds between two looks at the daemon."""

BACK_S = 60.0
"""Seconds that the daemon may take from its end to its answer."""


@click.command("restart")
@click.option("--now", is_flag=True, help="Cancel what runs instead of waiting for its end.")
@click.option("--timeout", type=click.FloatRange(0, 86_400), metavar="SECS", help="Wait for jobs at most so long.")
@json_option()
@place_options()
@pass_place
def command(place: Place, now: bool, timeout: float | None, as_json: bool) -> None:
    """Restart the daemon, with the options that it was started with.

    It takes no new work, lets what runs end with the tools that it has, and starts anew: with headway.toml and the tool
    files as they are now. They are loaded here first; if that fails, the daemon is left as it is (exit code 2). After
    --timeout seconds with jobs that have not ended, it takes work again (exit code 1). Ctrl-C leaves the daemon to it.
    """
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json
    from headway_console.cli.tools import load_tools

    home = place.home_to_steer()
    load_tools(place.config())
    status = loop.run(_restart(home, now=now, timeout=timeout))
    if as_json:
        write_json(status)
    else:
        say(f"restarted (pid {status.pid}): A2A at {status.url}")


async def _restart(home: Home, *, now: bool, timeout: float | None) -> DaemonStatus:
    from headway.client import OperatorClient
    from headway.clock import SYSTEM_CLOCK
    from headway_console.cli.output import note
    from headway_console.text import count

    async with OperatorClient(home, actor="cli") as client:
        before = await client.status()
        await client.restart(now=now, timeout_s=timeout)
        told, gone_since = -1, None
        while True:
            try:
                status = await client.status()
            except NoAnswer:
                raise
            except (StoreError, Unavailable):  # it is on its way out
                gone_since = gone_since if gone_since is not None else SYSTEM_CLOCK.now()
                if SYSTEM_CLOCK.now() - gone_since > BACK_S:
                    raise Unavailable(f"the daemon of {home} ended and did not come back: see its log") from None
            else:
                gone_since = None
                jobs = status.running + status.queued
                if status.started_ms != before.started_ms:
                    return status
                if not (status.restarting or status.stopping):
                    raise Conflict(f"not restarted: {count(jobs, 'job')} did not end in time; --now cancels them")
                if jobs != told:
                    told = jobs
                    note(f"waiting for {count(jobs, 'job')} to end; no new work is taken" if jobs else "restarting")
            await SYSTEM_CLOCK.sleep(POLL_S)
