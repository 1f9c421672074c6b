"""``headway status``."""

from __future__ import annotations

from typing import Any

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options


def _sandbox(state: dict[str, Any] | None) -> str:
    if state is None:
        return "-"
    if state.get("working"):
        said = f"{state['mode']}: bubblewrap {state.get('version', '')} ({state.get('program', '')})"
        return f"{said}; {state['unfiltered']}" if state.get("unfiltered") else said
    return f"warning: {state['mode']}: {state.get('reason', '')}"


@click.command("status")
@json_option()
@place_options()
@pass_place
def command(place: Place, as_json: bool) -> None:
    """Say whether the daemon runs, and what it does.

    Exit code 3 if none answers.
    """
    from headway.client.glance import glance
    from headway_console.cli.output import note, say, when, write_text
    from headway_console.cli.serving import warnings

    status = glance(place.home_to_read())
    if as_json:
        import json

        write_text(json.dumps(status, indent=2))
        return
    what = "headway run, no daemon" if status.get("kind") == "run" else f"headway {status['version']}"
    say(f"{what} (pid {status['pid']}){', stopping' if status.get('stopping') else ''}")
    say(f"  project    {status.get('project') or '-'} ({status.get('root') or '-'})")
    say(f"  home       {status['home']}")
    auth = status.get("auth", "")
    say(f"  a2a        {status['url'] or '-'}{' (token: see headway token)' if auth == 'token' else ''}")
    for warning in warnings(status["url"], auth):
        note(f"warning: {warning}")
    say(f"  workspace  {status['workspace'] or '-'}")
    say(f"  since      {when(status['started_ms'])}")
    say(f"  jobs       {status['running']} running, {status['queued']} queued")
    say(f"  events     {status['last_seq']}")
    say(f"  tools      {', '.join(status['tools']) or '-'}")
    say(f"  sandbox    {_sandbox(status.get('sandbox'))}")
