"""The caches that the writer keeps up to date: folded in its thread, written with the events that they follow from.

Writing each row with every batch would cost more than the events. So a job's row is written when its status changes,
and everything that changed every 1,000 events; ``meta.folded`` says how far all of it is whole. Readers fold the rest.
Long runs and busy scopes leave a snapshot now and then, at ever greater distances, so that nobody folds them from
their start.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

import msgspec

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.fold.table import BUDGET_KINDS, LIMIT_KINDS
from headway.events.views import BudgetView, JobRow, JobsView, LimitsView
from headway.store.sqlite import queries
from headway.store.sqlite.longviews import LongViews
from headway.store.sqlite.queries import drive

if TYPE_CHECKING:
    from headway.store.sqlite.writer import Work

FLUSH_EVERY = 1000
"""After how many events everything that changed is written."""

_STATUS_KINDS = frozenset({k.JOB_CREATED, k.JOB_STARTED, k.RUN_PAUSED, k.RUN_RESUMED}) | k.TERMINAL_JOB

_FIELDS = JobRow.__struct_fields__
_FIXED = {"job_id", "scope", "context_id", "title", "source", "principal", "proposal_id", "created_ms", "first_seq"}
_UPSERT_JOB = (
    f"INSERT INTO jobs ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))}) ON CONFLICT (job_id) DO UPDATE "  # noqa: S608 - field names, placeholders
    f"SET {', '.join(f'{name} = excluded.{name}' for name in _FIELDS if name not in _FIXED)}"
)
_REPLACE_SNAPSHOT = "INSERT INTO snapshots (view, key, seq, body) VALUES (?, ?, ?, ?)"

_log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class Caches:
    """The folded views of one store, in the writer's thread. Finished jobs are not kept in memory."""

    def __init__(self) -> None:
        self.jobs = JobsView()
        self.limits = LimitsView()
        self.budgets = BudgetView()
        self._long = LongViews()
        self._folded = 0
        self._status_changed: dict[str, None] = {}
        self._jobs_changed: dict[str, None] = {}
        self._budgets_changed: dict[str, int] = {}
        self._limits_changed = False
        self._pruned: list[str] = []
        self._stale = False
        self._broken = False

    def load(self, connection: sqlite3.Connection, last_seq: int) -> None:
        """Read the caches and fold what they lack; make them anew if they are not there."""
        self._clear()
        folded = drive(connection, queries.folded_seq())
        if folded is None or folded > last_seq or _emptied(connection):
            self.rebuild(connection, last_seq)
            return
        self._folded = folded
        self._read(connection, folded)
        while True:
            page = drive(connection, queries.events(self.jobs.last_seq, limit=queries.PAGE))
            self._fold(connection, page)
            if len(page) < queries.PAGE:
                return

    def rebuild(self, connection: sqlite3.Connection, last_seq: int) -> None:
        """Delete the caches and fold the whole log, page by page."""
        self._clear()
        _wipe(connection)
        self._read(connection, 0)
        while True:
            page = drive(connection, queries.events(self.jobs.last_seq, limit=queries.PAGE))
            self._fold(connection, page)
            connection.execute("BEGIN IMMEDIATE")
            self._write(connection, page[-1].seq if page else last_seq, whole=True)
            connection.execute("COMMIT")
            if len(page) < queries.PAGE:
                return

    def reset(self) -> None:
        """Forget what was folded: the transaction that it belonged to failed. It is read anew when next needed."""
        self._stale = True

    def fold(self, connection: sqlite3.Connection, events: list[Event], *, mended: bool = False) -> bool:
        """Fold events that are about to be committed; return whether :meth:`flush` is due with them.

        Raises what an envelope does that no view can take, unless they are ``mended``: then the caches are given up.
        """
        if self._broken:
            return False
        try:
            if self._stale:
                self.load(connection, events[0].seq - 1)
                self._stale = False
            due = self._fold(connection, events)
        except sqlite3.Error:
            raise
        except Exception as error:
            if not mended and isinstance(error, TypeError | ValueError | OverflowError):
                raise
            # Caches are a convenience: without them readers fold more. The log must go on.
            _log.exception("the caches are given up until the store is opened again")
            self._broken = True
            return False
        return due or events[-1].seq - self._folded >= FLUSH_EVERY

    def flush(self, connection: sqlite3.Connection, seq: int) -> None:
        """Write what is due, inside the transaction of the events up to ``seq``."""
        self._write(connection, seq, whole=seq - self._folded >= FLUSH_EVERY)

    def close(self, connection: sqlite3.Connection, seq: int) -> None:
        """Write everything, if that is possible: the next one to open the store has less to do."""
        if self._broken or self._stale or seq == self._folded:
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._write(connection, seq, whole=True)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()

    def forget(self, job_ids: list[str]) -> None:
        """Drop what is kept of jobs that were pruned."""
        for job_id in job_ids:
            self.jobs.jobs.pop(job_id, None)
            self.budgets.budgets.pop(job_id, None)
            self._status_changed.pop(job_id, None)
            self._jobs_changed.pop(job_id, None)
            self._budgets_changed.pop(job_id, None)
            self._long.ended(job_id)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _clear(self) -> None:
        self.jobs = JobsView()
        self.budgets = BudgetView()
        self._long = LongViews()
        self._status_changed.clear()
        self._jobs_changed.clear()
        self._budgets_changed.clear()
        self._pruned.clear()
        self._limits_changed = False

    def _read(self, connection: sqlite3.Connection, folded: int) -> None:
        self.limits = drive(connection, queries.cached_limits())
        self.jobs.last_seq = self.budgets.last_seq = folded

    def _fold(self, connection: sqlite3.Connection, events: list[Event]) -> bool:
        """Fold events on all views; return whether a status changed or a snapshot is due."""
        rows = self.jobs.jobs
        due = False
        for event in events:
            kind = event.kind
            job_id = event.job_id
            if job_id is not None:
                row = rows.get(job_id)
                if row is None and kind != k.JOB_CREATED:
                    row = self._load_job(connection, job_id, event.seq)
                if row is None or event.seq > row.last_seq:
                    fold(self.jobs, event)
                    row = rows.get(job_id)
                    if row is not None:
                        self._jobs_changed[job_id] = None
                        if kind in _STATUS_KINDS or row.finished_ms is not None:
                            self._status_changed[job_id] = None
                            due = True
                if kind in BUDGET_KINDS:
                    self._fold_budget(connection, event, job_id)
                if self._long.fold(connection, event, row, events):
                    due = True
            elif kind == k.STORE_PRUNED:
                self._pruned += event.data.get("jobs") or []
                self.forget(self._pruned)
                due = True
            elif kind == k.STATE_COMMITTED or kind == k.CHECKPOINT_RESTORED:
                due = self._long.fold(connection, event, None, events) or due
            if kind in LIMIT_KINDS:
                fold(self.limits, event)
                self._limits_changed = True
        if events:
            self.jobs.last_seq = self.budgets.last_seq = events[-1].seq
        return due

    def _load_job(self, connection: sqlite3.Connection, job_id: str, seq: int) -> JobRow | None:
        row = drive(connection, queries.job_row(job_id))
        if row is not None:
            self.jobs.jobs[job_id] = row
            self._long.resume(connection, job_id, seq)
        return row

    def _fold_budget(self, connection: sqlite3.Connection, event: Event, job_id: str) -> None:
        budgets = self.budgets.budgets
        if job_id not in budgets and event.kind != k.JOB_CREATED:
            cached = drive(connection, queries.cached_budget(job_id))
            if cached is not None:
                self._budgets_changed[job_id], budgets[job_id] = cached
        if event.seq > self._budgets_changed.get(job_id, 0):
            fold(self.budgets, event)
            if job_id in budgets:
                self._budgets_changed[job_id] = event.seq

    def _write(self, connection: sqlite3.Connection, seq: int, *, whole: bool) -> None:
        rows = self.jobs.jobs
        for job_id in self._pruned:
            connection.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))
            connection.execute("DELETE FROM snapshots WHERE view IN ('run', 'budget') AND key = ?", (job_id,))
        changed = self._jobs_changed if whole else self._status_changed
        connection.executemany(_UPSERT_JOB, [msgspec.structs.astuple(rows[j]) for j in changed if j in rows])
        ended = [job_id for job_id in changed if job_id in rows and rows[job_id].finished]
        for job_id in list(self._budgets_changed) if whole else ended:
            self._write_budget(connection, job_id, seq)
        self._long.write(connection, seq)
        if whole:
            if self._limits_changed:
                connection.execute("DELETE FROM snapshots WHERE view = 'limits'")
                connection.execute(_REPLACE_SNAPSHOT, ("limits", "", seq, _encode(self.limits).decode()))
            else:
                connection.execute("UPDATE snapshots SET seq = ? WHERE view = 'limits'", (seq,))
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('folded', ?)", (str(seq),))
            self._jobs_changed.clear()
            self._limits_changed = False
            self._folded = seq
        for job_id in ended:
            self._jobs_changed.pop(job_id, None)
            del rows[job_id]
            self.budgets.budgets.pop(job_id, None)
            self._long.ended(job_id)
        self._status_changed.clear()
        self._pruned.clear()

    def _write_budget(self, connection: sqlite3.Connection, job_id: str, seq: int) -> None:
        if self._budgets_changed.pop(job_id, None) is not None:
            row = self.budgets.budgets[job_id]
            connection.execute("DELETE FROM snapshots WHERE view = 'budget' AND key = ?", (job_id,))
            connection.execute(_REPLACE_SNAPSHOT, ("budget", job_id, seq, _encode(row).decode()))


def rebuild(work: Work) -> None:
    """Make the caches anew, as a task of the writer."""
    work.caches.rebuild(work.connection, work.last_seq)


def _emptied(connection: sqlite3.Connection) -> bool:
    """Whether somebody deleted the job rows and nothing else."""
    return bool(
        connection.execute(
            "SELECT NOT EXISTS (SELECT 1 FROM jobs)"
            " AND EXISTS (SELECT 1 FROM events WHERE job_id IS NOT NULL"
            " AND job_id NOT IN (SELECT job_id FROM pruned_jobs))"
        ).fetchone()[0]
    )


def _wipe(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM jobs")
    connection.execute("DELETE FROM snapshots")
    connection.execute("DELETE FROM meta WHERE key = 'folded'")
    connection.execute("COMMIT")
