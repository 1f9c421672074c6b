"""``headway up``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.client import DaemonStatus
    from headway.home import Home


@click.command("up")
@click.option("--demo", is_flag=True, help="Run the demo: an audit of the shipped examples, in a home of its own.")
@click.option("--detach", is_flag=True, help="Only start the daemon; open no console.")
@click.option("--host", metavar="HOST", help="Where a daemon that is started listens (a2a.host).")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="Its TCP port, 0: a free one (a2a.port).")
@json_option("Print JSON, and nothing else, on stdout; open no console.")
@place_options()
@pass_place
def command(place: Place, demo: bool, detach: bool, host: str | None, port: int | None, as_json: bool) -> int:
    """Start or find the daemon and open the console on it.

    Leaving the console asks whether live runs continue. A daemon that was started for it and has nothing to do ends
    with it; --detach starts one that stays.

    Without a terminal no console is opened: --demo then runs the demo plan in plain lines and ends with its exit code.
    """
    from headway_console.cli import exits, loop
    from headway_console.cli.consoles import has_terminal, show
    from headway_console.cli.trusting import require_trust

    headless = as_json or detach or not has_terminal()
    home = _prepare_demo(place) if demo else place.home()
    if demo and headless and not detach:
        return _run_demo(place, as_json=as_json)
    config = place.config({"a2a.host": host, "a2a.port": port})
    require_trust(config, as_json=as_json)
    arguments = _serve_arguments(place, host, 0 if demo and port is None else port)
    status, started = loop.run(_up(home, arguments, demo=demo))
    if headless:
        _report(status, started=started, as_json=as_json)
        return exits.COMPLETED
    from headway_console.cli.after import settle
    from headway_console.sources import StoreSource

    choice = show(StoreSource(home), config)
    loop.run(settle(home, choice, started=status.pid if started else 0))
    return exits.COMPLETED


def _prepare_demo(place: Place) -> Home:
    """Make the demo's home and workspace ready; from here on ``place`` is there."""
    from headway_console.cli import demo

    home = demo.demo_home(place)
    place.home_path = home.path
    place.config_path = demo.prepare(home) / "headway.toml"
    return home


def _run_demo(place: Place, *, as_json: bool) -> int:
    from headway_console.cli import demo
    from headway_console.cli.commands.run import run_plan

    plan = place.home().path / "workspace" / demo.PLAN
    return run_plan(place, str(plan), None, as_json=as_json, plain=not as_json)


def _serve_arguments(place: Place, host: str | None, port: int | None) -> list[str]:
    arguments = []
    if place.config_path is not None:
        arguments += ["--config", str(place.config_path.absolute())]
    if host is not None:
        arguments += ["--host", host]
    if port is not None:
        arguments += ["--port", str(port)]
    return arguments


async def _up(home: Home, arguments: list[str], *, demo: bool) -> tuple[DaemonStatus, bool]:
    """Find or start the daemon, and give it the demo plan."""
    from headway.client import OperatorClient
    from headway_console.cli import demo as demos
    from headway_console.cli.daemon import find_or_start
    from headway_console.cli.plans import title_of

    status, started = await find_or_start(home, arguments)
    if demo:
        plan = home.path / "workspace" / demos.PLAN
        async with OperatorClient(home, actor="cli") as client:
            await client.submit(demos.read(plan), title=title_of(str(plan)))
    return status, started


def _report(status: DaemonStatus, *, started: bool, as_json: bool) -> None:
    from headway_console.cli.output import say, write_json

    if as_json:
        write_json(status)
    else:
        say(f"the daemon {'has started' if started else 'is running'} (pid {status.pid}): A2A at {status.url}")
