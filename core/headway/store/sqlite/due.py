"""Snapshots that are due: of long runs and of busy scopes.

A run of up to :data:`LONG` events is folded from its start by whoever asks: nothing is kept for it here but a count.
From then on a snapshot is due at the end of a level once there are as many new events as the last one had, and at its
end. So all snapshots of a run together are about twice its last one, and nobody folds more than half of its events. A
scope's state is due after as many events of its jobs. Snapshots are made when the writer is idle.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.table import VIEWS
from headway.events.views import JobRow
from headway.store.sqlite import queries

LONG = 5000
"""The number of events that makes a run long, or a scope's last snapshot old."""

_BOUNDARIES = frozenset({k.LEVEL_FINISHED, k.CHECKPOINT_RESTORED, k.STATE_COMMITTED}) | k.TERMINAL_JOB

_INSERT = "INSERT OR REPLACE INTO snapshots (view, key, seq, body) VALUES (?, ?, ?, ?)"


class _Run:
    __slots__ = ("count", "scope", "since")

    def __init__(self, scope: str, count: int, since: int) -> None:
        self.scope = scope
        self.count = count
        self.since = since


class Due:
    """Counts the events of unfinished jobs and of their scopes; says which snapshots to make, and makes them."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._scopes: dict[str, int] = {}
        self._jobs_of: dict[str, int] = {}
        self._due: dict[tuple[str, str], int] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def count(self, connection: sqlite3.Connection, event: Event, row: JobRow | None) -> None:
        """Count an event of the job ``row``, or of a scope if None."""
        if row is not None:
            scope = self._count_run(connection, event, row)
        else:
            scope = event.data.get("scope") or ""
            if scope not in self._scopes:
                return
        since = self._scopes[scope] = self._scopes[scope] + 1
        if since > LONG and event.kind in _BOUNDARIES:
            self._due["state", scope] = event.seq
            self._scopes[scope] = 0

    def _count_run(self, connection: sqlite3.Connection, event: Event, row: JobRow) -> str:
        run = self._runs.get(row.job_id)
        if run is None:
            begun = event.kind == k.JOB_CREATED
            counted = (0, 0) if begun else _counted(connection, row.job_id, event.seq)
            run = self._runs[row.job_id] = _Run(row.scope, *counted)
            if row.scope not in self._scopes:
                private = begun and row.scope == f"job:{row.job_id}"
                self._scopes[row.scope] = 0 if private else _events_since(connection, row.scope, event.seq)
            self._jobs_of[row.scope] = self._jobs_of.get(row.scope, 0) + 1
        run.count += 1
        run.since += 1
        if run.count > LONG and (
            event.kind in k.TERMINAL_JOB or (event.kind == k.LEVEL_FINISHED and run.since > max(LONG, run.count // 2))
        ):
            self._due["run", row.job_id] = event.seq
            run.since = 0
        return run.scope

    def ended(self, job_id: str) -> None:
        """Drop the counts of a finished job, and of its scope if no other job is in it."""
        run = self._runs.pop(job_id, None)
        if run is not None:
            self._jobs_of[run.scope] -= 1
            if not self._jobs_of[run.scope]:
                del self._jobs_of[run.scope], self._scopes[run.scope]

    def forget(self, job_id: str) -> None:
        """Drop what is kept of a job that was pruned."""
        self.ended(job_id)
        self._due.pop(("run", job_id), None)
        self._due.pop(("state", f"job:{job_id}"), None)

    def make(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Make the snapshot that has been due longest, a page of events at a time."""
        (name, key), seq = next(iter(self._due.items()))
        steps = queries.run_view(key, seq, missing_ok=True) if name == "run" else queries.state_view(key, seq)
        view = yield from queries.paced(connection, steps)
        if self._due.get((name, key)) == seq:  # not pruned meanwhile
            connection.execute(_INSERT, (name, key, seq, VIEWS[name].encode(view).decode()))
            del self._due[name, key]


def _counted(connection: sqlite3.Connection, job_id: str, before: int) -> tuple[int, int]:
    """Return how many events of a job came before seq ``before``, and how many of them after its last snapshot."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(seq > coalesce((SELECT max(seq) FROM snapshots"
        " WHERE view = 'run' AND key = ?), 0)), 0) FROM events WHERE job_id = ? AND seq < ?",
        (job_id, job_id, before),
    ).fetchone()
    return int(row[0]), int(row[1])


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
