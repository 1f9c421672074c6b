"""The table of views: one row a view.

Log caches, the operator API's snapshot, the console's sources and the playback of recordings take the views from here.
A new view is one file with its fold in this folder and one row of :data:`VIEWS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from headway.errors import InvalidInput
from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.budget import fold_budget
from headway.events.fold.inbox import fold_inbox
from headway.events.fold.jobs import fold_jobs
from headway.events.fold.limits import fold_limits
from headway.events.fold.run import fold_run
from headway.events.fold.state import fold_state
from headway.events.fold.threads import fold_threads
from headway.events.views import (
    BudgetRow,
    BudgetView,
    InboxView,
    JobRow,
    JobsView,
    LimitsView,
    RunView,
    SchedulesView,
    StateView,
    ThreadsView,
)

V = TypeVar("V", bound=msgspec.Struct)

LOG = "log"
"""The key of a view over the whole log: there is one of it."""
JOB = "job"
"""The key of a view of one job: there is one a job id."""
SCOPE = "scope"
"""The key of a view of one scope of state: there is one a scope."""


class ViewRow(msgspec.Struct, Generic[V], frozen=True):
    """One view: its ``name``, the ``type`` of it (a msgspec struct with ``last_seq``), its ``fold``.

    ``kinds`` are those that it depends on, None for all; others leave everything but ``last_seq`` as it is. ``key``
    says how many there are: :data:`LOG`, :data:`JOB` or :data:`SCOPE`. ``new`` makes an empty one for a key. ``parts``
    names the field of a view over the whole log that holds a ``part`` (a msgspec struct) by job id, each of which
    depends on the events of its job alone: caches keep those one by one.
    """

    name: str
    type: type[V]
    fold: Callable[[V, Event], None]
    kinds: frozenset[str] | None = None
    key: str = LOG
    new: Callable[[str], V] | None = None
    parts: str | None = None
    part: Any = None

    def empty(self, key: str = "") -> V:
        """Return the view of a log without events."""
        return self.new(key) if self.new is not None else self.type()

    def encode(self, view: V) -> bytes:
        """Return a view as JSON."""
        return msgspec.json.encode(view)

    def decode(self, text: bytes | str) -> V:
        """Return the view that :meth:`encode` was given, equal to it."""
        return msgspec.json.decode(text, type=self.type)


SCOPE_KINDS = frozenset({k.JOB_CREATED, k.STATE_COMMITTED, k.CHECKPOINT_RESTORED})
"""The kinds that begin something on a scope, or set its state from outside its runs."""

STATE_KINDS = (
    frozenset({k.JOB_CREATED, k.ACTION_SUCCEEDED, k.LEVEL_FINISHED, k.STATE_ROLLBACK})
    | {k.STATE_COMMITTED, k.CHECKPOINT_RESTORED}
    | k.TERMINAL_JOB
)
"""The kinds that a :class:`StateView` depends on."""

LIMIT_KINDS = (
    frozenset({k.LIMIT_CONFIGURED, k.RATE_LIMIT_WAIT, k.RATE_LIMIT_GRANT, k.RATE_LIMIT_RETURNED, k.LIMIT_REMOVED})
    | {k.COMPENSATION_FAILED, k.RUN_PAUSED}
    | k.TERMINAL_ACTION
    | k.TERMINAL_JOB
)
"""The kinds that a :class:`LimitsView` depends on."""

BUDGET_KINDS = frozenset(
    {k.JOB_CREATED, k.BUDGET_SET, k.BUDGET_RESERVED, k.BUDGET_SETTLED, k.BUDGET_WARNING, k.BUDGET_EXHAUSTED}
    | {k.STORE_PRUNED}
)
"""The kinds that a :class:`BudgetView` depends on."""

INBOX_KINDS = k.ELICITATION | k.TERMINAL_JOB | {k.JOB_CREATED, k.STORE_PRUNED}
"""The kinds that an :class:`InboxView` depends on."""


def _fold_schedules(view: SchedulesView, event: Event) -> None:
    from headway.events.fold.schedules import fold_schedules  # a program that only executes needs none

    fold_schedules(view, event)


VIEWS: dict[str, ViewRow[Any]] = {
    row.name: row
    for row in (
        ViewRow("jobs", JobsView, fold_jobs, parts="jobs", part=JobRow),
        ViewRow("limits", LimitsView, fold_limits, LIMIT_KINDS),
        ViewRow("budgets", BudgetView, fold_budget, BUDGET_KINDS, parts="budgets", part=BudgetRow),
        ViewRow("inbox", InboxView, fold_inbox, INBOX_KINDS),
        ViewRow("threads", ThreadsView, fold_threads, k.THREAD),
        ViewRow("schedules", SchedulesView, _fold_schedules, k.SCHEDULE),
        ViewRow("run", RunView, fold_run, key=JOB, new=lambda job_id: RunView(job=JobRow(job_id=job_id))),
        ViewRow("state", StateView, fold_state, STATE_KINDS, key=SCOPE, new=StateView),
    )
}
"""Every view, by name."""


def log_views() -> list[ViewRow[Any]]:
    """Return the rows of the views over the whole log, in the table's order."""
    return [row for row in VIEWS.values() if row.key == LOG]


def fold_of(view: type) -> Callable[[Any, Event], None]:
    """Return the fold of a type of view; :class:`InvalidInput` for a type that is not in the table."""
    for row in VIEWS.values():
        if row.type is view:
            return row.fold
    raise InvalidInput(f"fold takes a view, not {view.__name__}")
