"""Connections of the door: resolved once, checked, and made to the address that was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import unquote

import httpcore
import httpx

from headway.addresses import host_name
from headway.egress.rules import Address, Rules, host_of, literal, shown
from headway.errors import EgressError

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Return the addresses of a host; raise ``OSError`` where there are none."""

MAX_ADDRESSES = 32
"""The most addresses of one host that are looked at; one that has more is not reached."""

MAX_BYTES = "headway_max_bytes"
"""The extension of a request that says how many bytes its answer may have."""

IDLE_S = 30.0
"""Seconds that an unused connection is kept: after that its host is resolved again."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of ``host``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for a pool to addresses that ``rules`` allow. ``proxy`` alone is reached as it is named."""

    def __init__(self, rules: Rules, resolve: Resolve, proxy: str | None = None) -> None:
        self._rules = rules
        self._resolve = resolve
        self._proxy = proxy
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host_name(host), port)
                return await self._first(addresses, port, timeout, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(type(error).__name__) from None

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("no Unix socket is reached through this door")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, each of them checked: one that is refused refuses the host."""
        given = literal(host)
        if given is not None:
            found = [given]
        else:
            try:
                names = await self._resolve(host, port)
            except (OSError, UnicodeError) as error:
                raise httpcore.ConnectError(type(error).__name__) from None
            found = [ipaddress.ip_address(name.partition("%")[0]) for name in dict.fromkeys(names)]
        if not 0 < len(found) <= MAX_ADDRESSES:
            raise httpcore.ConnectError(f"{len(found)} addresses")
        if host != self._proxy:
            for address in found:
                self._rules.check_address(host, port, address)
        return found

    async def _first(
        self,
        addresses: list[Address],
        port: int,
        timeout: float | None,
        local: str | None,
        options: Iterable[Any] | None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address that takes one."""
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses[:-1]:
            try:
                return await self._sockets.connect_tcp(str(address), port, share, local, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._sockets.connect_tcp(str(addresses[-1]), port, timeout, local, options)


class DoorTransport(httpx.AsyncHTTPTransport):
    """A bounded pool of such connections. It checks each request, redirects of whoever uses it among them.

    Answers come as they are sent, never compressed, and end with :class:`EgressError` beyond their limit.
    """

    def __init__(
        self,
        rules: Rules,
        resolve: Resolve,
        *,
        context: ssl.SSLContext,
        connections: int,
        max_bytes: int,
        proxy: httpx.URL | None = None,
    ) -> None:
        super().__init__(verify=context)
        self._rules = rules
        self._max_bytes = max_bytes
        common: dict[str, Any] = {
            "ssl_context": context,
            "network_backend": PinnedBackend(rules, resolve, None if proxy is None else host_of(proxy)),
            "max_connections": connections,
            "max_keepalive_connections": connections,
            "keepalive_expiry": IDLE_S,
        }
        if proxy is None:
            self._pool = httpcore.AsyncConnectionPool(**common)
        else:
            user, _, password = proxy.userinfo.decode("ascii").partition(":")
            self._pool = httpcore.AsyncHTTPProxy(
                proxy_url=str(proxy.copy_with(userinfo=b"", path="/", query=None, fragment=None)),
                proxy_auth=(unquote(user), unquote(password)) if user else None,
                **common,
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._rules.check_url(request.url)
        request.headers["accept-encoding"] = "identity"  # a compressed answer has no bound until it is unpacked
        response = await super().handle_async_request(request)
        host = shown(request.url.netloc.decode("ascii", "replace"))
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise EgressError(f"{host} compressed its answer though it was asked not to", reason="compressed")
        assert isinstance(response.stream, httpx.AsyncByteStream)
        limit = int(request.extensions.get(MAX_BYTES, self._max_bytes))
        response.stream = _Bounded(response.stream, host, limit)
        return response


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, host: str, limit: int) -> None:
        self._stream = stream
        self._host = host
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise EgressError(f"{self._host} answered more than {self._limit:,} bytes", reason="size")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
