"""``headway policies explain|ls``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from headway_console.cli.options import Place, json_option, pass_place, place_options

if TYPE_CHECKING:
    from headway.config import Config
    from headway.policy.exec import Decision, ExecPolicy
    from headway.policy.exec.command import Reading


@click.group("policies")
def command() -> None:
    """Say what the exec policy allows, and why."""


@command.command("explain", context_settings={"ignore_unknown_options": True})
@click.option("--tool", default="shell", show_default=True, help="The tool that runs the command.")
@click.option("--approval", "mode", help="The mode of asking; default: that of headway.toml, else on_failure.")
@click.option(
    "--sandbox/--no-sandbox", default=None, help="Whether it runs confined; default: as [tools] sandbox says."
)
@json_option()
@place_options()
@click.argument("words", nargs=-1, required=True, metavar="COMMAND…", type=click.UNPROCESSED)
@pass_place
def explain(
    place: Place, words: tuple[str, ...], tool: str, mode: str | None, sandbox: bool | None, as_json: bool
) -> None:
    """Say what the exec policy says of a command, and why.

    Nothing is run. One word is a text for the shell, several are the words of one command: put -- before them.
    The rules are those of policies/*.toml and the builtin ones.
    """
    from headway.policy.exec import ExecCall
    from headway.policy.exec.command import Unfit
    from headway.policy.exec.reading import read
    from headway_console.cli.output import write_json

    config = place.config()
    policy = _policy(config)
    text = words[0] if len(words) == 1 else shlex.join(words)
    confined = config.tools.sandbox != "off" if sandbox is None else sandbox
    folder = str(config.workspace)
    call = ExecCall(tool, {"command": text}, command=text, cwd=folder, workspace=folder, sandboxed=confined)
    decision = policy.decide(call, mode)
    try:
        reading: Reading | None = read(text)
    except Unfit:
        reading = None
    if as_json:
        write_json(_row(decision, reading, confined, mode, policy))
    else:
        _tell(decision, reading)


@command.command("ls")
@click.option("--all", "everything", is_flag=True, help="Also list the builtin rules.")
@json_option()
@place_options()
@pass_place
def ls(place: Place, everything: bool, as_json: bool) -> None:
    """List the rules of the exec policy, those of the user first."""
    from headway.policy.exec import Layer
    from headway_console.cli.output import say, table, write_json

    policy = _policy(place.config())
    rules = [(layer, rule) for layer, rule in policy.rules if everything or as_json or layer is not Layer.BUILTIN]
    if as_json:
        write_json([{"layer": layer.name.lower(), **_fields(rule)} for layer, rule in rules])
    elif rules:
        table(("LAYER", "NAME", "RULE"), [(layer.name.lower(), rule.name, rule.says()) for layer, rule in rules])
    else:
        say("there are no [[exec]] rules in policies; --all lists the builtin ones")


def _policy(config: Config) -> ExecPolicy:
    """Return the exec policy that an engine would have here. Raises ``InvalidConfig`` for files that are wrong."""
    from headway.jobs.policy_files import PolicyFiles
    from headway.policy.engine import PolicyEngine
    from headway.reload import approval_of

    policies = PolicyEngine()
    PolicyFiles(policies, config.project, config.start)
    if (approval := approval_of(config)) is not None:
        policies.exec.ask_for(approval)
    return policies.exec


def _tell(decision: Decision, reading: Reading | None) -> None:
    from headway_console.cli.output import say

    say(f"{decision.verdict.value}: {decision.reason}")
    if decision.needs_sandbox:
        again = "; outside of it only once somebody was asked" if decision.repeats_outside else ""
        say(f"  it runs in the sandbox{again}")
    if reading is not None:
        for found in reading.commands:
            say(f"  runs {found}" + (f"  ({found.void})" if found.void else ""))
        for reason in reading.unclear:
            say(f"  unclear: {reason}")
    for offer in decision.amendments:
        say(f"  a rule would allow it: tool {offer.tool}, command '{offer.command}'")


def _row(
    decision: Decision, reading: Reading | None, confined: bool, mode: str | None, policy: ExecPolicy
) -> dict[str, Any]:
    from headway.policy.exec.asking import Approval, approval_of

    approval = approval_of(mode) if mode is not None else policy.approval or Approval()
    return {
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "rule": decision.rule,
        "question": decision.question,
        "needs_sandbox": decision.needs_sandbox,
        "repeats_outside": decision.repeats_outside,
        "tier": decision.tier.value,
        "approval": approval.mode.value,
        "sandboxed": confined,
        "commands": [str(found) for found in reading.commands] if reading is not None else [],
        "unclear": list(reading.unclear) if reading is not None else [],
        "amendments": [{"tool": offer.tool, "command": offer.command} for offer in decision.amendments],
    }


def _fields(rule: Any) -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(rule)
    return fields | {"action": rule.action.value}
