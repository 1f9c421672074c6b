"""The views as of one seq: where a console begins before it follows the events."""

from __future__ import annotations

from fastapi import APIRouter, Response

from headway.jobs.info import Snapshot
from headway_bridge.operator.answers import answer
from headway_bridge.operator.context import Op
from headway_bridge.operator.spec import documented

router = APIRouter(tags=["snapshot"])


@router.get("/snapshot", **documented(Snapshot, fails=(404,)))
async def snapshot(operator: Op, job: str | None = None) -> Response:
    """Return jobs, limits and budgets, and one run if asked for, all as of the same `seq`."""
    return answer(await operator.engine.snapshot(job))
