"""``headway schedule ls|add|rm|run|pause|resume``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from headway_console.cli.completing import schedule_names, time_zones, workflows
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.client import OperatorClient
    from headway.client.wire import ScheduleInfo
    from headway.jobs.schedules import Schedules


@click.group("schedule")
def command() -> None:
    """List, add and steer what is started at set times.

    Those are the schedules of headway.toml, and those added here.
    """


@command.command("ls")
@json_option()
@place_options()
@pass_place
def ls(place: Place, as_json: bool) -> None:
    """List schedules, when each starts something next, here and in UTC, and what is wrong with one that is broken.

    Straight from the store and headway.toml: no daemon is needed to look. Without one, nothing is started.
    """
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.reading import writer_lives

    async def main() -> None:
        home = place.home_to_read()
        found = await _read(place)
        alive = writer_lives(home)
        if as_json:
            write_json([_json(info) for info in found])
            return
        if not found:
            say("no schedules")
            return
        _say(found)
        if not alive and any(info.status == "active" for info in found):
            note("no daemon runs here: nothing is started before headway up")

    loop.run(main())


@command.command("add")
@click.argument("name", metavar="NAME")
@click.argument("workflow", metavar="WORKFLOW", shell_complete=workflows)
@click.option("--cron", metavar="EXPRESSION", help='When: "30 7 * * mon-fri" is at 7:30 from Monday to Friday.')
@click.option("--at", metavar="TIME", help="When, once: 2026-12-24T18:00:00+01:00.")
@click.option(
    "--timezone", metavar="ZONE", default="UTC", show_default=True, shell_complete=time_zones, help="Whose time it is."
)
@click.option(
    "--missed",
    type=click.Choice(("skip", "once", "all")),
    default="skip",
    show_default=True,
    help="What becomes of times at which no daemon ran.",
)
@json_option()
@place_options()
@pass_place
def add(
    place: Place, name: str, workflow: str, cron: str | None, at: str | None, timezone: str, missed: str, as_json: bool
) -> None:
    """Start a WORKFLOW of headway.toml at set times, or once."""
    if (cron is None) == (at is None):
        raise click.UsageError("Give either --cron or --at.")

    async def ask(client: OperatorClient) -> ScheduleInfo:
        return await client.add_schedule(name, workflow, cron=cron, at=at, timezone=timezone, missed=missed)

    async def write(schedules: Schedules, by: str) -> ScheduleInfo:
        return await schedules.add(name, workflow, cron=cron, at=at, timezone=timezone, missed=missed, by=by)

    _steer(place, ask, write, as_json)


@command.command("rm")
@click.argument("name", metavar="NAME", shell_complete=schedule_names)
@json_option()
@place_options()
@pass_place
def rm(place: Place, name: str, as_json: bool) -> None:
    """Remove a schedule that was added; one of headway.toml is removed there. Jobs that it started stay."""

    async def write(schedules: Schedules, by: str) -> ScheduleInfo:
        found = await schedules.get(name)
        await schedules.remove(name, by)
        return found

    _steer(place, lambda client: client.remove_schedule(name), write, as_json, done="removed")


@command.command("run")
@click.argument("name", metavar="NAME", shell_complete=schedule_names)
@json_option()
@place_options()
@pass_place
def run(place: Place, name: str, as_json: bool) -> None:
    """Start what a schedule names now, beside its times, and print the job's id. Needs a daemon."""
    from headway.client import OperatorClient
    from headway_console.cli import loop
    from headway_console.cli.output import say, write_json
    from headway_console.cli.runner import SOURCE

    async def main() -> None:
        async with OperatorClient(place.home_to_steer(), actor=SOURCE) as client:
            job_id = await client.run_schedule(name)
        if as_json:
            write_json({"name": name, "job_id": job_id})
        else:
            say(job_id)

    loop.run(main())


@command.command("pause")
@click.argument("name", metavar="NAME", shell_complete=schedule_names)
@json_option()
@place_options()
@pass_place
def pause(place: Place, name: str, as_json: bool) -> None:
    """Start nothing for a schedule until it is resumed. What would have been started meanwhile is left out."""
    _steer(place, lambda client: client.pause_schedule(name), lambda made, by: made.pause(name, by), as_json)


@command.command("resume")
@click.argument("name", metavar="NAME", shell_complete=schedule_names)
@json_option()
@place_options()
@pass_place
def resume(place: Place, name: str, as_json: bool) -> None:
    """Follow a paused schedule again, from now on."""
    _steer(place, lambda client: client.resume_schedule(name), lambda made, by: made.resume(name, by), as_json)


def _steer(
    place: Place,
    ask: Callable[[OperatorClient], Awaitable[ScheduleInfo]],
    write: Callable[[Schedules, str], Awaitable[ScheduleInfo]],
    as_json: bool,
    done: str = "",
) -> None:
    """Ask the process that has the home for a change, or write it to the log where none has; say what came of it."""
    from headway.client import OperatorClient
    from headway.errors import NoAnswer, Unavailable
    from headway_console.cli import loop
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.runner import SOURCE

    async def change() -> ScheduleInfo:
        home = place.home_to_steer()
        try:
            async with OperatorClient(home, actor=SOURCE) as client:
                return await ask(client)
        except NoAnswer:
            raise
        except Unavailable:
            pass
        from headway.jobs.schedules import Schedules
        from headway.store import HomeLock, StoreLog

        config = place.config()
        home.prepare()
        with HomeLock(home):
            log = await StoreLog.open(home)
            try:
                schedules = Schedules(log, workflows=lambda: config.workflows)
                await schedules.declare(config)
                found = await write(schedules, SOURCE)
            finally:
                await log.close()
        note("no daemon runs here: nothing is started before headway up")
        return found

    async def main() -> None:
        found = await change()
        if as_json:
            write_json(_json(found))
        elif done:
            say(f"{found.schedule.name}: {done}")
        else:
            _say([found])

    loop.run(main())


async def _read(place: Place) -> list[ScheduleInfo]:
    """Return the schedules of the home as headway.toml has them now."""
    from headway.clock import SYSTEM_CLOCK
    from headway.events.views import ScheduleRow
    from headway.jobs.schedules import SPEC, declared, info_of
    from headway_console.cli.reading import open_store

    config = place.config()
    now = SYSTEM_CLOCK.time_ms()
    home = place.home_to_read()
    rows: dict[str, ScheduleRow] = {}
    if home.db.exists():
        async with open_store(home) as reader:
            rows = (await reader.schedules_view()).schedules
    written = {row.name: row for row in declared(config)}
    rows = {name: row for name, row in rows.items() if row.source != "config" or name in written}
    for name, row in written.items():
        known = rows.setdefault(name, row)
        if known is row:
            row.since_ms = now  # no daemon has seen it: it counts from now on
        for field in SPEC:
            setattr(known, field, getattr(row, field))
        known.source = "config"
    return [info_of(row, now, config.workflows) for row in rows.values()]


def _json(info: ScheduleInfo) -> dict[str, Any]:
    import msgspec

    from headway.clock import rfc3339

    utc = rfc3339(info.next_ms) if info.next_ms is not None else None
    return {**msgspec.to_builtins(info), "next_utc": utc, "next_local": _local(info.next_ms)}


def _local(ms: int | None) -> str | None:
    """Return ms since 1970 as the local time with its distance from UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).astimezone().isoformat() if ms is not None else None


def _say(found: list[ScheduleInfo]) -> None:
    from headway_console.cli.output import say, table, when

    rows = []
    for info in found:
        row = info.schedule
        utc = _utc(info.next_ms)
        rows.append(
            (
                row.name,
                info.status,
                f"{row.cron or row.at or '-'} {row.timezone}",
                when(info.next_ms),
                utc,
                row.workflow or row.plan or "-",
                row.last_job or "-",
            )
        )
    table(("NAME", "STATUS", "WHEN", "NEXT HERE", "NEXT UTC", "STARTS", "LAST JOB"), rows)
    for info in found:
        if problem := info.problem or info.schedule.error:
            say(f"{info.schedule.name}: {problem}")


def _utc(ms: int | None) -> str:
    from headway.clock import rfc3339

    return rfc3339(ms)[:16].replace("T", " ") if ms is not None else "-"
