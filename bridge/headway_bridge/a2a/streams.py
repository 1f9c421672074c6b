"""A task's life as a stream of updates, read from the event log.

Every frame carries the seq of its event. The same log gives the same frames, so a client that lost its connection
continues after the last one it saw. Nothing is queued here: a slow reader reads the log later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple

from a2a.utils.errors import InternalError

from headway.events.event import Event
from headway.events.fold import fold
from headway.events.kinds import JOB_CREATED, JOB_STARTED, RUN_CANCEL_REQUESTED, TERMINAL_ACTION, TERMINAL_JOB
from headway.events.views import JobRow, RunView
from headway_bridge.a2a.engine import TaskEngine
from headway_bridge.a2a.mapping import artifact_of, status_of, task_metadata, task_of, was_dispatched
from headway_bridge.a2a.model import ArtifactUpdate, Message, StatusUpdate, Task, Update
from headway_bridge.a2a.origin import Origin
from headway_bridge.a2a.outputs import whole_action, whole_run


class Frame(NamedTuple):
    """An update and the seq of the event it tells of; 0 for what is not in the log."""

    seq: int
    update: Update


async def single(answer: Task | Message) -> AsyncGenerator[Frame, None]:
    """Yield an answer that no task stands behind."""
    yield Frame(0, answer)


async def follow(
    engine: TaskEngine,
    job_id: str,
    origin: Origin,
    *,
    view: RunView | None = None,
    seen: int = 0,
    task_first: bool = False,
    history_length: int | None = None,
) -> AsyncGenerator[Frame, None]:
    """Yield the job's updates: the task, its state changes, an artifact an action, the final state; then end.

    ``view`` starts with the task as that view has it. Without one the log is read from the job's start, and frames
    up to seq ``seen`` are left out; ``task_first`` then puts the task as it stood at ``seen`` before the rest.
    """
    if view is None:
        view = RunView(job=JobRow(job_id=job_id))
    else:
        yield Frame(view.last_seq, task_of(await whole_run(engine, view), origin, history_length))
    pending_task = task_first
    subscription = engine.subscribe(after=view.last_seq, job_id=job_id)
    try:
        async for batch in subscription:
            for event in batch:
                if pending_task and event.seq > seen:
                    pending_task = False
                    yield Frame(view.last_seq, task_of(await whole_run(engine, view), origin, history_length))
                view = fold(view, event)
                update = await _update(engine, event, view, origin, history_length) if event.seq > seen else None
                if update is not None:
                    yield Frame(event.seq, update)
                if event.kind in TERMINAL_JOB:
                    return
    finally:
        subscription.close()
    raise InternalError("the stream ended before the task did; subscribe again")


async def _update(
    engine: TaskEngine, event: Event, view: RunView, origin: Origin, history_length: int | None
) -> Update | None:
    """Return what a client is told of an event that ``view`` has just taken in; None for most."""
    task_id = origin.task_id(view.job.job_id)
    if event.kind == JOB_CREATED:
        return task_of(view, origin, history_length)
    if event.kind in TERMINAL_JOB or event.kind in (JOB_STARTED, RUN_CANCEL_REQUESTED):
        whole = await whole_run(engine, view)
        return StatusUpdate(task_id, origin.context_id, status_of(whole, origin), task_metadata(view.job))
    if event.kind in TERMINAL_ACTION and event.action_id is not None:
        action = view.action(event.action_id)
        if was_dispatched(action):
            return ArtifactUpdate(task_id, origin.context_id, artifact_of(await whole_action(engine, action)))
    return None
