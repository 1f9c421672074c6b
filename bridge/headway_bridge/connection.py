"""One connection of a listener: uvicorn's HTTP protocol, with an end to every wait and a place in the pools."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Hashable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from headway_bridge.security import CONNECTION, Refusal

if TYPE_CHECKING:
    from starlette.responses import Response

    from headway_bridge.pools import Pools

LINGER_S = 1.0
"""Seconds that a connection which was turned away stays, so that its answer is read before the reset."""

DISCARD_S = 10.0
"""Seconds in which who was answered before the body had come whole may still send it; it is thrown away."""


class _Discarding:
    """A transport that closes only once the client has had the time to send all, and to read why it is not taken.

    A socket that is closed with something unread is reset, and the answer is lost on its way.
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Return whether nothing more can be written."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Write what there is to write, then close."""
        if self.is_closing():
            return
        if self._connection.conn.their_state is not h11.SEND_BODY or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._closing = True
        self._connection.discard()
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(DISCARD_S, self._transport.abort)


class Connection(H11Protocol):
    """A connection that must send each head in time, and read what it is answered."""

    def __init__(self, *args: Any, pools: Pools, refuse: Callable[[Refusal], Response], **options: Any) -> None:
        super().__init__(*args, **options)
        self.peer: Hashable = None
        self._pools = pools
        self._refuse = refuse
        self._head: asyncio.TimerHandle | None = None  # runs while a head is awaited, or has come in part
        self._unread: asyncio.TimerHandle | None = None
        self._turned_away = False
        self.app_state = {**self.app_state, CONNECTION: self}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Take a place in the pools, or be turned away."""
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", _Discarding(transport, self))
        self.peer = peer_of(transport)
        refusal = self._pools.enter(self)
        if refusal is not None:
            self.turn_away(refusal)
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        self._pools.leave(self)
        self._stop("_head")
        self._stop("_unread")
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what the client has sent; of one that was turned away, nothing."""
        if self._turned_away:
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and not self._turned_away:
            self._await_head()
        else:
            self._stop("_head")

    def handle_events(self) -> None:
        """Act on what has come in."""
        super().handle_events()
        if self.conn.their_state is not h11.IDLE:
            self._stop("_head")
            self._pools.quiet(self, False)

    def on_response_complete(self) -> None:
        """Wait for a further request, or begin with one that has come already."""
        self._pools.quiet(self, True)  # before: a request that waits makes it busy again
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:  # the next head has begun
            self._unset_keepalive_if_required()
            self._await_head()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self.turn_away(Refusal(400, "bad_request", "the request is not valid HTTP"))

    def known(self) -> None:
        """Take note that the sender is known."""
        self._pools.known(self)

    def discard(self) -> None:
        """Throw away what still comes in."""
        self._turned_away = True
        self._pools.leave(self)

    def turn_away(self, refusal: Refusal) -> None:
        """Answer with the refusal, unless an answer is under way or nothing is asked, and close."""
        if self._turned_away or self.transport.is_closing():
            return
        self._turned_away = True
        self._unset_keepalive_if_required()
        self._pools.leave(self)
        answered: RequestResponseCycle | None = self.cycle
        if answered is not None and (not answered.response_complete or self._head is None):
            self.transport.close()  # an answer is under way, or nothing is asked
            self.loop.call_later(LINGER_S, self.transport.abort)
            return
        self._stop("_head")
        self.transport.write(_raw(self._refuse(refusal), refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle too long, though its last answer be unread."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def shutdown(self) -> None:
        """End with the server."""
        if self._turned_away:
            self.transport.abort()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Give the client a time to read what lies there for it."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._pools.bounds.unread, self.transport.abort)

    def resume_writing(self) -> None:
        """Take note that the client reads."""
        super().resume_writing()
        self._stop("_unread")

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(self._pools.bounds.head, self._head_is_late)

    def _head_is_late(self) -> None:
        seconds = self._pools.bounds.head
        self.turn_away(Refusal(408, "slow_head", f"the request's head did not arrive within {seconds:g} s"))

    def _stop(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)


def peer_of(transport: asyncio.BaseTransport) -> Hashable:
    """Return what one peer's connections have in common: the address, or on a Unix socket the user."""
    name = transport.get_extra_info("peername")
    if isinstance(name, tuple):
        return str(name[0])
    sock = transport.get_extra_info("socket")
    if sock is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return ("uid", uid)


def _raw(response: Response, refusal: Refusal) -> bytes:
    """Return a whole HTTP answer as bytes, for a request that was not read."""
    body = bytes(response.body)
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if refusal.retry_after is not None:
        lines.append(f"retry-after: {refusal.retry_after}")
    return "\r\n".join([*lines, "", ""]).encode() + body
