"""``headway trust [PATH] | ls | rm``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options


class TrustGroup(click.Group):
    """A group whose first word may be a path: what is none of its commands goes to ``add``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``add`` in front unless a command or a question for help stands there."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["add", *args]
        return super().parse_args(ctx, args)


@click.group("trust", cls=TrustGroup, subcommand_metavar="[PATH] | ls | rm")
def command() -> None:
    """Let the code of a project be loaded.

    What its headway.toml opens to the outside is open then, too. headway trust [PATH] is short for headway trust add
    [PATH]. Tool files and callbacks run as you, without a sandbox; of a project that is not trusted none is loaded.
    headway init trusts what it makes. The list is yours alone, and knows a project by its folder's real path.
    """


@command.command("add")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--yes", "-y", is_flag=True, help="Do not ask: for scripts and CI.")
@json_option()
@place_options()
@pass_place
def add(place: Place, path: Path | None, yes: bool, as_json: bool) -> None:
    """Trust the project at PATH, by default the one that holds here.

    Shows its code and what it opens, and asks first; without a terminal --yes is needed, else the exit code is 2. A
    folder or file that somebody else could have written is refused.
    """
    from headway.config import FILE_NAME, load_config
    from headway.trust import TrustedProjects, check_path
    from headway_console.cli.output import say, write_json
    from headway_console.cli.trusting import can_ask, project_at, say_code

    project = check_path(project_at(place, path))
    file = place.config_path if path is None and place.config_path is not None else project / FILE_NAME
    config = load_config(project, file=file if file.exists() else None)
    for code in config.code:
        check_path(code)
    trusted = TrustedProjects()
    if not yes and not trusted.holds(project):
        if as_json or not can_ask():
            raise click.UsageError("There is nobody to ask: give --yes.")
        say_code(config)
        click.confirm(f"headway: trust {project}?", abort=True, err=True)
    added = trusted.add(project)
    if as_json:
        files = [str(code) for code in config.code]
        write_json({"path": str(project), "added": added, "code": files, "opens": config.opens})
    else:
        say(f"{project} is {'now' if added else 'already'} trusted")


@command.command("ls")
@json_option()
def ls(as_json: bool) -> None:
    """List the trusted projects."""
    from headway.trust import TrustedProjects
    from headway_console.cli.output import say, table, when, write_json

    projects = TrustedProjects().all()
    if as_json:
        write_json({"projects": [_row(project) for project in projects]})
    elif projects:
        rows = [(when(one.added_ms), "" if one.path.is_dir() else "gone", one.path) for one in projects]
        table(("SINCE", "NOTE", "PROJECT"), rows)
    else:
        say("no project is trusted")


@command.command("rm")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@json_option()
@place_options()
@pass_place
def rm(place: Place, path: Path | None, as_json: bool) -> None:
    """Trust the project at PATH no longer, by default the one that holds here.

    A daemon that has loaded its code keeps it until it stops. Exit code 2 if the project was not trusted.
    """
    from headway.trust import TrustedProjects
    from headway_console.cli.output import say, write_json
    from headway_console.cli.trusting import project_at

    # What is no longer there is removed as it is written.
    gone = path is not None and not path.exists()
    project = path.absolute() if gone and path is not None else project_at(place, path)
    TrustedProjects().remove(project)
    if as_json:
        write_json({"path": str(project), "removed": True})
    else:
        say(f"{project} is no longer trusted")


def _row(project: Any) -> dict[str, Any]:
    return {"path": str(project.path), "added_ms": project.added_ms, "exists": project.path.is_dir()}
