"""The listeners of the daemon: a TCP address and a Unix socket, and a uvicorn server on each."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from headway.errors import InvalidConfig, Unavailable, one_line
from headway_bridge.connection import Connection
from headway_bridge.pools import Bounds, Pools
from headway_bridge.security import Refusal, check_bind, plain_refusal
from headway_bridge.unix import BACKLOG, UnixListener

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp

__all__ = ["Listener", "UnixListener", "bind_tcp", "url_of"]

logger = logging.getLogger("headway.daemon")

ACCEPTED = 32
"""The most connections that one turn of the event loop takes."""

NO_FILES_S = 0.25
"""Seconds until the next try, once the process may open no further files."""

END_S = 2
"""Seconds that requests under way get to end once a server stops."""


def bind_tcp(host: str, port: int, *, authenticated: bool = False) -> socket.socket:
    """Return a socket that listens on ``host``, loopback unless callers are ``authenticated``; port 0: a free one.

    Raises :class:`InvalidConfig` with one line when the address is not allowed, not known or not to be had.
    """
    check_bind(host, authenticated=authenticated)
    if not 0 <= port <= 65535:
        raise InvalidConfig(f"there is no port {port}: the last one is 65535")
    name = host.strip().removeprefix("[").removesuffix("]")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InvalidConfig(f"cannot listen on {one_line(host, 100)!r}: {_reason(error)}") from None
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # now, so that whoever else wants the port is found out now
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InvalidConfig(f"port {port} of {host} is in use: choose another with --port (0: any)") from None
        raise InvalidConfig(f"cannot listen on port {port} of {host}: {_reason(error)}") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the HTTP address of a listening TCP socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


class Listener(uvicorn.Server):
    """A uvicorn server on a socket that is open already, as one task of a larger program.

    It leaves signals alone, logs warnings through :mod:`logging` and nothing else, and reports a failed start as an
    error instead of ending the process. ``up`` is set once it serves. Connections have the ``bounds`` of a pool of
    their own (``pools``); what is turned away before there is a request to answer is told in the form of ``refuse``.
    """

    def __init__(
        self, app: ASGIApp, *, bounds: Bounds | None = None, refuse: Callable[[Refusal], Response] = plain_refusal
    ) -> None:
        self.pools = Pools(bounds if bounds is not None else Bounds())
        made = partial(Connection, pools=self.pools, refuse=refuse)
        super().__init__(
            uvicorn.Config(
                app,
                http=made,  # type: ignore[arg-type] # uvicorn only calls it
                lifespan="on",
                ws="none",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,  # nothing stands in front that could be believed
                server_header=False,
                timeout_keep_alive=self.pools.bounds.idle,  # type: ignore[arg-type] # any number does
                timeout_graceful_shutdown=END_S,
            )
        )
        self.up = asyncio.Event()
        self._sockets: list[socket.socket] = []
        self._opening: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve. Raises :class:`Unavailable` when the application refuses to start."""
        try:
            await super().startup([])
        except SystemExit:
            raise Unavailable("the server's application did not start") from None
        self._sockets = list(sockets or [])
        for listener in self._sockets:
            listener.setblocking(False)
            self._listen(listener)
        self.up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, and close what is open."""
        for listener in self._sockets:
            if listener.fileno() >= 0:
                asyncio.get_running_loop().remove_reader(listener)
        self._sockets = []
        await super().shutdown(sockets)

    def _listen(self, listener: socket.socket) -> None:
        if listener in self._sockets and listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Take connections that wait; asyncio's own way logs and sets a timer for each that it cannot take."""
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPTED):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                logger.warning("no connections are accepted for a moment: %s", _reason(error))
                loop.remove_reader(listener)
                loop.call_later(NO_FILES_S, self._listen, listener)
                return
            connection.setblocking(False)
            opening = loop.create_task(self._open(connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:  # it went away
            connection.close()

    def _protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield


def _reason(error: OSError) -> str:
    return one_line(error.strerror or str(error))
