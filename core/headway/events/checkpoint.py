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

from headway.events.views import RunView
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


VERSION = 2
"""Of the layout of :class:`Checkpoint`; version 1 is read too."""


class Checkpoint(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The state of a scope at one moment and, where a run was part of it, what it takes to continue that.

    ``version`` is that of this layout. ``state`` is the state as committed, without what an abort is undoing.
    ``results`` hold the settled actions of the job ``job_id``, ``graph`` and ``proposal`` its plan, ``committed`` the
    levels whose changes are in the state, ``spent`` its budget, ``session`` the policy session that it ran under,
    ``policies`` the file policies of its start (all empty without a job). ``kind`` is manual, or level for the end of a
    ``level``; ``seq`` is the place in the log, ``created_ms`` wall time. ``tools``, ``buckets`` and ``cache_keys`` say
    what there was besides, to be compared: restoring does not touch them.
    """

    version: int
    checkpoint_id: str
    created_ms: int
    state: dict[str, Any]
    tools: list[str] = []
    job_id: str | None = None
    proposal: dict[str, Any] = {}
    graph: dict[str, Any] = {}
    results: list[ActionResult] = []
    committed: list[int] = []
    spent: dict[str, int] = {}
    session: str | None = None
    buckets: list[dict[str, Any]] = []
    cache_keys: list[str] = []
    metadata: dict[str, Any] = {}
    scope: str = ""
    seq: int = 0
    kind: str = "manual"
    level: int | None = None
    name: str | None = None
    policies: dict[str, Any] | None = None

    @property
    def info(self) -> CheckpointInfo:
        """The facts of it that a list shows."""
        return CheckpointInfo(
            self.checkpoint_id,
            self.kind,
            self.scope,
            self.seq,
            self.created_ms,
            self.job_id,
            self.level,
            self.name,
            len(self.state),
            sum(result.status is ActionStatus.SUCCEEDED for result in self.results),
            len(self.graph.get("actions", ())),
        )

    def remaining(self) -> list[str]:
        """Return the ids of the actions that a run which continues from here runs."""
        kept = {result.action_id for result in kept_results(self.results)}
        return [action["id"] for action in self.graph.get("actions", ()) if action["id"] not in kept]


RuntimeCheckpoint = Checkpoint
"""CAR's name."""


class _Stored1(msgspec.Struct):
    """A row of a store as version 1 wrote it; ``pending`` are changes of the level that had not finished."""

    info: CheckpointInfo
    state: dict[str, Any]
    results: list[ActionResult] = []
    proposal: dict[str, Any] = {}
    graph: dict[str, Any] = {}
    pending: dict[str, Any] = {}
    spent: dict[str, int] = {}
    buckets: list[dict[str, Any]] = []

    def upgraded(self) -> Checkpoint:
        """Return it in the present layout. Levels finish in order, so changes can be pending for the last one only."""
        settled = {result.action_id for result in self.results}
        ids = [action["id"] for action in self.graph.get("actions", ())]
        levels = [n for n, level in enumerate(self.graph.get("levels", ())) if any(ids[i] in settled for i in level)]
        info = self.info
        return Checkpoint(
            1,
            info.checkpoint_id,
            info.created_ms,
            self.state,
            job_id=info.job_id,
            proposal=self.proposal,
            graph=self.graph,
            results=self.results,
            committed=levels[:-1] if self.pending else levels,
            spent=self.spent,
            buckets=self.buckets,
            scope=info.scope,
            seq=info.seq,
            kind=info.kind,
            level=info.level,
            name=info.name,
        )


def decode_checkpoint(body: bytes | str) -> Checkpoint:
    """Return the checkpoint that a store keeps as ``body``; :class:`msgspec.DecodeError` for anything else."""
    try:
        return msgspec.json.decode(body, type=Checkpoint)
    except msgspec.ValidationError:
        return msgspec.json.decode(body, type=_Stored1).upgraded()


class StateDiff(msgspec.Struct):
    """The changes that a restore would make: keys that come back, keys that go, and values ``[now, then]``."""

    checkpoint_id: str
    scope: str
    added: dict[str, Any]
    removed: dict[str, Any]
    changed: dict[str, list[Any]]

    @property
    def empty(self) -> bool:
        """True if the state is the checkpoint's already."""
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
        checkpoint.checkpoint_id,
        checkpoint.scope,
        added={key: then[key] for key in then if key not in now},
        removed={key: now[key] for key in now if key not in then},
        changed={key: [now[key], then[key]] for key in then if key in now and not equal(now[key], then[key])},
    )


def kept_results(results: Sequence[ActionResult]) -> list[ActionResult]:
    """Return the results that a fork takes over; the other actions run in the fork.

    Kept is what succeeded and was neither rolled back nor compensated (an abort does that first), and what was skipped
    by its own ``failure_behavior: skip``. Their ``state_changes`` are left out: the state of the fork has them.
    """
    return [
        msgspec.structs.replace(result, state_changes={})
        for result in results
        if (result.status is ActionStatus.SUCCEEDED and not (result.rolled_back or result.compensated))
        or (result.status is ActionStatus.SKIPPED and result.error_code not in RERUN)
    ]
