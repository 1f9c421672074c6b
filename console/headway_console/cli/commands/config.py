"""``headway config path|check|schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.errors import InvalidConfig
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.config import Config


@click.group("config")
def command() -> None:
    """Say what is configured, and where."""


@command.command("path")
@json_option()
@place_options()
@pass_place
def path(place: Place, as_json: bool) -> None:
    """Print the path of the headway.toml that holds here.

    Exit code 2 if there is none: then the defaults hold.
    """
    from headway_console.cli.output import say, write_json

    file = place.config().file
    if as_json:
        write_json({"path": str(file) if file else None})
    elif file:
        say(str(file))
    if file is None:
        raise InvalidConfig("there is no headway.toml here or above: the defaults hold")


@command.command("check")
@click.option("--all", "everything", is_flag=True, help="Also list what is at its default.")
@json_option()
@place_options()
@pass_place
def check(place: Place, everything: bool, as_json: bool) -> None:
    """Check the configuration and print where each value came from.

    Tool and policy files are loaded and plans of workflows are parsed, so that what is wrong shows now. Tool files of a
    project that is not trusted are left out. Exit code 2 if anything is wrong.
    """
    from headway_console.cli.output import say, table, write_json
    from headway_console.cli.trusting import left_out

    config = place.config()
    _refuse_broken(config)
    values = [value for value in config.values() if everything or as_json or value.source.kind != "default"]
    if as_json:
        write_json(
            {
                "path": str(config.file) if config.file else None,
                "values": [_row(value) for value in values],
                "left_out": [str(path) for path in left_out(config)],
            }
        )
        return
    say(f"{config.file or 'no headway.toml'}: ok")
    for path in left_out(config):
        say(f"left out: {path}: {config.project} is not trusted (headway trust)")
    if values:
        table(("KEY", "VALUE", "FROM"), [(value.key, _text(value.value), value.source) for value in values])


@command.command("schema")
@json_option("Print JSON; it always is.")
def schema(as_json: bool) -> None:
    """Print the JSON Schema of headway.toml, for editors."""
    from headway.config import json_schema
    from headway_console.cli.output import write_json

    write_json(json_schema())


def _refuse_broken(config: Config) -> None:
    """Raise :class:`InvalidConfig` for tool and policy files that do not load and plans that do not parse."""
    from headway.errors import InvalidPlan, UnsafeFile
    from headway.plan.workflow import read_workflow
    from headway_console.cli.plans import PlanText
    from headway_console.cli.policies import check_policies
    from headway_console.cli.tools import load_tools

    issues = []
    for look in (load_tools, check_policies):
        try:
            look(config)
        except InvalidConfig as error:
            issues.append(error.message)
    for name, workflow in config.workflows.items():
        try:
            PlanText(str(workflow.plan), read_workflow(workflow.plan)).parse(config)
        except (InvalidPlan, UnsafeFile) as error:
            issues.append(f"{config.source(f'workflows.{name}.plan')}: workflows.{name}.plan: {error.message}")
    if config.schedules:
        from headway.jobs.schedules import broken_keys

        issues += [f"{config.source(key)}: {key}: {problem}" for key, problem in broken_keys(config)]
    if issues:
        raise InvalidConfig(issues[0], issues=issues)


def _row(value: Any) -> dict[str, Any]:
    return {"key": value.key, "value": value.value, "source": value.source.kind, "where": value.source.where}


def _text(value: Any) -> str:
    import msgspec

    return "-" if value is None else msgspec.json.encode(value).decode()
