"""``headway run PLAN``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.errors import InvalidInput
from headway_console.cli.completing import plans
from headway_console.cli.options import FOLDER, Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway_console.cli.runner import LocalRunner, RemoteRunner


@click.command("run")
@click.argument("plan", shell_complete=plans)
@click.option("--workspace", type=FOLDER, metavar="DIR", help="The folder that file tools are confined to.")
@json_option("Print the result as JSON, and nothing else, on stdout.")
@click.option("--plain", is_flag=True, help="Print a line for each thing that happens; draw nothing.")
@place_options()
@pass_place
def command(place: Place, plan: str, workspace: Path | None, as_json: bool, plain: bool) -> int:
    """Run a plan and wait for its end.

    PLAN is a JSON file, - for stdin, or the name of a workflow of headway.toml. It runs in this process, or in the
    daemon of the home if one is running, or in the headway run that came first. Other shells watch and stop it
    meanwhile, or run plans of their own here: then this command stays until those have ended too. Nothing is recorded
    of a plan that is not valid.

    headway.toml is looked for from the working directory upwards, then from the plan's folder upwards.

    Ctrl-C cancels: what is in flight runs to its end, the rest is skipped. A second Ctrl-C kills.
    """
    return run_plan(place, plan, workspace, as_json=as_json, plain=plain)


def run_plan(place: Place, plan: str, workspace: Path | None, *, as_json: bool, plain: bool) -> int:
    """Run the plan as ``headway run`` does and return the exit code."""
    from headway_console.cli import loop
    from headway_console.cli.following import reporter_for, run_job
    from headway_console.cli.plans import folder_of, read_plan, title_of
    from headway_console.cli.trusting import require_trust

    reporter = reporter_for(plain=plain, as_json=as_json)
    config = place.config({"tools.workspace": workspace and str(workspace.absolute())}, also=folder_of(plan))
    proposal = read_plan(plan, config)
    require_trust(config, as_json=as_json)

    home = place.home()

    async def main() -> int:
        from headway.errors import Closing
        from headway_console.cli.runner import open_runner

        while True:
            runner = await open_runner(home, config)
            try:
                _agree(runner, workspace)
                starting = runner.submit(proposal, title_of(plan))
                return await run_job(runner, starting, reporter, as_json=as_json, plain=plain)
            except Closing:  # the command that held the home has just ended; a daemon that stops is not waited for
                if not runner.is_run:
                    raise
            finally:
                await runner.close()

    return loop.run(main())


def _agree(runner: LocalRunner | RemoteRunner, workspace: Path | None) -> None:
    """Refuse ``--workspace`` where a daemon with another one would run the plan."""
    from headway_console.cli.output import note
    from headway_console.cli.runner import RemoteRunner

    if not isinstance(runner, RemoteRunner):
        return
    status = runner.status
    who = "the headway run that came first" if runner.is_run else "the daemon"
    if workspace is not None and not _same(status.workspace, workspace):
        raise InvalidInput(
            f"{who} of this home (pid {status.pid}) works in {status.workspace}: "
            "stop it, leave --workspace out or choose another --home"
        )
    note(f"running in {who} (pid {status.pid}), workspace {status.workspace}")


def _same(one: str, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
