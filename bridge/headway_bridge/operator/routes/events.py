"""The event log: pages of it, and a stream that follows it."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from headway.errors import Conflict, InvalidInput
from headway.events.event import Event
from headway_bridge.operator.answers import answer
from headway_bridge.operator.context import Op
from headway_bridge.operator.spec import documented
from headway_bridge.operator.stream import event_stream

router = APIRouter(tags=["events"])

MAX_SEQ = 10**18


@router.get("/events", **documented(list[Event], fails=(404, 409)))
async def events(
    operator: Op,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ)] = 0,
    job: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    follow: bool = False,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the events after a seq, oldest first; with `follow=1` as server-sent events, replay first, then live.

    A stream's messages are `event: events` with a JSON array as data and the last seq as id; `Last-Event-ID` wins over
    `after`. `event: lag` with `{"behind": n}` says that the reader is far behind. `limit` does not bind a stream.
    """
    engine = operator.engine
    if job is not None:
        await engine.row(job)
    if not follow:
        return answer(await engine.log.read(after, job_id=job, limit=limit))
    if last_event_id:
        if not re.fullmatch(r"[0-9]{1,18}", last_event_id):
            raise InvalidInput("Last-Event-ID: not a seq")
        after = int(last_event_id)
    if after > engine.log.last_seq:
        raise Conflict(f"the log ends at seq {engine.log.last_seq}: there is no seq {after} to continue from")
    return event_stream(operator, after, job)
