"""Jobs: list, submit, look at, cancel, kill."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from headway.client.wire import JobAnswer, Successor
from headway.errors import Conflict
from headway.events.views import JobRow, RunView
from headway.jobs.submission import Submission
from headway.plan.results import ProposalResult
from headway.store import store_of
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import ReasonBody, SubmitBody, read_body, read_plan, text
from headway_bridge.operator.context import Op, Who
from headway_bridge.operator.spec import documented

router = APIRouter(prefix="/jobs", tags=["jobs"])

PATIENCE_S = 1.0
"""Seconds that a request waits for a decision on another job's behalf."""

Status = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]


@router.get("", **documented(list[JobRow]))
async def jobs(
    operator: Op,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=0)] = None,
) -> Response:
    """Return jobs, newest first. `before` is the `first_seq` of the last job of the page before.

    The header `Headway-Complete` is `false` while a store that lost its caches folds its log anew: then older jobs of a
    status may be missing.
    """
    found = answer(await operator.engine.jobs(status=status, limit=limit, before=before))
    complete = await store_of(operator.engine.log).complete()
    found.headers["Headway-Complete"] = "true" if complete else "false"
    return found


@router.post("", **documented(JobRow, takes=SubmitBody, status=201, fails=(409, 503, 507)))
async def submit(request: Request, operator: Op, who: Who) -> Response:
    """Start a plan. The job is on disk when this answers; a plan that verify refuses leaves nothing behind."""
    operator.admit()
    body = await read_body(request, SubmitBody)
    title = text(body.title, "title", 500)
    source = text(body.source, "source", 200) or "operator"
    context_id = text(body.context_id, "context_id", 256)
    operator.engine.require_caller(text(body.project, "project", 4096), text(body.digest, "digest", 64))
    proposal = await read_plan(body.proposal, operator.engine.config)
    operator.admit()
    job = await operator.engine.submit(Submission(proposal, context_id=context_id, title=title, source=source))
    await operator.audit(who, "submit", job.job_id)
    return answer(job, 201)


@router.get("/{job_id}", **documented(RunView, fails=(404,)))
async def job(job_id: str, operator: Op, full: bool = False) -> Response:
    """Return one run: its levels, actions, state and job row.

    Outputs of more than 64 KiB are references (`{"$blob", "size"}`), unless `full=1` asks for them.
    """
    return answer(await operator.engine.reader.run_view(job_id, resolve=full))


@router.get("/{job_id}/result", **documented(ProposalResult, fails=(404, 409)))
async def result(job_id: str, operator: Op) -> Response:
    """Return what a finished run came to, large outputs included."""
    row = await operator.engine.row(job_id)
    if not row.finished:
        raise Conflict(f"job {job_id} is {row.status}: it has no result yet")
    run = await operator.engine.reader.run_view(job_id, resolve=True)
    return answer(run.result())


@router.get("/{job_id}/successor", **documented(Successor, fails=(404,)))
async def successor(job_id: str, operator: Op) -> Response:
    """Return the job that replaces one which aborted, if its replanning has come to one.

    Waits a moment for what is not decided yet, and answers `decided: false` then: ask again.
    """
    try:
        return answer(Successor(await operator.engine.successor(job_id, PATIENCE_S)))
    except TimeoutError:
        return answer(Successor(decided=False))


@router.post("/{job_id}/cancel", **documented(JobAnswer, takes=ReasonBody, optional=True, fails=(404, 507)))
async def cancel(job_id: str, request: Request, operator: Op, who: Who) -> Response:
    """Stop softly: what has not started is skipped, tools in flight run to their end."""
    reason = text((await read_body(request, ReasonBody)).reason, "reason", 500) or "canceled by operator"
    said = await operator.engine.cancel(job_id, reason, who.name)
    await operator.audit(who, "cancel", job_id, reason=reason, answer=said)
    return answer(JobAnswer(said, await operator.engine.row(job_id)))


@router.post("/{job_id}/kill", **documented(JobAnswer, takes=ReasonBody, optional=True, fails=(404, 507)))
async def kill(job_id: str, request: Request, operator: Op, who: Who) -> Response:
    """Stop hard: tools in flight are ended too."""
    reason = text((await read_body(request, ReasonBody)).reason, "reason", 500) or "killed by operator"
    said = await operator.engine.kill(job_id, reason, who.name)
    await operator.audit(who, "kill", job_id, reason=reason, answer=said)
    return answer(JobAnswer(said, await operator.engine.row(job_id)))
