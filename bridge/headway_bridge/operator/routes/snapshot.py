"""The views as of one seq: where a console begins before it follows the events."""

from __future__ import annotations

from fastapi import APIRouter, Response

from headway.events.snapshot import answer_schema
from headway_bridge.operator.answers import answer
from headway_bridge.operator.context import Op
from headway_bridge.operator.spec import documented

router = APIRouter(tags=["snapshot"])


@router.get("/snapshot", **documented(answer_schema(), fails=(404,)))
async def snapshot(operator: Op, job: str | None = None) -> Response:
    """Return every view over the whole log (jobs, limits, budgets), and one run if asked for, all as of the same `seq`.

    `complete` is false while a store that lost its caches folds its log anew: then lists lack some older jobs.
    """
    return answer((await operator.engine.snapshot(job)).to_dict())
