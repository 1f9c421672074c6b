"""The guard before every application that listens on TCP: Host, Origin, content type and body size.

:class:`SafetyMiddleware` is pure ASGI. It reads a request's body whole (at most ``max_body`` bytes, within
``body_timeout`` seconds) before the application sees the request, so an application behind it never meets a body
that is too large, trickles in or is not JSON. What it refuses it answers with one line, in the form that ``refuse``
gives it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from headway.addresses import host_name, is_loopback
from headway.errors import InvalidConfig, one_line
from headway_bridge.bodies import LARGE, MAX_VALUES, BodyBudget, Held, hold, too_many_values

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from headway.config import Config

MAX_BODY = 8 * 1024 * 1024
"""The largest request body taken, in bytes."""

BODY_TIMEOUT = 30.0
"""Seconds in which a body must have arrived."""

_DRAIN_FACTOR = 4  # a body over the limit is read off up to this many times the limit, so that its sender sees why
_DRAIN_SECONDS = 5.0
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\],]+)(?::(?P<port>\d{1,5}))?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


CONNECTION = "connection"
"""The key of ``scope["state"]`` under which a listener puts the connection that a request came by."""


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was turned away. ``status`` is HTTP's; ``code`` a stable word; ``message`` one line.

    ``retry_after`` are the seconds after which it may be sent again; None where that would change nothing.
    """

    status: int
    code: str
    message: str
    retry_after: int | None = None


NO_ROOM = Refusal(503, "overloaded", "too many request bodies are being worked on: try again later", 1)
"""The refusal of a body for which there is no room."""


def refused(refusal: Refusal, form: Callable[[Refusal], Response]) -> Response:
    """Return the answer in that form, with the headers that go with the refusal."""
    response = form(refusal)
    response.headers["Connection"] = "close"
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


def plain_refusal(refusal: Refusal) -> Response:
    """Return ``{"error": {"code", "message"}}`` with the refusal's status."""
    body = {"error": {"code": refusal.code, "message": refusal.message}}
    return Response(msgspec.json.encode(body), refusal.status, media_type="application/json")


def check_bind(host: str, *, authenticated: bool = False) -> None:
    """Raise :class:`InvalidConfig` unless ``host`` is a loopback address, or callers are ``authenticated`` there."""
    if not authenticated and not is_loopback(host):
        raise InvalidConfig(
            f"will not listen on {one_line(host, 100)!r}: without authentication ([a2a] auth) only loopback addresses"
            " (127.0.0.1, ::1, localhost) are allowed"
        )


def allowed_hosts(config: Config) -> frozenset[str]:
    """Return the host names that ``[a2a]`` accepts besides the loopback ones: its own, the public one, the listed."""
    a2a = config.a2a
    names = {host_name(a2a.host)}
    if a2a.public_url:
        names.add(host_name(urlsplit(a2a.public_url).hostname or ""))
    for listed in a2a.allowed_hosts:
        match = _AUTHORITY.fullmatch(listed)
        names.add(host_name(match["host"] if match else listed))
    return frozenset(name for name in names if name)


class SafetyMiddleware:
    """Turns away what no honest client sends; passes the rest on with its body read.

    ``hosts`` are accepted in the Host header besides loopback names (a page that rebinds its own name to 127.0.0.1
    has neither). An ``Origin`` must be that of the Host itself. Bodies must be of a type in ``media_types``, in UTF-8.
    Status codes: 400 no or several Host headers, 403 Origin, 408 slow body, 413 too large, 415 type, 421 Host, 503 no
    room for the body in ``budget``. A connection whose request is ``authentic`` counts as known from then on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] = (),
        refuse: Callable[[Refusal], Response] = plain_refusal,
        max_body: int = MAX_BODY,
        body_timeout: float = BODY_TIMEOUT,
        media_types: Collection[str] = ("application/json",),
        budget: BodyBudget | None = None,
        authentic: Callable[[Scope], bool] = lambda scope: True,
    ) -> None:
        self.app = app
        self.hosts = frozenset(host_name(host) for host in hosts)
        self.refuse = refuse
        self.max_body = max_body
        self.body_timeout = body_timeout
        self.media_types = frozenset(media_types)
        self.budget = budget if budget is not None else BodyBudget()
        self.authentic = authentic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._check(scope, headers)
        if refusal is None and self.authentic(scope):
            connection = scope.get("state", {}).get(CONNECTION)
            if connection is not None:
                connection.known()
        if refusal is None and not _has_body(headers):
            await self.app(scope, receive, send)
            return
        if refusal is None:
            refusal = await self._with_body(scope, headers, receive, send)
        if refusal is not None:
            await refused(refusal, self.refuse)(scope, receive, send)

    async def _with_body(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> Refusal | None:
        """Read the body and let the application work on it; return the refusal of a body that is not taken."""
        held = Held(self.budget)
        hold(held)
        try:
            body = await self._read(headers, receive, held)
            if isinstance(body, bytes):
                await held.begin()
                receive = _replay(body, receive)
                del body  # the application has it, and may let go of it
                await self.app(scope, receive, send)
                return None
            return body
        finally:
            held.release()
            hold(None)

    def _check(self, scope: Scope, headers: Headers) -> Refusal | None:
        hosts = headers.getlist("host")
        host = _AUTHORITY.fullmatch(hosts[0].strip()) if len(hosts) == 1 else None
        if host is None:
            return Refusal(400, "bad_host", "the request needs exactly one Host header")
        name = host_name(host["host"])
        if name not in self.hosts and not is_loopback(name):
            text = f"this server does not answer for the host {one_line(name, 100)!r}"
            return Refusal(421, "foreign_host", text)
        if not all(_same_origin(origin, name, host["port"]) for origin in headers.getlist("origin")):
            return Refusal(403, "foreign_origin", "requests from pages of another origin are not accepted")
        return self._check_type(headers) if scope["method"] not in ("GET", "HEAD", "OPTIONS") else None

    def _check_type(self, headers: Headers) -> Refusal | None:
        given = headers.get("content-type")
        if given is None and not _has_body(headers):
            return None
        media_type, _, parameters = (given or "").partition(";")
        charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters, re.IGNORECASE)
        if media_type.strip().lower() not in self.media_types:
            wanted = " or ".join(sorted(self.media_types))
            return Refusal(415, "unsupported_media_type", f"the Content-Type must be {wanted}")
        if charset and charset[1].lower() not in ("utf-8", "utf8"):
            return Refusal(415, "unsupported_media_type", "the charset must be utf-8")
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding != "identity":
            return Refusal(415, "unsupported_media_type", "compressed bodies are not accepted")
        return None

    async def _read(self, headers: Headers, receive: Receive, held: Held) -> bytes | Refusal | None:
        """Return the body; a refusal; or None when the client has gone."""
        declared = headers.get("content-length")
        if declared is not None and not (declared.isascii() and declared.isdigit() and len(declared) < 20):
            return Refusal(400, "bad_content_length", "the Content-Length is not a number")
        too_large = Refusal(413, "too_large", f"the request body is larger than {self.max_body:,} bytes")
        if declared is not None and int(declared) > self.max_body:
            if "expect" not in headers and int(declared) <= self.max_body * _DRAIN_FACTOR:
                await self._drain(receive, int(declared))
            return too_large
        if declared is not None and not await held.grow(int(declared)):
            return NO_ROOM
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.body_timeout):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > self.max_body:
                        break
                    if not await held.grow(size):
                        return NO_ROOM
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            return Refusal(408, "slow_body", f"the request body did not arrive within {self.body_timeout:g} s")
        if size > self.max_body:
            await self._drain(receive, self.max_body * _DRAIN_FACTOR - size)
            return too_large
        body = b"".join(chunks)
        if size > LARGE and too_many_values(body):
            return Refusal(413, "too_many_values", f"the request has more than {MAX_VALUES:,} JSON values")
        return body

    @staticmethod
    async def _drain(receive: Receive, limit: int) -> None:
        """Read a body and throw it away: who still sends when the connection closes never reads the answer."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while limit > 0:
                    message = await receive()
                    limit -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0").strip() != "0" or "transfer-encoding" in headers


def _same_origin(origin: str, host: str, port: str | None) -> bool:
    try:
        parts = urlsplit(origin.strip())
        theirs = parts.port
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or not parts.hostname:
        return False
    return host_name(parts.hostname) == host and (theirs or default) == (int(port) if port else default)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the whole body once, then what the server has to say (a disconnect)."""
    left: list[bytes] = [body]
    del body  # given once, and not kept

    async def again() -> Message:
        if not left:
            return await receive()
        return {"type": "http.request", "body": left.pop(), "more_body": False}

    return again
