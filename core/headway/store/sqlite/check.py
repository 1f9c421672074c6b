"""Checking a store: is the file sound, is the log whole, are the caches what the log folds to.

Everything is read in one transaction of a read-only connection, so a store that is being written to can be checked.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import StoreUnreadable, one_line
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.fold.table import VIEWS, log_views
from headway.events.views import JobRow
from headway.store.checkpoints import decode_checkpoint
from headway.store.protocol import CheckReport, Problem
from headway.store.sqlite import queries
from headway.store.sqlite.connect import open_for_reading, store_error
from headway.store.sqlite.queries import drive

MOST_PROBLEMS = 100
"""The most problems told of one check."""


def check_store(path: Path) -> CheckReport:
    """Check the store at ``path`` and return what was found.

    Raises :class:`headway.errors.NotFound` if there is none, :class:`StoreUnreadable` for what is not one at all.
    """
    with closing(open_for_reading(path)) as connection:
        try:
            connection.execute("BEGIN")
            return _Check(connection).run()
        except sqlite3.DatabaseError as error:
            found = store_error(error, path)
            if not isinstance(found, StoreUnreadable):
                raise found from None
            return CheckReport(problems=[Problem("file", found.message)])


class _Check:
    """One check: adds up problems, by the name of what was looked at."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._problems: list[Problem] = []

    def run(self) -> CheckReport:
        self._file()
        events = self._log()
        blobs = self._blobs()
        checkpoints = self._checkpoints()
        caches = _Caches(self._connection, self._tell)
        for event in _all_events(self._connection):
            caches.take(event)
        caches.end()
        return CheckReport(events, len(caches.jobs.jobs), blobs, checkpoints, self._problems)

    def _tell(self, check: str, message: str) -> None:
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(check, one_line(message, 300)))

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        return iter(self._connection.execute(sql))

    def _file(self) -> None:
        for (text,) in self._rows(f"PRAGMA integrity_check({MOST_PROBLEMS})"):
            if text != "ok":
                self._tell("file", text)

    def _log(self) -> int:
        """Compare the seqs that are missing with what prunes say that they took; return how many events there are."""
        count, first, last = next(
            self._rows("SELECT count(*), coalesce(min(seq), 1), coalesce(max(seq), 0) FROM events")
        )
        if first < 1:
            self._tell("seq", f"there is an event with seq {first}")
        (pruned,) = next(
            self._rows(
                "SELECT coalesce(sum(json_extract(data, '$.events')), 0) FROM events WHERE kind = 'store_pruned'"
            )
        )
        (waiting,) = next(self._rows("SELECT count(*) FROM events WHERE job_id IN (SELECT job_id FROM pruned_jobs)"))
        missing = last - count
        if missing != pruned - waiting:
            self._tell("seq", f"{missing} events are missing up to seq {last}, prunes account for {pruned - waiting}")
        return int(count)

    def _blobs(self) -> int:
        count = 0
        for name, size, body in self._rows("SELECT hash, size, body FROM blobs"):
            count += 1
            body = body if isinstance(body, bytes) else str(body).encode()
            if "sha256:" + hashlib.sha256(body).hexdigest() != name or len(body) != size:
                self._tell("blobs", f"{name} does not hold what its name says")
        for seq, name in self._rows("SELECT seq, hash FROM blob_refs WHERE hash NOT IN (SELECT hash FROM blobs)"):
            self._tell("blobs", f"event {seq} needs {name}, which is gone")
        for (seq,) in self._rows("SELECT DISTINCT seq FROM blob_refs WHERE seq NOT IN (SELECT seq FROM events)"):
            self._tell("blobs", f"a blob is kept for event {seq}, which is gone")
        for (name,) in self._rows("SELECT hash FROM blobs WHERE hash NOT IN (SELECT hash FROM blob_refs)"):
            self._tell("blobs", f"{name} is needed by nothing")
        return count

    def _checkpoints(self) -> int:
        count = 0
        for checkpoint_id, body in self._rows("SELECT id, body FROM checkpoints"):
            count += 1
            try:
                decode_checkpoint(checkpoint_id, body)
            except StoreUnreadable as error:
                self._tell("checkpoints", error.message)
        return count


class _Caches:
    """The caches, and the fold of the log beside them, event by event."""

    def __init__(self, connection: sqlite3.Connection, tell: Any) -> None:
        self._tell = tell
        self._folded = drive(connection, queries.folded_seq()) or 0
        rows = connection.execute(f"SELECT {queries.JOB_COLUMNS} FROM jobs")  # noqa: S608 - constant columns
        self._rows: dict[str, JobRow] = {row[0]: JobRow(*row) for row in rows}
        self._indexed = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'unfinished'").fetchone()
        self._open = {row[0] for row in connection.execute("SELECT job_id FROM unfinished")} if self._indexed else set()
        self._pruned = {row[0] for row in connection.execute("SELECT job_id FROM pruned_jobs")}
        self._views: dict[str, Any] = {row.name: row.empty() for row in log_views()}
        self._kept: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self._followed: dict[tuple[str, str], Any] = {}
        for name, key, seq, body in connection.execute("SELECT view, key, seq, body FROM snapshots ORDER BY seq"):
            self._kept.setdefault((name, key), []).append((seq, body))
            if name in ("run", "state"):
                self._followed[name, key] = VIEWS[name].empty(key)
        for name, key, seq, body in connection.execute("SELECT view, key, seq, body FROM bases"):
            if name in VIEWS:
                view = VIEWS[name].decode(body)
                view.last_seq = seq
                if name in self._views:
                    self._views[name] = view
                else:
                    self._followed[name, key] = view
        self._at_folded = False

    @property
    def jobs(self) -> Any:
        """The fold of the list of jobs."""
        return self._views["jobs"]

    def take(self, event: Event) -> None:
        """Fold the next event, and compare what is cached as of the one before."""
        if event.seq > self._folded and not self._at_folded:
            self._compare_log_views()
        self._compare_followed(event.seq)
        for view in self._views.values():
            fold(view, event)
        for view in self._followed.values():
            fold(view, event)
        row = self._rows.get(event.job_id or "")
        if row is None or event.job_id is None:
            return
        if event.seq == row.last_seq and self.jobs.jobs.get(event.job_id) != row:
            self._tell("caches", f"the row of job {row.job_id} is not what its events fold to")
        elif row.last_seq < event.seq <= self._folded:
            self._tell("caches", f"the row of job {row.job_id} lies behind event {event.seq}")

    def end(self) -> None:
        """Compare what is left."""
        if not self._at_folded:
            self._compare_log_views()
        self._compare_followed(2**63)
        jobs = {job_id: row for job_id, row in self.jobs.jobs.items() if job_id not in self._pruned}
        for job_id in self._rows.keys() - jobs.keys():
            self._tell("caches", f"there is a row of job {job_id}, which has no events")
        for job_id, row in jobs.items():
            if job_id not in self._rows and row.first_seq <= self._folded:
                self._tell("caches", f"job {job_id} has no row")
        unfinished = {job_id for job_id, row in jobs.items() if not row.finished}
        if self._indexed and unfinished != self._open:
            odd = ", ".join(sorted(unfinished ^ self._open)[:5])
            self._tell("unfinished", f"the index of unfinished jobs is wrong about {odd}")

    def _compare_log_views(self) -> None:
        """Compare the views over the whole log with the fold up to where the caches are whole."""
        self._at_folded = True
        for row in log_views():
            view = self._views[row.name]
            for (name, key), kept in self._kept.items():
                if name != row.name or kept[-1][0] > self._folded:
                    continue
                if row.parts is None:
                    known, found = row.decode(kept[-1][1]), view
                    known.last_seq = view.last_seq
                else:
                    known = msgspec.json.decode(kept[-1][1], type=row.part)
                    found = getattr(view, row.parts).get(key)
                if known != found:
                    self._tell("caches", f"the view {name} {key} is not what the log folds to".replace("  ", " "))

    def _compare_followed(self, seq: int) -> None:
        """Compare the snapshots of runs and states that end before the event ``seq``."""
        for (name, key), view in self._followed.items():
            kept = self._kept.get((name, key), [])
            while kept and kept[0][0] < seq:
                at, body = kept.pop(0)
                known = VIEWS[name].decode(body)
                known.last_seq = view.last_seq
                if at >= view.last_seq and known != view:
                    self._tell("caches", f"the snapshot of the {name} {key} at seq {at} is not what its events fold to")


def _all_events(connection: sqlite3.Connection) -> Iterator[Event]:
    after = 0
    while page := drive(connection, queries.events(after, limit=queries.PAGE)):
        yield from page
        after = page[-1].seq
