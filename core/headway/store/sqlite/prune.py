"""Retention: deleting finished jobs that are old, or that make the store too large.

It is done in small bites in the writer's thread, a few milliseconds each, so that appended events get their turn and a
nearly full disk has room for it. The first bite of some jobs deletes what shows them and records ``store_pruned``; the
events of a large job follow in further bites, of this prune or, after a kill, of the next.

Kept are jobs that a saved checkpoint needs, and jobs of a scope in which an older one is kept: what a scope's pruned
jobs amounted to is kept as its base, which holds for the beginning of its history only.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.table import VIEWS, log_views
from headway.store.sqlite import queries
from headway.store.sqlite.caches import forget_job
from headway.store.sqlite.codec import pack, to_row
from headway.store.sqlite.insert import insert_rows
from headway.store.sqlite.queries import drive

if TYPE_CHECKING:
    from headway.store.sqlite.writer import Work

CHUNK = 250
"""About how many events one bite deletes."""

DAY_MS = 86_400_000

LOOK = 100
"""The number of jobs that one bite looks at."""

_LARGE_EVENT = 2000  # bytes, index and all: more than most have

_VACUUM_PAGES = 200  # given back to the file system in one bite: 800 kB

_OLDEST = """
    SELECT seq, job_id, ts FROM events
    WHERE kind = 'job_created' AND seq > ? AND job_id IS NOT NULL
    AND job_id NOT IN (SELECT job_id FROM pruned_jobs)
    ORDER BY seq LIMIT ?
    """

_NEEDED = """
    SELECT 1 FROM checkpoints WHERE job_id = ?
    UNION ALL SELECT 1 FROM checkpoints WHERE scope = ? AND scope = 'job:' || ?
    """

_SET_BASE = "INSERT OR REPLACE INTO bases (view, key, seq, body) VALUES (?, ?, ?, ?)"

_DONE = object()


class Limits(msgspec.Struct, frozen=True):
    """The retention: jobs that ended less than ``keep_days`` ago; ``max_bytes`` of store. None: no such limit."""

    keep_days: float | None = None
    max_bytes: int | None = None


class Report(msgspec.Struct):
    """The report of a prune; ``bytes`` is what the store holds afterwards, free pages not counted."""

    jobs: list[str] = []
    events: int = 0
    bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        return {"jobs": self.jobs, "events": self.events, "bytes": self.bytes}


class _Job(msgspec.Struct, frozen=True):
    job_id: str
    scope: str
    last_seq: int

    @property
    def shares(self) -> bool:
        """True if other jobs may work on the state that it left."""
        return self.scope != f"job:{self.job_id}"


class _Search:
    """Looks at jobs once each, oldest first, for those that may go; one that stays keeps its scope's later ones."""

    def __init__(self, reason: str, cutoff_ms: int) -> None:
        self.reason = reason
        self.done = False
        self._cutoff_ms = cutoff_ms
        self._after = 0
        self._held: set[str] = set()

    def next(self, connection: sqlite3.Connection, most: int) -> list[_Job]:
        """Return jobs with about ``most`` events together, of the next :data:`LOOK` that there are."""
        found: list[_Job] = []
        rows = connection.execute(_OLDEST, (self._after, LOOK)).fetchall()
        self.done = len(rows) < LOOK
        events = 0
        for seq, job_id, ts in rows:
            if ts > self._cutoff_ms:  # it cannot have ended before it began
                self.done = True
                break
            self._after = seq
            job = self._prunable(connection, job_id)
            if job is not None:
                found.append(job)
                events += _count(connection, job_id)
                if events >= most:
                    self.done = False
                    break
        return found

    def _prunable(self, connection: sqlite3.Connection, job_id: str) -> _Job | None:
        row = drive(connection, queries.job(job_id))
        ended = row.finished_ms is not None and row.finished_ms <= self._cutoff_ms
        needed = connection.execute(_NEEDED, (job_id, row.scope, job_id)).fetchone() is not None
        if ended and not needed and row.scope not in self._held:
            return _Job(job_id, row.scope, row.last_seq)
        self._held.add(row.scope)
        return None


class Prune:
    """One prune under way. :meth:`step` takes a bite, until it returns False."""

    def __init__(self, limits: Limits, now_ms: int) -> None:
        self.report = Report()
        self._max_bytes = limits.max_bytes
        self._now_ms = now_ms
        self._searches: list[_Search] = []
        if limits.keep_days is not None:
            self._searches.append(_Search("keep_days", now_ms - int(limits.keep_days * DAY_MS)))
        if limits.max_bytes is not None:
            self._searches.append(_Search("max_bytes", now_ms))
        self._target: int | None = None
        self._settled = False
        self._jobs: list[_Job] = []
        self._bases: dict[str, tuple[int, str]] = {}
        self._folding: Iterator[None] | None = None

    def step(self, work: Work) -> bool:
        """Take the next bite; return whether there may be more to do."""
        connection = work.connection
        if self._target is None:
            self._target = work.last_seq
            _make_headroom(connection)
        elif not self._settled:
            self._settled = not _fold_caches(work, self._target)
        elif self._folding is not None:
            if next(self._folding, _DONE) is _DONE:
                self._folding = None
        elif self._jobs:
            self._delete(work)
        elif _finish_one(connection) or _give_back(connection, _VACUUM_PAGES):
            pass
        elif self._searches:
            self._look(connection)
        elif not _give_back(connection, 1):
            _make_headroom(connection)
            self.report.bytes = used_bytes(connection)
            return False
        return True

    def _look(self, connection: sqlite3.Connection) -> None:
        """Find the next jobs to delete, and have the states folded that they left to others."""
        search, most = self._searches[0], CHUNK
        if search.reason == "max_bytes":
            # ever fewer, so that not too many are taken
            most = min(CHUNK, (used_bytes(connection) - (self._max_bytes or 0)) // _LARGE_EVENT)
        if search.reason == "max_bytes" and used_bytes(connection) <= (self._max_bytes or 0):
            search.done = True
        else:
            self._jobs = search.next(connection, most)
        self._reason = search.reason
        if search.done:
            del self._searches[0]
        shared = {
            job.scope: max(j.last_seq for j in self._jobs if j.scope == job.scope) for job in self._jobs if job.shares
        }
        self._folding = self._fold_bases(connection, shared) if shared else None

    def _fold_bases(self, connection: sqlite3.Connection, ends: dict[str, int]) -> Iterator[None]:
        """Fold the state of each scope once its chosen jobs had ended, a page of events at a time."""
        for scope, seq in ends.items():
            known = connection.execute("SELECT seq FROM bases WHERE view = 'state' AND key = ?", (scope,)).fetchone()
            if known is not None and known[0] >= seq:
                continue
            view = yield from queries.paced(connection, queries.state_view(scope, seq))
            self._bases[scope] = (seq, VIEWS["state"].encode(view).decode())

    def _delete(self, work: Work) -> None:
        """Delete the chosen jobs, with the event that says so, in one transaction."""
        connection, jobs = work.connection, self._jobs
        counts = {job.job_id: _count(connection, job.job_id) for job in jobs}
        total = sum(counts.values())
        data = {"jobs": list(counts), "events": total, "reason": self._reason}
        packed = pack(Event(k.STORE_PRUNED, data, ts=self._now_ms))
        seq = packed.event.seq = work.last_seq + 1
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruning', '1')")
        for job in jobs:
            forget_job(connection, job.job_id)
            if not job.shares:
                connection.execute("DELETE FROM snapshots WHERE view = 'state' AND key = ?", (job.scope,))
        small = [(job_id,) for job_id, count in counts.items() if count <= CHUNK]
        large = [(job_id,) for job_id, count in counts.items() if count > CHUNK]
        if small:
            connection.executemany("INSERT INTO pruned_jobs (job_id) VALUES (?)", small)
            _delete_events(connection, "job_id IN (SELECT job_id FROM pruned_jobs)", ())
            connection.execute("DELETE FROM pruned_jobs")
        connection.executemany("INSERT INTO pruned_jobs (job_id) VALUES (?)", large)
        for scope, (base_seq, body) in self._bases.items():
            connection.execute(_SET_BASE, ("state", scope, base_seq, body))
            connection.execute("DELETE FROM snapshots WHERE view = 'state' AND key = ? AND seq <= ?", (scope, base_seq))
        for row in log_views():
            if row.parts is None:
                body = row.encode(work.caches.view(row.name)).decode()
                connection.execute(_SET_BASE, (row.name, "", work.caches.seq, body))
        connection.execute("DELETE FROM meta WHERE key = 'pruning'")
        insert_rows(connection, [to_row(seq, packed)])
        connection.execute("COMMIT")
        work.last_seq = seq
        work.events.append(packed.event)
        self.report.jobs += counts
        self.report.events += total
        self._jobs, self._bases = [], {}


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the store's pages are in use."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])  # the names are the three below
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _fold_caches(work: Work, target: int) -> bool:
    """Take a bite of folding the views up to seq ``target``, as they hold what is deleted; return if there is more."""
    before = work.caches.seq
    if before >= target:
        return False
    try:
        return work.caches.step(work.connection)
    except sqlite3.Error:  # a full disk: that they are in memory is enough
        return before < work.caches.seq < target


def _count(connection: sqlite3.Connection, job_id: str) -> int:
    return int(connection.execute("SELECT count(*) FROM events WHERE job_id = ?", (job_id,)).fetchone()[0])


def _delete_events(connection: sqlite3.Connection, where: str, values: tuple[Any, ...]) -> int:
    """Delete a set of events and the blobs that nothing else needs, a statement each; return how many events."""
    refs = f"SELECT seq FROM events WHERE {where}"  # noqa: S608 - a condition of ours, with placeholders
    hashes: list[tuple[str]] = []
    if connection.execute("SELECT 1 FROM blob_refs LIMIT 1").fetchone() is not None:
        hashes = connection.execute(
            f"SELECT DISTINCT hash FROM blob_refs WHERE seq IN ({refs})",  # noqa: S608 - as above
            values,
        ).fetchall()
    if hashes:
        connection.execute(f"DELETE FROM blob_refs WHERE seq IN ({refs})", values)  # noqa: S608 - as above
        unused = "NOT EXISTS (SELECT 1 FROM blob_refs WHERE blob_refs.hash = blobs.hash)"
        connection.executemany(f"DELETE FROM blobs WHERE hash = ? AND {unused}", hashes)  # noqa: S608 - as above
    return connection.execute(f"DELETE FROM events WHERE {where}", values).rowcount  # noqa: S608 - as above


def _finish_one(connection: sqlite3.Connection) -> bool:
    """Delete the next events of a job that was pruned before; return whether there was one."""
    row = connection.execute("SELECT job_id FROM pruned_jobs LIMIT 1").fetchone()
    if row is None:
        return False
    job_id = row[0]
    last = connection.execute(
        "SELECT max(seq) FROM (SELECT seq FROM events WHERE job_id = ? ORDER BY seq LIMIT ?)", (job_id, CHUNK)
    ).fetchone()[0]
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruning', '1')")
    if last is None or _delete_events(connection, "job_id = ? AND seq <= ?", (job_id, last)) < CHUNK:
        connection.execute("DELETE FROM pruned_jobs WHERE job_id = ?", (job_id,))
    connection.execute("DELETE FROM meta WHERE key = 'pruning'")
    connection.execute("COMMIT")
    return True


def _make_headroom(connection: sqlite3.Connection) -> None:
    """Give the space of the write-ahead log back to the disk, if nobody reads in it and the disk lets us."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _give_back(connection: sqlite3.Connection, least: int) -> bool:
    """Return some free pages to the file system if there are at least so many; return whether some went."""
    free = _free_pages(connection)
    if free < least:
        return False
    # A script, for execute() would stop after the first page.
    connection.executescript("PRAGMA incremental_vacuum(%d)" % _VACUUM_PAGES)  # noqa: UP031 - takes no parameters
    return _free_pages(connection) < free


def _free_pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0])
