"""The caches: views folded behind the log, so that nobody folds it from its start.

They are off the commit path. What was committed waits here until the writer is idle or somebody needs it, then it is
folded in bites, of which any number of commits may come in between; ``meta.folded`` says how far the caches are whole,
readers fold the rest. A log without caches is folded the same way, from its first event on.

A view over the whole log is one row of ``snapshots``; one that has parts (see :class:`ViewRow`) is a row a job, of
``snapshots`` or, for the list of jobs, of ``jobs``.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.fold.table import ViewRow, log_views
from headway.events.views import JobRow
from headway.store.sqlite import queries
from headway.store.sqlite.due import Due
from headway.store.sqlite.queries import drive

if TYPE_CHECKING:
    from headway.store.sqlite.writer import Work

BITE = 500
"""The number of events that are folded before commits get their turn: some 5 ms."""

FLUSH_EVERY = 1000
"""The lag of the caches behind an idle writer, in events."""

WRITE_EVERY = 10_000
"""After how many folded events they are written, while there are more."""

LAG = 20_000
"""The lag of the caches behind a busy writer: from then on each commit pays for some folding."""

_FIELDS = JobRow.__struct_fields__
_FIXED = {"job_id", "scope", "context_id", "title", "source", "principal", "proposal_id", "created_ms", "first_seq"}
_UPSERT_JOB = (
    f"INSERT INTO jobs ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))}) ON CONFLICT (job_id) DO UPDATE "  # noqa: S608 - field names, placeholders
    f"SET {', '.join(f'{name} = excluded.{name}' for name in _FIELDS if name not in _FIXED)}"
)
_INSERT_SNAPSHOT = "INSERT INTO snapshots (view, key, seq, body) VALUES (?, ?, ?, ?)"
_DELETE_SNAPSHOT = "DELETE FROM snapshots WHERE view = ? AND key = ?"

_DONE = object()

_log = logging.getLogger(__name__)


class Caches:
    """The folded views of one store, in the writer's thread. Finished jobs are not kept in memory."""

    def __init__(self) -> None:
        self.seq = 0
        self._head = 0
        self._folded = 0
        self._pending: list[Event] = []
        self._views: dict[str, Any] = {}
        self._parts: list[ViewRow[Any]] = []
        self._changed: dict[str, dict[str, None]] = {}
        self._ahead: dict[tuple[str, str], int] = {}  # parts that an older version wrote ahead of the rest
        self._pruned: list[str] = []
        self._due = Due()
        self._making: Iterator[None] | None = None
        self._stale = False
        self._broken = False
        self._blocked = False

    @property
    def behind(self) -> bool:
        """True if there is something to do for an idle writer."""
        if self._broken or self._blocked:
            return False
        return self._stale or self._head - self._folded >= FLUSH_EVERY or bool(self._due)

    @property
    def lag(self) -> int:
        """The number of events that are not in the caches on disk yet."""
        return self._head - self._folded

    def lacks(self, seq: int) -> bool:
        """Return whether the caches on disk are not whole up to ``seq``, or a snapshot is due."""
        return self._folded < seq or bool(self._due)

    def view(self, name: str) -> Any:
        """Return a view over the whole log that has no parts, as of :attr:`seq`; it stays this object's."""
        return self._views[name]

    def load(self, connection: sqlite3.Connection, head: int) -> None:
        """Find the place where folding continues: the beginning, where the caches are not there or not of this table.

        Takes no longer for a long log than for a short one.
        """
        rows = log_views()
        folded = drive(connection, queries.folded_seq())
        known = connection.execute("SELECT value FROM meta WHERE key = 'views'").fetchone()
        if folded is None or folded > head or _emptied(connection) or known != (_names(),):
            if head or folded is not None:
                _wipe(connection)
            folded = 0
        self._head, self.seq, self._folded = head, folded, folded
        self._pending = []
        self._parts = [row for row in rows if row.parts is not None]
        self._views = {row.name: drive(connection, queries.cached_view(row)) for row in rows}
        self._changed = {row.name: {} for row in self._parts}
        self._ahead = {}
        self._pruned = []
        self._due = Due()
        self._making = None
        self._stale = False

    def offer(self, events: list[Event]) -> None:
        """Take note of events that were just committed."""
        self._blocked = False
        if self.seq + len(self._pending) == self._head and len(self._pending) < LAG:
            self._pending += events
        self._head = events[-1].seq

    def reset(self) -> None:
        """Forget what was folded and not written: a transaction failed. It is read anew when next needed."""
        self._stale = True
        self._blocked = True  # until something is committed again

    def step(self, connection: sqlite3.Connection) -> bool:
        """Take one bite: fold, write, or make a part of a snapshot; return whether there is more to do."""
        if self._broken:
            return False
        try:
            if self._stale:
                self.load(connection, self._head)
            if self._making is not None:
                if next(self._making, _DONE) is _DONE:
                    self._making = None
            elif self.seq < self._head:
                self._bite(connection)
            elif self._due:
                self._making = self._due.make(connection)
            else:
                return False
        except sqlite3.Error:
            self._blocked = True  # until something is committed again
            if connection.in_transaction:
                connection.rollback()  # what could not be written is still true, and is written another time
            else:
                self.reset()
            raise
        except Exception:  # noqa: BLE001 - whatever an event made of a fold
            # Caches are a convenience: without them readers fold more. The log must go on.
            _log.exception("the caches are given up until the store is opened again")
            self._broken = True
            return False
        return True

    def close(self, connection: sqlite3.Connection) -> None:
        """Fold and write what little is left, so that the next one to open the store has less to do."""
        for _ in range(LAG // BITE):
            if self._stale or self.seq >= self._head or not self.step(connection):
                break
        if not self._stale and not self._broken and self._folded < self.seq:
            self._write(connection)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _bite(self, connection: sqlite3.Connection) -> None:
        if self._pending:
            events = list(islice(self._pending, BITE))
            try:
                self._fold(connection, events)
            except (TypeError, ValueError, OverflowError):  # not what the file has made of it
                self.load(connection, self._head)
                return
            del self._pending[: len(events)]
        else:
            events = drive(connection, queries.events(self.seq, limit=BITE))
            self._fold(connection, events)
            if not events:
                self.seq = self._head
        if self.seq >= self._head or self.seq - self._folded >= WRITE_EVERY:
            self._write(connection)

    def _fold(self, connection: sqlite3.Connection, events: list[Event]) -> None:
        """Fold events on all views."""
        whole = [(self._views[row.name], row) for row in log_views() if row.parts is None]
        rows: dict[str, JobRow] = self._views["jobs"].jobs
        for event in events:
            kind, job_id = event.kind, event.job_id
            for view, row in whole:
                if row.kinds is None or kind in row.kinds:
                    fold(view, event)
            if job_id is not None:
                for row in self._parts:
                    if row.kinds is None or kind in row.kinds:
                        self._fold_part(connection, row, event, job_id)
                known = rows.get(job_id)
                if known is not None:
                    self._due.count(connection, event, known)
            elif kind == k.STORE_PRUNED:
                pruned = [name for name in event.data.get("jobs") or [] if isinstance(name, str)]
                self._pruned += pruned
                for name in pruned:
                    self._forget(name)
            elif kind == k.STATE_COMMITTED or kind == k.CHECKPOINT_RESTORED:
                self._due.count(connection, event, None)
        if events:
            self.seq = events[-1].seq
            for view in self._views.values():
                view.last_seq = max(view.last_seq, self.seq)  # what pruning left may lie ahead

    def _fold_part(self, connection: sqlite3.Connection, row: ViewRow[Any], event: Event, job_id: str) -> None:
        """Fold an event on the part of its job, read first if it is not in memory."""
        view = self._views[row.name]
        parts: dict[str, Any] = getattr(view, row.parts or "")
        changed = self._changed[row.name]
        if job_id not in parts and event.kind != k.JOB_CREATED:
            cached = drive(connection, queries.cached_part(row, job_id))
            if cached is not None:
                seq, parts[job_id] = cached
                if seq >= event.seq:
                    self._ahead[row.name, job_id] = seq
        if self._ahead and event.seq <= self._ahead.get((row.name, job_id), 0):
            return
        row.fold(view, event)
        if job_id in parts:
            changed[job_id] = None

    def _forget(self, job_id: str) -> None:
        for row in self._parts:
            getattr(self._views[row.name], row.parts or "").pop(job_id, None)
            self._changed[row.name].pop(job_id, None)
        self._due.forget(job_id)

    def _write(self, connection: sqlite3.Connection) -> None:
        """Write what changed since the last time, in one transaction."""
        seq = self.seq
        rows: dict[str, JobRow] = self._views["jobs"].jobs
        ended = [job_id for job_id in self._changed["jobs"] if rows[job_id].finished]
        connection.execute("BEGIN IMMEDIATE")
        for job_id in self._pruned:
            forget_job(connection, job_id)
        for row in log_views():
            view = self._views[row.name]
            if row.parts is None:
                connection.execute(_DELETE_SNAPSHOT, (row.name, ""))
                connection.execute(_INSERT_SNAPSHOT, (row.name, "", view.last_seq, row.encode(view).decode()))
                continue
            parts = getattr(view, row.parts)
            changed = [(job_id, parts[job_id]) for job_id in self._changed[row.name]]
            if row.name == "jobs":
                connection.executemany(_UPSERT_JOB, [msgspec.structs.astuple(part) for _, part in changed])
            else:
                connection.executemany(_DELETE_SNAPSHOT, [(row.name, job_id) for job_id, _ in changed])
                texts = [(row.name, job_id, seq, msgspec.json.encode(part).decode()) for job_id, part in changed]
                connection.executemany(_INSERT_SNAPSHOT, texts)
        for key, value in (("folded", str(seq)), ("views", _names())):
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))
        connection.execute("COMMIT")
        self._folded = seq
        self._pruned.clear()
        for changes in self._changed.values():
            changes.clear()
        for job_id in ended:
            for row in self._parts:
                getattr(self._views[row.name], row.parts or "").pop(job_id, None)
            self._due.ended(job_id)


def forget_job(connection: sqlite3.Connection, job_id: str) -> None:
    """Delete a job's row and its parts of views, inside a transaction."""
    connection.execute("DELETE FROM jobs WHERE job_id = ?", (job_id,))
    names = [row.name for row in log_views() if row.parts is not None]
    connection.executemany(_DELETE_SNAPSHOT, [(name, job_id) for name in ("run", *names)])


def wipe(work: Work) -> None:
    """Delete the caches, as a task of the writer; they are folded anew."""
    _wipe(work.connection)
    work.caches.load(work.connection, work.last_seq)


def _names() -> str:
    return " ".join(sorted(row.name for row in log_views()))


def _emptied(connection: sqlite3.Connection) -> bool:
    """Return whether somebody deleted the job rows and nothing else."""
    return bool(
        connection.execute(
            "SELECT NOT EXISTS (SELECT 1 FROM jobs)"
            " AND EXISTS (SELECT 1 FROM events WHERE kind = 'job_created'"
            " AND seq <= (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'folded')"
            " AND job_id NOT IN (SELECT job_id FROM pruned_jobs))"
        ).fetchone()[0]
    )


def _wipe(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    delete_caches(connection)
    connection.execute("COMMIT")


def delete_caches(connection: sqlite3.Connection) -> None:
    """Delete the caches, in the transaction that there is."""
    connection.execute("DELETE FROM jobs")
    connection.execute("DELETE FROM snapshots")
    connection.execute("DELETE FROM meta WHERE key IN ('folded', 'views')")
