"""``headway verify PLAN``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway_console.cli import exits
from headway_console.cli.completing import plans
from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.plan.verify import VerifyReport


@click.command("verify")
@click.argument("plan", shell_complete=plans)
@json_option()
@place_options()
@pass_place
def command(place: Place, plan: str, as_json: bool) -> int:
    """Check a plan without running it.

    PLAN is a JSON file, - for stdin, or the name of a workflow of headway.toml. The state is taken to be empty; tools
    are the built-in ones and, if the project is trusted, those of headway.toml, for which the MCP servers that the plan
    needs are started; if it is not, those that the home knows of its last run, by their schemas. What is left out is
    told, nobody is asked. Policies are asked when a plan runs; that their files can be read is checked now. Exit code 2
    if the plan is not valid.
    """
    import msgspec

    from headway.plan.verify import verify
    from headway.provision import vault_of
    from headway_console.cli.output import note, say, write_json
    from headway_console.cli.plans import folder_of, read_text
    from headway_console.cli.policies import check_policies
    from headway_console.cli.tools import known_tools, load_mcp, load_tools
    from headway_console.cli.trusting import left_out
    from headway_console.text import count

    config = place.config(also=folder_of(plan))
    written = read_text(plan, config)
    proposal = written.parse(config)
    check_policies(config)
    secrets = vault_of(config)
    secrets.learn(immediate=True)
    tools = load_tools(config)
    known = known_tools(config, tools, place.home_to_look())
    startup = load_mcp(config, [action.tool for action in proposal.actions if action.tool], tools, secrets)
    for failure in startup.failed if startup is not None else ():
        note(f"MCP server '{failure.server_name}' {failure.error}: its tools are not known here")
    report = _without_grant(verify(proposal, tools=tools, secrets=secrets)).shortened()
    missing = left_out(config)
    if as_json:
        write_json({**msgspec.to_builtins(report), "left_out": [str(path) for path in missing], "known": known})
    else:
        for issue in report.issues:
            note(f"{issue.severity}: {written.action(issue.action_id)}: {exits.issue_line(issue)}")
        if report.valid:
            size = f"{count(len(proposal.actions), 'action')} in {count(len(report.levels), 'level')}"
            say(f"{plan}: valid: {size}")
            for number, level in enumerate(report.levels):
                say(f"  level {number}: {', '.join(level)}")
        for path in missing:
            say(f"left out: {path}: {config.project} is not trusted (headway trust)")
        if known:
            say(f"known by the schemas of their last run: {', '.join(known)}")
        elif missing:
            say("the tools of this project are not known here")
    return exits.COMPLETED if report.valid else exits.BAD_INPUT


def _without_grant(report: VerifyReport) -> VerifyReport:
    """Return the report as a run will have it: nobody grants anything to plans from a command line."""
    for issue in report.issues:
        if issue.check == "permission":
            issue.severity, report.valid = "error", False
    return report
