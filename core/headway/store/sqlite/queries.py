"""What is read from a store, and how: each question once, for the writer's connection and for readers alike.

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
from headway.events.fold.table import BUDGET_KINDS, LIMIT_KINDS
from headway.events.views import BudgetRow, BudgetView, JobRow, JobsView, LimitsView, RunView, StateView
from headway.store.protocol import Statistics
from headway.store.sqlite.codec import COLUMNS, Row, fill, from_row, needed_blobs

T = TypeVar("T")
Query = tuple[str, tuple[Any, ...]]
Steps = Generator[Query, list[Row], T]
"""A question with an answer of type T."""

PAGE = 2000
"""How many events are fetched at once while folding."""

JOB_COLUMNS = ", ".join(JobRow.__struct_fields__)
_END = 2**63 - 1
_run = msgspec.json.Decoder(RunView)
_state = msgspec.json.Decoder(StateView)
_limits = msgspec.json.Decoder(LimitsView)
_budget = msgspec.json.Decoder(BudgetRow)


def drive(connection: sqlite3.Connection, steps: Steps[T]) -> T:
    """Answer a question on a connection of this thread."""
    try:
        query = next(steps)
        while True:
            query = steps.send(connection.execute(*query).fetchall())
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
    if row is not None and row.finished:
        return row
    view = JobsView({job_id: row} if row is not None else {}, row.last_seq if row is not None else 0)
    while True:
        page = yield from events(view.last_seq, job_id=job_id, limit=PAGE)
        fold_all(view, page)
        if len(page) < PAGE:
            break
    if job_id not in view.jobs:
        raise NotFound(f"there is no job '{job_id}'")
    return view.jobs[job_id]


def jobs(status: str | None, limit: int, before: int | None) -> Steps[list[JobRow]]:
    """Answer the newest jobs of a status whose ``first_seq`` is under ``before``."""
    end = _END if before is None else before
    rows: list[Row]
    if status is None:
        sql = f"SELECT {JOB_COLUMNS} FROM jobs WHERE first_seq < ? ORDER BY first_seq DESC LIMIT ?"  # noqa: S608
        rows = yield sql, (end, max(0, limit))
    else:
        sql = (
            f"SELECT {JOB_COLUMNS} FROM jobs WHERE status = ? AND first_seq < ?"  # noqa: S608
            " ORDER BY first_seq DESC LIMIT ?"
        )
        rows = yield sql, (status, end, max(0, limit))
    found = []
    for row in rows:
        current = yield from _up_to_date(JobRow(*row))
        found.append(current)
    return found


def unfinished() -> Steps[list[JobRow]]:
    """Answer every job that has no end, oldest first."""
    indexed = yield "SELECT 1 FROM sqlite_master WHERE name = 'unfinished'", ()
    if indexed:
        rows = yield "SELECT job_id FROM unfinished ORDER BY seq", ()
    else:  # schema 2, whose rows have the status of their last event
        rows = yield "SELECT job_id FROM jobs WHERE finished_ms IS NULL ORDER BY first_seq", ()
    found = []
    for (job_id,) in rows:
        row = yield from job(job_id)
        if not row.finished:  # it ended while this was read
            found.append(row)
    return found


def _up_to_date(row: JobRow) -> Steps[JobRow]:
    """Fold what came after an unfinished job's row was written."""
    if row.finished:
        return row
    view = JobsView({row.job_id: row}, row.last_seq)
    while True:
        page = yield from events(view.last_seq, job_id=row.job_id, limit=PAGE)
        fold_all(view, page)
        if len(page) < PAGE:
            return view.jobs[row.job_id]


def jobs_view() -> Steps[JobsView]:
    """Answer all jobs. Ask inside one read transaction."""
    head = yield from last_seq()
    folded = (yield from folded_seq()) or 0
    rows = yield f"SELECT {JOB_COLUMNS} FROM jobs ORDER BY first_seq", ()  # noqa: S608 - constant columns
    view = JobsView({row[0]: JobRow(*row) for row in rows}, folded)
    while True:
        page = yield from events(view.last_seq, limit=PAGE)
        for event in page:
            row = view.jobs.get(event.job_id or "")
            if row is None or event.seq > row.last_seq:  # a row may be ahead of what is whole
                fold(view, event)
        view.last_seq = page[-1].seq if page else view.last_seq
        if len(page) < PAGE:
            view.last_seq = max(head, view.last_seq)
            return view


# -- limits and budgets ------------------------------------------------------------------------------------------------


def cached_limits() -> Steps[LimitsView]:
    """Answer the newest snapshot of the token buckets, or what pruned events left of them."""
    sql = (
        "SELECT seq, body FROM snapshots WHERE view = 'limits'"
        " UNION ALL SELECT seq, body FROM bases WHERE view = 'limits' ORDER BY 1 DESC LIMIT 1"
    )
    rows = yield sql, ()
    if not rows:
        return LimitsView()
    view = _limits.decode(rows[0][1])
    view.last_seq = int(rows[0][0])
    return view


def limits_view() -> Steps[LimitsView]:
    """Answer every token bucket. Ask inside one read transaction."""
    head = yield from last_seq()
    view = yield from cached_limits()
    while True:
        page = yield from events(view.last_seq, kinds=LIMIT_KINDS, limit=PAGE)
        fold_all(view, page)
        if len(page) < PAGE:
            view.last_seq = head
            return view


def cached_budget(job_id: str) -> Steps[tuple[int, BudgetRow] | None]:
    """Answer a job's budget and the seq up to which it is folded."""
    rows = yield (
        "SELECT seq, body FROM snapshots WHERE view = 'budget' AND key = ? ORDER BY seq DESC LIMIT 1",
        (job_id,),
    )
    return (int(rows[0][0]), _budget.decode(rows[0][1])) if rows else None


def budget_view() -> Steps[BudgetView]:
    """Answer every budget. Ask inside one read transaction."""
    head = yield from last_seq()
    folded = (yield from folded_seq()) or 0
    rows = yield "SELECT key, seq, body FROM snapshots WHERE view = 'budget' ORDER BY rowid", ()
    view = BudgetView({row[0]: _budget.decode(row[2]) for row in rows}, folded)
    ahead = {row[0]: int(row[1]) for row in rows}
    while True:
        page = yield from events(view.last_seq, kinds=BUDGET_KINDS, limit=PAGE)
        for event in page:
            if event.seq > ahead.get(event.job_id or "", 0):
                fold(view, event)
        view.last_seq = page[-1].seq if page else view.last_seq
        if len(page) < PAGE:
            view.last_seq = head
            return view


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
    # A job that ended before ``after`` has nothing to add; one that has not ended may lie behind in the table.
    sql = f"""
        SELECT {COLUMNS} FROM events
        WHERE seq > ? AND seq <= ?
        AND job_id IN (SELECT job_id FROM jobs WHERE scope = ? AND (last_seq > ? OR finished_ms IS NULL))
        AND kind IN ('job_created', 'action_succeeded', 'level_finished', 'state_rollback', 'job_completed',
                     'job_failed', 'job_cancelled')
        UNION ALL
        SELECT {COLUMNS} FROM events
        WHERE kind IN ('state_committed', 'checkpoint_restored') AND seq > ? AND seq <= ?
        ORDER BY 1 LIMIT ?
        """  # noqa: S608 - constant columns
    while True:
        rows = yield sql, (after, end, scope, after, after, end, 10 * PAGE)
        page = yield from _events(rows)
        fold_all(view, page)
        if len(rows) < 10 * PAGE:
            return view
        after = int(rows[-1][0])


# -- everything --------------------------------------------------------------------------------------------------------


def log_views() -> Steps[dict[str, Any]]:
    """Answer every view over the whole log by its name. Ask inside one read transaction."""
    jobs = yield from jobs_view()
    limits = yield from limits_view()
    budgets = yield from budget_view()
    return {"jobs": jobs, "limits": limits, "budgets": budgets}


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
