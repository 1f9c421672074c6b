"""What a run needs to know to go on after its process ended: what was settled, committed, tried and cut off."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from headway.events.views import ActionView, RunView
from headway.plan.checks import equal
from headway.plan.graph import Node, Plan
from headway.plan.result import ActionResult, ActionStatus, ErrorCode


class Resumption(msgspec.Struct, frozen=True):
    """The past of a run.

    ``results`` are those settled before, by index; ``own`` the indices of those that this run settled itself (a
    fork's took over others), in order. ``committed`` are the levels whose state changes are in the state, ``before``
    the changes that would undo them. ``attempts`` counts the attempts of actions that are not settled; those in
    ``cut_off`` were in flight when the process ended, those in ``retrying`` waited for the next attempt after the
    error that stands there, with its code and the seconds used so far. Actions in ``undoing`` were being compensated;
    what was compensated, or failed to be, the results say. ``cancel_reason`` and ``kill_reason`` are those of requests
    that came after the abort: it is brought to its end all the same, though after a kill nothing more is compensated.
    """

    results: list[ActionResult | None]
    own: list[int]
    committed: frozenset[int]
    before: dict[str, dict[str, Any]]
    attempts: dict[int, int]
    cut_off: list[int]
    retrying: dict[int, tuple[str, ErrorCode | None, float]] = {}
    undoing: frozenset[int] = frozenset()
    cancel_reason: str | None = None
    kill_reason: str | None = None

    def aborting(self, plan: Plan) -> Iterator[tuple[Node, ActionResult]]:
        """Yield what failed in a way that aborts the run, in order: the first of them did."""
        exhausted = None  # the level that a budget stopped: what fails beside that aborts nothing
        for i in self.own:
            node, result = plan.nodes[i], self.results[i]
            assert result is not None
            if result.error_code is ErrorCode.BUDGET_EXHAUSTED:
                exhausted = node.level
            elif result.status in (ActionStatus.FAILED, ActionStatus.REJECTED) and node.level != exhausted:
                yield node, result


def resumption_of(run: RunView, at_start: Mapping[str, Any], taken_over: Collection[str] = ()) -> Resumption:
    """Return the past of a run from its view.

    ``at_start`` is its scope's state when the job was created, ``taken_over`` the ids of actions whose results a fork
    brought along.
    """

    def order(action: ActionView) -> tuple[int, int, int, int]:
        # A snapshot of an older version has no seq: what it holds was settled before all that has one.
        return action.finished_seq or 0, action.level, action.finished_ms or 0, action.index

    results = run.result().results
    tried = [a for a in run.actions if not a.done and a.attempt]
    return Resumption(
        results=[results[a.index] if a.done else None for a in run.actions],
        own=[a.index for a in sorted(run.actions, key=order) if a.done and a.id not in taken_over],
        committed=frozenset(level.index for level in run.levels if level.finished_seq is not None),
        before=_before(run, at_start),
        attempts={a.index: a.attempt for a in tried},
        cut_off=[a.index for a in tried if a.status is ActionStatus.EXECUTING],
        retrying={
            a.index: (a.error or "", a.error_code, (a.duration_ms or 0.0) / 1000)
            for a in tried
            if a.status is not ActionStatus.EXECUTING
        },
        undoing=frozenset(a.index for a in run.actions if a.compensating),
    )


def _before(run: RunView, at_start: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the changes that undo what the run's finished levels changed.

    A roll-back takes one event a key where the old values are large, so a process may die in the middle of it: what is
    as it was is left alone then.
    """
    begun = any(action.rolled_back for action in run.actions)
    return {
        key: {"op": "set", "value": at_start[key]} if key in at_start else {"op": "delete"}
        for key, value in run.state.items()
        if not (begun and key in at_start and equal(value, at_start[key]))
    }
