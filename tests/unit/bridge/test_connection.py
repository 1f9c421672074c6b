"""Connections over real sockets: heads and bodies that do not come, floods, and answers that nobody reads."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from headway_bridge.a2a.errors import rpc_refusal
from headway_bridge.bodies import LARGE, BodyBudget
from headway_bridge.connection import peer_of
from headway_bridge.listeners import Listener, bind_tcp, url_of
from headway_bridge.pools import Bounds
from headway_bridge.security import SafetyMiddleware

LIMIT = 60.0
ROOM = Bounds(head=LIMIT, idle=LIMIT, unread=LIMIT)
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Served:
    """A listener of an application that answers once ``go`` is set."""

    def __init__(self, bounds: Bounds, **safety: Any) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.inside = 0
        self.writers: list[asyncio.StreamWriter] = []
        routes = [Route("/", self.answer, methods=["GET", "POST"]), Route("/big", self.big)]
        app = Starlette(routes=routes, middleware=[Middleware(SafetyMiddleware, refuse=rpc_refusal, **safety)])
        self.server = Listener(app, bounds=bounds, refuse=rpc_refusal)
        self.socket = bind_tcp("127.0.0.1", 0)
        self.address = self.socket.getsockname()[:2]
        self.url = url_of(self.socket)

    async def answer(self, request: Request) -> PlainTextResponse:
        size = len(await request.body())
        self.inside += 1
        await self.go.wait()
        self.inside -= 1
        return PlainTextResponse(f"got {size}")

    async def big(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("x" * 30_000_000)

    async def open(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*self.address)
        self.writers.append(writer)
        writer.write(data)
        return reader, writer

    async def busy(self, count: int) -> None:
        """Wait until so many requests are being answered."""
        async with asyncio.timeout(LIMIT):
            while self.inside < count:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0)

    async def taken(self, count: int) -> None:
        """Wait until there are so many connections."""
        async with asyncio.timeout(LIMIT):
            while len(self.server.pools) != count:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0)


@asynccontextmanager
async def serving(bounds: Bounds = ROOM, **safety: Any) -> AsyncIterator[Served]:
    served = Served(bounds, **safety)
    task = asyncio.create_task(served.server.serve(sockets=[served.socket]))
    await served.server.up.wait()
    try:
        yield served
    finally:
        served.go.set()
        for writer in served.writers:
            writer.transport.abort()
        served.server.should_exit = True
        await task


async def whole(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the last answer on a connection that ends."""
    async with asyncio.timeout(LIMIT):
        data = await reader.read()
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", HEAD[:-2], HEAD + HEAD[:-2]], ids=["nothing", "word", "head", "2nd"]
)
async def test_a_head_that_does_not_come_is_answered_and_the_connection_closed(sent: bytes) -> None:
    async with serving(Bounds(head=0.05, idle=LIMIT)) as served:
        reader, writer = await served.open(sent)
        if sent.startswith(HEAD):
            assert b"got 0" in await reader.readuntil(b"got 0")
        status, headers, body = await whole(reader)
        assert status == 408
        assert headers["content-type"] == "application/json"
        assert headers["connection"] == "close"
        assert json.loads(body)["error"]["message"] == "the request's head did not arrive within 0.05 s"
        writer.close()
        await served.taken(0)


async def test_a_request_that_takes_long_is_not_a_late_head() -> None:
    async with serving(Bounds(head=0.05, idle=LIMIT)) as served:
        served.go.clear()
        reader, writer = await served.open(HEAD)
        await served.busy(1)
        await asyncio.to_thread(os.read, *_after(0.2))
        served.go.set()
        assert b"got 0" in await reader.readuntil(b"got 0")
        writer.close()


def _after(seconds: float) -> tuple[int, int]:
    """Return what ``os.read`` needs to return after some time: a pipe that a child writes to."""
    read, write = os.pipe()
    asyncio.get_running_loop().call_later(seconds, os.write, write, b"x")
    return read, 1


async def test_silent_connections_lock_nobody_out() -> None:
    async with serving(Bounds(head=LIMIT, strangers=20, per_peer=40, connections=40)) as served:
        silent = [await served.open(HEAD[:10]) for _ in range(100)]
        async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=LIMIT) as http:
            assert (await http.post("/", json={})).text == "got 2"
        status, headers, body = await whole(silent[0][0])
        assert (status, headers["retry-after"]) == (503, "1")
        error = json.loads(body)["error"]
        assert error["code"] == -32603
        assert error["message"] == "the connection gave way to a newer one: try again later"
        assert served.server.pools.refused >= 80
        for _, writer in silent:
            writer.close()


async def test_what_is_beyond_the_bounds_gets_json_while_the_others_are_served() -> None:
    async with serving(Bounds(head=LIMIT, per_peer=5)) as served:
        served.go.clear()
        accepted = [await served.open(HEAD) for _ in range(5)]
        await served.busy(5)
        for _ in range(10):
            reader, writer = await served.open(HEAD)
            status, headers, body = await whole(reader)
            assert (status, headers["retry-after"], json.loads(body)["jsonrpc"]) == (503, "1", "2.0")
            writer.close()
        served.go.set()
        for reader, writer in accepted:
            assert b"got 0" in await reader.readuntil(b"got 0")
            writer.close()
        await served.taken(0)


async def test_only_authentic_requests_leave_the_pool_of_strangers() -> None:
    async with serving(authentic=lambda scope: scope["path"] == "/") as served:
        _, other = await served.open(HEAD.replace(b"GET /", b"GET /none"))
        reader, writer = await served.open(HEAD)
        await reader.readuntil(b"got 0")
        await served.taken(2)
        assert served.server.pools.strangers == 1
        other.close()
        writer.close()


async def test_idle_connections_end() -> None:
    async with serving(Bounds(head=LIMIT, idle=0.05)) as served:
        reader, writer = await served.open(HEAD)
        status, _, body = await whole(reader)
        assert (status, body) == (200, b"got 0")
        writer.close()
        await served.taken(0)


async def test_a_client_that_does_not_read_is_let_go_of() -> None:
    async with serving(Bounds(head=LIMIT, unread=0.05)) as served:
        _, writer = await served.open(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await served.taken(1)
        await served.taken(0)
        writer.close()


async def test_what_is_no_http_is_answered_as_json() -> None:
    async with serving() as served:
        reader, writer = await served.open(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        status, headers, body = await whole(reader)
        assert (status, headers["content-type"]) == (400, "application/json")
        assert json.loads(body)["error"]["message"] == "the request is not valid HTTP"
        writer.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_bodies_without_room_get_json_and_leave_the_others_alone(chunked: bool) -> None:
    body = b"x" * (3 * LARGE)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), LARGE // 2):
            yield body[start : start + LARGE // 2]

    budget = BodyBudget(5 * LARGE, patience=0.05)
    async with (
        serving(budget=budget) as served,
        httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=LIMIT) as http,
    ):
        served.go.clear()
        headers = {"Content-Type": "application/json"}
        first = asyncio.create_task(http.post("/", content=body, headers=headers))
        await served.busy(1)
        for _ in range(3):
            answer = await http.post("/", content=pieces() if chunked else body, headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "request bodies" in answer.json()["error"]["message"]
        small = asyncio.create_task(http.post("/", content=b"{}", headers=headers))
        await served.busy(2)
        served.go.set()
        assert (await first).text == f"got {len(body)}"
        assert (await small).text == "got 2"
        assert budget.large.left == budget.large.size
        assert budget.small.left == budget.small.size


async def test_out_of_files_is_no_spin(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "headway.daemon")
    tries = 0
    accept = socket.socket.accept

    def none_left(self: socket.socket) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(self)

    monkeypatch.setattr("headway_bridge.listeners.NO_FILES_S", 0.01)
    async with serving() as served:
        monkeypatch.setattr(socket.socket, "accept", none_left)
        reader, writer = await served.open(HEAD)
        async with asyncio.timeout(LIMIT):
            await reader.readuntil(b"got 0")
        writer.close()
    assert tries <= 4
    assert [record.message for record in caplog.records] == [
        "no connections are accepted for a moment: Too many open files"
    ] * 2


async def test_the_peer_of_a_unix_socket_is_its_user() -> None:
    class Ours:
        def __init__(self, ours: socket.socket) -> None:
            self.ours = ours

        def get_extra_info(self, name: str) -> Any:
            return {"peername": "", "socket": self.ours}[name]

    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_of(Ours(one)) == ("uid", os.getuid())  # type: ignore[arg-type]
