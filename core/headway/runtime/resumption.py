"""What a run needs to know to go on after its process ended: what was settled, committed, tried and cut off."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from headway.events.views import ActionView, RunView
from headway.plan.result import ActionResult


class Resumption(msgspec.Struct, frozen=True):
    """The past of a run.

    ``results`` are those settled before, by index; ``own`` the indices of those that this run settled itself (a
    fork's took over others), in order. ``committed`` are the levels whose state changes are in the state, ``before``
    the changes that would undo them. ``attempts`` counts the attempts of actions that are not settled; those in
    ``cut_off`` were in flight when the process ended.
    """

    results: list[ActionResult | None]
    own: list[int]
    committed: frozenset[int]
    before: dict[str, dict[str, Any]]
    attempts: dict[int, int]
    cut_off: list[int]


def resumption_of(run: RunView, at_start: Mapping[str, Any], taken_over: Collection[str] = ()) -> Resumption:
    """Return the past of a run from its view.

    ``at_start`` is its scope's state when the job was created, ``taken_over`` the ids of actions whose results a fork
    brought along.
    """

    def order(action: ActionView) -> tuple[int, int, int]:
        return action.level, action.finished_ms or 0, action.index

    results = run.result().results
    undone = any(action.rolled_back for action in run.actions)
    return Resumption(
        results=[results[a.index] if a.done else None for a in run.actions],
        own=[a.index for a in sorted(run.actions, key=order) if a.done and a.id not in taken_over],
        committed=frozenset(level.index for level in run.levels if level.finished_seq is not None),
        before={}
        if undone
        else {key: {"op": "set", "value": at_start[key]} if key in at_start else {"op": "delete"} for key in run.state},
        attempts={a.index: a.attempt for a in run.actions if not a.done and a.attempt},
        cut_off=[a.index for a in run.actions if not a.done and a.attempt and a.waiting_for != "retry"],
    )
