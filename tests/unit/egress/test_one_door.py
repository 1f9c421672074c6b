"""Nothing of Headway goes out by another way than the door: by its source, and by the sockets that it opens."""

from __future__ import annotations

import ast
import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.client.agent import AgentClient
from headway.egress import Door, Rules
from headway.errors import EgressError, HeadwayError
from headway.inference import HttpProvider
from tests.unit.egress.server import Names, page, serving

ROOT = Path(__file__).parents[3]

MAKERS = {
    "httpx": {
        "AsyncClient",
        "Client",
        "AsyncHTTPTransport",
        "HTTPTransport",
        "get",
        "post",
        "put",
        "request",
        "stream",
    },
    "httpcore": {"AsyncConnectionPool", "ConnectionPool", "AsyncHTTPProxy", "AnyIOBackend", "AutoBackend"},
    "asyncio": {"open_connection"},
    "loop": {"create_connection"},
    "socket": {"create_connection"},
    "urllib.request": {"urlopen", "urlretrieve", "build_opener"},
}
"""What opens connections, by the name that it is reached under."""

DOOR = {"core/headway/egress/door.py", "core/headway/egress/transport.py"}

DAEMON = {"core/headway/client/transport.py", "core/headway/client/unix.py"}
"""Clients of Headway's own daemon: its socket, or the URL that a person gave."""

FOREIGN = {"aiohttp", "http.client", "requests", "urllib3", "websockets", "telnetlib", "ftplib", "smtplib"}


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def openers(tree: ast.AST) -> list[str]:
    """Return what a file uses of :data:`MAKERS`, and which foreign clients it imports."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = name_of(node.value)
            if node.attr in MAKERS.get(owner, ()) and not (owner == "httpx" and isinstance(node.ctx, ast.Store)):
                found.append(f"{owner}.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in MAKERS:
            found += [f"{node.module}.{one.name}" for one in node.names if one.name in MAKERS[node.module]]
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name in FOREIGN]
        elif isinstance(node, ast.ImportFrom) and node.module in FOREIGN:
            found.append(str(node.module))
    return found


def annotations(tree: ast.Module) -> ast.Module:
    """Return ``tree`` without annotations, which name a client and make none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return tree


def test_clients_are_made_in_one_place() -> None:
    found = {}
    for folder in ("core/headway", "bridge/headway_bridge", "console/headway_console"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            used = openers(annotations(ast.parse(path.read_text(encoding="utf-8"))))
            if used:
                found[path.relative_to(ROOT).as_posix()] = used
    assert set(found) == DOOR | DAEMON, found


@pytest.mark.parametrize(
    "source",
    ["import httpx\nhttpx.AsyncClient()", "from httpx import Client", "import requests", "from http.client import X",
     "import asyncio\nasyncio.open_connection('x', 1)", "import socket\nsocket.create_connection(('x', 1))",
     "from urllib.request import urlopen"],
)  # fmt: skip
def test_the_search_finds(source: str) -> None:
    assert openers(ast.parse(source))


class Sockets:
    """Each address that this process connects to, and each name that it resolves, by Python's own audit events."""

    def __init__(self) -> None:
        self.on = False
        self.connected: list[Any] = []
        self.resolved: list[Any] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "socket.connect":
            self.connected.append(args[1])
        elif event == "socket.getaddrinfo" and not str(args[0]).startswith("127."):
            self.resolved.append(args[0])


SOCKETS = Sockets()


async def test_every_client_connects_where_the_door_said() -> None:
    """Names that only the door's resolver knows: whoever resolved or connected by itself would be seen here."""
    names = Names(models_lan=[["127.0.0.1"]], elsewhere_lan=[["10.255.255.1"]])
    async with serving() as web:
        door = Door(Rules(allow=("127.0.0.1",)), resolve=names)
        provider = HttpProvider(f"http://models.lan:{web.port}/v1", model="m", retries=0, door=door)
        away = HttpProvider("http://elsewhere.lan/v1", model="m", retries=0, door=door)
        agent = AgentClient(f"http://127.0.0.1:{web.port}/")
        SOCKETS.connected.clear()
        SOCKETS.on = True
        try:
            for call in (
                provider.infer("p"),
                away.infer("p"),
                agent.get("t"),
                door.request("GET", "http://elsewhere.lan"),
            ):
                with pytest.raises(HeadwayError):
                    await call
            async with door.client() as http:
                assert (await http.get(f"http://models.lan:{web.port}/x")).status_code == 404
                with pytest.raises(EgressError):
                    await http.get("http://elsewhere.lan/")
            await asyncio.sleep(0)
        finally:
            SOCKETS.on = False
        for one in (provider, away, door):
            await one.aclose()
        await agent.close()
        assert set(SOCKETS.connected) == {("127.0.0.1", web.port)}
        assert SOCKETS.resolved == []
        assert len(web.got) == 3
        assert page()
