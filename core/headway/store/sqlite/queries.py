"""The queries of a store: each question once, for the writer's connection and for readers alike.

A question is a generator that yields ``(SQL, parameters)``, is sent the rows and returns its answer. The writer's
thread runs it with :func:`drive` on its stdlib connection; a reader awaits each step. So both read the same way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator
from typing import Any, TypeVar

import msgspec

from headway.errors import NotFound
from headway.events.event import Event
from headway.events.fold import fold, fold_all
from headway.events.fold.table import ViewRow, log_views
from headway.events.views import JobRow, JobsView, RunView, StateView
from headway.store.protocol import Statistics
from headway.store.sqlite.codec import COLUMNS, Row, fill, from_row, needed_blobs

T = TypeVar("T")
Query = tuple[str, tuple[Any, ...]]
Steps = Generator[Query, list[Row], T]
"""A question with an answer of type T."""

PAGE = 1000
"""The number of events that are fetched together while folding."""

_TOGETHER = 100  # jobs that one question is about

COMPLETE_LAG = 50_000
"""The lag of the caches from which on lists are told as incomplete; else what they lack is folded to answer."""

NEWEST = 100
"""The number of newest jobs that an incomplete list holds at least."""

FINISHED = frozenset({"completed", "failed", "cancelled"})

JOB_COLUMNS = "*"
"""The columns of a job's row, in the order of JobRow's fields; a file of an older schema lacks the last ones."""
_END = 2**63 - 1
_run = msgspec.json.Decoder(RunView)
_state = msgspec.json.Decoder(StateView)


def drive(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Answer a question on a connection of this thread."""
    try:
        query = next(steps)
        while True:
            query = steps.send(connection.execute(*query).fetchall())
    except StopIteration as stop:
        answer: T = stop.value
        return answer


def paced(connection: sqlite3.Connection, steps: Steps[T]) -> Generator[None, None, T]:
    """Answer a question as :func:`drive` does, a step at a time: what iterates over it may do other things between."""
    try:
        query = next(steps)
        while True:
            rows = connection.execute(*query).fetchall()
            yield
            query = steps.send(rows)
    except StopIteration as stop:
        answer: T = stop.value
        return answer


def last_seq() -> Steps[int]:
    """Answer the seq of the last event, 0 when there is none."""
    rows = yield "SELECT coalesce(max(seq), 0) FROM events", ()
    return int(rows[0][0])


def folded_seq() -> Steps[int | None]:
    """Answer how far the caches are whole; None when there are none."""
    rows = yield "SELECT value FROM meta WHERE key = 'folded'", ()
    return int(rows[0][0]) if rows else None


# -- events ------------------------------------------------------------------------------------------------------------


def events(
    after: int = 0,
    *,
    before: int | None = None,
    job_id: str | None = None,
    kinds: Collection[str] | None = None,
    limit: int = 1000,
    newest: bool = False,
) -> Steps[list[Event]]:
    """Answer up to ``limit`` events with ``after < seq < before``, in order: the first ones, or the newest."""
    # The text below is put together from constants; every value is a parameter.
    where = ["seq > ?", "seq < ?"]
    values: list[Any] = [after, _END if before is None else before]
    if job_id is not None:
        where.append("job_id = ?")
        values.append(job_id)
    if kinds is not None:
        where.append("kind IN (" + ", ".join("?" * len(kinds)) + ")")
        values.extend(sorted(kinds))
    order = "DESC" if newest else "ASC"
    sql = f"SELECT {COLUMNS} FROM events WHERE {' AND '.join(where)} ORDER BY seq {order} LIMIT ?"  # noqa: S608
    rows = yield sql, (*values, max(0, limit))
    if newest:
        rows.reverse()
    found = yield from _events(rows)
    return found


def _events(rows: list[Row]) -> Steps[list[Event]]:
    """Make events of rows, with the large values that folds need put back."""
    wanted = needed_blobs(rows)
    if not wanted:
        return [from_row(row) for row in rows]
    blobs: dict[str, bytes] = {}
    for name in wanted:
        body = yield from blob(name)
        if body is not None:
            blobs[name] = body
    return [fill(from_row(row), blobs) for row in rows]


def blob(name: str) -> Steps[bytes | None]:
    """Answer the body of a blob, or None if it is gone."""
    rows = yield "SELECT body FROM blobs WHERE hash = ?", (name,)
    return bytes(rows[0][0]) if rows else None


# -- jobs --------------------------------------------------------------------------------------------------------------


def job_row(job_id: str) -> Steps[JobRow | None]:
    """Answer a job's cached row, which may lie behind the log."""
    rows = yield f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id = ?", (job_id,)  # noqa: S608 - constant columns
    return JobRow(*rows[0]) if rows else None


def job(job_id: str) -> Steps[JobRow]:
    """Answer a job's row as of now. Raises :class:`NotFound`."""
    row = yield from job_row(job_id)
    found = yield from _up_to_date(job_id, row)
    if found is None:
        raise NotFound(f"there is no job '{job_id}'")
    return found


def _up_to_date(job_id: str, row: JobRow | None) -> Steps[JobRow | None]:
    """Fold what came after a job's row was written; None if there is no such job."""
    view = JobsView({job_id: row} if row is not None else {}, row.last_seq if row is not None else 0)
    while True:
        page = yield from events(view.last_seq, job_id=job_id, limit=PAGE)
        fold_all(view, page)
        if len(page) < PAGE:
            return view.jobs.get(job_id)


def unfinished_ids() -> Steps[list[str]]:
    """Answer the ids of the jobs that have no end, oldest first."""
    indexed = yield "SELECT 1 FROM sqlite_master WHERE name = 'unfinished'", ()
    if indexed:
        rows = yield "SELECT job_id FROM unfinished ORDER BY seq", ()
    else:  # schema 2, whose rows have the status of their last event
        rows = yield "SELECT job_id FROM jobs WHERE finished_ms IS NULL ORDER BY first_seq", ()
    return [row[0] for row in rows]


def unfinished() -> Steps[list[JobRow]]:
    """Answer every job that has no end, oldest first."""
    ids = yield from unfinished_ids()
    rows: dict[str, JobRow] = {}
    for start in range(0, len(ids), _TOGETHER):
        part = ids[start : start + _TOGETHER]
        found = yield from _rows_of(part)
        rows.update(found)
    return [rows[job_id] for job_id in ids if job_id in rows and not rows[job_id].finished]


def _rows_of(ids: list[str]) -> Steps[dict[str, JobRow]]:
    """Answer the rows of some jobs as of now: the cached ones, and what their events say since."""
    places = ", ".join("?" * len(ids))
    rows = yield f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id IN ({places})", tuple(ids)  # noqa: S608 - placeholders
    view = JobsView({row[0]: JobRow(*row) for row in rows})
    seqs = {row.job_id: row.last_seq for row in view.jobs.values()}
    after = min(seqs.values()) if len(seqs) == len(ids) else 0
    sql = f"SELECT {COLUMNS} FROM events WHERE job_id IN ({places}) AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    while True:
        page = yield from _events((yield sql, (*ids, after, PAGE)))
        for event in page:
            if event.seq > seqs.get(event.job_id or "", 0):
                fold(view, event)
        if len(page) < PAGE:
            return view.jobs
        after = page[-1].seq


def jobs(status: str | None, limit: int, before: int | None) -> Steps[list[JobRow]]:
    """Answer the newest jobs of a status whose ``first_seq`` is under ``before``."""
    end = _END if before is None else before
    limit = max(0, limit)
    if status is None or status in FINISHED:
        found = yield from _listed(status, limit, end)
    else:
        found = [row for row in (yield from unfinished()) if row.status == status and row.first_seq < end]
    return sorted(found, key=_first_seq, reverse=True)[:limit]


def _listed(status: str | None, limit: int, end: int) -> Steps[list[JobRow]]:
    """Answer cached jobs, and those that began or ended after the caches were written."""
    folded = (yield from folded_seq()) or 0
    where = "WHERE first_seq < ?" if status is None else "WHERE first_seq < ? AND status = ?"
    sql = f"SELECT {JOB_COLUMNS} FROM jobs {where} ORDER BY first_seq DESC LIMIT ?"  # noqa: S608 - constant columns
    values: tuple[Any, ...] = (end, limit) if status is None else (end, status, limit)
    cached = yield sql, values
    rows: dict[str, JobRow | None] = {row[0]: JobRow(*row) for row in cached}
    sql = "SELECT job_id FROM events WHERE kind = ? AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?"
    if status is None:
        begun = sql.replace("kind = ?", "kind = 'job_created'")  # the words of the index, so that it serves
        recent = yield begun, (folded, end, limit)
    else:
        recent = []
        head = yield from last_seq()
        if head - folded <= COMPLETE_LAG:
            recent = yield sql, (f"job_{status}", folded, _END, _END)
    for (job_id,) in recent:
        rows.setdefault(job_id, None)
    touched = yield from _touched(folded)
    for job_id, row in rows.items():
        if touched is None and row is not None and not row.finished:
            rows[job_id] = yield from _up_to_date(job_id, row)
    behind = [job_id for job_id, row in rows.items() if row is None or job_id in (touched or ())]
    for start in range(0, len(behind), _TOGETHER):
        part = {job_id: rows[job_id] for job_id in behind[start : start + _TOGETHER]}
        rows.update((yield from _brought_up(part, folded)))
    found = [row for row in rows.values() if row is not None and row.first_seq < end]
    return [row for row in found if status is None or row.status == status]


def _brought_up(rows: dict[str, JobRow | None], folded: int) -> Steps[dict[str, JobRow | None]]:
    """Answer rows with what came after ``folded``; None for a job that there is not."""
    view = JobsView({job_id: row for job_id, row in rows.items() if row is not None})
    unread = tuple(job_id for job_id, row in rows.items() if row is None)
    if unread:
        places = ", ".join("?" * len(unread))
        cached = yield f"SELECT {JOB_COLUMNS} FROM jobs WHERE job_id IN ({places})", unread  # noqa: S608 - placeholders
        view.jobs.update((values[0], JobRow(*values)) for values in cached)
    seqs = {job_id: row.last_seq for job_id, row in view.jobs.items()}
    places, after = ", ".join("?" * len(rows)), folded
    sql = f"SELECT {COLUMNS} FROM events WHERE job_id IN ({places}) AND seq > ? ORDER BY seq LIMIT ?"  # noqa: S608
    while True:
        page = yield from _events((yield sql, (*rows, after, PAGE)))
        for event in page:
            if event.seq > seqs.get(event.job_id or "", 0):
                fold(view, event)
        if len(page) < PAGE:
            return {job_id: view.jobs.get(job_id) for job_id in rows}
        after = page[-1].seq


def _touched(folded: int) -> Steps[set[str] | None]:
    """Answer the jobs that have events after ``folded``: their rows lie behind; None where that would take long."""
    head = yield from last_seq()
    if head - folded > COMPLETE_LAG:
        return None
    # By seq: for DISTINCT the planner would rather walk the whole index by job.
    rows = yield "SELECT job_id FROM events NOT INDEXED WHERE seq > ? AND job_id IS NOT NULL", (folded,)
    return {row[0] for row in rows}


def _first_seq(row: JobRow) -> int:
    return row.first_seq


def complete() -> Steps[bool]:
    """Answer whether lists hold every job: the caches lie no further behind than is folded for an answer."""
    head = yield from last_seq()
    folded = (yield from folded_seq()) or 0
    return head - folded <= COMPLETE_LAG


# -- views over the whole log ------------------------------------------------------------------------------------------


def cached_view(row: ViewRow[Any]) -> Steps[Any]:
    """Answer a view over the whole log as far as it is cached, or what pruned events left of it; its parts not read."""
    folded = (yield from folded_seq()) or 0
    if row.parts is not None:
        view = row.empty()
        view.last_seq = folded
        return view
    sql = (
        "SELECT seq, body FROM snapshots WHERE view = ?"
        " UNION ALL SELECT seq, body FROM bases WHERE view = ? ORDER BY 1 DESC LIMIT 1"
    )
    rows = yield sql, (row.name, row.name)
    if not rows:
        return row.empty()
    view = row.decode(rows[0][1])
    view.last_seq = int(rows[0][0])
    return view


def cached_part(row: ViewRow[Any], job_id: str) -> Steps[tuple[int, Any] | None]:
    """Answer a job's part of a view, and the seq up to which it is folded."""
    if row.name == "jobs":
        found = yield from job_row(job_id)
        return (found.last_seq, found) if found is not None else None
    rows = yield (
        "SELECT seq, body FROM snapshots WHERE view IN (?, ?) AND key = ? ORDER BY seq DESC LIMIT 1",
        (*_stored(row), job_id),
    )
    return (int(rows[0][0]), msgspec.json.decode(rows[0][1], type=row.part)) if rows else None


def _stored(row: ViewRow[Any]) -> tuple[str, str]:
    """Return the names under which a view's snapshots are stored: its own, and the one of schema 2."""
    return row.name, "budget" if row.name == "budgets" else row.name


def _cached_parts(row: ViewRow[Any]) -> Steps[tuple[Any, dict[str, int]]]:
    """Answer a view with all its cached parts, and how far each is folded."""
    view = yield from cached_view(row)
    parts = getattr(view, row.parts or "")
    seqs: dict[str, int] = {}
    if row.name == "jobs":
        rows = yield f"SELECT {JOB_COLUMNS} FROM jobs ORDER BY first_seq", ()  # noqa: S608 - constant columns
        for values in rows:
            parts[values[0]] = JobRow(*values)
            seqs[values[0]] = parts[values[0]].last_seq
        return view, seqs
    rows = yield "SELECT key, seq, body FROM snapshots WHERE view IN (?, ?) ORDER BY rowid", _stored(row)
    decoder = msgspec.json.Decoder(row.part)
    for key, seq, body in rows:
        parts[key] = decoder.decode(body)
        seqs[key] = int(seq)
    return view, seqs


def log_view(row: ViewRow[Any]) -> Steps[Any]:
    """Answer a view over the whole log as of now. Ask inside one read transaction."""
    head = yield from last_seq()
    if row.parts is not None:
        view, seqs = yield from _cached_parts(row)
    else:
        view, seqs = (yield from cached_view(row)), {}
    after = view.last_seq
    while True:
        page = yield from events(after, kinds=row.kinds, limit=PAGE)
        for event in page:
            if event.seq > seqs.get(event.job_id or "", 0):  # a part may be ahead of what is whole
                fold(view, event)
        if len(page) < PAGE:
            view.last_seq = head
            return view
        after = page[-1].seq


def snapshot() -> Steps[tuple[dict[str, Any], bool]]:
    """Answer every view over the whole log by its name, and whether they are complete: all together if they can be.

    Where the caches lie too far behind, views are as of them, and jobs are those that are cached, that have not ended
    and the newest. Ask inside one read transaction.
    """
    is_complete = yield from complete()
    views: dict[str, Any] = {}
    head = yield from last_seq()
    for row in log_views():
        if is_complete:
            views[row.name] = yield from log_view(row)
        elif row.parts is not None:
            views[row.name], _ = yield from _cached_parts(row)
        else:
            views[row.name] = yield from cached_view(row)
        views[row.name].last_seq = head
    if not is_complete:
        known: dict[str, JobRow] = views["jobs"].jobs
        newest = yield from jobs(None, NEWEST, None)
        for job_row in [*(yield from unfinished()), *newest]:
            known[job_row.job_id] = job_row
        views["jobs"].jobs = dict(sorted(known.items(), key=lambda item: item[1].first_seq))
    return views, is_complete


# -- runs and states ---------------------------------------------------------------------------------------------------


def run_view(job_id: str, upto: int | None = None, *, missing_ok: bool = False) -> Steps[RunView]:
    """Answer a run as it was at seq ``upto``; unless an empty one will do, :class:`NotFound` if there was no such."""
    end = _END if upto is None else upto
    rows = yield (
        "SELECT seq, body FROM snapshots WHERE view = 'run' AND key = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
        (job_id, end),
    )
    view = _run.decode(rows[0][1]) if rows else RunView(job=JobRow(job_id=job_id))
    after = int(rows[0][0]) if rows else 0
    while True:
        page = yield from events(after, before=min(end, _END - 1) + 1, job_id=job_id, limit=PAGE)
        fold_all(view, page)
        if len(page) < PAGE:
            break
        after = page[-1].seq
    if view.job.first_seq == 0 and not missing_ok:
        raise NotFound(f"there is no job '{job_id}'")
    return view


def state_view(scope: str, upto: int | None = None) -> Steps[StateView]:
    """Answer a scope's state as it was at seq ``upto``; an empty one for a scope that nobody used."""
    end = _END if upto is None else upto
    sql = (
        "SELECT seq, body FROM snapshots WHERE view = 'state' AND key = ? AND seq <= ?"
        " UNION ALL SELECT seq, body FROM bases WHERE view = 'state' AND key = ? AND seq <= ? ORDER BY 1 DESC LIMIT 1"
    )
    rows = yield sql, (scope, end, scope, end)
    view = _state.decode(rows[0][1]) if rows else StateView(scope)
    after = int(rows[0][0]) if rows else 0
    folded = (yield from folded_seq()) or 0
    # A job that ended before ``after`` has nothing to add; one that has not, or that is new, may lie behind in jobs.
    sql = f"""
        SELECT {COLUMNS} FROM events
        WHERE seq > ? AND seq <= ?
        AND job_id IN (
            SELECT job_id FROM jobs WHERE scope = ? AND (last_seq > ? OR finished_ms IS NULL)
            UNION
            SELECT job_id FROM events WHERE kind = 'job_created' AND seq > ? AND json_extract(data, '$.scope') = ?
        )
        AND kind IN ('job_created', 'action_succeeded', 'level_finished', 'state_rollback', 'job_completed',
                     'job_failed', 'job_cancelled')
        UNION ALL
        SELECT {COLUMNS} FROM events
        WHERE kind IN ('state_committed', 'checkpoint_restored') AND seq > ? AND seq <= ?
        ORDER BY 1 LIMIT ?
        """  # noqa: S608 - constant columns
    while True:
        rows = yield sql, (after, end, scope, after, folded, scope, after, end, 10 * PAGE)
        page = yield from _events(rows)
        fold_all(view, page)
        if len(rows) < 10 * PAGE:
            return view
        after = int(rows[-1][0])


def thread_events(thread_id: str, kind: str, skip: int, limit: int) -> Steps[list[Event]]:
    """Answer messages or checkpoints of a thread, oldest first; the index ``events_of_threads`` has them."""
    sql = f"""
        SELECT {COLUMNS} FROM events
        WHERE kind IN ('thread_message', 'thread_checkpoint') AND json_extract(data, '$.thread') = ? AND +kind = ?
        ORDER BY seq LIMIT ? OFFSET ?
        """  # noqa: S608 - constant columns
    rows = yield sql, (thread_id, kind, max(0, limit), max(0, skip))
    found = yield from _events(rows)
    return found


def scope_events(scope: str, limit: int) -> Steps[list[Event]]:
    """Answer the first events that began a scope's jobs or set its state from outside them."""
    folded = (yield from folded_seq()) or 0
    sql = f"""
        SELECT {COLUMNS} FROM events
        WHERE kind = 'job_created' AND job_id IN (
            SELECT job_id FROM jobs WHERE scope = ?
            UNION
            SELECT job_id FROM events WHERE kind = 'job_created' AND seq > ? AND json_extract(data, '$.scope') = ?
        )
        UNION ALL
        SELECT {COLUMNS} FROM events
        WHERE kind IN ('state_committed', 'checkpoint_restored') AND json_extract(data, '$.scope') = ?
        ORDER BY 1 LIMIT ?
        """  # noqa: S608 - constant columns
    rows = yield sql, (scope, folded, scope, scope, max(0, limit))
    found = yield from _events(rows)
    return found


# -- figures -----------------------------------------------------------------------------------------------------------


def statistics() -> Steps[Statistics]:
    """Answer figures of the store. Ask inside one read transaction."""
    count, first, last = (yield "SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), 0) FROM events", ())[0]
    jobs = (yield "SELECT count(*) FROM jobs", ())[0][0]
    open_jobs = yield from unfinished()
    folded = (yield from folded_seq()) or 0
    pages = (yield "PRAGMA page_count", ())[0][0]
    free = (yield "PRAGMA freelist_count", ())[0][0]
    size = (yield "PRAGMA page_size", ())[0][0]
    return Statistics(
        kind="sqlite",
        events=count,
        first_seq=first,
        last_seq=last,
        dropped=last - count,
        jobs=jobs,
        unfinished=len(open_jobs),
        pending=0,
        folded=folded,
        bytes=(pages - free) * size,
    )
