"""Elicitations: what waits for a person, and the answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from headway.events.views import Elicitation, InboxPage
from headway_bridge.operator.answers import answer
from headway_bridge.operator.bodies import AnswerBody, read_body
from headway_bridge.operator.context import Op, Who
from headway_bridge.operator.spec import documented

router = APIRouter(prefix="/elicitations", tags=["elicitations"])


@router.get("", **documented(InboxPage))
async def inbox(
    operator: Op,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Return the questions that wait for a person, the most blocking first, and the jobs that failed, newest first."""
    return answer(await operator.engine.elicitations.page(limit, offset))


@router.get("/{elicitation_id}", **documented(Elicitation, fails=(404,)))
async def elicitation(elicitation_id: str, operator: Op) -> Response:
    """Return a question, whole, open or closed."""
    return answer(await operator.engine.elicitations.get(elicitation_id))


@router.post("/{elicitation_id}/answer", **documented(Elicitation, takes=AnswerBody, fails=(404, 409, 507)))
async def give(elicitation_id: str, request: Request, operator: Op, who: Who) -> Response:
    """Answer a question. The first answer counts, and is on disk when this answers; others get 409."""
    body = await read_body(request, AnswerBody)
    closed = await operator.engine.elicitations.answer(
        elicitation_id, body.choice, body.value, reason=body.reason, by=who.name, peer=who.peer or None
    )
    await operator.audit(who, "answer", elicitation_id, job_id=closed.job_id, choice=closed.choice)
    return answer(closed)
