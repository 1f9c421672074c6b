"""The store's retention: ``prune``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import EmptyBody, read_body
from headway_bridge.operator.context import Op, Who
from headway_bridge.operator.spec import documented

router = APIRouter(tags=["store"])


@router.post("/prune", **documented(dict[str, Any], takes=EmptyBody, optional=True, fails=(507,)))
async def prune(request: Request, operator: Op, who: Who) -> Response:
    """Remove the finished jobs that retention no longer keeps."""
    operator.admit()
    await read_body(request, EmptyBody)
    report = await operator.engine.prune()
    await operator.audit(who, "prune")
    return answer(report)
