"""Bulk operations: one thing asked of all jobs that a filter means. A look first, then a verdict for each job."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from headway.arguments import expect, expect_one_of
from headway.client.wire import BulkItem, BulkReport
from headway.errors import HeadwayError, Overloaded, describe, one_line
from headway.events.views import JobRow
from headway.jobs.filter import JobFilter, lines_of, parse_filter, waits_of
from headway.jobs.transitions import FINAL, JobStatus

if TYPE_CHECKING:
    from headway.jobs.manager import JobManager
    from headway.store import Reader

TOGETHER = 100
"""Jobs of which something is asked concurrently."""

MOST = 10_000
"""The most jobs of one bulk operation."""

_PAGE = 1000

UNFINISHED = frozenset(str(status) for status in JobStatus if status not in FINAL)
FAILED = frozenset({"failed", "cancelled"})

Ask = Callable[["JobManager", str, str, str], Awaitable[str]]
"""Asks something of a job: manager, its id, why, and on whose behalf; returns the verdict."""


class Action(msgspec.Struct, frozen=True):
    """One thing that may be asked: of jobs in these statuses. ``verb`` is the word for it."""

    verb: str
    statuses: frozenset[str]
    ask: Ask


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "cancel": Action("cancel", UNFINISHED, lambda jobs, job_id, why, by: jobs.cancel_job(job_id, why, by)),
        "kill": Action("kill", UNFINISHED, lambda jobs, job_id, why, by: jobs.kill_job(job_id, why, by)),
        "pause": Action("pause", frozenset({"queued", "running"}), lambda jobs, i, why, by: jobs.pause_job(i, why, by)),
        "resume": Action("resume", frozenset({"paused"}), lambda jobs, job_id, _, by: jobs.resume_job(job_id, by)),
        "retry": Action("retry", FAILED | {"queued"}, lambda jobs, job_id, _, by: jobs.retry_job(job_id, by)),
        "fork": Action("fork", FAILED, lambda jobs, job_id, _, by: jobs.fork_from_failure(job_id, by)),
    }
)
"""The things that may be asked of many jobs, by name."""

_MADE = frozenset({"retry", "fork"})


async def matching(store: Reader, where: JobFilter, statuses: frozenset[str], now_ms: int) -> list[JobRow]:
    """Return the jobs of some statuses that a filter means, oldest first; :class:`Overloaded` if they are too many."""
    wanted = where.statuses & statuses
    lines = lines_of(await store.limits_view())
    found: list[JobRow] = []
    if wanted & UNFINISHED:
        found = [row for row in await store.unfinished() if row.status in wanted]
    for status in sorted(wanted - UNFINISHED):
        before: int | None = None
        while True:
            page = await store.jobs(status, _PAGE, before)
            found += [row for row in page if where.matches(row, now_ms, waits_of(row, lines))]
            if len(page) < _PAGE or len(found) > MOST:
                break
            before = page[-1].first_seq
    chosen = {row.job_id: row for row in found if where.matches(row, now_ms, waits_of(row, lines))}
    if len(chosen) > MOST:
        raise Overloaded(f"the filter means more than {MOST:,} jobs: narrow it, by age: for example")
    return sorted(chosen.values(), key=lambda row: row.first_seq)


async def find(
    store: Reader, where: JobFilter, now_ms: int, limit: int = 100, before: int | None = None
) -> list[JobRow]:
    """Return the newest jobs that a filter means; ``before`` is the ``first_seq`` of the last one seen."""
    lines = lines_of(await store.limits_view())
    status = next(iter(where.statuses)) if len(where.statuses) == 1 else None
    found: list[JobRow] = []
    while len(found) < limit:
        page = await store.jobs(status, _PAGE, before)
        found += [row for row in page if where.matches(row, now_ms, waits_of(row, lines))]
        if len(page) < _PAGE:
            break
        before = page[-1].first_seq
    return found[:limit]


async def bulk(
    manager: JobManager, store: Reader, action: str, where: str, *, dry_run: bool, reason: str, by: str, now_ms: int
) -> BulkReport:
    """Ask ``action`` of all jobs that ``where`` means, or with ``dry_run`` only look which those are.

    Whatever one of them answers, the others are asked too.
    """
    row = ACTIONS[expect_one_of(action, tuple(ACTIONS), "a bulk action")]
    expect(dry_run, bool, "dry_run")
    found = parse_filter(where)
    rows = await matching(store, found, row.statuses, now_ms)
    if dry_run:
        return BulkReport(action, where, False, [_item(job, "matches") for job in rows])
    items: list[BulkItem] = []
    for start in range(0, len(rows), TOGETHER):
        part = rows[start : start + TOGETHER]
        items += await asyncio.gather(*(_asked(manager, row, job, reason, by) for job in part))
    return BulkReport(action, where, True, items)


async def _asked(manager: JobManager, action: Action, job: JobRow, reason: str, by: str) -> BulkItem:
    try:
        answer = await action.ask(manager, job.job_id, reason, by)
    except HeadwayError as error:
        return _item(job, "refused", message=error.message, code=error.code)
    except Exception as error:  # noqa: BLE001 - a fault at one job is its verdict, and the others are asked all the same
        return _item(job, "refused", message=describe(error), code="error")
    if action.verb in _MADE and answer != job.job_id:
        return _item(job, "started", into=answer)
    return _item(job, "retried" if action.verb in _MADE else answer)


def _item(job: JobRow, verdict: str, message: str = "", code: str = "", into: str = "") -> BulkItem:
    return BulkItem(job.job_id, job.status, verdict, one_line(job.title, 120), message, code, into)
