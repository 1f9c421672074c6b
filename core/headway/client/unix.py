"""HTTP over a Unix socket.

The stream that httpx itself opens there (anyio's) lets the event loop resolve a read that a time limit or a
cancellation has just ended: the loop then reports ``InvalidStateError`` in a callback nobody wrote. asyncio's own
streams do not, so requests travel over those.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore
import httpx

CONNECTIONS = 100
"""How many connections a client may hold at once; each stream that is followed holds one."""

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
                plug = await _connected(path)
                return _Stream(*await asyncio.open_unix_connection(sock=plug))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _raising(httpcore.ReadTimeout, httpcore.ReadError):
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _raising(httpcore.WriteTimeout, httpcore.WriteError):
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()

    async def aclose(self) -> None:
        self._writer.transport.abort()  # closing would wait until a peer that no longer reads has read everything
        await asyncio.sleep(0)

    def get_extra_info(self, info: str) -> Any:
        return self._is_readable() if info == "is_readable" else self._writer.get_extra_info(info)

    def _is_readable(self) -> bool:
        """Whether an idle connection has something to tell, which can only be its end."""
        if self._reader.at_eof() or self._writer.is_closing():
            return True
        poll = select.poll()
        poll.register(self._writer.get_extra_info("socket"), select.POLLIN)
        return bool(poll.poll(0))


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
