"""``headway replay FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from headway_console.cli.completing import recordings
from headway_console.cli.options import FILE, Place, json_option, pass_place, place_options


@click.command("replay")
@click.argument("file", metavar="RECORDING", type=FILE, shell_complete=recordings)
@click.option(
    "--speed", type=click.FloatRange(0.01, 1000), default=1.0, show_default=True, help="Recorded seconds a second."
)
@click.option("--plain", is_flag=True, help="Print a line for each thing that happened, without delay; draw nothing.")
@json_option("Print how each job ended as JSON on stdout, without delay.")
@place_options()
@pass_place
def command(place: Place, file: Path, speed: float, plain: bool, as_json: bool) -> int:
    """Play a recording.

    RECORDING is a file, or the name of one in the folder recordings or of one that ships with Headway (headway
    recordings ls). In the console, with pause, steps and seeking; without a terminal, as with --plain.
    """
    from headway_console.cli import exits
    from headway_console.cli.consoles import has_terminal, show
    from headway_console.cli.library import recording
    from headway_console.cli.recorded import print_jobs, print_lines

    if plain and as_json:
        raise click.UsageError("--plain and --json exclude each other.")
    file = recording(file)
    if as_json:
        print_jobs(file)
    elif plain or not has_terminal():
        print_lines(file)
    else:
        from headway.events.recording import Recording
        from headway_console.sources import ReplaySource

        Recording(file)  # what cannot be read is told here, not on a screen
        show(ReplaySource(file, speed=speed), place.config())
    return exits.COMPLETED
