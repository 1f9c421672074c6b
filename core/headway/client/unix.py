"""HTTP over a Unix socket.

The stream that httpx itself opens there (anyio's) lets the event loop resolve a read that a time limit or a
cancellation has just ended: the loop then reports ``InvalidStateError`` in a callback nobody wrote. asyncio's own
socket calls look first, so requests travel by those.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpcore
import httpx

CONNECTIONS = 100
"""The number of connections that a client may hold; each stream that is followed holds one."""

IDLE_S = 5.0
"""Seconds after which an idle connection is not used again: less than the daemon lets it live."""

BUSY_S = 0.01
"""Seconds until a connection is tried again that the daemon had no place for."""


class UnixTransport(httpx.AsyncHTTPTransport):
    """Sends every request, whatever its host, to the socket at ``path``."""

    def __init__(self, path: Path) -> None:
        # There is no TLS on a Unix socket. The context trusts nobody, and spares reading the system's certificates.
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._pool = httpcore.AsyncConnectionPool(
            uds=str(path),
            network_backend=_Backend(),
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_S,
        )


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections for the pool."""

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        with _raising(httpcore.ConnectTimeout, httpcore.ConnectError):
            async with asyncio.timeout(timeout):
                return _Stream(await _connected(path))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection. Its socket is closed once nobody waits on it: the loop must not look at a number used anew."""

    def __init__(self, plug: socket.socket) -> None:
        self._plug = plug
        self._waiting = 0
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _raising(httpcore.ReadTimeout, httpcore.ReadError), self._in_use():
            async with asyncio.timeout(timeout):
                return await asyncio.get_running_loop().sock_recv(self._plug, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _raising(httpcore.WriteTimeout, httpcore.WriteError), self._in_use():
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_sendall(self._plug, buffer)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(OSError):  # the peer has left already
                self._plug.shutdown(socket.SHUT_RDWR)  # ends the waits of others
            self._close_if_idle()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._is_readable()
        return self._plug if info == "socket" else None

    def _is_readable(self) -> bool:
        """Return whether an idle connection has something to tell: its end, or what nobody asked for."""
        if self._plug.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._plug, select.POLLIN)
        return bool(poll.poll(0))

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if self._closed:
                self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._waiting:
            self._plug.close()


async def _connected(path: str) -> socket.socket:
    """Connect to ``path``, as often as it takes while the daemon has connections to accept first."""
    plug = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        plug.setblocking(False)
        while True:
            try:
                plug.connect(path)
            except BlockingIOError:
                await asyncio.sleep(BUSY_S)
            else:
                return plug
    except BaseException:
        plug.close()
        raise


@contextmanager
def _raising(late: type[Exception], failed: type[Exception]) -> Iterator[None]:
    """Tell of a time limit and of a failing socket in the pool's words."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise failed(str(error)) from error
