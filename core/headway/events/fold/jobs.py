"""The fold of the job list, and of the job row that a run's view has too."""

from __future__ import annotations

from collections.abc import Callable

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.graph import actions_of, finished_results, levels_done_before, levels_of
from headway.events.fold.values import (
    action_status,
    integer,
    integer_or_none,
    mapping,
    real_or_none,
    sequence,
    text,
    text_or_none,
    texts,
)
from headway.events.views import JobRow, JobsView
from headway.plan.results import ActionStatus

RETRY = "retry"
"""The reason of a job_requeued after which the job begins anew."""


def fold_jobs(view: JobsView, event: Event) -> None:
    """Apply an event to the row of its job."""
    if event.seq:
        view.last_seq = event.seq
    if event.kind == kinds.JOB_CREATED:
        if event.job_id is not None:
            view.jobs[event.job_id] = new_row(event)
    elif event.kind == kinds.STORE_PRUNED:
        for job_id in texts(event.data.get("jobs")):
            view.jobs.pop(job_id, None)
    elif event.job_id is not None:
        row = view.jobs.get(event.job_id)
        if row is not None:
            fold_row(row, event)


def new_row(event: Event) -> JobRow:
    """Return the row of a job that was just created; a fork's counts what it brings along."""
    data = event.data
    terms = mapping(data.get("terms"))
    row = JobRow(
        job_id=event.job_id or "",
        scope=text(data.get("scope")),
        context_id=text_or_none(data.get("context_id")),
        title=text(data.get("title")),
        source=text(data.get("source")),
        principal=text_or_none(data.get("principal")),
        proposal_id=event.proposal_id or text(mapping(data.get("proposal")).get("id")),
        created_ms=event.ts,
        levels=len(sequence(mapping(data.get("graph")).get("levels"))),
        actions=len(sequence(mapping(data.get("graph")).get("actions"))),
        forked_from=text_or_none(mapping(data.get("forked_from")).get("job_id")),
        first_seq=event.seq,
        last_seq=event.seq,
        work=text(terms.get("work")),
        priority=integer(terms.get("priority")),
        max_retries=integer(terms.get("max_retries")),
    )
    if data.get("results"):
        _bring_along(row, event)
    return row


def _bring_along(row: JobRow, event: Event) -> None:
    """Count the results that a fork takes over."""
    actions = actions_of(event)
    settled = dict.fromkeys(ActionStatus, 0)
    places = {action.id: action for action in reversed(actions)}
    for result in finished_results(event):
        action = places.get(text(result["action_id"]))
        status = action_status(result.get("status"))
        if action is not None and status is not None and not action.done:
            action.finished_ms = event.ts
            settled[status] += 1
    row.levels_done = levels_done_before(event, levels_of(event, actions), actions)
    row.succeeded = settled[ActionStatus.SUCCEEDED]
    row.failed = settled[ActionStatus.FAILED]
    row.skipped = settled[ActionStatus.SKIPPED]
    row.rejected = settled[ActionStatus.REJECTED]


def fold_row(row: JobRow, event: Event) -> None:
    """Apply an event of the row's job, any but its ``job_created``."""
    if event.seq:
        row.last_seq = event.seq
    handler = _ROW.get(event.kind)
    if handler is not None:
        handler(row, event)


def _started(row: JobRow, event: Event) -> None:
    row.status = "running"
    row.started_ms = event.ts
    row.next_retry_ms = None
    row.worker = text_or_none(event.data.get("worker"))


def _requeued(row: JobRow, event: Event) -> None:
    row.status = "queued"
    row.pause_reason = row.worker = None
    if event.data.get("why") == RETRY:
        row.attempt = integer(event.data.get("attempt"), row.attempt + 1)
        row.next_retry_ms = integer_or_none(event.data.get("next_retry_ms"))
        row.error = text_or_none(event.data.get("error"))
        row.started_ms = row.progress = None
        row.levels_done = row.succeeded = row.failed = row.skipped = row.rejected = 0


def _progressed(row: JobRow, event: Event) -> None:
    progress = real_or_none(event.data.get("progress"))
    if progress is not None:
        row.progress = progress
    row.detail = text_or_none(event.data.get("detail")) or row.detail


def _level_finished(row: JobRow, event: Event) -> None:
    if event.level is not None and 0 <= event.level < row.levels:
        row.levels_done = max(row.levels_done, event.level + 1)


def _succeeded(row: JobRow, event: Event) -> None:
    row.succeeded += 1


def _failed(row: JobRow, event: Event) -> None:
    row.failed += 1


def _skipped(row: JobRow, event: Event) -> None:
    row.skipped += 1


def _rejected(row: JobRow, event: Event) -> None:
    row.rejected += 1


def _cancel_requested(row: JobRow, event: Event) -> None:
    if row.cancel_reason is None:  # a kill after a cancel only hastens the end
        row.cancel_reason = text(event.data.get("reason"))


def _pause_requested(row: JobRow, event: Event) -> None:
    row.pause_reason = text(event.data.get("reason"))


def _paused(row: JobRow, event: Event) -> None:
    row.status = "paused"
    row.pause_reason = text(event.data.get("reason"), row.pause_reason or "")


def _resumed(row: JobRow, event: Event) -> None:
    row.status = "running"
    row.pause_reason = row.next_retry_ms = None


def _asked(row: JobRow, event: Event) -> None:
    _waits(row, event, 1)


def _closed(row: JobRow, event: Event) -> None:
    _waits(row, event, -1)


def _waits(row: JobRow, event: Event, more: int) -> None:
    """Count a question that the job waits for, or one that it waits for no more."""
    kind = text(event.data.get("kind")).split(" ")[0]
    counts: dict[str, int] = {}
    for part in filter(None, row.waiting_for.split(", ")):
        name, _, number = part.partition(" ")
        counts[name] = int(number) if number.isdecimal() else 1
    if not kind or "," in kind:
        return
    counts[kind] = counts.get(kind, 0) + more
    row.waiting_for = ", ".join(f"{name} {n}" if n > 1 else name for name, n in counts.items() if n > 0)


def _completed(row: JobRow, event: Event) -> None:
    _end(row, event, "completed")
    row.error = None  # of the attempt before
    if row.external:
        row.progress = 100.0


def _job_failed(row: JobRow, event: Event) -> None:
    _end(row, event, "failed")
    row.error = text_or_none(event.data.get("error"))


def _cancelled(row: JobRow, event: Event) -> None:
    _end(row, event, "cancelled")
    row.cancel_reason = text(event.data.get("reason"), row.cancel_reason or "")


def _end(row: JobRow, event: Event, status: str) -> None:
    row.status = status
    row.outcome = text_or_none(event.data.get("outcome"))
    row.finished_ms = event.ts
    row.waiting_for = ""
    row.next_retry_ms = row.pause_reason = None


_ROW: dict[str, Callable[[JobRow, Event], None]] = {
    kinds.JOB_STARTED: _started,
    kinds.JOB_REQUEUED: _requeued,
    kinds.JOB_PROGRESS: _progressed,
    kinds.LEVEL_FINISHED: _level_finished,
    kinds.ACTION_SUCCEEDED: _succeeded,
    kinds.ACTION_FAILED: _failed,
    kinds.ACTION_SKIPPED: _skipped,
    kinds.ACTION_REJECTED: _rejected,
    kinds.RUN_CANCEL_REQUESTED: _cancel_requested,
    kinds.RUN_KILLED: _cancel_requested,
    kinds.RUN_PAUSE_REQUESTED: _pause_requested,
    kinds.RUN_PAUSED: _paused,
    kinds.RUN_RESUMED: _resumed,
    kinds.ELICITATION_REQUESTED: _asked,
    **dict.fromkeys(kinds.CLOSED_ELICITATION, _closed),
    kinds.JOB_COMPLETED: _completed,
    kinds.JOB_FAILED: _job_failed,
    kinds.JOB_CANCELLED: _cancelled,
}
