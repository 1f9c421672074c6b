"""``headway up``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.client import DaemonStatus
    from headway.config import Config
    from headway.home import Home


@click.command("up")
@click.option("--demo", is_flag=True, help="Run the demo: several runs a minute, in a home of its own.")
@click.option("--detach", is_flag=True, help="Only start the daemon; open no console.")
@click.option("--plain", is_flag=True, help="With --demo: one quick round in lines of words; draw nothing.")
@click.option("--host", metavar="HOST", help="Where a daemon that is started listens (a2a.host).")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="Its TCP port, 0: a free one (a2a.port).")
@json_option("Print JSON, and nothing else, on stdout; open no console.")
@place_options()
@pass_place
def command(
    place: Place, demo: bool, detach: bool, plain: bool, host: str | None, port: int | None, as_json: bool
) -> int:
    """Start or find the daemon and open the console on it.

    Leaving the console asks whether live runs continue. A daemon that was started for it and has nothing to do ends
    with it; --detach starts one that stays.

    The demo's tools only pretend: nothing leaves this machine. Without a terminal no console is opened, and --demo runs
    one quick round in plain lines and ends.
    """
    from headway_console.cli import exits, loop
    from headway_console.cli.consoles import has_terminal, show
    from headway_console.cli.daemon import find_or_start
    from headway_console.cli.trusting import require_trust

    if plain and as_json:
        raise click.UsageError("--plain and --json exclude each other.")
    if plain and not demo:
        raise click.UsageError("--plain is for --demo; headway events --follow --plain shows a daemon in lines.")
    headless = as_json or detach or plain or not has_terminal()
    home, workspace = _prepare_demo(place) if demo else (place.home(), None)
    if workspace is not None and headless and not detach:
        from headway_console.cli.demo.plain import run_round

        return run_round(place, workspace, as_json=as_json)
    config = place.config({"a2a.host": host, "a2a.port": port})
    require_trust(config, as_json=as_json)
    arguments = _serve_arguments(place, host, 0 if demo and port is None else port)
    status, started = loop.run(find_or_start(home, arguments))
    if workspace is not None and headless:
        loop.run(_submit(home, config, workspace))
    if headless:
        _report(status, started=started, as_json=as_json)
        return exits.COMPLETED
    from headway_console.cli.after import settle
    from headway_console.sources import StoreSource

    with _backstage(home, config, workspace):
        choice = show(StoreSource(home), config)
    loop.run(settle(home, choice, started=status.pid if started else 0))
    return exits.COMPLETED


def _backstage(home: Home, config: Config, workspace: Path | None) -> AbstractContextManager[object]:
    """Return what starts the demo's runs while the console is open; for no demo, nothing."""
    if workspace is None:
        return nullcontext()
    from headway_console.cli.demo.director import Backstage

    return Backstage(home, config, workspace)


async def _submit(home: Home, config: Config, workspace: Path) -> None:
    """Give the daemon the demo's runs."""
    from headway.client import OperatorClient
    from headway_console.cli.demo.director import Director
    from headway_console.cli.runner import RemoteRunner

    async with OperatorClient(home, actor="cli") as client:
        runner = RemoteRunner(home, client, config, await client.status())
        await Director(runner, alone=True).submit(workspace)


def _prepare_demo(place: Place) -> tuple[Home, Path]:
    """Make the demo's home and workspace ready and return them; from here on ``place`` is there."""
    from headway_console.cli.demo import folder

    home = folder.demo_home(place)
    place.home_path = home.path
    workspace = folder.prepare(home)
    place.config_path = workspace / "headway.toml"
    return home, workspace


def _serve_arguments(place: Place, host: str | None, port: int | None) -> list[str]:
    arguments = []
    if place.config_path is not None:
        arguments += ["--config", str(place.config_path.absolute())]
    if host is not None:
        arguments += ["--host", host]
    if port is not None:
        arguments += ["--port", str(port)]
    return arguments


def _report(status: DaemonStatus, *, started: bool, as_json: bool) -> None:
    from headway_console.cli.output import say, write_json

    if as_json:
        write_json(status)
    else:
        say(f"the daemon {'has started' if started else 'is running'} (pid {status.pid}): A2A at {status.url}")
