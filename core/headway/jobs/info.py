"""What the engine answers about jobs and checkpoints where no view says it already."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.events.views import BudgetView, JobsView, LimitsView, RunView


class Snapshot(msgspec.Struct):
    """The views as of ``seq``; ``run`` when a job was asked for."""

    seq: int
    jobs: JobsView
    limits: LimitsView
    budgets: BudgetView
    run: RunView | None = None


class CheckpointInfo(msgspec.Struct):
    """A place to go back to: ``JOBID@L2`` (kind level) after level index 2, ``ckpt_…`` (manual, file) where saved.

    ``seq`` is the event after which the state was so, ``keys`` how many keys it has; ``done`` of ``total`` actions of
    the job were finished.
    """

    checkpoint_id: str
    kind: str
    scope: str
    job_id: str | None = None
    level: int | None = None
    name: str | None = None
    seq: int = 0
    created_ms: int = 0
    keys: int = 0
    done: int = 0
    total: int = 0


class StateDiff(msgspec.Struct):
    """What a restore changes in a scope's state: keys it adds, keys it removes, keys it changes (``[now, then]``)."""

    checkpoint_id: str
    scope: str
    added: dict[str, Any] = {}
    removed: dict[str, Any] = {}
    changed: dict[str, list[Any]] = {}
