"""Where the daemon listens: addresses that are not to be had, a socket that nobody else may open."""

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from headway.errors import Conflict, HeadwayError, InvalidConfig, StoreError, Unavailable
from headway.home import Home
from headway_bridge.listeners import Listener, UnixListener, bind_tcp, url_of
from tests.unit.bridge.operator.fakes import short_home


@pytest.fixture
def home() -> Iterator[Home]:
    home = short_home()
    yield home
    for path in home.path.iterdir():
        path.unlink()
    home.path.rmdir()


def test_bind_takes_a_free_port() -> None:
    with closing(bind_tcp("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        assert url_of(listener) == f"http://127.0.0.1:{port}"
        with pytest.raises(InvalidConfig, match=f"port {port} of 127.0.0.1 is in use"):
            bind_tcp("127.0.0.1", port)
    with closing(bind_tcp("localhost", port)) as again:
        assert again.getsockname()[1] == port


@pytest.mark.parametrize(
    ("host", "port"),
    [("0.0.0.0", 0), ("::", 0), ("example.org", 0), ("127.0.0.1", 70000), ("", 0), ("a b", 0)],  # noqa: S104
)
def test_bind_refuses(host: str, port: int) -> None:
    with pytest.raises(InvalidConfig) as caught:
        bind_tcp(host, port)
    assert "\n" not in str(caught.value)


def test_url_of_six() -> None:
    try:
        listener = bind_tcp("::1", 0)
    except InvalidConfig:
        pytest.skip("no IPv6 here")
    with closing(listener):
        assert url_of(listener) == f"http://[::1]:{listener.getsockname()[1]}"


def test_socket_is_private_whatever_the_umask(home: Home) -> None:
    before = os.umask(0)
    try:
        unix = UnixListener(home)
        assert os.umask(0) == 0, "the umask is as it was"
    finally:
        os.umask(before)
    found = home.socket.stat()
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    unix.close()
    unix.close()
    assert not home.socket.exists()


def test_a_socket_left_behind_makes_room(home: Home) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as dead:
        dead.bind(str(home.socket))
    unix = UnixListener(home)
    assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600
    unix.close()


def test_a_file_in_the_place_of_the_socket_is_kept(home: Home) -> None:
    home.socket.write_text("mine")
    with pytest.raises(Conflict, match="not a socket"):
        UnixListener(home)
    assert home.socket.read_text() == "mine"


def test_a_folder_that_is_gone(home: Home) -> None:
    with pytest.raises(StoreError, match="cannot listen"):
        UnixListener(Home(home.path / "none"))


def test_the_socket_of_a_later_daemon_is_left_alone(home: Home) -> None:
    first = UnixListener(home)
    second = UnixListener(home)
    first.close()
    assert home.socket.exists()
    second.close()
    assert not home.socket.exists()


async def test_listener_serves_and_ends_with_a_request_under_way() -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()
    life: list[str] = []

    async def slow(_: Request) -> PlainTextResponse:
        inside.set()
        await go_on.wait()
        return PlainTextResponse("done")

    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan(_: Starlette):  # type: ignore[no-untyped-def]
        life.append("up")
        yield
        life.append("down")

    socket_ = bind_tcp("127.0.0.1", 0)
    server = Listener(Starlette(routes=[Route("/", slow)], lifespan=lifespan))
    task = asyncio.create_task(server.serve(sockets=[socket_]))
    await server.up.wait()
    async with httpx.AsyncClient(base_url=url_of(socket_), trust_env=False) as http:
        request = asyncio.create_task(http.get("/"))
        await inside.wait()
        server.should_exit = True
        go_on.set()
        assert (await request).text == "done"
    await task
    assert life == ["up", "down"]


async def test_a_start_that_fails_is_an_error_not_an_exit() -> None:
    async def broken(scope: object, receive: object, send: object) -> None:
        raise HeadwayError("no")

    socket_ = bind_tcp("127.0.0.1", 0)
    server = Listener(broken)
    with closing(socket_), pytest.raises(Unavailable, match="did not start"):
        await server.serve(sockets=[socket_])
    assert not server.up.is_set()
