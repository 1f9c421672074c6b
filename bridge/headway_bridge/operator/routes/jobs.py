"""Jobs: list, submit, look at, cancel, kill, pause, resume, retry; one at a time or by a filter."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from headway.client.wire import BulkReport, JobAnswer, JobHistory, Successor
from headway.errors import Conflict
from headway.events.views import JobRow, RunView
from headway.jobs.bulk import find
from headway.jobs.filter import parse_filter
from headway.jobs.submission import Submission
from headway.plan.results import ProposalResult
from headway.store import store_of
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import BulkBody, ReasonBody, SubmitBody, read_body, read_plan, text
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
    where: str | None = None,
) -> Response:
    """Return jobs, newest first. `before` is the `first_seq` of the last job of the page before.

    `where` is a filter, such as `status:running waiting:bucket age:>10m`; `status` goes into it.

    The header `Headway-Complete` is `false` while a store that lost its caches folds its log anew: then older jobs of a
    status may be missing.
    """
    if where is None:
        found = answer(await operator.engine.jobs(status=status, limit=limit, before=before))
    else:
        wanted = parse_filter(where if status is None else f"status:{status} {where}")
        now_ms = operator.engine.clock.time_ms()
        found = answer(await find(store_of(operator.engine.log), wanted, now_ms, limit, before))
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


@router.post("/bulk", **documented(BulkReport, takes=BulkBody, fails=(503, 507)))
async def bulk(request: Request, operator: Op, who: Who) -> Response:
    """Ask one thing of all jobs that a filter means: cancel, kill, pause, resume, retry, fork.

    A dry run, unless `dry_run` is false: it lists the jobs. Else each job has a verdict, and one that refuses keeps no
    other from being asked.
    """
    body = await read_body(request, BulkBody)
    reason = text(body.reason, "reason", 500)
    jobs = operator.engine.manager
    report = await jobs.bulk(body.action, body.where, dry_run=body.dry_run, reason=reason, by=who.name)
    if report.done:
        counts = report.counts()
        await operator.audit(who, f"bulk {body.action}", None, where=body.where, reason=reason, answer=counts)
    return answer(report)


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


@router.post("/{job_id}/pause", **documented(JobAnswer, takes=ReasonBody, optional=True, fails=(404, 409, 507)))
async def pause(job_id: str, request: Request, operator: Op, who: Who) -> Response:
    """Pause: no call starts any more; once those in flight have ended, the job has no place among those that run."""
    reason = text((await read_body(request, ReasonBody)).reason, "reason", 500) or "paused by operator"
    said = await operator.engine.manager.pause_job(job_id, reason, who.name)
    await operator.audit(who, "pause", job_id, reason=reason, answer=said)
    return answer(JobAnswer(said, await operator.engine.row(job_id)))


@router.post("/{job_id}/resume", **documented(JobAnswer, fails=(404, 409, 507)))
async def resume(job_id: str, operator: Op, who: Who) -> Response:
    """Queue a paused job again: it continues where it was."""
    said = await operator.engine.manager.resume_job(job_id, who.name)
    await operator.audit(who, "resume", job_id, answer=said)
    return answer(JobAnswer(said, await operator.engine.row(job_id)))


@router.post("/{job_id}/retry", **documented(JobRow, fails=(404, 409, 503, 507)))
async def retry(job_id: str, operator: Op, who: Who) -> Response:
    """Run a job that waits for its retry now, or the plan of one that failed or was cancelled anew, as another job."""
    operator.admit()
    made = await operator.engine.manager.retry_job(job_id, who.name)
    await operator.audit(who, "retry", job_id, answer=made)
    return answer(await operator.engine.row(made))


@router.post("/{job_id}/fork", **documented(JobRow, fails=(404, 409, 503, 507)))
async def fork(job_id: str, operator: Op, who: Who) -> Response:
    """Continue a job that failed or was cancelled from the last level that it finished, as another job."""
    operator.admit()
    made = await operator.engine.manager.fork_from_failure(job_id, who.name)
    await operator.audit(who, "fork", job_id, answer=made)
    return answer(await operator.engine.row(made))


@router.get("/{job_id}/history", **documented(JobHistory, fails=(404,)))
async def history(
    job_id: str,
    operator: Op,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Return a page of a job's events, all that there ever were, and where the next page begins."""
    return answer(await operator.engine.manager.job_history(job_id, after, limit))
