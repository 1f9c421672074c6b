"""Retention: deleting finished jobs that are old, or that make the store too large.

It is done in steps, each one small transaction in the writer's thread, so that appended events get their turn and a
nearly full disk has room for it. The first step of a job deletes what shows it and records ``store_pruned``; the
events of a large job follow in further steps, of this prune or, after a kill, of the next.

Kept are jobs that a saved checkpoint needs, and jobs of a scope in which an older one is kept: what a scope's pruned
jobs amounted to is kept as its base, which holds for the beginning of its history only.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from headway.events import kinds as k
from headway.events.event import Event
from headway.store.sqlite import queries
from headway.store.sqlite.codec import pack, to_row
from headway.store.sqlite.insert import insert_rows
from headway.store.sqlite.queries import drive

if TYPE_CHECKING:
    from headway.store.sqlite.writer import Work

CHUNK = 500
"""About how many events one step deletes."""

DAY_MS = 86_400_000

_LARGE_EVENT = 2000  # bytes, index and all: more than most have

_VACUUM_PAGES = 2000  # given back to the file system in one step: 8 MB

_CANDIDATES = """
    SELECT job_id, scope, last_seq FROM jobs AS job
    WHERE finished_ms IS NOT NULL AND finished_ms <= ?
    AND job_id NOT IN (SELECT job_id FROM checkpoints WHERE job_id IS NOT NULL)
    AND NOT (scope = 'job:' || job_id AND scope IN (SELECT scope FROM checkpoints))
    AND NOT EXISTS (SELECT 1 FROM jobs AS older WHERE older.scope = job.scope AND older.first_seq < job.first_seq)
    ORDER BY first_seq LIMIT 100
    """
# The last condition takes the oldest job of a scope only: the next one's turn comes in the next step.

_SET_BASE = "INSERT OR REPLACE INTO bases (view, key, seq, body) VALUES (?, ?, ?, ?)"

_encode = msgspec.json.Encoder().encode


class Limits(msgspec.Struct, frozen=True):
    """What to keep: jobs that ended less than ``keep_days`` ago; ``max_bytes`` of store. None: no such limit."""

    keep_days: float | None = None
    max_bytes: int | None = None


class Report(msgspec.Struct):
    """What a prune did; ``bytes`` is what the store holds afterwards, free pages not counted."""

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


def step(work: Work, limits: Limits, report: Report, now_ms: int) -> bool:
    """Do the next small step; return whether there may be more to do."""
    connection = work.connection
    if not report.jobs and not report.events:
        _make_headroom(connection)
    if _finish_one(connection):
        return True
    jobs, reason = _choose(connection, limits, now_ms)
    if jobs:
        _prune(work, jobs, reason, report, now_ms)
        return True
    if _give_back(connection):
        return True
    report.bytes = used_bytes(connection)
    return False


def used_bytes(connection: sqlite3.Connection) -> int:
    """Return how many bytes of the store's pages are in use."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])  # the names are the three below
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _choose(connection: sqlite3.Connection, limits: Limits, now_ms: int) -> tuple[list[_Job], str]:
    """Return the next jobs to prune, about one chunk of events, and why."""
    reason, most = "keep_days", CHUNK
    rows: list[tuple[Any, ...]] = []
    if limits.keep_days is not None:
        rows = connection.execute(_CANDIDATES, (now_ms - int(limits.keep_days * DAY_MS),)).fetchall()
    excess = 0 if rows or limits.max_bytes is None else used_bytes(connection) - limits.max_bytes
    if excess > 0:
        reason, most = "max_bytes", min(CHUNK, excess // _LARGE_EVENT)  # ever fewer, so that not too many are taken
        rows = connection.execute(_CANDIDATES, (now_ms,)).fetchall()
    jobs = []
    events = 0
    for row in rows:
        job = _Job(*row)
        jobs.append(job)
        events += _count(connection, job.job_id)
        if events >= most:
            break
    return jobs, reason


def _count(connection: sqlite3.Connection, job_id: str) -> int:
    return int(connection.execute("SELECT count(*) FROM events WHERE job_id = ?", (job_id,)).fetchone()[0])


def _prune(work: Work, jobs: list[_Job], reason: str, report: Report, now_ms: int) -> None:
    """Delete jobs, with the event that says so, in one transaction."""
    connection = work.connection
    counts = {job.job_id: _count(connection, job.job_id) for job in jobs}
    events = sum(counts.values())
    data = {"jobs": list(counts), "events": events, "reason": reason}
    packed = pack(Event(k.STORE_PRUNED, data, ts=now_ms))
    seq = packed.event.seq = work.last_seq + 1
    bases = [_base_of(connection, job) for job in jobs if job.scope != f"job:{job.job_id}"]
    due = work.caches.fold(connection, [packed.event])
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruning', '1')")
    for job in jobs:
        _forget(connection, job)
        if counts[job.job_id] <= CHUNK:
            _delete_events(connection, job.job_id, CHUNK)
        else:
            connection.execute("INSERT INTO pruned_jobs (job_id) VALUES (?)", (job.job_id,))
    for base in bases:
        connection.execute(_SET_BASE, ("state", *base))
        connection.execute("DELETE FROM snapshots WHERE view = 'state' AND key = ? AND seq <= ?", base[:2])
    limits = _encode(work.caches.limits).decode()
    connection.execute(_SET_BASE, ("limits", "", seq, limits))
    connection.execute("DELETE FROM meta WHERE key = 'pruning'")
    insert_rows(connection, [to_row(seq, packed)])
    if due:
        work.caches.flush(connection, seq)
    connection.execute("COMMIT")
    work.last_seq = seq
    work.events.append(packed.event)
    report.jobs += counts
    report.events += events


def _base_of(connection: sqlite3.Connection, job: _Job) -> tuple[str, int, str]:
    """Return the state of a job's scope once the job had ended."""
    view = drive(connection, queries.state_view(job.scope, job.last_seq))
    return job.scope, job.last_seq, _encode(view).decode()


def _forget(connection: sqlite3.Connection, job: _Job) -> None:
    """Delete what shows a job."""
    connection.execute("DELETE FROM jobs WHERE job_id = ?", (job.job_id,))
    connection.execute("DELETE FROM snapshots WHERE view IN ('run', 'budget') AND key = ?", (job.job_id,))
    if job.scope == f"job:{job.job_id}":
        connection.execute("DELETE FROM snapshots WHERE view = 'state' AND key = ?", (job.scope,))


def _delete_events(connection: sqlite3.Connection, job_id: str, limit: int) -> int:
    """Delete a job's first events and the blobs that nothing else needs; return how many events."""
    sql = "SELECT seq FROM events WHERE job_id = ? ORDER BY seq LIMIT ?"
    seqs = connection.execute(sql, (job_id, limit)).fetchall()
    if not seqs:
        return 0
    last = seqs[-1][0]
    hashes = connection.execute(
        "SELECT DISTINCT hash FROM blob_refs WHERE seq IN (SELECT seq FROM events WHERE job_id = ? AND seq <= ?)",
        (job_id, last),
    ).fetchall()
    if hashes:
        connection.execute(
            "DELETE FROM blob_refs WHERE seq IN (SELECT seq FROM events WHERE job_id = ? AND seq <= ?)", (job_id, last)
        )
        connection.executemany("DELETE FROM blobs WHERE hash = ? AND hash NOT IN (SELECT hash FROM blob_refs)", hashes)
    connection.execute("DELETE FROM events WHERE job_id = ? AND seq <= ?", (job_id, last))
    return len(seqs)


def _finish_one(connection: sqlite3.Connection) -> bool:
    """Delete the next chunk of a job that was pruned before; return whether there was one."""
    row = connection.execute("SELECT job_id FROM pruned_jobs LIMIT 1").fetchone()
    if row is None:
        return False
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pruning', '1')")
    if _delete_events(connection, row[0], CHUNK) < CHUNK:
        connection.execute("DELETE FROM pruned_jobs WHERE job_id = ?", row)
    connection.execute("DELETE FROM meta WHERE key = 'pruning'")
    connection.execute("COMMIT")
    return True


def _make_headroom(connection: sqlite3.Connection) -> None:
    """Give the space of the write-ahead log back to the disk, if nobody reads in it and the disk lets us."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _give_back(connection: sqlite3.Connection) -> bool:
    """Return some free pages to the file system; return whether there may be more."""
    free = int(connection.execute("PRAGMA freelist_count").fetchone()[0])
    if free == 0:
        return False
    connection.execute("PRAGMA incremental_vacuum(%d)" % _VACUUM_PAGES).fetchall()  # noqa: UP031 - takes no parameters
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0]) not in (0, free)
