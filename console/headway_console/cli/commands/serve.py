"""``headway serve``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.client.daemon import DaemonInfo


@click.command("serve")
@click.option("--host", metavar="HOST", help="Listen on this address (headway.toml: a2a.host).")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="TCP port, 0: a free one (a2a.port).")
@click.option("--reload", is_flag=True, help="Restart when tool files have changed and no job runs.")
@json_option("Print the daemon's addresses as JSON on stdout once it answers.")
@place_options()
@pass_place
def command(place: Place, host: str | None, port: int | None, reload: bool, as_json: bool) -> int:
    """Run the daemon in the foreground.

    It serves the A2A endpoint on TCP, to callers with the token of the home (see headway token), and the operator API
    on a Unix socket in the home, until Ctrl-C, SIGTERM or headway stop. Then it takes no new work, cancels its runs
    with the reason "shutdown" and ends within 10 seconds; a second Ctrl-C kills what is in flight.

    headway.toml and the policies are followed. Tool files are not loaded anew: once they have changed, new jobs are
    refused until headway restart; with --reload the daemon restarts by itself.
    """
    from headway_bridge.server import run_daemon
    from headway_bridge.shutdown import AGAIN
    from headway_console.cli import exits, loop
    from headway_console.cli.again import start_anew, would_load
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.serving import example, warnings
    from headway_console.cli.trusting import require_trust

    home = place.home()
    config = place.config({"a2a.host": host, "a2a.port": port})
    require_trust(config, as_json=as_json)

    def ready(info: DaemonInfo) -> None:
        for warning in warnings(info.url, info.auth):
            note(f"warning: {warning}")
        if as_json:
            write_json(info)
        else:
            say(f"serving A2A at {info.url}, operators at {info.socket} (pid {info.pid}); Ctrl-C stops")
            say(f"try: {example(info.url, info.header, config)}")
        exits.flush()

    async def check() -> str | None:
        return await would_load(place)

    code = loop.run(run_daemon(home, config, on_ready=ready, reload=check if reload else None))
    if code == AGAIN:
        exits.flush()
        start_anew()
    return code
