"""Snapshots of long runs and of busy scopes.

A run of up to 1,000 events is folded from its start by whoever asks: nothing is kept for it here but a count. From
then on its view is folded along, and written at the end of a level once there are half as many new events as the last
snapshot had, and at its end. So all snapshots of a run together are about three times its last one, and nobody folds
more than a third of its events. A scope's state is written every 1,000 events of its jobs.
"""

from __future__ import annotations

import sqlite3
from typing import TypeVar

import msgspec

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.views import JobRow, RunView, StateView
from headway.store.sqlite import queries
from headway.store.sqlite.queries import drive

LONG = 1000
"""How many events make a run long, or a scope's last snapshot old."""

_BOUNDARIES = frozenset({k.LEVEL_FINISHED, k.CHECKPOINT_RESTORED, k.STATE_COMMITTED}) | k.TERMINAL_JOB

_INSERT = "INSERT OR REPLACE INTO snapshots (view, key, seq, body) VALUES (?, ?, ?, ?)"

_encode = msgspec.json.Encoder().encode


_View = TypeVar("_View", RunView, StateView)


class _Run(msgspec.Struct):
    count: int = 0
    since: int = 0
    view: RunView | None = None


class _Scope(msgspec.Struct):
    jobs: set[str]
    since: int = 0
    view: StateView | None = None


class LongViews:
    """What the writer folds along: the runs and scopes of unfinished jobs."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._scopes: dict[str, _Scope] = {}
        self._scope_of: dict[str, str] = {}
        self._due_runs: set[str] = set()
        self._due_scopes: set[str] = set()

    def resume(self, connection: sqlite3.Connection, job_id: str, seq: int) -> None:
        """Take up a job that this process has not seen from its start, before its event ``seq``."""
        sql = "SELECT count(*) FROM events WHERE job_id = ? AND seq < ?"
        self._runs[job_id] = _Run(int(connection.execute(sql, (job_id, seq)).fetchone()[0]))

    def fold(self, connection: sqlite3.Connection, event: Event, row: JobRow | None, batch: list[Event]) -> bool:
        """Count and fold an event of ``batch`` (nothing of which need be in the file); whether a snapshot is due."""
        due = False
        if row is not None:
            due = self._fold_run(connection, event, row.job_id, batch)
            scope = self._scope(connection, row, batch)
            scope.since += 1
            if scope.view is None and scope.since > LONG:
                scope.view = drive(connection, queries.state_view(row.scope, batch[0].seq - 1))
                self._catch_up(scope.view, event, batch)
            name = row.scope
        else:
            name = event.data.get("scope") or ""
            found = self._scopes.get(name)
            if found is None:
                return due
            scope = found
        if scope.view is not None:
            if event.job_id in scope.jobs or row is None:
                fold(scope.view, event)
            if event.kind in _BOUNDARIES and scope.since > LONG:
                self._due_scopes.add(name)
                due = True
        return due

    def write(self, connection: sqlite3.Connection, seq: int) -> None:
        """Write the snapshots that are due; everything is folded up to ``seq``."""
        for job_id in self._due_runs:
            run = self._runs[job_id]
            connection.execute(_INSERT, ("run", job_id, seq, _encode(run.view).decode()))
            run.since = 0
        for name in self._due_scopes:
            scope = self._scopes[name]
            connection.execute(_INSERT, ("state", name, seq, _encode(scope.view).decode()))
            scope.since = 0
        self._due_runs.clear()
        self._due_scopes.clear()

    def ended(self, job_id: str) -> None:
        """Drop what is kept of a finished job, and of its scope if no other job is in it."""
        self._runs.pop(job_id, None)
        self._due_runs.discard(job_id)
        name = self._scope_of.pop(job_id, None)
        if name is not None:
            self._scopes[name].jobs.discard(job_id)
            if not self._scopes[name].jobs:
                del self._scopes[name]
                self._due_scopes.discard(name)

    def _fold_run(self, connection: sqlite3.Connection, event: Event, job_id: str, batch: list[Event]) -> bool:
        run = self._runs.get(job_id)
        if run is None:
            run = self._runs[job_id] = _Run()
        run.count += 1
        if run.view is None:
            if run.count <= LONG:
                return False
            run.view = drive(connection, queries.run_view(job_id, batch[0].seq - 1, missing_ok=True))
            self._catch_up(run.view, event, batch)
            run.since = run.count
        fold(run.view, event)
        run.since += 1
        ended = event.kind in k.TERMINAL_JOB
        if ended or (event.kind == k.LEVEL_FINISHED and run.since > max(LONG, run.count // 3)):
            self._due_runs.add(job_id)
            return True
        return False

    def _scope(self, connection: sqlite3.Connection, row: JobRow, batch: list[Event]) -> _Scope:
        scope = self._scopes.get(row.scope)
        if scope is None:
            private = row.scope == f"job:{row.job_id}" and row.first_seq >= batch[0].seq
            since = 0 if private else _events_since(connection, row.scope, batch[0].seq)
            scope = self._scopes[row.scope] = _Scope(set(), since)
        if row.job_id not in scope.jobs:
            scope.jobs.add(row.job_id)
            self._scope_of[row.job_id] = row.scope
        return scope

    @staticmethod
    def _catch_up(view: _View, event: Event, batch: list[Event]) -> None:
        """Fold what precedes ``event`` in its batch."""
        for earlier in batch:
            if earlier.seq >= event.seq:
                return
            fold(view, earlier)


def _events_since(connection: sqlite3.Connection, scope: str, before: int) -> int:
    """Return how many events of a scope's jobs came after its last snapshot and before seq ``before``."""
    return int(
        connection.execute(
            "SELECT count(*) FROM events WHERE seq > coalesce((SELECT max(seq) FROM ("
            " SELECT seq FROM snapshots WHERE view = 'state' AND key = ?"
            " UNION ALL SELECT seq FROM bases WHERE view = 'state' AND key = ?)), 0)"
            " AND seq < ? AND job_id IN (SELECT job_id FROM jobs WHERE scope = ?)",
            (scope, scope, before, scope),
        ).fetchone()[0]
    )
