"""``headway send [URL] TEXT``."""

from __future__ import annotations

from pathlib import Path

import click

from headway_console.cli.options import FILE, Place, json_option, pass_place, place_options


@click.command("send")
@click.argument("words", nargs=-1, metavar="[URL] [TEXT]")
@click.option("--data", metavar="JSON", help="Send this JSON value, @FILE's, or - for stdin: a tool call, say.")
@click.option("--plan", type=FILE, metavar="FILE", help="Send the plan in this JSON file.")
@click.option("--workflow", metavar="NAME", help="Start the workflow of this name.")
@click.option("--context", metavar="ID", help="Send it in this context: tasks of one share their state.")
@click.option("--token-file", type=FILE, metavar="FILE", help="Send the token in this file to the agent at URL.")
@json_option("Print the task as it ended as JSON, and nothing else, on stdout.")
@place_options()
@pass_place
def command(
    place: Place,
    words: tuple[str, ...],
    data: str | None,
    plan: Path | None,
    workflow: str | None,
    context: str | None,
    token_file: Path | None,
    as_json: bool,
) -> int:
    """Send a message to an A2A agent and follow its task.

    URL starts with http:// or https://; without one the message goes to the daemon of the home, with its token. That
    token is sent nowhere else: another agent gets the one in --token-file, over https unless it is on this machine.
    Agents of A2A v1.0 are spoken to, by JSON-RPC.

    What happens is told on stderr, results go to stdout. Ctrl-C cancels the task; a second Ctrl-C leaves it to the
    agent.

    The exit code is 0 if the task completed, 1 if it failed or was rejected, 2 for a request or a token that is
    refused, 3 if no agent answers, 130 if it was canceled.
    """
    from headway_console.cli import loop
    from headway_console.cli.sending import Recipient, message_of, send

    url, text = _url_and_text(words)
    parts = message_of(text, data, plan, workflow)
    recipient = Recipient(place.home(), url, token_file)
    return loop.run(send(recipient, parts, context, as_json=as_json))


def _url_and_text(words: tuple[str, ...]) -> tuple[str | None, str | None]:
    rest = list(words)
    url = rest.pop(0) if rest and rest[0].lower().startswith(("http://", "https://")) else None
    if len(rest) > 1:
        raise click.UsageError("the message is one TEXT: put it in quotes.")
    return url, rest[0] if rest else None
