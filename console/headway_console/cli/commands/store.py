"""``headway store prune``."""

from __future__ import annotations

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options


@click.group("store")
def command() -> None:
    """Look after the event store."""


@command.command("prune")
@json_option()
@place_options()
@pass_place
def prune(place: Place, as_json: bool) -> None:
    """Remove finished jobs that retention no longer keeps.

    [store] keep_days and max_bytes of headway.toml say which; without them nothing goes.
    """
    from headway_console.cli import loop
    from headway_console.cli.commanding import open_operations
    from headway_console.cli.output import say, write_json
    from headway_console.text import count

    async def main() -> None:
        async with open_operations(place.home(), place.config()) as operations:
            done = await operations.prune()
        if as_json:
            write_json(done)
        else:
            jobs = done.get("jobs", [])
            say(f"removed {count(len(jobs), 'job')}, {count(int(done.get('events', 0)), 'event')}")

    loop.run(main())
