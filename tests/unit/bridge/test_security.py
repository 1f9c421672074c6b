"""What is turned away before an application sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from headway.addresses import is_loopback
from headway.config import Config
from headway.errors import InvalidConfig
from headway_bridge.security import SafetyMiddleware, allowed_hosts, check_bind

JSON = {"Content-Type": "application/json"}


def client(base_url: str = "http://127.0.0.1:8420", **options: Any) -> httpx.AsyncClient:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"got {len(await request.body())}")

    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    transport = httpx.ASGITransport(SafetyMiddleware(app, **options))
    return httpx.AsyncClient(transport=transport, base_url=base_url)


async def test_a_sound_request_passes_with_its_body() -> None:
    async with client() as http:
        assert (await http.post("/", content=b"x" * 1000, headers=JSON)).text == "got 1000"
        assert (await http.get("/")).text == "got 0"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST.", "[::1]", "[::1]:99", "localhost:1"]
)
async def test_loopback_hosts_are_accepted(host: str) -> None:
    async with client() as http:
        assert (await http.get("/", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8420", "127.0.0.1.evil.example", "10.0.0.1", "localhost.x"]
)
async def test_foreign_hosts_are_misdirected(host: str) -> None:
    async with client() as http:
        response = await http.get("/", headers={"Host": host})
    assert response.status_code == 421
    error = response.json()["error"]
    assert error["code"] == "foreign_host"
    assert "\n" not in error["message"]


@pytest.mark.parametrize("host", ["", "a b", "user@localhost", "localhost/", "localhost:x", "[::1", "localhost,evil"])
async def test_broken_hosts_are_refused(host: str) -> None:
    async with client() as http:
        assert (await http.get("/", headers={"Host": host})).status_code == 400


async def test_two_hosts_are_refused() -> None:
    async with client() as http:
        response = await http.get("/", headers=[("Host", "localhost"), ("Host", "evil.example")])
    assert response.status_code == 400


async def test_configured_hosts_are_accepted() -> None:
    async with client(hosts=["Headway.Example"]) as http:
        assert (await http.get("/", headers={"Host": "headway.example:443"})).status_code == 200
        assert (await http.get("/", headers={"Host": "other.example"})).status_code == 421


def test_hosts_come_from_the_configuration() -> None:
    a2a = {"public_url": "https://Agent.example:8443/x", "allowed_hosts": ["a.example", "b.example:80", "[::2]:9"]}
    config = Config.model_validate({"a2a": a2a})
    assert allowed_hosts(config) == {"127.0.0.1", "agent.example", "a.example", "b.example", "::2"}


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8420", "HTTP://127.0.0.1:8420"])
async def test_the_own_origin_is_accepted(origin: str) -> None:
    async with client() as http:
        assert (await http.post("/", content=b"{}", headers={**JSON, "Origin": origin})).status_code == 200


async def test_the_own_origin_behind_a_proxy_is_accepted() -> None:
    async with client("http://headway.example", hosts=["headway.example"]) as http:
        assert (await http.get("/", headers={"Origin": "https://headway.example"})).status_code == 200
        assert (await http.get("/", headers={"Origin": "https://headway.example:444"})).status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:3000", "http://localhost:8420",
     "file://127.0.0.1:8420", "x", "", "http://127.0.0.1:x"],
)  # fmt: skip
async def test_foreign_origins_are_forbidden(origin: str) -> None:
    async with client() as http:
        response = await http.post("/", content=b"{}", headers={**JSON, "Origin": origin})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf8"']
)
async def test_json_types_are_accepted(kind: str) -> None:
    async with client() as http:
        assert (await http.post("/", content=b"{}", headers={"Content-Type": kind})).status_code == 200


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json-seq",
             "application/json; charset=latin-1", "text/json"],
)  # fmt: skip
async def test_other_types_are_refused(kind: str | None) -> None:
    async with client() as http:
        headers = {"Content-Type": kind} if kind else {}
        assert (await http.post("/", content=b"{}", headers=headers)).status_code == 415


async def test_compressed_bodies_are_refused() -> None:
    async with client() as http:
        response = await http.post("/", content=b"{}", headers={**JSON, "Content-Encoding": "gzip"})
    assert response.status_code == 415


async def test_a_post_without_body_needs_no_type() -> None:
    async with client() as http:
        assert (await http.post("/")).status_code == 200
        assert (await http.post("/", headers={"Content-Type": "text/plain"})).status_code == 415


async def test_a_declared_size_over_the_limit_is_refused() -> None:
    async with client(max_body=100) as http:
        assert (await http.post("/", content=b"x" * 100, headers=JSON)).status_code == 200
        response = await http.post("/", content=b"x" * 101, headers=JSON)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


async def test_a_body_in_pieces_is_counted() -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 10

    async with client(max_body=100) as http:
        assert (await http.post("/", content=pieces(10), headers=JSON)).text == "got 100"
        assert (await http.post("/", content=pieces(11), headers=JSON)).status_code == 413


async def test_a_lie_about_the_size_is_found_out() -> None:
    """Raw ASGI: the server passes on more than was declared."""
    messages = [{"type": "http.request", "body": b"x" * 60, "more_body": True}] * 2
    sent = await asgi({"content-length": "10", **JSON}, messages, max_body=100)
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "x", "9" * 30])
async def test_a_broken_size_is_refused(length: str) -> None:
    sent = await asgi({"content-length": length, **JSON}, [])
    assert sent[0]["status"] == 400


async def test_a_body_that_trickles_is_given_up() -> None:
    sent = await asgi({"content-length": "10", **JSON}, [], body_timeout=0.01)
    assert sent[0]["status"] == 408


async def test_a_client_that_goes_while_it_sends_gets_nothing() -> None:
    assert await asgi({"content-length": "10", **JSON}, [{"type": "http.disconnect"}]) == []


async def test_websockets_are_closed() -> None:
    sent = await asgi({}, [], kind="websocket")
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def asgi(headers: dict[str, str], messages: list[Any], kind: str = "http", **options: Any) -> list[Any]:
    """Return what the middleware sends for raw messages; after the last of them the client is silent."""
    import asyncio

    async def receive() -> Any:
        if messages:
            return messages.pop(0)
        return await asyncio.get_running_loop().create_future()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = {"host": "localhost", **headers}.items()
    raw = [(name.lower().encode(), value.encode()) for name, value in pairs]
    scope = {"type": kind, "method": "POST", "path": "/", "headers": raw, "query_string": b""}
    await SafetyMiddleware(Starlette(), **options)(scope, receive, send)
    return sent


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_loopback_addresses_may_be_bound(host: str) -> None:
    check_bind(host)
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.com", "localhost.example"])  # noqa: S104
def test_other_addresses_may_not_be_bound(host: str) -> None:
    with pytest.raises(InvalidConfig, match="without authentication"):
        check_bind(host)
