"""One event in words: what a line of the log says besides its time and kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headway.events import kinds
from headway.events.event import Event
from headway_console.text import amount, clean, duration, number, to_json

LIMIT = 400
"""The most characters of one summary; the inspector shows all of the data."""


def summary(event: Event) -> str:
    """Return what happened, on one clean line."""
    writer = _WRITERS.get(event.kind)
    try:
        text = writer(event.data) if writer else to_json(event.data) if event.data else ""
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError):  # data of a newer or a damaged writer
        text = to_json(event.data)
    return clean(text[:LIMIT])


def tone(event: Event) -> str:
    """Return the tone (see :mod:`headway_console.glyphs`) of an event, "" for an ordinary one."""
    return _TONES.get(event.kind, "")


def is_error(event: Event) -> bool:
    """Return whether an operator would want to be taken to this event when looking for trouble."""
    return event.kind in _ERRORS


_ERRORS = frozenset(
    {
        kinds.ACTION_FAILED,
        kinds.ACTION_REJECTED,
        kinds.JOB_FAILED,
        kinds.RUN_KILLED,
        kinds.BUDGET_EXHAUSTED,
        kinds.RECORDER_GAP,
        kinds.STATE_ROLLBACK,
    }
)

_TONES = {
    kinds.ACTION_EXECUTING: "running",
    kinds.ACTION_PROGRESS: "running",
    kinds.JOB_STARTED: "running",
    kinds.ACTION_SUCCEEDED: "succeeded",
    kinds.JOB_COMPLETED: "succeeded",
    kinds.ACTION_FAILED: "failed",
    kinds.ACTION_REJECTED: "failed",
    kinds.COMPENSATION_FAILED: "failed",
    kinds.POLICY_VIOLATION: "failed",
    kinds.JOB_FAILED: "failed",
    kinds.STATE_ROLLBACK: "failed",
    kinds.BUDGET_EXHAUSTED: "failed",
    kinds.RECORDER_GAP: "failed",
    kinds.ACTION_SKIPPED: "skipped",
    kinds.ACTION_RETRYING: "waiting",
    kinds.RATE_LIMIT_WAIT: "waiting",
    kinds.BUDGET_WARNING: "waiting",
    kinds.JOB_PROGRESS: "running",
    kinds.JOB_REQUEUED: "waiting",
    kinds.RUN_PAUSE_REQUESTED: "waiting",
    kinds.ELICITATION_REQUESTED: "waiting",
    kinds.RUN_PAUSED: "waiting",
    kinds.RUN_CANCEL_REQUESTED: "cancelled",
    kinds.RUN_KILLED: "cancelled",
    kinds.JOB_CANCELLED: "cancelled",
}

Data = dict[str, Any]


def _asked(data: Data) -> str:
    return f"{data.get('id')} {data.get('kind')}: {data.get('prompt') or ''}"


def _answer(data: Data) -> str:
    by, reason = data.get("by"), data.get("reason")
    text = f"{data.get('id')} {data.get('choice') or ''}".rstrip()
    return f"{text}{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"


def _job_created(data: Data) -> str:
    graph = data.get("graph") or {}
    actions, levels = len(graph.get("actions", ())), len(graph.get("levels", ()))
    text = f"{data.get('title') or data.get('source') or ''} ({actions} actions, {levels} levels)"
    origin = data.get("forked_from")
    return f"{text} forked from {origin.get('checkpoint_id') or origin.get('job_id')}" if origin else text


def _level_finished(data: Data) -> str:
    names = ("succeeded", "failed", "skipped", "rejected")
    return ", ".join(f"{data[name]} {name}" for name in names if data.get(name))


def _progress(data: Data) -> str:
    current, total, message = data.get("current"), data.get("total"), data.get("message") or ""
    if current is None:
        return str(message)
    share = f"{number(current)}/{number(total)}" if total else number(current)
    return f"{share} {message}".rstrip()


def _retrying(data: Data) -> str:
    return f"again in {duration(data.get('delay_ms'))}: {data.get('error') or ''}"


def _succeeded(data: Data) -> str:
    output = data.get("output")
    text = output if isinstance(output, str) else to_json(output)
    waited = data.get("waited_ms")
    after = f" (waited {duration(waited)})" if waited else ""
    return f"{duration(data.get('duration_ms'))}{after} {text[:LIMIT]}"


def _failed(data: Data) -> str:
    code = data.get("error_code")
    return f"{code}: {data.get('error')}" if code else str(data.get("error") or "")


def _bucket(data: Data) -> str:
    text = f"{data.get('bucket')} {number(data.get('tokens', 0))}/{number(data.get('capacity', 0))}"
    if data.get("waiters"):
        text += f", {data['waiters']} waiting"
    if data.get("waited_ms"):
        text += f", waited {duration(data['waited_ms'])}"
    return text


def _amounts(data: Data) -> str:
    parts = []
    for name in ("limits", "spent", "reserved"):
        values = data.get(name)
        if values:
            parts.append(f"{name} " + ", ".join(f"{key} {amount(key, value)}" for key, value in values.items()))
    return "; ".join(parts)


def _budget(data: Data) -> str:
    name = data.get("dimension", "")
    return f"{name} {amount(name, data.get('spent', 0))} of {amount(name, data.get('limit', 0))}"


def _rollback(data: Data) -> str:
    return f"restored {', '.join(data.get('restored', {})) or 'nothing'}"


def _reason(data: Data) -> str:
    by = data.get("by")
    return f"{data.get('reason') or ''}{f' (by {by})' if by else ''}"


def _job_failed(data: Data) -> str:
    outcome, error = data.get("outcome"), data.get("error") or ""
    return f"{outcome}: {error}" if outcome else str(error)


def _checkpoint(data: Data) -> str:
    return f"{data.get('checkpoint_id')} in {data.get('scope')}"


def operator_text(data: Data, *, target: bool = True) -> str:
    """Return an operator's command in words: who, what, and on what if ``target`` is wanted."""
    names = ("who", "what", "target") if target else ("who", "what")
    said = " ".join(str(data[name]) for name in names if data.get(name))
    peer = peer_text(data.get("peer"))
    return f"{said} ({peer})" if peer else said


def peer_text(peer: Any) -> str:
    """Return who gave a command by the system's word: user, program and process, or an address; "" if nobody knows."""
    if not isinstance(peer, dict):
        return ""
    if "address" in peer:
        return f"from {peer['address']}"
    user = peer.get("user") or f"user {peer['uid']}" if "uid" in peer else ""
    process = f"{peer.get('program') or 'process'} {peer['pid']}" if "pid" in peer else ""
    return ", ".join(part for part in (user, process) if part)


def _opened(data: Data) -> str:
    recovered = data.get("recovered")
    text = f"version {data.get('version')}, pid {data.get('pid')}"
    return f"{text}, closed {len(recovered)} interrupted" if recovered else text


def _job_progress(data: Data) -> str:
    share = f"{number(data['progress'])} %" if data.get("progress") is not None else ""
    return f"{share} {data.get('detail') or ''}".strip()


def _requeued(data: Data) -> str:
    error = data.get("error")
    return f"{data.get('why') or ''}: {error}" if error else str(data.get("why") or "")


def _printed(data: dict[str, Any]) -> str:
    return str(data["text"]).rstrip("\n").replace("\n", " | ")


_WRITERS: dict[str, Callable[[Data], str]] = {
    kinds.JOB_CREATED: _job_created,
    kinds.JOB_STARTED: lambda d: f"pid {d.get('pid')}" if d.get("pid") else "",
    kinds.JOB_COMPLETED: lambda d: str(d.get("outcome") or ""),
    kinds.JOB_FAILED: _job_failed,
    kinds.JOB_CANCELLED: _reason,
    kinds.LEVEL_STARTED: lambda d: f"{d.get('actions')} actions",
    kinds.LEVEL_FINISHED: _level_finished,
    kinds.STATE_ROLLBACK: _rollback,
    kinds.RUN_CANCEL_REQUESTED: _reason,
    kinds.RUN_KILLED: _reason,
    kinds.JOB_PROGRESS: _job_progress,
    kinds.JOB_REQUEUED: _requeued,
    kinds.RUN_PAUSE_REQUESTED: _reason,
    kinds.RUN_PAUSED: _reason,
    kinds.RUN_RESUMED: _reason,
    kinds.ACTION_PROGRESS: _progress,
    kinds.ACTION_PRINT: _printed,
    kinds.ACTION_RETRYING: _retrying,
    kinds.ACTION_SUCCEEDED: _succeeded,
    kinds.ACTION_FAILED: _failed,
    kinds.ACTION_REJECTED: _failed,
    kinds.ACTION_SKIPPED: lambda d: str(d.get("error") or ""),
    kinds.LIMIT_CONFIGURED: _bucket,
    kinds.RATE_LIMIT_WAIT: _bucket,
    kinds.RATE_LIMIT_GRANT: _bucket,
    kinds.RATE_LIMIT_RETURNED: _bucket,
    kinds.LIMIT_REMOVED: lambda d: str(d.get("bucket") or ""),
    kinds.COMPENSATION_STARTED: lambda d: str(d.get("tool") or ""),
    kinds.COMPENSATION_SUCCEEDED: _succeeded,
    kinds.COMPENSATION_FAILED: _failed,
    kinds.STATE_COMMITTED: lambda d: f"{d.get('scope')}: {', '.join(d.get('changes', {}))}",
    kinds.POLICY_VIOLATION: lambda d: "; ".join(map(str, d.get("reasons", ()))),
    kinds.ELICITATION_REQUESTED: _asked,
    kinds.ELICITATION_ANSWERED: _answer,
    kinds.ELICITATION_EXPIRED: _answer,
    kinds.ELICITATION_WITHDRAWN: _answer,
    kinds.BUDGET_SET: _amounts,
    kinds.BUDGET_RESERVED: _amounts,
    kinds.BUDGET_SETTLED: _amounts,
    kinds.BUDGET_WARNING: _budget,
    kinds.BUDGET_EXHAUSTED: _budget,
    kinds.CHECKPOINT_SAVED: _checkpoint,
    kinds.CHECKPOINT_RESTORED: _checkpoint,
    kinds.OPERATOR_ACTION: operator_text,
    kinds.STORE_OPENED: _opened,
    kinds.STORE_PRUNED: lambda d: f"{d.get('events')} events of {len(d.get('jobs', ()))} jobs: {d.get('reason')}",
    kinds.RECORDER_GAP: lambda d: f"{d.get('dropped')} events were not recorded",
}
