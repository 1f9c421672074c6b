"""Checkpoints: list, save, compare, restore, fork."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from headway.errors import InvalidInput
from headway.events.checkpoint import CheckpointInfo, StateDiff
from headway.events.views import JobRow
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import CheckpointBody, EmptyBody, read_body, text
from headway_bridge.operator.context import Op, Who
from headway_bridge.operator.spec import documented

router = APIRouter(prefix="/checkpoints", tags=["checkpoints"])


@router.get("", **documented(list[CheckpointInfo], fails=(404,)))
async def checkpoints(operator: Op, job: str | None = None, scope: str | None = None) -> Response:
    """Return the checkpoints of a job, of a scope, or all, oldest first."""
    return answer(await operator.engine.checkpoints(job, scope))


@router.post("", **documented(CheckpointInfo, takes=CheckpointBody, status=201, fails=(404, 507)))
async def save(request: Request, operator: Op, who: Who) -> Response:
    """Save the present state of a scope, or of a job's scope."""
    body = await read_body(request, CheckpointBody)
    if (body.job_id is None) == (body.scope is None):
        raise InvalidInput("a checkpoint needs a job_id or a scope, and not both")
    name = text(body.name, "name", 200)
    saved = await operator.engine.save_checkpoint(job_id=body.job_id, scope=body.scope, name=name, by=who.name)
    await operator.audit(who, "save_checkpoint", saved.checkpoint_id, scope=saved.scope, name=name)
    return answer(saved, 201)


@router.get("/{checkpoint_id}/diff", **documented(StateDiff, fails=(404,)))
async def diff(checkpoint_id: str, operator: Op) -> Response:
    """Return what a restore would change."""
    return answer(await operator.engine.diff(checkpoint_id))


@router.post("/{checkpoint_id}/restore", **documented(StateDiff, takes=EmptyBody, optional=True, fails=(404, 409, 507)))
async def restore(checkpoint_id: str, request: Request, operator: Op, who: Who) -> Response:
    """Set the scope's state to the checkpoint's; refused while a job runs in the scope."""
    operator.admit()
    await read_body(request, EmptyBody)
    changes = await operator.engine.restore(checkpoint_id, who.name)
    await operator.audit(who, "restore", checkpoint_id, scope=changes.scope)
    return answer(changes)


@router.post(
    "/{checkpoint_id}/fork",
    **documented(JobRow, takes=EmptyBody, optional=True, status=201, fails=(404, 409, 507)),
)
async def fork(checkpoint_id: str, request: Request, operator: Op, who: Who) -> Response:
    """Start a new job in a new scope from the checkpoint; the old run is not changed."""
    operator.admit()
    await read_body(request, EmptyBody)
    job = await operator.engine.fork(checkpoint_id, who.name)
    await operator.audit(who, "fork", checkpoint_id, job_id=job.job_id)
    return answer(job, 201)
