"""Transport of requests: one httpx client over a Unix socket or a URL, with a time limit on every wait."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from headway.client.failures import error_of, unreachable
from headway.client.unix import UnixTransport
from headway.client.wire import ACTOR_HEADER, API_PREFIX, KEEP_ALIVE_S
from headway.errors import InvalidInput, Unavailable, one_line

T = TypeVar("T")

CONNECT_S = 3.0
"""Seconds that a connection may take to come about."""

STREAM_READ_S = 3 * KEEP_ALIVE_S
"""Seconds without a byte, keep-alives included, after which a stream counts as dead."""


class Transport:
    """One connection pool to one daemon. ``where`` is how errors name the daemon."""

    def __init__(
        self, *, socket: Path | None, url: str | None, token: str | None, actor: str | None, timeout: float
    ) -> None:
        self.where = url if url is not None else str(socket.parent if socket is not None else "")
        self._local = socket is not None
        headers: list[tuple[bytes, bytes]] = []
        if actor is not None:
            headers.append((ACTOR_HEADER.encode(), one_line(actor, 200).encode()))
        if token is not None:
            headers.append((b"Authorization", f"Bearer {token}".encode()))
        base = (url.rstrip("/") if url is not None else "http://localhost") + API_PREFIX
        try:
            self._http = httpx.AsyncClient(
                base_url=base,
                headers=headers,
                timeout=httpx.Timeout(timeout, connect=CONNECT_S),
                transport=None if socket is None else UnixTransport(socket),
                trust_env=False,  # a proxy of the environment is not meant for this
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ValueError):
            raise InvalidInput(f"{url!r} is not the address of a daemon") from None

    async def ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        timeout: float | None = None,
    ) -> T:
        """Send one request and return its answer decoded as ``answer``.

        Entries of ``query`` that are None are left out. ``body`` is anything msgspec encodes. ``timeout`` seconds of
        silence replace the usual limit. Raises the :mod:`headway.errors` class that the daemon named, and
        :class:`Unavailable` when none answered.
        """
        content = None if body is None else msgspec.json.encode(body)
        try:
            response = await self._http.request(
                method,
                path,
                params={key: value for key, value in (query or {}).items() if value is not None},
                content=content,
                headers=None if content is None else {"Content-Type": "application/json"},
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else httpx.Timeout(timeout, connect=CONNECT_S),
            )
        except httpx.RequestError as error:
            raise self.lost(error) from None
        if not response.is_success:
            raise error_of(response.status_code, response.content)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.DecodeError as error:
            raise Unavailable(f"the daemon at {self.where} speaks another version: {error}") from None

    def stream(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Open a GET whose answer is read bit by bit; the caller deals with httpx's errors."""
        return self._http.stream(
            "GET",
            path,
            params={key: value for key, value in query.items() if value is not None},
            headers={"Accept": "text/event-stream", "Cache-Control": "no-store", **headers},
            timeout=httpx.Timeout(STREAM_READ_S, connect=CONNECT_S),
        )

    def lost(self, error: httpx.RequestError) -> Unavailable:
        """Return what the caller is told of a request that got no answer."""
        return unreachable(error, self.where, local=self._local)

    async def close(self) -> None:
        """Close every connection. Closing twice is harmless."""
        await self._http.aclose()
