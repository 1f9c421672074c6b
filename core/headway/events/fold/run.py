"""The fold of one run: its job row, levels, actions and the state it has committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.graph import actions_of, finish_levels, finished_results, levels_of
from headway.events.fold.jobs import RETRY, fold_row, new_row
from headway.events.fold.values import (
    action_status,
    apply_changes,
    cost_summary,
    error_code,
    integer,
    integer_or_none,
    mapping,
    real,
    real_or_none,
    sequence,
    text,
    text_or_none,
    texts,
)
from headway.events.views import ActionView, RunView
from headway.plan.results import ROLLED_BACK, ActionStatus

_RATE_LIMIT = "rate_limit:"


def fold_run(view: RunView, event: Event) -> None:
    """Apply an event of this run; those of other jobs are not looked at."""
    if event.job_id != view.job.job_id:
        return
    if event.seq:
        view.last_seq = event.seq
    kind = event.kind
    if kind == kinds.JOB_CREATED:
        _created(view, event)
        return
    fold_row(view.job, event)
    action_handler = _ACTION.get(kind)
    if action_handler is not None:
        action_id = event.action_id
        position = view.positions.get(action_id) if action_id is not None else None
        if position is not None:
            action_handler(view, view.actions[position], event)
        return
    handler = _RUN.get(kind)
    if handler is not None:
        handler(view, event)


# -- the run ---------------------------------------------------------------------------------------------------------


def _created(view: RunView, event: Event) -> None:
    data = event.data
    view.job = new_row(event)
    view.actions = actions_of(event)
    view.__dict__.pop("positions", None)
    view.levels = levels_of(event, view.actions)
    results = finished_results(event)
    for result in results:
        position = view.positions.get(text(result["action_id"]))
        if position is not None:
            _carry(view.actions[position], result, event.ts)
    if results:
        finish_levels(event, view.levels, view.actions)
    view.origin = dict(mapping(data.get("origin")))
    view.issues = []


def _carry(action: ActionView, result: dict[str, Any], ts: int) -> None:
    """Settle an action with the result it had before the fork."""
    action.status = action_status(result.get("status")) or ActionStatus.SUCCEEDED
    action.attempt = integer(result.get("attempts"))
    action.finished_ms = ts
    action.duration_ms = real_or_none(result.get("duration_ms"))
    action.waited_ms = real_or_none(result.get("waited_ms"))
    action.output = result.get("output")
    action.state_changes = mapping(result.get("state_changes"))
    action.artifacts = sequence(result.get("artifacts"))
    action.usage = mapping(result.get("usage"))
    action.cost = integer_or_none(result.get("cost"))
    action.error = text_or_none(result.get("error"))
    action.error_code = error_code(result.get("error_code"))
    action.rolled_back = result.get("rolled_back") is True
    action.terminal = result.get("terminal") is True


def _level_started(view: RunView, event: Event) -> None:
    if event.level is not None and 0 <= event.level < len(view.levels):
        view.levels[event.level].started_ms = event.ts


def _level_finished(view: RunView, event: Event) -> None:
    if event.level is None or not 0 <= event.level < len(view.levels):
        return
    level = view.levels[event.level]
    level.finished_ms = event.ts
    level.finished_seq = event.seq
    for place in level.actions:
        changes = view.actions[place].state_changes
        if changes:
            apply_changes(view.state, changes)


def _requeued(view: RunView, event: Event) -> None:
    """Begin anew, for a retry: what the attempt before came to stays in the log."""
    if event.data.get("why") != RETRY:
        return
    for action in view.actions:
        fresh = ActionView(action.id, action.index, action.level, action.type, action.tool, action.needs, action.after)
        view.actions[action.index] = fresh
    for level in view.levels:
        level.started_ms = level.finished_ms = level.finished_seq = None
        level.settled = 0
    view.state = {}


def _paused(view: RunView, event: Event) -> None:
    """Nothing waits in a line or for a token while the run is paused."""
    for action in view.actions:
        _waits_no_more(action)


def _rollback(view: RunView, event: Event) -> None:
    apply_changes(view.state, event.data.get("restored"))
    for action_id in texts(event.data.get("rolled_back")):
        position = view.positions.get(action_id)
        if position is not None:
            action = view.actions[position]
            action.rolled_back = True
            action.state_changes = {}
            action.error = ROLLED_BACK


def _job_ended(view: RunView, event: Event) -> None:
    """A compensation that a restart or a cancel overtook has no end of its own: it ends with the job."""
    for action in view.actions:
        action.compensating = False
        _waits_no_more(action)
    view.cost = cost_summary(event.data.get("cost"))
    issues = sequence(event.data.get("issues"))
    if issues:
        view.issues = list(issues)
    if "output" in event.data:
        view.output = event.data["output"]


# -- its actions -----------------------------------------------------------------------------------------------------


def _executing(view: RunView, action: ActionView, event: Event) -> None:
    action.status = ActionStatus.EXECUTING
    action.attempt = action.attempt + 1 if event.attempt is None else event.attempt
    if action.started_ms is None:
        action.started_ms = event.ts
    if action.waiting_for:
        _waits_no_more(action)
    if action.progress is not None:
        action.progress = None
    action.progress_text = ""


def _progress(view: RunView, action: ActionView, event: Event) -> None:
    data = event.data
    current = real_or_none(data.get("current"))
    total = real(data.get("total"))
    if current is not None and total > 0:
        action.progress = min(1.0, max(0.0, current / total))
    if "message" in data:
        action.progress_text = text(data["message"])


def _retrying(view: RunView, action: ActionView, event: Event) -> None:
    data = event.data
    action.status = ActionStatus.VALIDATED
    action.error = text_or_none(data.get("error"))
    action.error_code = error_code(data.get("error_code"))
    action.duration_ms = real_or_none(data.get("duration_ms"))
    action.waiting_for = "retry"
    action.waiting_until_ms = integer_or_none(event.ts + integer(data.get("delay_ms")))


def _rate_limit_wait(view: RunView, action: ActionView, event: Event) -> None:
    action.waiting_for = _RATE_LIMIT + text(event.data.get("bucket"))
    action.waiting_until_ms = integer_or_none(event.data.get("next_ms"))


def _rate_limit_grant(view: RunView, action: ActionView, event: Event) -> None:
    if action.waiting_for.startswith(_RATE_LIMIT):
        _waits_no_more(action)


def _asks(view: RunView, action: ActionView, event: Event) -> None:
    action.waiting_for = text(event.data.get("kind"))
    action.waiting_until_ms = integer_or_none(event.data.get("expires_ms"))


def _asks_no_more(view: RunView, action: ActionView, event: Event) -> None:
    if action.waiting_for == text(event.data.get("kind")):
        _waits_no_more(action)
    value = event.data.get("value")
    if event.data.get("choice") == "edit" and type(value) is dict:
        action.edited = value


def _judged(view: RunView, action: ActionView, event: Event) -> None:
    parameters = event.data.get("parameters")
    if event.data.get("verdict") == "edit" and type(parameters) is dict:
        action.edited = parameters


def _deduplicated(view: RunView, action: ActionView, event: Event) -> None:
    """The action takes the result of another call: it made none, or none that counts."""
    action.attempt = 0


def _succeeded(view: RunView, action: ActionView, event: Event) -> None:
    data = event.data
    _settle(view, action, event, ActionStatus.SUCCEEDED)
    action.output = data.get("output")
    action.state_changes = mapping(data.get("state_changes"))
    action.artifacts = sequence(data.get("artifacts"))
    action.usage = mapping(data.get("usage"))
    action.cost = integer_or_none(data.get("cost"))
    action.error = None
    action.error_code = None


def _failed(view: RunView, action: ActionView, event: Event) -> None:
    _settle(view, action, event, ActionStatus.FAILED)
    _error(action, event)


def _rejected(view: RunView, action: ActionView, event: Event) -> None:
    _settle(view, action, event, ActionStatus.REJECTED)
    _error(action, event)


def _skipped(view: RunView, action: ActionView, event: Event) -> None:
    _settle(view, action, event, ActionStatus.SKIPPED)
    _error(action, event)


def _compensating(view: RunView, action: ActionView, event: Event) -> None:
    action.compensating = True
    _waits_no_more(action)


def _compensated(view: RunView, action: ActionView, event: Event) -> None:
    action.compensated = True
    action.compensating = False


def _not_compensated(view: RunView, action: ActionView, event: Event) -> None:
    action.compensated = False
    action.compensating = False
    _waits_no_more(action)  # a kill ended the wait


def _waits_no_more(action: ActionView) -> None:
    action.waiting_for = ""
    action.waiting_until_ms = None


def _error(action: ActionView, event: Event) -> None:
    data = event.data
    action.error = text_or_none(data.get("error"))
    action.error_code = error_code(data.get("error_code"))
    action.terminal = data.get("terminal") is True


def _settle(view: RunView, action: ActionView, event: Event, status: ActionStatus) -> None:
    data = event.data
    if action.finished_ms is None and action.level < len(view.levels):
        view.levels[action.level].settled += 1
    action.status = status
    action.finished_ms = event.ts
    if event.seq:
        action.finished_seq = event.seq
    if event.attempt is not None:
        action.attempt = event.attempt
    duration = data.get("duration_ms")
    if duration is not None:
        action.duration_ms = real_or_none(duration)
    waited = data.get("waited_ms")
    if waited is not None:
        action.waited_ms = real_or_none(waited)
    if action.waiting_for:
        _waits_no_more(action)


_RUN: dict[str, Callable[[RunView, Event], None]] = {
    kinds.LEVEL_STARTED: _level_started,
    kinds.LEVEL_FINISHED: _level_finished,
    kinds.STATE_ROLLBACK: _rollback,
    kinds.JOB_REQUEUED: _requeued,
    kinds.RUN_PAUSED: _paused,
    kinds.JOB_COMPLETED: _job_ended,
    kinds.JOB_FAILED: _job_ended,
    kinds.JOB_CANCELLED: _job_ended,
}

_ACTION: dict[str, Callable[[RunView, ActionView, Event], None]] = {
    kinds.HOOK_VERDICT: _judged,
    kinds.ACTION_EXECUTING: _executing,
    kinds.ACTION_PROGRESS: _progress,
    kinds.ACTION_RETRYING: _retrying,
    kinds.ACTION_DEDUPLICATED: _deduplicated,
    kinds.ACTION_SUCCEEDED: _succeeded,
    kinds.ACTION_FAILED: _failed,
    kinds.ACTION_REJECTED: _rejected,
    kinds.ACTION_SKIPPED: _skipped,
    kinds.COMPENSATION_STARTED: _compensating,
    kinds.COMPENSATION_SUCCEEDED: _compensated,
    kinds.COMPENSATION_FAILED: _not_compensated,
    kinds.RATE_LIMIT_WAIT: _rate_limit_wait,
    kinds.RATE_LIMIT_GRANT: _rate_limit_grant,
    kinds.ELICITATION_REQUESTED: _asks,
    **dict.fromkeys(kinds.CLOSED_ELICITATION, _asks_no_more),
}
