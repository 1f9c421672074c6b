"""``headway doctor``."""

from __future__ import annotations

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options


@click.command("doctor")
@json_option()
@place_options()
@pass_place
def command(place: Place, as_json: bool) -> int:
    """Look whether all is well here: versions, terminal, project, home, daemon, sandbox.

    A line for each: ok, warn or fail, and what to do. Nothing is started or changed, and no code of the project is
    loaded. Exit code 1 if something fails.
    """
    from headway_console.cli import exits, loop
    from headway_console.cli.doctor.checks import examine
    from headway_console.cli.output import say, write_json

    findings = loop.run(examine(place))
    failed = any(finding.status == "fail" for finding in findings)
    if as_json:
        write_json({"ok": not failed, "checks": findings})
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            say(f"{finding.status:4}  {finding.name:{width}}  {finding.text}")
            if finding.remedy:
                say(f"{'':4}  {'':{width}}  {finding.remedy}")
    return exits.FAILED if failed else exits.COMPLETED
