"""Checkpoints: points of a scope's history to go back to, or to fork on from.

The end of each level is one, by itself: a name for the ``seq`` of its ``level_finished``, rebuilt from the log. A
manual one holds its state and results. Restoring sets a scope's state; forking makes a new job in a new scope. Either
way the old run is never changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headway.events.views import BucketView, RunView
from headway.plan.checks import equal
from headway.plan.results import ActionResult, ActionStatus, ErrorCode

_LEVEL_ID = re.compile(r"(?P<job>[^@]+)@L(?P<level>\d{1,9})")

RERUN = frozenset(
    {
        ErrorCode.CANCELED,
        ErrorCode.KILLED,
        ErrorCode.ABORTED,
        ErrorCode.INTERRUPTED,
        ErrorCode.BUDGET_EXHAUSTED,
        ErrorCode.DEPENDENCY,
    }
)
"""Errors of skipped actions that a fork does not take over: it runs these actions."""


class CheckpointInfo(msgspec.Struct):
    """A checkpoint as a list shows it.

    ``kind`` is level or manual; ``done`` of ``total`` actions had succeeded. ``keys`` are those of the state, None for
    the end of a level: its state is made from the log only when it is asked for.
    """

    checkpoint_id: str
    kind: str
    scope: str
    seq: int
    created_ms: int
    job_id: str | None = None
    level: int | None = None
    name: str | None = None
    keys: int | None = None
    done: int = 0
    total: int = 0


VERSION = 1
"""Of the layout of :class:`Checkpoint`."""


class Checkpoint(msgspec.Struct):
    """A checkpoint, whole: the state of the scope and, for a job's, what it takes to go on.

    ``results`` are those there were, ``proposal`` and ``graph`` the plan, ``pending`` the state changes of finished
    actions whose level had not finished, ``spent`` what was spent of the budget. ``buckets`` are the token buckets as
    they were, to look at: going on does not touch them.
    """

    info: CheckpointInfo
    state: dict[str, Any]
    results: list[ActionResult] = []
    version: int = VERSION
    proposal: dict[str, Any] = {}
    graph: dict[str, Any] = {}
    pending: dict[str, Any] = {}
    spent: dict[str, int] = {}
    buckets: list[BucketView] = []


class StateDiff(msgspec.Struct):
    """What a restore would change: keys that come back, keys that go, and values ``[now, then]``."""

    checkpoint_id: str
    scope: str
    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, list[Any]]

    @property
    def empty(self) -> bool:
        """Whether the state is the checkpoint's already."""
        return not (self.added or self.removed or self.changed)


def level_id(job_id: str, level: int) -> str:
    """Return the id of the checkpoint at the end of a job's level."""
    return f"{job_id}@L{level}"


def parse_level_id(checkpoint_id: str) -> tuple[str, int] | None:
    """Return (job id, level) of a level-end checkpoint's id, or None for another id."""
    match = _LEVEL_ID.fullmatch(checkpoint_id)
    return (match["job"], int(match["level"])) if match else None


def level_checkpoints(run: RunView) -> list[CheckpointInfo]:
    """Return the level-end checkpoints of a run, oldest first."""
    infos = []
    done = 0
    for level in run.levels:
        if level.finished_seq is None or level.finished_ms is None:
            continue
        done += sum(run.actions[i].status is ActionStatus.SUCCEEDED for i in level.actions)
        infos.append(
            CheckpointInfo(
                level_id(run.job.job_id, level.index),
                "level",
                run.job.scope,
                level.finished_seq,
                level.finished_ms,
                run.job.job_id,
                level.index,
                done=done,
                total=len(run.actions),
            )
        )
    return infos


def diff_states(checkpoint: Checkpoint, now: Mapping[str, Any]) -> StateDiff:
    """Return what restoring ``checkpoint`` would change in the state ``now``."""
    then = checkpoint.state
    return StateDiff(
        checkpoint.info.checkpoint_id,
        checkpoint.info.scope,
        added={key: then[key] for key in then if key not in now},
        removed={key: now[key] for key in now if key not in then},
        changed={key: [now[key], then[key]] for key in then if key in now and not equal(now[key], then[key])},
    )


def kept_results(results: Sequence[ActionResult]) -> list[ActionResult]:
    """Return the results that a fork takes over; the other actions run in the fork.

    Kept is what succeeded and was neither rolled back nor compensated (an abort does that first), and what was skipped
    by its own ``failure_behavior: skip``. Their ``state_changes`` are left out: the state that goes on has them (see
    :func:`uncommitted`).
    """
    return [
        msgspec.structs.replace(result, state_changes={})
        for result in results
        if (result.status is ActionStatus.SUCCEEDED and not (result.rolled_back or result.compensated))
        or (result.status is ActionStatus.SKIPPED and result.error_code not in RERUN)
    ]


def uncommitted(run: RunView) -> dict[str, Any]:
    """Return the state changes of a run's finished actions whose level has not finished, as one set of changes."""
    changes: dict[str, Any] = {}
    for level in run.levels:
        if level.finished_seq is None:
            for action in (run.actions[i] for i in level.actions):
                if action.status is ActionStatus.SUCCEEDED and not action.rolled_back:
                    changes.update(action.state_changes)
    return changes
