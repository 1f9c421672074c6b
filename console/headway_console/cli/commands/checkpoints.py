"""``headway checkpoints ls|save|diff|restore|fork``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from headway_console.cli.completing import checkpoint_ids, job_ids
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.events.checkpoint import CheckpointInfo, StateDiff


@click.group("checkpoints")
def command() -> None:
    """List, save, compare, restore and fork checkpoints."""


@command.command("ls")
@click.option("--job", "job_id", metavar="JOB", shell_complete=job_ids, help="Only those of this job.")
@click.option("--scope", metavar="SCOPE", help="Only those of this state scope.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, job_id: str | None, scope: str | None, as_json: bool) -> None:
    """List checkpoints, oldest first: the ends of levels and those saved by hand.

    Without --job or --scope, level ends of the 20 newest jobs only.
    """
    from headway.jobs.history import RECENT_JOBS, History
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, table, when, write_json
    from headway_console.cli.reading import open_store

    async def main() -> None:
        async with open_store(place.home_to_read()) as reader:
            found = await History(reader).checkpoints(job_id, scope)
            more = job_id is None and scope is None and len(await reader.jobs(limit=RECENT_JOBS + 1)) > RECENT_JOBS
        if more:
            note(f"level ends of the {RECENT_JOBS} newest jobs; --job shows those of another")
        if as_json:
            write_json(found)
        elif not found:
            say("no checkpoints")
        else:
            rows = []
            for c in found:
                keys = "-" if c.keys is None else c.keys
                done = f"{c.done}/{c.total}"
                rows.append((c.checkpoint_id, c.kind, done, keys, when(c.created_ms), c.scope, c.name or ""))
            table(("CHECKPOINT", "KIND", "DONE", "KEYS", "CREATED", "SCOPE", "NAME"), rows)

    loop.run(main())


@command.command("save")
@click.option("--job", "job_id", metavar="JOB", shell_complete=job_ids, help="Save the state of this job's scope.")
@click.option("--scope", metavar="SCOPE", help="Save the state of this scope.")
@click.option("--name", help="What to call it.")
@json_option()
@place_options()
@pass_place
def save(place: Place, job_id: str | None, scope: str | None, name: str | None, as_json: bool) -> None:
    """Save the present state of a scope."""
    from headway_console.cli import loop
    from headway_console.cli.commanding import open_operations
    from headway_console.cli.output import write_json

    if (job_id is None) == (scope is None):
        raise click.UsageError("Give either --job or --scope.")

    async def main() -> None:
        async with open_operations(place.home(), place.config()) as operations:
            saved = await operations.save_checkpoint(job_id=job_id, scope=scope, name=name)
        if as_json:
            write_json(saved)
        else:
            _say_saved(saved)

    loop.run(main())


@command.command("diff")
@click.argument("checkpoint_id", metavar="CHECKPOINT", shell_complete=checkpoint_ids)
@json_option()
@place_options()
@pass_place
def diff(place: Place, checkpoint_id: str, as_json: bool) -> None:
    """Tell what a restore of a checkpoint would change."""
    from headway_console.cli import loop
    from headway_console.cli.commanding import open_operations
    from headway_console.cli.output import write_json

    async def main() -> None:
        async with open_operations(place.home(), place.config()) as operations:
            found = await operations.diff(checkpoint_id)
        if as_json:
            write_json(found)
        else:
            _say_diff(found)

    loop.run(main())


@command.command("restore")
@click.argument("checkpoint_id", metavar="CHECKPOINT", shell_complete=checkpoint_ids)
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@json_option()
@place_options()
@pass_place
def restore(place: Place, checkpoint_id: str, yes: bool, as_json: bool) -> None:
    """Set a scope's state back to a checkpoint.

    Shows what changes and asks first; without a terminal --yes is needed. Refused while a job runs in the scope.
    """
    from headway_console.cli import loop
    from headway_console.cli.commanding import open_operations
    from headway_console.cli.output import say, write_json

    if not yes and (as_json or not sys.stdin.isatty()):
        raise click.UsageError("There is nobody to ask: give --yes.")

    async def main() -> None:
        async with open_operations(place.home(), place.config()) as operations:
            if not yes:
                _say_diff(await operations.diff(checkpoint_id))
                click.confirm(f"Restore {checkpoint_id}?", abort=True, err=True)
            done = await operations.restore(checkpoint_id)
        if as_json:
            write_json(done)
        else:
            say(f"restored {done.scope} to {checkpoint_id}")

    loop.run(main())


@command.command("fork")
@click.argument("checkpoint_id", metavar="CHECKPOINT", shell_complete=checkpoint_ids)
@click.option("--plain", is_flag=True, help="Print a line for each thing that happens; draw nothing.")
@json_option("Print the result as JSON, and nothing else, on stdout.")
@place_options()
@pass_place
def fork(place: Place, checkpoint_id: str, plain: bool, as_json: bool) -> int:
    """Run on from a checkpoint, as a new job in a scope of its own.

    What had finished there does not run again, and is refused if the run has compensated it since; the old run
    is not changed. Waits for the end, as headway run does.
    """
    from headway_console.cli import loop
    from headway_console.cli.following import reporter_for, run_job
    from headway_console.cli.runner import open_runner
    from headway_console.cli.trusting import require_trust

    reporter = reporter_for(plain=plain, as_json=as_json)
    config = place.config()
    require_trust(config, as_json=as_json)

    async def main() -> int:
        runner = await open_runner(place.home(), config)
        try:
            return await run_job(runner, runner.fork(checkpoint_id), reporter, as_json=as_json, plain=plain)
        finally:
            await runner.close()

    return loop.run(main())


def _say_saved(saved: CheckpointInfo) -> None:
    from headway_console.cli.output import say
    from headway_console.text import count

    say(f"saved {saved.checkpoint_id}: {count(saved.keys or 0, 'key')} of {saved.scope}")


def _say_diff(found: StateDiff) -> None:
    from headway_console.cli.output import say
    from headway_console.text import to_json

    if not (found.added or found.removed or found.changed):
        say(f"{found.checkpoint_id}: nothing of {found.scope} would change")
        return
    say(f"{found.checkpoint_id}: {found.scope}")
    for key, value in found.added.items():
        say(f"  + {key} = {to_json(value)}")
    for key, value in found.removed.items():
        say(f"  - {key} = {to_json(value)}")
    for key, (now, then) in found.changed.items():
        say(f"  ~ {key} = {to_json(now)} -> {to_json(then)}")
