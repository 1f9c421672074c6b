"""The event stream: server-sent events straight from a subscription.

Each batch is encoded once and is one message: ``id`` its last seq, ``event: events``, ``data`` a JSON array. The socket
sets the pace: the next batch is read when the last one has gone out, so a slow reader costs no memory and misses
nothing; it is told with ``event: lag`` when it is far behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING

import msgspec
from starlette.responses import StreamingResponse

from headway.client.wire import KEEP_ALIVE_S
from headway.clock import Clock
from headway.events.event import Event
from headway_bridge.operator.context import Operator

if TYPE_CHECKING:
    from headway.events.subscription import Subscription

FAR_BEHIND = 10_000
"""Events behind from which a reader is told so; once, until it has caught up."""

MAX_MESSAGE = 1024 * 1024
"""Bytes from which a batch of several events is sent as several messages."""

_KEEP_ALIVE = b": keep-alive\n\n"
_encode = msgspec.json.Encoder().encode


def event_stream(operator: Operator, after: int, job_id: str | None) -> StreamingResponse:
    """Return the response that follows the log from just after seq ``after``, of one job or of all."""
    subscription = operator.follow(after, job_id)
    return StreamingResponse(
        _messages(operator, subscription),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _messages(operator: Operator, subscription: Subscription) -> AsyncGenerator[bytes, None]:
    clock = operator.engine.clock
    behind = False
    try:
        yield b": headway events\n\n"  # the headers go out now, not with the first event
        while True:
            try:
                batch = await _next(subscription, clock)
            except StopAsyncIteration:
                return
            if batch is None:
                yield _KEEP_ALIVE
                continue
            lag = subscription.lag
            if lag > FAR_BEHIND and not behind:
                yield b'event: lag\ndata: {"behind":%d}\n\n' % lag
            behind = lag > FAR_BEHIND
            for message in _encoded(batch):
                yield message
    finally:
        operator.unfollow(subscription)


async def _next(subscription: Subscription, clock: Clock) -> list[Event] | None:
    """Return the next batch, or None after 15 seconds without one. A wait that is cut short loses no event."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            timer = clock.call_later(KEEP_ALIVE_S, lambda: limit.reschedule(loop.time()))
            try:
                return await anext(subscription)
            finally:
                timer.cancel()
    except TimeoutError:
        return None


def _encoded(batch: list[Event]) -> Iterator[bytes]:
    """Yield ``batch`` as one message, or as several when it is large: a reader must hold a message whole."""
    data = _encode(batch)
    if len(data) > MAX_MESSAGE and len(batch) > 1:
        middle = len(batch) // 2
        yield from _encoded(batch[:middle])
        yield from _encoded(batch[middle:])
        return
    yield b"id: %d\nevent: events\ndata: %b\n\n" % (batch[-1].seq, data)
