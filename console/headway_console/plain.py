"""Plain linear mode: one line of words for each event that matters, nothing redrawn, no colour, no boxes.

For pipes and build logs, for dumb terminals, for screen readers and braille displays::

    level 2: fetch: failed: tool_error: 429 after 3 tries
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headway.events import kinds
from headway.events.event import Event
from headway_console.summary import summary
from headway_console.text import clean, count, duration


class PlainLines:
    """Turns events, in ``seq`` order, into lines.

    ``several``: lines name their job, for a log in which more than one runs.
    """

    def __init__(self, *, several: bool = False) -> None:
        self._several = several
        self._levels: dict[tuple[str | None, str], int] = {}

    def lines(self, event: Event) -> list[str]:
        """Return the lines that tell of ``event``; none for what only repeats or refines."""
        if event.kind == kinds.JOB_CREATED:
            self._learn(event)
        text = self._text(event)
        if text is None:
            return []
        return [clean(f"{self._place(event)}{text}")]

    def _learn(self, event: Event) -> None:
        graph = event.data.get("graph") or {}
        actions = graph.get("actions") or []
        for number, indices in enumerate(graph.get("levels") or []):
            for index in indices:
                self._levels[event.job_id, str(actions[index]["id"])] = number

    def _place(self, event: Event) -> str:
        job = f"job {event.job_id}: " if event.job_id and (self._several or event.kind in _OF_THE_JOB) else ""
        level = event.level
        if level is None and event.action_id is not None:
            level = self._levels.get((event.job_id, event.action_id))
        number = "" if level is None or event.kind in _OF_THE_JOB else f"level {level}: "
        return f"{job}{number}{event.action_id}: " if event.action_id else f"{job}{number}"

    def _text(self, event: Event) -> str | None:
        writer = _WRITERS.get(event.kind)
        if writer is not None:
            return writer(event.data)
        words = _WORDS.get(event.kind)
        if words is None:
            return None
        more = summary(event)
        return f"{words}: {more}" if more else words


def _finished(data: dict[str, Any]) -> str:
    took, waited = duration(data.get("duration_ms")), data.get("waited_ms")
    text = f"succeeded in {took}" if took else "succeeded"
    return f"{text} after waiting {duration(waited)}" if waited else text


def _executing(data: dict[str, Any]) -> str:
    return "started"


def _waits(data: dict[str, Any]) -> str:
    return f"waits for the rate limit of {data.get('bucket')}"


def _level(data: dict[str, Any]) -> str:
    return f"started: {count(int(data.get('actions') or 0), 'action')}"


def _completed(data: dict[str, Any]) -> str:
    cost = data.get("cost") or {}
    done = f"completed: {count(int(cost.get('actions_executed') or 0), 'action')} executed"
    skipped = int(cost.get("actions_skipped") or 0)
    return f"{done}, {skipped} skipped" if skipped else done


_OF_THE_JOB = frozenset(
    {
        kinds.JOB_CREATED,
        kinds.JOB_COMPLETED,
        kinds.JOB_FAILED,
        kinds.JOB_CANCELLED,
        kinds.RUN_CANCEL_REQUESTED,
        kinds.RUN_KILLED,
        kinds.JOB_REQUEUED,
        kinds.RUN_PAUSE_REQUESTED,
        kinds.RUN_PAUSED,
        kinds.RUN_RESUMED,
        kinds.STATE_ROLLBACK,
    }
)

_WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    kinds.ACTION_EXECUTING: _executing,
    kinds.ACTION_SUCCEEDED: _finished,
    kinds.RATE_LIMIT_WAIT: _waits,
    kinds.LEVEL_STARTED: _level,
    kinds.JOB_COMPLETED: _completed,
}

_WORDS = {
    kinds.JOB_CREATED: "created",
    kinds.JOB_FAILED: "failed",
    kinds.JOB_CANCELLED: "cancelled",
    kinds.LEVEL_FINISHED: "finished",
    kinds.STATE_ROLLBACK: "state rolled back",
    kinds.RUN_CANCEL_REQUESTED: "cancel requested",
    kinds.RUN_KILLED: "killed",
    kinds.JOB_REQUEUED: "queued again",
    kinds.RUN_PAUSE_REQUESTED: "pause requested",
    kinds.RUN_PAUSED: "paused",
    kinds.RUN_RESUMED: "resumed",
    kinds.ACTION_PRINT: "printed",
    kinds.ACTION_RETRYING: "retrying",
    kinds.ACTION_FAILED: "failed",
    kinds.ACTION_REJECTED: "rejected",
    kinds.ACTION_SKIPPED: "skipped",
    kinds.COMPENSATION_STARTED: "undoing",
    kinds.COMPENSATION_SUCCEEDED: "undone",
    kinds.COMPENSATION_FAILED: "could not be undone",
    kinds.ELICITATION_REQUESTED: "asks",
    kinds.ELICITATION_ANSWERED: "answered",
    kinds.ELICITATION_EXPIRED: "question expired",
    kinds.ELICITATION_WITHDRAWN: "question withdrawn",
    kinds.BUDGET_WARNING: "budget nearly used",
    kinds.BUDGET_EXHAUSTED: "budget exhausted",
    kinds.CHECKPOINT_SAVED: "checkpoint saved",
    kinds.CHECKPOINT_RESTORED: "checkpoint restored",
    kinds.OPERATOR_ACTION: "operator",
    kinds.STORE_PRUNED: "store pruned",
    kinds.RECORDER_GAP: "recorder gap",
}
