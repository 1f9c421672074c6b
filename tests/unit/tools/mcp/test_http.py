"""MCP servers that speak HTTP: through the door, behind the same gate, over real connections."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from headway.egress.door import Door
from headway.egress.rules import Rules
from headway.errors import InvalidInput, ToolError
from headway.tools.context import ToolContext
from headway.tools.mcp.servers import McpServers
from headway.tools.mcp.settings import McpServer
from headway.tools.registry import ToolRegistry
from headway.tools.stream import CONTEXT


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """Serve an app on a free port of loopback; give its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on", ws="none"))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        server.should_exit = True
        await serving
        listener.close()


def sums() -> Any:
    server = MCPServer("sums", version="2")

    @server.tool()
    async def add(a: int, b: int, context: Context) -> int:
        """Add two numbers."""
        await context.report_progress(1, 1, "added")
        return a + b

    return server.streamable_http_app()


def raw(**results: Any) -> Any:
    """An app that answers each method with a result as it stands, and keeps the headers it got."""
    seen: list[dict[str, str]] = []

    async def answer(request: Request) -> JSONResponse:
        if request.method != "POST":
            return JSONResponse({}, status_code=405)
        message = json.loads(await request.body())
        seen.append(dict(request.headers))
        sessions = getattr(app.state, "sessions", None)
        given = {} if sessions is None else {"mcp-session-id": sessions[0]}
        if sessions is not None and request.headers.get("mcp-session-id", sessions[0]) != sessions[0]:
            return JSONResponse({}, status_code=404)
        if "id" not in message:
            return JSONResponse(None, status_code=202)
        result = results.get(message["method"].replace("/", "_"))
        if result is None:
            error = {"code": -32601, "message": "Method not found"}
            return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": error})
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=given)

    app = Starlette(routes=[Route("/mcp", answer, methods=["GET", "POST", "DELETE"])])
    app.state.seen = seen
    return app


HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "raw", "version": "1"},
}
TOOL = {"tools": [{"name": "go", "inputSchema": {"type": "object"}}]}


@asynccontextmanager
async def used(url: str, **options: Any) -> AsyncIterator[tuple[McpServers, ToolRegistry]]:
    registry = ToolRegistry()
    resolve = options.pop("resolve", None)
    door = options.pop("door", None)
    server = McpServer(name="far", url=url, startup_secs=60, **options)
    async with McpServers([server], registry, door=door, resolve=resolve) as servers:
        yield servers, registry


async def test_a_server_at_an_address() -> None:
    told: list[Any] = []
    context = ToolContext(progress=lambda _, *report: told.append(report))
    async with listening(sums()) as url, used(url) as (servers, registry):
        assert (await servers.start()).ready == ["far"]
        entry = registry.get("mcp__far__add")
        assert entry is not None
        assert await entry.call(a=2, b=3, **{CONTEXT: context}) == {"result": 5}
        assert servers.reports()[0].server == "sums"
    assert told == [(1, 1, "added")]


async def test_headers_are_sent_secrets_among_them() -> None:
    app = raw(initialize=HELLO, tools_list=TOOL)
    headers = {"Authorization": "secret://hub", "X-Plain": "p"}
    async with (
        listening(app) as url,
        used(url, headers=headers, resolve={"hub": "Bearer s3cret"}.__getitem__) as (s, _),
    ):
        assert (await s.start()).ready == ["far"]
    assert {seen["authorization"] for seen in app.state.seen} == {"Bearer s3cret"}
    assert {seen["x-plain"] for seen in app.state.seen} == {"p"}
    assert all(seen.get("accept-encoding", "identity") == "identity" for seen in app.state.seen)


@pytest.mark.parametrize("odd", ["false", 0, None])
async def test_the_gate_stands_here_too(odd: Any) -> None:
    result = {"content": [{"type": "text", "text": "no"}], "isError": odd}
    async with (
        listening(raw(initialize=HELLO, tools_list=TOOL, tools_call=result)) as url,
        used(url) as (servers, registry),
    ):
        await servers.start()
        entry = registry.get("mcp__far__go")
        assert entry is not None
        with pytest.raises(ToolError, match="no"):
            await entry.call()


async def test_a_huge_answer_is_refused() -> None:
    result = {"content": [{"type": "text", "text": "x" * 100_000}]}
    app = raw(initialize=HELLO, tools_list=TOOL, tools_call=result)
    async with listening(app) as url, used(url, max_message_bytes=10_000) as (servers, registry):
        await servers.start()
        entry = registry.get("mcp__far__go")
        assert entry is not None
        with pytest.raises(ToolError, match="MCP server 'far'"):
            await entry.call()


async def test_nobody_at_the_address_is_a_server_that_failed() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/mcp"
    async with used(url) as (servers, _):
        startup = await servers.start()
    assert [failure.server_name for failure in startup.failed] == ["far"]
    assert startup.failed[0].error.startswith("cannot be reached: ")


async def test_a_server_that_forgot_the_session_is_connected_anew() -> None:
    app = raw(initialize=HELLO, tools_list=TOOL, tools_call={"content": [{"type": "text", "text": "done"}]})
    app.state.sessions = ["first"]
    async with listening(app) as url, used(url) as (servers, registry):
        await servers.start()
        entry = registry.get("mcp__far__go")
        assert entry is not None
        assert await entry.call() == "done"
        app.state.sessions = ["second"]
        with pytest.raises(ToolError, match="MCP server 'far'"):
            await entry.call()
        assert await entry.call() == "done", "it waits for the new session"


async def test_what_the_rules_of_egress_do_not_allow_is_not_asked() -> None:
    app = raw(initialize=HELLO, tools_list=TOOL)
    async with listening(app) as url:
        elsewhere = url.replace("127.0.0.1", "box.example")

        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        async with used(elsewhere, door=Door(Rules(), resolve=resolve)) as (servers, _):
            startup = await servers.start()
    assert "cannot be reached" in startup.failed[0].error
    assert app.state.seen == []


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://a"},
        {"url": "http://"},
        {"url": "http://user:pass@a"},
        {"url": "http://a", "command": ["x"]},
        {"url": "http://a", "headers": {"A": 1}},
        {"url": "http://a", "headers": {"A": "\0"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="MCP server 'far'"):
        McpServer(name="far", **options)
