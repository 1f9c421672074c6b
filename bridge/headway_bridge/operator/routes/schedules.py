"""Schedules: what is started at set times."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from headway.client.wire import ScheduleInfo, ScheduleRun
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import EmptyBody, ScheduleBody, read_body
from headway_bridge.operator.context import Op, Who
from headway_bridge.operator.spec import documented

router = APIRouter(prefix="/schedules", tags=["schedules"])


@router.get("", **documented(list[ScheduleInfo]))
async def schedules(operator: Op) -> Response:
    """Return every schedule with its next time; of one that is broken, what is wrong with it."""
    return answer(await operator.engine.schedules.all())


@router.post("", **documented(ScheduleInfo, takes=ScheduleBody, fails=(409, 507)))
async def add(request: Request, operator: Op, who: Who) -> Response:
    """Add a schedule of a workflow."""
    operator.admit()
    body = await read_body(request, ScheduleBody)
    made = await operator.engine.schedules.add(
        body.name,
        body.workflow,
        cron=body.cron,
        at=body.at,
        timezone=body.timezone,
        missed=body.missed,
        by=who.name,
    )
    await operator.audit(who, "schedule", body.name, workflow=body.workflow)
    return answer(made)


@router.post("/{name}/run", **documented(ScheduleRun, takes=EmptyBody, fails=(404, 409, 507)))
async def run(name: str, request: Request, operator: Op, who: Who) -> Response:
    """Start what a schedule names now, beside its times; return the job's id."""
    operator.admit()
    await read_body(request, EmptyBody)
    job_id = await operator.engine.schedules.run(name, who.name)
    await operator.audit(who, "schedule run", name, job_id=job_id)
    return answer(ScheduleRun(name, job_id))


@router.post("/{name}/pause", **documented(ScheduleInfo, takes=EmptyBody, fails=(404, 409, 507)))
async def pause(name: str, request: Request, operator: Op, who: Who) -> Response:
    """Start nothing for a schedule until it is resumed."""
    await read_body(request, EmptyBody)
    found = await operator.engine.schedules.pause(name, who.name)
    await operator.audit(who, "schedule pause", name)
    return answer(found)


@router.post("/{name}/resume", **documented(ScheduleInfo, takes=EmptyBody, fails=(404, 409, 507)))
async def resume(name: str, request: Request, operator: Op, who: Who) -> Response:
    """Follow a paused schedule again."""
    await read_body(request, EmptyBody)
    found = await operator.engine.schedules.resume(name, who.name)
    await operator.audit(who, "schedule resume", name)
    return answer(found)


@router.post("/{name}/remove", **documented(ScheduleInfo, takes=EmptyBody, fails=(404, 409, 507)))
async def remove(name: str, request: Request, operator: Op, who: Who) -> Response:
    """Remove a schedule that was added, and return it as it was; one of headway.toml stays."""
    await read_body(request, EmptyBody)
    found = await operator.engine.schedules.get(name)
    await operator.engine.schedules.remove(name, who.name)
    await operator.audit(who, "schedule remove", name)
    return answer(found)
