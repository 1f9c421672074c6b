"""Which events a hook may be told of: kinds, and groups of them."""

from __future__ import annotations

from collections.abc import Iterable

from headway.arguments import nearest
from headway.errors import InvalidConfig, one_line
from headway.events import kinds as k

GROUPS: dict[str, frozenset[str]] = {
    "jobs": k.TERMINAL_JOB
    | {k.JOB_CREATED, k.JOB_STARTED, k.JOB_PROGRESS, k.JOB_REQUEUED}
    | {k.RUN_CANCEL_REQUESTED, k.RUN_KILLED, k.RUN_PAUSE_REQUESTED, k.RUN_PAUSED, k.RUN_RESUMED},
    "tools": k.TERMINAL_ACTION
    | {
        k.POLICY_VIOLATION,
        k.HOOK_VERDICT,
        k.ACTION_EXECUTING,
        k.ACTION_PROGRESS,
        k.ACTION_RETRYING,
        k.ACTION_DEDUPLICATED,
    }
    | {k.COMPENSATION_STARTED, k.COMPENSATION_SUCCEEDED, k.COMPENSATION_FAILED},
    "elicitations": k.ELICITATION,
    "responses": frozenset({k.THREAD_TURN_STARTED, k.THREAD_MESSAGE, k.THREAD_TURN_ENDED, k.ACTION_CHUNK}),
}
"""The groups: of jobs and of tool calls from start to end, of questions, and of what models answer."""


def kinds_of(on: Iterable[str]) -> frozenset[str]:
    """Return the kinds that ``on`` names; :class:`InvalidConfig` for a name that is none.

    What hooks themselves are told of in the log is for no hook: one that fails would be told of its failure.
    """
    found: set[str] = set()
    for name in on:
        if name in GROUPS:
            found |= GROUPS[name]
        elif name in k.ALL and name not in k.HOOK:
            found.add(name)
        else:
            near = nearest(name, [*GROUPS, *(k.ALL - k.HOOK)])
            hint = f"; did you mean '{near}'?" if near is not None else ""
            raise InvalidConfig(f"on: no event, and no group of events, is called '{one_line(name, 100)}'{hint}")
    return frozenset(found)
