"""The past of a run that resumes after its process ended: what was settled, committed, tried and cut off."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from headway.events.event import Event
from headway.events.views import ActionView, RunView
from headway.execution import stop as stops
from headway.execution.stop import Stop
from headway.plan.checks import equal
from headway.plan.results import ActionResult, ActionStatus, ErrorCode

CUT_OFF = stops.interrupted("the process ended during the call").here


if TYPE_CHECKING:
    from headway.execution.run import Run

RESTART = "restart"
RESUME = "resume"
"""Why a run has a past: its process ended, or it was paused."""


class Tried(NamedTuple):
    """The attempts that were made of an action that is not settled, and how the last one ended.

    ``code`` is INTERRUPTED where the end of the process cut it off; else the action waited for its next attempt.
    """

    attempts: int
    error: str
    code: ErrorCode
    seconds: float

    @property
    def cut_off(self) -> bool:
        """True if the process ended during the call: nobody knows if it took effect."""
        return self.code is ErrorCode.INTERRUPTED


class Stopped(NamedTuple):
    """The stop of a run that came before a restart: in which level, by the event of which seq."""

    level: int
    seq: int
    stop: Stop


class Resumption(msgspec.Struct, frozen=True):
    """The past of a run.

    ``results`` are those settled before, by index; ``own`` the indices of those that this run settled itself (a
    fork's took over others), in order. ``committed`` are the levels whose state changes are in the state, ``before``
    the changes that would undo them. ``tried`` are the actions that are not settled and had an attempt, by index.
    Actions in ``undoing`` were being compensated; what was compensated, or failed to be, the results say. ``stopped``
    is the abort or the end of the budget that had come. ``cancel_reason`` and ``kill_reason`` are those of requests
    that came after an abort: it is brought to its end all the same, though after a kill nothing more is compensated.
    ``edited`` are the parameters that people gave to actions, by index. ``why`` is the reason that it was cut off: a
    restart, or a pause that is over. ``unsettled`` says that calls which the end of the process cut off had reserved of
    the budget: that is spent.
    """

    results: list[ActionResult | None]
    own: list[int]
    committed: frozenset[int]
    before: dict[str, dict[str, Any]]
    tried: dict[int, Tried]
    undoing: frozenset[int] = frozenset()
    stopped: Stopped | None = None
    cancel_reason: str | None = None
    kill_reason: str | None = None
    unsettled: bool = False
    edited: dict[int, dict[str, Any]] = {}
    why: str = RESTART


def resumption_of(
    run: RunView, at_start: Mapping[str, Any], taken_over: Collection[str] = (), exhausted: Event | None = None
) -> Resumption:
    """Return the past of a run from its view.

    ``at_start`` is its scope's state when the job was created, ``taken_over`` the ids of actions whose results a fork
    brought along, ``exhausted`` the event that says that the budget was at its end.
    """

    def order(action: ActionView) -> tuple[int, int, int, int]:
        # A snapshot of an older version has no seq: what it holds was settled before all that has one.
        return action.finished_seq or 0, action.level, action.finished_ms or 0, action.index

    results = run.result().results
    own = [action for action in sorted(run.actions, key=order) if action.done and action.id not in taken_over]
    return Resumption(
        results=[results[a.index] if a.done else None for a in run.actions],
        own=[action.index for action in own],
        committed=frozenset(level.index for level in run.levels if level.finished_seq is not None),
        before=_before(run, at_start),
        tried={a.index: _tried(a) for a in run.actions if not a.done and a.attempt},
        undoing=frozenset(a.index for a in run.actions if a.compensating),
        stopped=_stopped(own, exhausted),
        edited={a.index: a.edited for a in run.actions if a.edited is not None},
    )


def so_far(run: Run, why: str) -> Resumption:
    """Return the past of the run that continues ``run``, which was set aside."""
    return Resumption(
        results=list(run.results),
        own=list(run.own),
        committed=frozenset(run.committed),
        before=dict(run.before),
        tried={i: tried for i, tried in run.tried.items() if run.results[i] is None},
        edited=dict(run.edited),
        why=why,
    )


def _stopped(own: Iterable[ActionView], exhausted: Event | None) -> Stopped | None:
    """Return the first cause to stop: what fails beside a budget's end aborts nothing."""
    failed = next((a for a in own if a.status in (ActionStatus.FAILED, ActionStatus.REJECTED)), None)
    aborted = None
    if failed is not None:
        aborted = Stopped(failed.level, failed.finished_seq or 0, stops.aborted(failed.id, failed.error))
    if exhausted is None or (aborted is not None and aborted.seq < exhausted.seq):
        return aborted
    stop = stops.exhausted(exhausted.data["dimension"], exhausted.data["limit"])
    return Stopped(exhausted.level or 0, exhausted.seq, stop)


def _tried(action: ActionView) -> Tried:
    if action.status is ActionStatus.EXECUTING:
        return Tried(action.attempt, CUT_OFF, ErrorCode.INTERRUPTED, 0.0)
    code = action.error_code or ErrorCode.TOOL_ERROR
    return Tried(action.attempt, action.error or "", code, (action.duration_ms or 0.0) / 1000)


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
