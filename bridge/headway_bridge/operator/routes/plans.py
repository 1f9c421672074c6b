"""Plans that are not run: ``verify``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from headway.plan.verify import VerifyReport
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import VerifyBody, read_body, read_plan, text
from headway_bridge.operator.context import Op
from headway_bridge.operator.spec import documented

router = APIRouter(tags=["plans"])


@router.post("/verify", **documented(VerifyReport, takes=VerifyBody))
async def verify(request: Request, operator: Op) -> Response:
    """Check a plan against the daemon's tools and the state of its context; nothing runs, nothing is recorded.

    Of more than 100 issues the first are listed, errors before others, and the last one counts the rest.
    """
    body = await read_body(request, VerifyBody)
    context_id = text(body.context_id, "context_id", 256)
    proposal = await read_plan(body.proposal, operator.engine.config)
    return answer((await operator.engine.verify(proposal, context_id)).shortened())
