"""``headway console``."""

from __future__ import annotations

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options


@click.command("console")
@json_option("Print a snapshot of all views as JSON instead.")
@place_options()
@pass_place
def command(place: Place, as_json: bool) -> int:
    """Open the console on a home.

    It reads the store itself, so it shows what was also where no daemon runs; then it cannot change anything. Without
    a terminal it lists the jobs.
    """
    from headway_console.cli import exits, loop
    from headway_console.cli.consoles import has_terminal, show
    from headway_console.cli.reading import open_store
    from headway_console.cli.snapshots import print_snapshot

    home = place.home_to_read()
    if as_json or not has_terminal():
        loop.run(print_snapshot(home, as_json=as_json))
        return exits.COMPLETED
    config = place.config()

    async def check() -> None:
        async with open_store(home):
            pass

    loop.run(check())
    from headway_console.cli.after import settle
    from headway_console.sources import StoreSource

    choice = show(StoreSource(home), config)
    loop.run(settle(home, choice))
    return exits.COMPLETED
