"""Every view as of one seq, and the one loop that folds them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.fold.table import VIEWS, log_views
from headway.events.views import BudgetView, InboxView, JobsView, LimitsView, RunView, SchedulesView, ThreadsView

FINISHED = 8
"""The number of finished runs that :meth:`Snapshot.fold` keeps whole, besides those that are not finished."""


class Snapshot:
    """The views of the table as of ``seq``: those over the whole log by name, and some ``runs`` by job id.

    Who starts from one forgets what it knew, and folds what follows; the views belong to the receiver. ``events`` are
    the newest up to ``seq``, oldest first, to be listed, and ``older`` counts those before them. ``complete`` is False
    while lists lack what a store that lost its caches has yet to fold.
    """

    __slots__ = ("complete", "events", "older", "runs", "seq", "views")

    def __init__(
        self,
        seq: int = 0,
        *,
        runs: dict[str, RunView] | None = None,
        events: list[Event] | None = None,
        older: int = 0,
        complete: bool = True,
        **views: Any,
    ) -> None:
        self.seq = seq
        self.views: dict[str, Any] = {row.name: views.pop(row.name, None) or row.empty() for row in log_views()}
        if views:
            raise TypeError(f"there is no view {', '.join(views)}")
        self.runs = runs if runs is not None else {}
        self.events = events if events is not None else []
        self.older = older
        self.complete = complete

    @property
    def jobs(self) -> JobsView:
        """All jobs."""
        return cast(JobsView, self.views["jobs"])

    @property
    def limits(self) -> LimitsView:
        """Every token bucket."""
        return cast(LimitsView, self.views["limits"])

    @property
    def budgets(self) -> BudgetView:
        """Every budget."""
        return cast(BudgetView, self.views["budgets"])

    @property
    def inbox(self) -> InboxView:
        """All that waits for a person."""
        return cast(InboxView, self.views["inbox"])

    @property
    def threads(self) -> ThreadsView:
        """Every thread."""
        return cast(ThreadsView, self.views["threads"])

    @property
    def schedules(self) -> SchedulesView:
        """Every schedule."""
        return cast(SchedulesView, self.views["schedules"])

    @property
    def run(self) -> RunView | None:
        """The first of the runs: the one that was asked for; None without one."""
        return next(iter(self.runs.values()), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"Snapshot(seq={self.seq}, jobs={len(self.jobs.jobs)}, runs={list(self.runs)}, complete={self.complete})"

    # -- folding -----------------------------------------------------------------------------------------------------

    def fold(self, events: Iterable[Event]) -> None:
        """Take in the next events, in seq order. Runs are followed from their start; the last few finished stay."""
        events = list(events)
        self.fold_log(events)
        row = VIEWS["run"]
        runs = self.runs
        for event in events:
            kind = event.kind
            job_id = event.job_id
            if job_id is None:
                if kind == kinds.STORE_PRUNED:
                    self.runs = runs = {known: run for known, run in runs.items() if known in self.jobs.jobs}
                continue
            run = runs.get(job_id)
            if run is None:
                if kind != kinds.JOB_CREATED:
                    continue  # let go before, or begun before this log did
                run = runs[job_id] = row.empty(job_id)
            fold(run, event)
            if kind in kinds.TERMINAL_JOB:
                self._let_go()

    def fold_log(self, events: Sequence[Event]) -> None:
        """Fold the next events on the views over the whole log, and on nothing else."""
        if not events:
            return
        for row in log_views():
            view, step, depends = self.views[row.name], row.fold, row.kinds
            for event in events:
                if (depends is None or event.kind in depends) and not 0 < event.seq <= view.last_seq:
                    step(view, event)
            view.last_seq = max(view.last_seq, events[-1].seq)
        self.seq = events[-1].seq

    def _let_go(self) -> None:
        finished = [job_id for job_id, run in self.runs.items() if run.job.finished]
        for job_id in finished[:-FINISHED]:
            del self.runs[job_id]

    # -- as data -----------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return what the operator API answers: seq, complete, every view by its name, and the run asked for."""
        return {"seq": self.seq, "complete": self.complete, **self.views, "run": self.run}

    def pack(self) -> bytes:
        """Return it as bytes, without the events that it lists."""
        return msgspec.msgpack.encode((self.seq, self.complete, self.views, self.runs))

    @classmethod
    def unpack(cls, body: bytes) -> Snapshot:
        """Return the snapshot that :meth:`pack` was called on, equal to it but for its events."""
        kinds_of = {row.name: row.type for row in log_views()}
        seq, complete, views, runs = msgspec.msgpack.decode(
            body, type=tuple[int, bool, dict[str, msgspec.Raw], dict[str, RunView]]
        )
        decoded = {
            name: msgspec.msgpack.decode(views[name], type=kind) for name, kind in kinds_of.items() if name in views
        }
        return cls(seq, runs=runs, complete=complete, **decoded)

    @classmethod
    def answered(cls, body: bytes | msgspec.Raw) -> Snapshot:
        """Return the snapshot of an operator API's answer; views that this version does not know are left out."""
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        views = {
            row.name: msgspec.json.decode(fields[row.name], type=row.type) for row in log_views() if row.name in fields
        }
        run = msgspec.json.decode(fields.get("run", msgspec.Raw(b"null")), type=RunView | None)
        complete = msgspec.json.decode(fields.get("complete", msgspec.Raw(b"true")), type=bool)
        seq = msgspec.json.decode(fields.get("seq", msgspec.Raw(b"0")), type=int)
        return cls(seq, runs={run.job.job_id: run} if run is not None else {}, complete=complete, **views)


def answer_schema() -> type:
    """Return the type of :meth:`Snapshot.to_dict`'s result, for a schema of the answer."""
    fields: list[tuple[str, Any]] = [("seq", int), ("complete", bool)]
    fields += [(row.name, row.type) for row in log_views()]
    fields.append(("run", RunView | None))
    return msgspec.defstruct("Snapshot", fields)
