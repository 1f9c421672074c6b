"""``headway token``."""

from __future__ import annotations

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options


@click.command("token")
@click.option("--show", is_flag=True, help="Print the token itself.")
@click.option("--header", is_flag=True, help="Print the path of the header's file, and nothing else.")
@click.option("--rotate", is_flag=True, help="Make a new token; the old one opens nothing any more.")
@json_option()
@place_options()
@pass_place
def command(place: Place, show: bool, header: bool, rotate: bool, as_json: bool) -> None:
    """Say where the A2A token of the home is.

    The A2A endpoint lets in whoever sends it, as Authorization: Bearer. It is made at the first headway serve, or now.
    One file holds it, another one the header with it, for curl -H @FILE; nobody but their owner may read them. A
    daemon that runs honours a new token immediately. headway send uses it by itself.

    Do not put it on a command line, where others see it: give programs the file, as in
    curl -H @"$(headway token --header)".
    """
    if header and (show or as_json):
        raise click.UsageError("--header excludes --show and --json.")
    from headway.client.token import TokenFile
    from headway_console.cli.output import say, write_json

    home = place.home()
    home.prepare()
    tokens = TokenFile(home)
    token = tokens.rotate() if rotate else tokens.ensure()
    if as_json:
        told = {"token_file": str(tokens.path), "header_file": str(tokens.header_path), "rotated": rotate}
        write_json({**told, "token": token} if show else told)
        return
    if show or header:
        say(token if show else str(tokens.header_path))
        return
    say(f"{'new token' if rotate else 'token'}: {tokens.path}")
    say(f"as a header: {tokens.header_path}, for curl -H @{tokens.header_path}")
