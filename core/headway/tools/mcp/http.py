"""The HTTP transport: the SDK's own streams, on the door that leads out, behind the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx
import httpx2
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import ErrorData, JSONRPCError, JSONRPCResponse

from headway.errors import EgressError, HeadwayError, describe
from headway.tools.mcp.gate import REFUSED, harmless

if TYPE_CHECKING:
    from headway.egress.door import Door
    from headway.tools.mcp.settings import McpServer

LISTENING_S = 3600.0
"""Seconds that the stream of what a server says unasked may be silent."""

_OURS = frozenset({"host", "accept-encoding", "connection", "content-length", "transfer-encoding"})
_GONE = 404


class HttpLink:
    """One session with a server at a URL; an async context manager that gives the two streams the SDK works on.

    Every request goes through ``door``. ``on_end(reason)`` is called when the server does not know the session any
    more, or cannot be reached.
    """

    def __init__(
        self, server: McpServer, headers: Mapping[str, str], door: Door, on_end: Callable[[str], object]
    ) -> None:
        assert server.url is not None
        self._server = server
        self._url = server.url
        self._headers = headers
        self._door = door.to(urlsplit(server.url).hostname or "")
        self._on_end = on_end
        self._open = AsyncExitStack()

    async def __aenter__(self) -> tuple[Any, Any]:
        server = self._server
        async with AsyncExitStack() as opening:
            ours = self._door.client(
                timeout=httpx.Timeout(server.call_secs, read=None), max_bytes=4 * server.max_message_bytes
            )
            await opening.enter_async_context(ours)
            passing = _Passing(ours, server, self._on_end)
            client = httpx2.AsyncClient(transport=passing, headers=dict(self._headers), timeout=None)
            await opening.enter_async_context(client)
            read, write = await opening.enter_async_context(
                streamable_http_client(self._url, http_client=client, max_sse_event_size=server.max_message_bytes)
            )
            self._open = opening.pop_all()
        return _Gated(read), write

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._open.__aexit__(kind, error, trace)


class _Passing(httpx2.AsyncBaseTransport):
    """Hands each request of the SDK's client to ours, which goes through the door."""

    def __init__(self, client: httpx.AsyncClient, server: McpServer, on_end: Callable[[str], object]) -> None:
        self._client = client
        self._server = server
        self._on_end = on_end

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        headers = [(name, value) for name, value in request.headers.multi_items() if name.lower() not in _OURS]
        asked = self._client.build_request(request.method, str(request.url), headers=headers, content=content)
        try:
            response = await self._client.send(asked, stream=True)
        except (EgressError, httpx.HTTPError, HeadwayError) as error:
            reason = f"cannot be reached: {_reason(error)}"
            if request.method == "POST":
                self._on_end(reason)
            raise httpx2.ConnectError(reason) from None
        if request.method == "POST" and response.status_code == _GONE and "mcp-session-id" in request.headers:
            self._on_end("no longer knows the session")
        return httpx2.Response(response.status_code, headers=response.headers.multi_items(), stream=_Body(response))


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.aiter_raw():
                yield chunk
        except (EgressError, httpx.HTTPError) as error:
            raise httpx2.ReadError(_reason(error)) from None

    async def aclose(self) -> None:
        with suppress(httpx.HTTPError):
            await self._response.aclose()


class _Gated:
    """The stream of what the server sends, made harmless."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message."""
        return _checked(await self._stream.receive())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return _checked(await anext(self._stream))

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        found: bool | None = await self._stream.__aexit__(kind, error, trace)
        return found


def _checked(item: SessionMessage | Exception) -> SessionMessage | Exception:
    if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCResponse):
        try:
            harmless(item.message.result)
        except (ValueError, RecursionError) as error:
            data = ErrorData(code=REFUSED, message=f"sent an answer that is refused: {describe(error)}")
            return SessionMessage(JSONRPCError(jsonrpc="2.0", id=item.message.id, error=data), item.metadata)
    return item


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, HeadwayError) else type(error).__name__
