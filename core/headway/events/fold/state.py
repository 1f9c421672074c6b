"""The fold of a scope's state: what its runs commit level by level, rollbacks, restores, changes outside runs."""

from __future__ import annotations

from collections.abc import Callable

from headway.events import kinds
from headway.events.event import Event
from headway.events.fold.graph import actions_of, finished_results, levels_done_before, levels_of
from headway.events.fold.values import apply_changes, mapping, text, texts
from headway.events.views import PendingChanges, StateView


def fold_state(view: StateView, event: Event) -> None:
    """Apply an event of the scope or of one of its jobs."""
    if event.seq:
        view.last_seq = event.seq
    handler = _HANDLERS.get(event.kind)
    if handler is not None:
        handler(view, event)


def _created(view: StateView, event: Event) -> None:
    data = event.data
    job_id = event.job_id
    if job_id is None or data.get("scope") != view.scope:
        return
    actions = actions_of(event)
    places = {action.id: action.index for action in reversed(actions)}
    view.jobs[job_id] = places
    view.pending.pop(job_id, None)
    if isinstance(data.get("state"), dict):
        view.state = dict(data["state"])
    results = [result for result in finished_results(event) if text(result["action_id"]) in places]
    for result in results:
        actions[places[result["action_id"]]].finished_ms = event.ts
    done = levels_done_before(event, levels_of(event, actions), actions)
    for result in results:
        action = actions[places[result["action_id"]]]
        if action.level >= done:  # its level had not finished: what it changed is not in the state yet
            _wait_for_level(view, job_id, action.id, action.level, result.get("state_changes"))


def _succeeded(view: StateView, event: Event) -> None:
    if event.job_id in view.jobs and event.job_id is not None:
        _wait_for_level(view, event.job_id, event.action_id, event.level, event.data.get("state_changes"))


def _wait_for_level(view: StateView, job_id: str, action_id: str | None, level: int | None, changes: object) -> None:
    found = mapping(changes)
    index = view.jobs[job_id].get(action_id or "")
    if found and action_id is not None and index is not None:
        entry = PendingChanges(action_id=action_id, index=index, level=level or 0, changes=found)
        view.pending.setdefault(job_id, []).append(entry)


def _level_finished(view: StateView, event: Event) -> None:
    waiting = view.pending.get(event.job_id or "")
    if not waiting or event.job_id is None:
        return
    for entry in sorted(waiting, key=_index):
        if entry.level == event.level:
            apply_changes(view.state, entry.changes)
    _keep(view, event.job_id, [entry for entry in waiting if entry.level != event.level])


def _index(entry: PendingChanges) -> int:
    return entry.index


def _rollback(view: StateView, event: Event) -> None:
    if event.job_id is None or event.job_id not in view.jobs:
        return
    apply_changes(view.state, event.data.get("restored"))
    undone = set(texts(event.data.get("rolled_back")))
    waiting = view.pending.get(event.job_id, [])
    _keep(view, event.job_id, [entry for entry in waiting if entry.action_id not in undone])


def _keep(view: StateView, job_id: str, waiting: list[PendingChanges]) -> None:
    if waiting:
        view.pending[job_id] = waiting
    else:
        view.pending.pop(job_id, None)


def _ended(view: StateView, event: Event) -> None:
    if event.job_id is not None:
        view.jobs.pop(event.job_id, None)
        view.pending.pop(event.job_id, None)


def _committed(view: StateView, event: Event) -> None:
    if event.data.get("scope") == view.scope:
        if event.data.get("whole") is True:
            view.state = {}
        apply_changes(view.state, event.data.get("changes"))


def _restored(view: StateView, event: Event) -> None:
    if event.data.get("scope") == view.scope and isinstance(event.data.get("state"), dict):
        view.state = dict(event.data["state"])


_HANDLERS: dict[str, Callable[[StateView, Event], None]] = {
    kinds.JOB_CREATED: _created,
    kinds.ACTION_SUCCEEDED: _succeeded,
    kinds.LEVEL_FINISHED: _level_finished,
    kinds.STATE_ROLLBACK: _rollback,
    kinds.JOB_COMPLETED: _ended,
    kinds.JOB_FAILED: _ended,
    kinds.JOB_CANCELLED: _ended,
    kinds.STATE_COMMITTED: _committed,
    kinds.CHECKPOINT_RESTORED: _restored,
}
