"""What a fork runs again, and what that may cost: told before anybody confirms it."""

from __future__ import annotations

from collections import Counter

import msgspec

from headway.events.checkpoint import RERUN
from headway.events.views import ActionView, RunView
from headway.plan.results import ActionStatus, tokens_of
from headway_console.text import amount, clean, count
from headway_console.widgets.painted import Line

_NAMED = 6
_TOOL = "tool_call"


class Rerun(msgspec.Struct):
    """The actions that a fork runs, and what they used in the run that it is forked from.

    ``calls`` counts the attempts of tool calls there, ``tokens`` and ``usd_micros`` what they recorded, None if nothing
    did; ``unknown`` the tool calls of which there is no record, because they never ran.
    """

    actions: list[ActionView]
    tools: dict[str, int] = {}
    calls: int = 0
    tokens: int | None = None
    usd_micros: int | None = None
    unknown: int = 0


def is_kept(action: ActionView, seq: int) -> bool:
    """Return whether a fork from just after event ``seq`` takes over an action's result.

    The rule is that of :func:`headway.events.checkpoint.kept_results`: what had succeeded by then and stands, and what
    was skipped by its own ``failure_behavior``.
    """
    if not action.done or (action.finished_seq is not None and action.finished_seq > seq):
        return False
    if action.status is ActionStatus.SUCCEEDED:
        return not (action.rolled_back or action.compensated)
    return action.status is ActionStatus.SKIPPED and action.error_code not in RERUN


def rerun(run: RunView, seq: int) -> Rerun:
    """Return what a fork of ``run`` from just after event ``seq`` runs."""
    found = Rerun([action for action in run.actions if not is_kept(action, seq)])
    calls = [action for action in found.actions if action.type == _TOOL]
    found.tools = dict(Counter(action.tool or "" for action in calls).most_common())
    for action in calls:
        if not action.attempt:
            found.unknown += 1
            continue
        found.calls += action.attempt
        if action.usage:
            found.tokens = (found.tokens or 0) + tokens_of(action.usage)
        if action.cost is not None:
            found.usd_micros = (found.usd_micros or 0) + action.cost
    return found


def rerun_lines(found: Rerun) -> list[Line]:
    """Return that in lines."""
    number = len(found.actions)
    if not number:
        return [[("No action runs again: everything in the plan was done there.", "")]]
    calls = sum(found.tools.values())
    verb = "runs" if number == 1 else "run"
    lines: list[Line] = [
        [(f"{count(number, 'action')} {verb} again, {count(calls, 'real tool call')} among them.", "waiting")]
    ]
    if calls:
        names = [f"{clean(tool)} {times}x" for tool, times in list(found.tools.items())[:_NAMED]]
        more = f" and {len(found.tools) - _NAMED} more" if len(found.tools) > _NAMED else ""
        lines.append([("tools     ", "dim"), (", ".join(names) + more, "")])
    first = [clean(action.id) for action in found.actions[:_NAMED]]
    more = f" and {number - _NAMED} more" if number > _NAMED else ""
    lines.append([("actions   ", "dim"), (", ".join(first) + more, "")])
    if calls:
        lines.append([("may cost  ", "dim"), (_cost(found), "")])
    return lines


def _cost(found: Rerun) -> str:
    """Return what they used last time, and of how many that is not known."""
    parts = []
    if found.calls:
        used = [count(found.calls, "call")]
        used.append(f"{found.tokens:,} tokens" if found.tokens is not None else "tokens not recorded")
        used.append(_dollars(found.usd_micros) if found.usd_micros is not None else "money not recorded")
        parts.append("last time " + ", ".join(used))
    if found.unknown:
        verb = "has" if found.unknown == 1 else "have"
        parts.append(f"{found.unknown} never ran, so {verb} no known cost")
    return "; ".join(parts)


def _dollars(micros: int) -> str:
    return amount("usd_micros", micros) if micros >= 10_000 or not micros else f"${micros / 1e6:.4f}"
