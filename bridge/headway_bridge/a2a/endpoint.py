"""The JSON-RPC endpoint: bytes in, JSON or a stream of server-sent events out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import msgspec
from a2a.utils.errors import A2AError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from headway.errors import Overloaded
from headway_bridge.a2a.context import Client, ClientGone
from headway_bridge.a2a.dispatch import Dispatcher, Stream, typed_details
from headway_bridge.a2a.errors import as_a2a, error_answer
from headway_bridge.a2a.jsonrpc import Call, decode, read_call, request_id
from headway_bridge.a2a.versions import requested_version
from headway_bridge.auth import caller_of
from headway_bridge.bodies import LARGE

SEND_TIMEOUT = 60.0
"""Seconds that a client of a stream may leave a frame unread before the connection is closed; it can come back."""

SHUTDOWN_GRACE = 8.0
"""Seconds that a stream gets to tell how its task ended when the server stops."""


class Endpoint:
    """Answers ``POST`` requests with JSON-RPC 2.0 bodies. Errors inside JSON-RPC have the HTTP status 200, but for
    those of an overload: 503, with ``Retry-After``.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def __call__(self, request: Request) -> Response:
        """Serve one request."""
        body = b"".join([chunk async for chunk in request.stream()])  # not request.body(), which keeps it
        try:
            value = await asyncio.to_thread(decode, body) if len(body) > LARGE else decode(body)
        except A2AError as error:
            return _json(error_answer(None, error))
        del body
        try:
            call = read_call(value)
        except A2AError as error:
            return _json(error_answer(request_id(value), error))
        return await self._answer(call, request)

    async def _answer(self, call: Call, request: Request) -> Response:
        client = Client(caller_of(request.scope), lambda: _disconnect(request))
        try:
            result = await self._dispatcher.call(
                call, client, requested_version=requested_version(request), after=_last_event_id(request)
            )
            if isinstance(result, Stream):
                return _events(call, result)
            answer = {"jsonrpc": "2.0", "id": call.request_id, "result": result}
            return Response(status_code=202) if call.notification else _json(answer)
        except ClientGone:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - whatever fails, the client gets an answer and the log the reason
            if call.notification and not isinstance(error, Overloaded):
                as_a2a(error)
                return Response(status_code=202)
            response = _json(error_answer(call.request_id, as_a2a(error), typed_details=typed_details(call.method)))
            if isinstance(error, Overloaded):  # HTTP's own word, for proxies and clients that know no JSON-RPC
                response.status_code = 503
                response.headers["Retry-After"] = str(error.retry_after)
            return response


def _json(answer: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


def _events(call: Call, stream: Stream) -> EventSourceResponse:
    return EventSourceResponse(
        _frames(call, stream),
        send_timeout=SEND_TIMEOUT,
        shutdown_event=anyio.Event(),
        shutdown_grace_period=SHUTDOWN_GRACE,
    )


async def _frames(call: Call, stream: Stream) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield a stream's frames as events; what goes wrong half-way as a last event that says so."""
    try:
        async for frame in stream.frames:
            result = stream.generation.write_update(frame.update)
            text = msgspec.json.encode({"jsonrpc": "2.0", "id": call.request_id, "result": result}).decode()
            yield ServerSentEvent(text, id=str(frame.seq) if frame.seq else None)
    except Exception as error:  # noqa: BLE001 - the headers are out: the error can only be an event
        details = stream.generation.typed_details
        answer = error_answer(call.request_id, as_a2a(error), typed_details=details)
        yield ServerSentEvent(msgspec.json.encode(answer).decode(), event="error" if details else None)
    finally:
        await stream.frames.aclose()


def _last_event_id(request: Request) -> int | None:
    given = request.headers.get("last-event-id", "").strip()
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


async def _disconnect(request: Request) -> None:
    """Wait until the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        continue
