"""``headway stop``."""

from __future__ import annotations

import click

from headway.errors import Unavailable
from headway_console.cli.options import Place, json_option, pass_place, place_options


@click.command("stop")
@click.option("--now", is_flag=True, help="Kill what is in flight instead of waiting for it.")
@json_option()
@place_options()
@pass_place
def command(place: Place, now: bool, as_json: bool) -> None:
    """Stop the daemon.

    It takes no new work, cancels its runs with the reason "shutdown" and ends within 10 seconds. Exit code 3 if no
    daemon answers.
    """
    from headway.client import OperatorClient
    from headway.client.daemon import wait_until_gone
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json

    async def main() -> None:
        home = place.home_to_steer()
        async with OperatorClient(home) as client:
            status = await client.status()
            await client.stop(now=now)
        if not await wait_until_gone(home, status.pid):
            raise Unavailable(f"the daemon (pid {status.pid}) does not end")
        if as_json:
            write_json({"pid": status.pid, "stopped": True})
        else:
            say(f"stopped (pid {status.pid})")

    loop.run(main())
