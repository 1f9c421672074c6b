"""HTTP over a Unix socket: what a failing, slow, busy or leaving daemon looks like, and that nothing is left behind."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from headway.client.unix import UnixTransport
from headway.testing.clock import settle
from tests.unit.bridge.operator.fakes import short_home

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def path() -> Iterator[Path]:
    home = short_home()
    yield home.path / "s"
    shutil.rmtree(home.path)


@asynccontextmanager
async def client(path: Path, **limits: float) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url="http://localhost", transport=UnixTransport(path), timeout=httpx.Timeout(20, **limits)
    ) as opened:
        yield opened


@asynccontextmanager
async def served(path: Path, handler: Handler) -> AsyncIterator[None]:
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):  # the client has left
            await handler(reader, writer)

    async with await asyncio.start_unix_server(connected, path):
        try:
            yield
        finally:
            for writer in writers:
                writer.transport.abort()


async def test_requests_share_a_connection(path: Path) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)

    async with served(path, answer), client(path) as http:
        assert [(await http.get("/")).text for _ in range(3)] == ["ok"] * 3
    assert connections == 1


async def test_a_connection_that_the_daemon_closed_is_not_used_again(path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        writer.close()

    async with served(path, answer), client(path) as http:
        assert [(await http.get("/")).text for _ in range(3)] == ["ok"] * 3


async def test_a_large_body_travels_whole_both_ways(path: Path) -> None:
    body = bytes(range(256)) * 20_000

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(await reader.readexactly(len(body)))
        await writer.drain()

    async with served(path, echo), client(path) as http:
        assert (await http.post("/", content=body)).content == body


async def test_a_read_that_is_cancelled_as_bytes_arrive_leaves_nothing_behind(path: Path) -> None:
    """In one turn of the loop the read is cancelled and its socket readable: no callback may stumble over that."""
    peers: list[asyncio.StreamWriter] = []
    asked = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        peers.append(writer)
        asked.set()

    reports: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: reports.append(context))
    try:
        async with served(path, hold), client(path) as http:
            request = asyncio.create_task(http.get("/"))
            await asked.wait()
            peers[0].write(ANSWER)  # at once in the socket, which the loop sees in its next turn
            loop.call_soon(request.cancel)
            with pytest.raises(asyncio.CancelledError):
                await request
    finally:
        loop.set_exception_handler(before)
    assert reports == []


async def test_an_answer_that_came_before_the_end_is_read_though_the_request_did_not_go_through(path: Path) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.transport.abort()

    async with served(path, refuse), client(path) as http:
        assert (await http.post("/", content=bytes(8_000_000))).status_code == 413


async def test_what_nobody_asked_for_is_no_answer(path: Path) -> None:
    peers: list[asyncio.StreamWriter] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)

    async with served(path, answer), client(path) as http:
        assert (await http.get("/")).text == "ok"
        peers[0].write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        assert (await http.get("/")).text == "ok"
    assert len(peers) == 2


async def test_a_stream_that_somebody_reads_ends_when_the_client_is_closed(path: Path) -> None:
    reading = asyncio.Event()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.read()

    async def follow(http: httpx.AsyncClient) -> None:
        async with http.stream("GET", "/") as response:
            reading.set()
            await response.aread()

    async with served(path, begin), client(path) as http:
        following = asyncio.create_task(follow(http))
        await reading.wait()
        await settle()
        await http.aclose()
        with pytest.raises(httpx.TransportError):
            await following


async def test_many_streams_leave_room_for_a_request(path: Path) -> None:
    """Each stream that is followed holds a connection."""

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/stream" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            writer.write(ANSWER)

    async with served(path, begin), client(path) as http, AsyncExitStack() as streams:
        for _ in range(30):
            await streams.enter_async_context(http.stream("GET", "/stream"))
        assert (await http.get("/")).text == "ok"


async def test_silence_ends_with_the_read_limit(path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with served(path, say_nothing), client(path, read=0.01) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/")


async def test_a_daemon_that_reads_nothing_ends_with_the_write_limit(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)
        async with client(path, write=0.01) as http:
            with pytest.raises(httpx.WriteTimeout):
                await http.post("/", content=bytes(8_000_000))


async def test_a_daemon_that_accepts_nothing_ends_with_the_connect_limit(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as first:
        listening.bind(str(path))
        listening.listen(0)
        first.connect(str(path))
        async with client(path, connect=0.05) as http:
            with pytest.raises(httpx.ConnectTimeout):
                await http.get("/")


async def test_a_busy_daemon_is_waited_for(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        listening.setblocking(False)
        first = socket.socket(socket.AF_UNIX)
        first.connect(str(path))
        async with client(path) as http:
            request = asyncio.create_task(http.get("/"))
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            with (await loop.sock_accept(listening))[0], first, (await loop.sock_accept(listening))[0] as second:
                await loop.sock_sendall(second, ANSWER)
                assert (await request).text == "ok"


@pytest.mark.parametrize("there", [False, True], ids=["no such file", "nobody listens"])
async def test_a_daemon_that_is_not_there_is_told(path: Path, there: bool) -> None:
    if there:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    async with client(path) as http:
        with pytest.raises(httpx.ConnectError):
            await http.get("/")


async def test_a_daemon_that_hangs_up_is_told(path: Path) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    async with served(path, leave), client(path) as http:
        with pytest.raises(httpx.TransportError):
            await http.get("/")
