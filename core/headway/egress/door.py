"""The door: requests to other machines, under rules, with a bound on time, bytes, redirects and connections."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import httpx

from headway._version import __version__
from headway.addresses import is_loopback
from headway.clock import SYSTEM_CLOCK, Clock, clock_of, within
from headway.egress.rules import ENVIRONMENT, Rules, check_proxy, host_of, port_of, shown
from headway.egress.transport import MAX_BYTES, DoorTransport, Resolve, resolve
from headway.errors import EgressError, EgressRefused, HeadwayError, InvalidInput
from headway.numbers import positive_seconds, whole_number
from headway.secrets.redactor import Redactor

CONNECTIONS = 64
CONNECT_S = 10.0
TIMEOUT_S = 60.0
LARGEST = 32 * 1024 * 1024
"""Defaults: connections of one door, seconds to connect, seconds and bytes of an answer."""

LONGEST_S = 3600.0
"""Seconds that a streamed answer may take in all."""

MAX_REDIRECTS = 20

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. ``url`` is where it came from, after redirects."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


class _Request(NamedTuple):
    method: str
    url: httpx.URL
    headers: httpx.Headers
    content: bytes | None


class Answer:
    """An answer whose head has come."""

    def __init__(self, response: httpx.Response, url: httpx.URL, clock: Clock, timeout: float) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.url = str(url)
        self._response = response
        self._host = name_of(url)
        self._clock = clock
        self._timeout = timeout

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the body as they come, each piece within the time limit. Raises :class:`EgressError`."""
        with _failing(self._host, self._timeout):
            chunks = aiter(self._response.aiter_raw())
            while True:
                async with within(self._clock, self._timeout):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk


class Door:
    """Asks other machines over HTTP, as ``rules`` allow.

    ``proxy`` is the URL of an HTTP proxy, or ``"environment"`` for the one that ``HTTPS_PROXY`` and its like name;
    through a proxy names are the proxy's to resolve. No environment variable, cookie or netrc file counts otherwise.
    At most ``connections`` are open on one event loop. Time limits are on ``clock``; connecting, resolving included,
    takes ``connect_timeout`` seconds at most. Errors name a host and what happened, never a path, a header or what
    the other side wrote; ``redactor`` takes secrets out of what is left.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        *,
        proxy: str | None = None,
        connections: int = CONNECTIONS,
        connect_timeout: float = CONNECT_S,
        max_bytes: int = LARGEST,
        clock: Clock = SYSTEM_CLOCK,
        redactor: Redactor | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self.rules = rules if rules is not None else Rules()
        self._proxy = proxy if proxy in (None, ENVIRONMENT) else proxy_url(proxy)
        self._connections = whole_number(connections, "connections", 1)
        self._connect_timeout = positive_seconds(connect_timeout, "connect_timeout")
        self._max_bytes = whole_number(max_bytes, "max_bytes", 1)
        self._clock = clock_of(clock)
        self._redactor = redactor
        self._resolve = resolve
        self._context: ssl.SSLContext | None = None
        self._transports: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, DoorTransport]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"Door({self.rules!r})"

    def to(
        self,
        host: str,
        *,
        connections: int | None = None,
        connect_timeout: float | None = None,
        clock: Clock | None = None,
    ) -> Door:
        """Return a door like this one for the service at ``host``, which somebody named: with connections of its own.

        An address that is not link-local, and ``localhost``, are allowed by being named.
        """
        return Door(
            self.rules.and_host(host),
            proxy=None if self._proxy is None else str(self._proxy),
            connections=self._connections if connections is None else connections,
            connect_timeout=self._connect_timeout if connect_timeout is None else connect_timeout,
            max_bytes=self._max_bytes,
            clock=self._clock if clock is None else clock,
            redactor=self._redactor,
            resolve=self._resolve,
        )

    async def request(
        self,
        method: str,
        url: str | httpx.URL,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = TIMEOUT_S,
        max_bytes: int | None = None,
        redirects: int = 0,
    ) -> Reply:
        """Send a request and return its whole answer, whatever its status, within ``timeout`` seconds.

        Raises what :meth:`stream` does.
        """
        async with self.stream(
            method,
            url,
            headers=headers,
            content=content,
            timeout=timeout,
            longest=timeout,
            max_bytes=max_bytes,
            redirects=redirects,
        ) as answer:
            body = b"".join([chunk async for chunk in answer.chunks()])
        return Reply(answer.status, answer.headers, body, answer.url)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str | httpx.URL,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float = TIMEOUT_S,
        longest: float = LONGEST_S,
        max_bytes: int | None = None,
        redirects: int = 0,
    ) -> AsyncIterator[Answer]:
        """Send a request; give its answer once the head has come.

        ``timeout`` bounds the wait for the head and for each piece of the body, ``longest`` all of it. Up to
        ``redirects`` redirects are followed, each checked like a first request; to another origin go no headers but
        harmless ones, and no body. Without any, a redirect is an answer like another.

        Raises :class:`EgressRefused` for what the rules do not allow and :class:`EgressError` for what failed; its
        ``details["reason"]`` is ``connect``, ``broken``, ``timeout``, ``size`` or ``compressed``.
        """
        target = _url(url)
        with _failing(name_of(target), timeout):
            sent = httpx.Headers({"user-agent": f"headway/{__version__}", **dict(headers or {})})
        follow = min(whole_number(redirects, "redirects", 0), MAX_REDIRECTS)
        limit = self._max_bytes if max_bytes is None else whole_number(max_bytes, "max_bytes", 1)
        whole = within(self._clock, positive_seconds(longest, "longest"))
        scope: asyncio.Timeout | None = None
        try:
            async with whole as scope:
                request = _Request(method, target, sent, content)
                response, at = await self._followed(request, follow, timeout, limit)
                try:
                    yield Answer(response, at, self._clock, timeout)
                finally:
                    await response.aclose()
        except EgressError as error:
            raise self._redacted(error) from None
        except TimeoutError:
            if scope is None or not scope.expired():
                raise  # whoever reads the answer has limits of its own
            raise EgressError(f"{name_of(target)} took longer than {longest:g} s", reason="timeout") from None

    async def _followed(
        self, request: _Request, follow: int, timeout: float, limit: int
    ) -> tuple[httpx.Response, httpx.URL]:
        """Return the answer to a request after up to ``follow`` redirects, and where it came from."""
        for hop in range(follow + 1):
            response = await self._send(request, timeout, limit)
            if not follow or response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response, request.url
            await response.aclose()
            if hop < follow:
                request = _next(response, request)
        raise EgressRefused(f"{name_of(request.url)} redirects more than {follow} times")

    def client(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: httpx.Timeout | float | None = TIMEOUT_S,
        auth: httpx.Auth | None = None,
        follow_redirects: bool = False,
        max_bytes: int | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> httpx.AsyncClient:
        """Return an httpx client whose every request, redirects too, passes this door: for libraries that want one.

        Its connections are its own: close it. It raises httpx's errors, and :class:`EgressRefused`. ``max_bytes``
        bounds each answer. ``transport`` stands in for the network in tests.
        """
        limit = self._max_bytes if max_bytes is None else whole_number(max_bytes, "max_bytes", 1)
        return httpx.AsyncClient(
            headers={"user-agent": f"headway/{__version__}", **dict(headers or {})},
            timeout=timeout,
            auth=auth,
            follow_redirects=follow_redirects,
            max_redirects=MAX_REDIRECTS,
            transport=_ByProxy(self, limit) if transport is None else transport,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close the running loop's connections; the next request opens new ones."""
        for transport in self._transports.pop(asyncio.get_running_loop(), {}).values():
            await transport.aclose()

    async def _send(self, asked: _Request, timeout: float, limit: int) -> httpx.Response:
        waits = {"connect": self._connect_timeout, "read": None, "write": None, "pool": None}
        with _failing(name_of(asked.url), timeout):
            self.rules.check_url(asked.url)
            request = httpx.Request(
                asked.method,
                asked.url,
                headers=asked.headers,
                content=asked.content,
                extensions={"timeout": waits, MAX_BYTES: limit},
            )
            async with within(self._clock, positive_seconds(timeout, "timeout")):
                return await self._transport(asked.url).handle_async_request(request)

    def _transport(self, url: httpx.URL) -> DoorTransport:
        """Return the running loop's transport for a URL: one for each proxy."""
        proxy = self.proxy_for(url)
        of_loop = self._transports.setdefault(asyncio.get_running_loop(), {})
        key = "" if proxy is None else str(proxy)
        if key not in of_loop:
            of_loop[key] = self.transport(proxy, self._max_bytes)
        return of_loop[key]

    def transport(self, proxy: httpx.URL | None, max_bytes: int) -> DoorTransport:
        """Return a new pool of connections under this door's rules."""
        if self._context is None:
            self._context = httpx.create_ssl_context()
        return DoorTransport(
            self.rules,
            self._resolve,
            context=self._context,
            connections=self._connections,
            max_bytes=max_bytes,
            proxy=proxy,
        )

    def proxy_for(self, url: httpx.URL) -> httpx.URL | None:
        """Return the proxy that a request to ``url`` goes through; None if it goes straight."""
        host = host_of(url)
        if self._proxy is None or is_loopback(host):  # a proxy has no business between us and ourselves
            return None
        if isinstance(self._proxy, httpx.URL):
            return self._proxy
        named = urllib.request.getproxies()
        found = named.get(url.scheme) or named.get("all")
        if not found or urllib.request.proxy_bypass(f"{host}:{port_of(url)}"):
            return None
        return proxy_url(found if "://" in found else f"http://{found}")

    def _redacted(self, error: EgressError) -> EgressError:
        if self._redactor is None:
            return error
        return type(error)(self._redactor.text(error.message), **error.details)


class _ByProxy(httpx.AsyncBaseTransport):
    """The transport of a client: that of the proxy which each request goes through."""

    def __init__(self, door: Door, max_bytes: int) -> None:
        self._door = door
        self._max_bytes = max_bytes
        self._open: dict[str, DoorTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._door.proxy_for(request.url)
        key = "" if proxy is None else str(proxy)
        if key not in self._open:
            self._open[key] = self._door.transport(proxy, self._max_bytes)
        return await self._open[key].handle_async_request(request)

    async def aclose(self) -> None:
        for transport in self._open.values():
            await transport.aclose()


def proxy_url(text: object) -> httpx.URL:
    """Return the address of a proxy; :class:`InvalidInput` if ``text`` is none, without quoting it."""
    check_proxy(text)
    try:
        return httpx.URL(str(text))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise InvalidInput('a proxy is "environment", or an address as http://HOST:PORT') from None


def _next(response: httpx.Response, asked: _Request) -> _Request:
    """Return the request that a redirect asks for; :class:`EgressRefused` for one that is not followed."""
    method, url, headers, content = asked
    host = name_of(url)
    try:
        target = url.join(response.headers["location"])
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise EgressRefused(f"{host} redirects to something that is not a web address") from None
    if url.scheme == "https" and target.scheme != "https":
        raise EgressRefused(f"{host} redirects from https to {shown(target.scheme) or 'nothing'}")
    if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
        method, content = ("HEAD" if method == "HEAD" else "GET"), None
        headers = _without(headers, {"content-type", "content-length"})
    if (target.scheme, host_of(target), port_of(target)) != (url.scheme, host_of(url), port_of(url)):
        if content is not None:
            raise EgressRefused(f"{host} redirects a request to {name_of(target)}, and its body is not sent there")
        headers = _without(headers, set(headers) - _HARMLESS)
    return _Request(method, target, headers, content)


def _without(headers: httpx.Headers, names: set[str]) -> httpx.Headers:
    return httpx.Headers([(name, text) for name, text in headers.items() if name.lower() not in names])


def _url(url: str | httpx.URL) -> httpx.URL:
    try:
        found = httpx.URL(url)
        found.netloc.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        raise InvalidInput("that is not a web address") from None
    return found


def name_of(url: httpx.URL) -> str:
    """Return the host, and the port where one is named, as errors show them."""
    return shown(url.netloc.decode("ascii", "replace"))


class _failing:  # noqa: N801 - reads as the function that it is used as
    """Turn what httpx raises in a block into :class:`EgressError`: its texts may quote what was sent."""

    def __init__(self, host: str, seconds: float) -> None:
        self._host = host
        self._seconds = seconds

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if error is None or isinstance(error, HeadwayError):
            return
        if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol | UnicodeError):
            raise InvalidInput(f"the request to {self._host} cannot be sent: a header or the method is none") from None
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            raise EgressError(f"{self._host} cannot be reached ({type(error).__name__})", reason="connect") from None
        if isinstance(error, httpx.TransportError):
            text = f"the connection to {self._host} broke ({type(error).__name__})"
            raise EgressError(text, reason="broken") from None
        if isinstance(error, TimeoutError):
            raise EgressError(f"{self._host} did not answer within {self._seconds:g} s", reason="timeout") from None
