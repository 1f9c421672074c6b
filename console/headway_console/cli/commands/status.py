"""``headway status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.tools.sandbox import SandboxState


def _sandbox(state: SandboxState | None) -> str:
    if state is None:
        return "-"
    if state.working:
        return f"{state.mode}: bubblewrap {state.version} ({state.program})"
    return f"warning: {state.mode}: {state.reason}"


@click.command("status")
@json_option()
@place_options()
@pass_place
def command(place: Place, as_json: bool) -> None:
    """Say whether the daemon runs, and what it does.

    Exit code 3 if none answers.
    """
    from headway.client import OperatorClient
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, when, write_json
    from headway_console.cli.serving import warnings

    async def main() -> None:
        async with OperatorClient(place.home_to_read()) as client:
            status = await client.status()
        if as_json:
            write_json(status)
            return
        say(f"headway {status.version} (pid {status.pid}){', stopping' if status.stopping else ''}")
        say(f"  home       {status.home}")
        say(f"  a2a        {status.url or '-'}{' (token: see headway token)' if status.auth == 'token' else ''}")
        for warning in warnings(status.url, status.auth):
            note(f"warning: {warning}")
        say(f"  workspace  {status.workspace or '-'}")
        say(f"  since      {when(status.started_ms)}")
        say(f"  jobs       {status.running} running, {status.queued} queued")
        say(f"  events     {status.last_seq}")
        say(f"  tools      {', '.join(status.tools) or '-'}")
        say(f"  sandbox    {_sandbox(status.sandbox)}")

    loop.run(main())
