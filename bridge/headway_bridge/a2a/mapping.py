"""Jobs as tasks: what a RunView says in A2A's terms. Pure functions of the view."""

from __future__ import annotations

from typing import Any

import msgspec

from headway.events.views import ActionView, JobRow, RunView
from headway.plan.results import ActionStatus, ProposalResult
from headway.secrets import mask
from headway_bridge.a2a.model import Artifact, DataPart, Message, Part, Status, Task, TaskState, TextPart
from headway_bridge.a2a.origin import Origin

_STATES = {
    "queued": TaskState.SUBMITTED,
    "running": TaskState.WORKING,
    "paused": TaskState.WORKING,
    "completed": TaskState.COMPLETED,
    "failed": TaskState.FAILED,
    "cancelled": TaskState.CANCELED,
}


class TaskResult(ProposalResult, omit_defaults=True):
    """The result of a run, with the findings that refused it, if they did."""

    issues: list[Any] = msgspec.field(default_factory=list)


def state_of(job: JobRow) -> TaskState:
    """Return the task state of a job."""
    if job.status == "failed" and job.outcome == "rejected":
        return TaskState.REJECTED
    return _STATES[job.status]


def task_of(view: RunView, origin: Origin, history_length: int | None = None) -> Task:
    """Return the whole task: status, an artifact for each dispatched action that has ended, history."""
    job = view.job
    history = [origin.message] if origin.message is not None else []
    if history_length is not None:
        history = history[len(history) - history_length :] if 0 < history_length < len(history) else history
        history = history if history_length else []
    return Task(
        task_id=origin.task_id(job.job_id),
        context_id=origin.context_id,
        status=status_of(view, origin),
        artifacts=[artifact_of(action) for action in view.actions if was_dispatched(action)],
        history=history,
        metadata=task_metadata(job),
    )


def task_metadata(job: JobRow) -> dict[str, Any]:
    """Return the task's metadata: its job, and whether a cancel is still on its way."""
    metadata: dict[str, Any] = {"job_id": job.job_id}
    if job.title:
        metadata["title"] = job.title
    if job.cancel_reason is not None and not job.finished:
        metadata |= {"cancel_requested": True, "cancel_reason": job.cancel_reason}
    return metadata


def status_of(view: RunView, origin: Origin) -> Status:
    """Return the task's status; a finished task's has the message with the whole result."""
    job = view.job
    state = state_of(job)
    if not job.finished:
        return Status(state, job.started_ms or job.created_ms)
    result = view.result()
    fields = {name: getattr(result, name) for name in result.__struct_fields__}
    data = TaskResult(**fields, issues=view.issues)
    message = Message(
        role="agent",
        parts=[TextPart(_summary(view, state)), DataPart(mask(msgspec.to_builtins(data)))],
        message_id=f"{job.job_id}:final",
        context_id=origin.context_id,
        task_id=origin.task_id(job.job_id),
    )
    return Status(state, job.finished_ms or job.created_ms, message)


def was_dispatched(action: ActionView) -> bool:
    """Return whether the action's tool was started, and the action has ended since."""
    return action.attempt > 0 and action.done


def artifact_of(action: ActionView) -> Artifact:
    """Return the artifact of an action that was dispatched and has ended."""
    data: dict[str, Any] = {"result": action.output}
    if action.artifacts:
        data["artifacts"] = action.artifacts
    parts: list[Part] = [DataPart(mask(data)), TextPart(_action_summary(action))]
    metadata: dict[str, Any] = {
        "action_id": action.id,
        "type": action.type,
        "status": str(action.status),
        "level": action.level,
        "attempts": action.attempt,
    }
    if action.tool:
        metadata["tool"] = action.tool
    if action.duration_ms is not None:
        metadata["duration_ms"] = action.duration_ms
    if action.error is not None:
        metadata |= {"error": action.error, "error_code": action.error_code}
    if action.rolled_back:
        metadata["rolled_back"] = True
    return Artifact(f"action:{action.id}", action.id, action.index, parts, metadata)


def _action_summary(action: ActionView) -> str:
    name = f"{action.id} ({action.tool})" if action.tool else action.id
    if action.status is ActionStatus.SUCCEEDED:
        return f"{name} succeeded"
    return f"{name} {action.status}: {action.error or 'no reason given'}"


def _summary(view: RunView, state: TaskState) -> str:
    job = view.job
    if state is TaskState.REJECTED:
        return f"rejected: {_issues(view.issues) or job.error or 'the plan was refused'}"
    counts = [
        (job.succeeded, "succeeded"),
        (job.failed, "failed"),
        (job.skipped, "skipped"),
        (job.rejected, "rejected"),
    ]
    text = ", ".join(f"{count} {word}" for count, word in counts if count) or "no actions"
    if state is TaskState.CANCELED:
        return f"canceled: {job.cancel_reason or 'no reason given'} ({text})"
    if state is TaskState.FAILED:
        return f"failed: {job.error or job.outcome or 'no reason given'} ({text})"
    return f"completed: {text}"


def _issues(issues: list[Any]) -> str:
    lines = []
    for item in issues:
        issue = msgspec.to_builtins(item)
        where = f"{issue['action_id']}: " if issue.get("action_id") else ""
        lines.append(f"{where}{issue.get('message', '')}")
    more = f" (and {len(lines) - 10} more)" if len(lines) > 10 else ""
    return "; ".join(lines[:10]) + more
