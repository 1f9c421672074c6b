"""The fold of threads: their settings, counts, goals and checkpoints. Messages are read from the log, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headway.events import kinds as k
from headway.events.event import Event
from headway.events.fold.values import integer, integer_or_none, mapping, text, text_or_none
from headway.events.views import Goal, ThreadRow, ThreadsView

PREVIEW = 120
"""The characters of the last message that a list shows."""

SETTINGS = ("model", "provider", "cwd", "approval_policy", "sandbox")
"""What a thread keeps for its turns."""


def fold_threads(view: ThreadsView, event: Event) -> None:
    """Apply an event of a thread."""
    if event.seq:
        view.last_seq = event.seq
    handler = _HANDLERS.get(event.kind)
    if handler is None:
        return
    thread_id = text(event.data.get("thread"))
    row = view.threads.get(thread_id)
    if event.kind == k.THREAD_CREATED:
        if thread_id and row is None:
            view.threads[thread_id] = _created(view, event, thread_id)
    elif row is not None:
        row.last_seq = event.seq
        row.updated_ms = event.ts
        handler(view, row, event)


def _created(view: ThreadsView, event: Event, thread_id: str) -> ThreadRow:
    data = event.data
    row = ThreadRow(
        id=thread_id,
        name=text(data.get("name")),
        source=text(data.get("source"), "api"),
        principal=text_or_none(data.get("principal")),
        metadata=mapping(data.get("metadata")),
        forked_from=text_or_none(data.get("forked_from")),
        base=max(0, integer(data.get("base"))),
        preview=text(data.get("preview"))[:PREVIEW],
        created_ms=event.ts,
        updated_ms=event.ts,
        first_seq=event.seq,
        last_seq=event.seq,
    )
    row.messages = row.base
    _settings(row, data)
    return row


def _settings(row: ThreadRow, data: dict[str, Any]) -> None:
    for name in SETTINGS:
        if name in data:
            setattr(row, name, text_or_none(data[name]))


def _changed(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    _settings(row, event.data)
    row.name = text(event.data.get("name"), row.name)


def _archived(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    if row.status != "archived":
        row.before_archive, row.status = row.status, "archived"


def _unarchived(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    if row.status == "archived":
        row.status = row.before_archive or "idle"
        row.before_archive = None


def _deleted(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    del view.threads[row.id]
    view.deleted[row.id] = row.base
    if row.forked_from is not None:
        view.lineage[row.id] = row.forked_from


def _message(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    row.messages += 1
    row.preview = " ".join(text(event.data.get("text"))[: 4 * PREVIEW].split())[:PREVIEW] or row.preview


def _turn_started(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    row.turn = text_or_none(event.data.get("turn"))
    row.turns += 1
    row.status = "running"


def _turn_ended(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    data = event.data
    if row.turn is None or text_or_none(data.get("turn")) != row.turn:
        return
    row.turn = None
    row.status = "idle" if data.get("status") == "completed" else "failed"
    row.error = text(data.get("error"))
    row.input_tokens += max(0, integer(data.get("input_tokens")))
    row.output_tokens += max(0, integer(data.get("output_tokens")))
    row.cost += max(0, integer(data.get("cost")))
    row.answered_by = text_or_none(data.get("model")) or row.answered_by


def _goal_set(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    data = event.data
    row.goal = Goal(
        id=text(data.get("goal")),
        objective=text(data.get("objective")),
        token_budget=integer_or_none(data.get("token_budget")),
        set_ms=event.ts,
    )


def _goal_cleared(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    row.goal = None


def _goal_progress(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    goal, data = row.goal, event.data
    if goal is None or text(data.get("goal")) != goal.id:
        return
    goal.tokens_used += max(0, integer(data.get("tokens")))
    goal.time_used_s += max(0, integer(data.get("seconds")))
    goal.continuations += 1 if data.get("continuation") is True else 0
    goal.status = text(data.get("status"), goal.status)
    if goal.token_budget is not None and goal.tokens_used >= goal.token_budget and goal.status == "active":
        goal.status = "budget_limited"


def _checkpoint(view: ThreadsView, row: ThreadRow, event: Event) -> None:
    name = text(event.data.get("checkpoint"))
    row.checkpoints.pop(name, None)  # the last one saved stands last
    row.checkpoints[name] = event.seq


_HANDLERS: dict[str, Callable[[ThreadsView, ThreadRow, Event], None]] = {
    k.THREAD_CREATED: _changed,
    k.THREAD_CHANGED: _changed,
    k.THREAD_ARCHIVED: _archived,
    k.THREAD_UNARCHIVED: _unarchived,
    k.THREAD_DELETED: _deleted,
    k.THREAD_MESSAGE: _message,
    k.THREAD_TURN_STARTED: _turn_started,
    k.THREAD_TURN_ENDED: _turn_ended,
    k.THREAD_GOAL_SET: _goal_set,
    k.THREAD_GOAL_CLEARED: _goal_cleared,
    k.THREAD_GOAL_PROGRESS: _goal_progress,
    k.THREAD_CHECKPOINT: _checkpoint,
}
