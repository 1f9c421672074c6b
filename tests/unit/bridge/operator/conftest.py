"""A fake engine, its operator API without a socket, and the same behind a real Unix socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from headway.client import OperatorClient
from headway.home import Home
from headway_bridge.listeners import Listener, UnixListener
from headway_bridge.operator import operator_app
from tests.unit.bridge.operator.fakes import FakeEngine


@pytest.fixture
def engine(home: Home) -> FakeEngine:
    return FakeEngine(home)


@pytest.fixture
def stops() -> list[bool]:
    return []


@pytest.fixture
def app(engine: FakeEngine, stops: list[bool]) -> Any:
    return operator_app(engine, on_stop=stops.append, url="http://127.0.0.1:1", started_ms=5)  # type: ignore[arg-type]


@pytest.fixture
async def http(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The routes alone: requests go straight into the application."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/operator/v1") as client:
        yield client


@asynccontextmanager
async def listening(home: Home, app: Any) -> AsyncIterator[Listener]:
    """Serve ``app`` on the home's socket."""
    unix = UnixListener(home)
    server = Listener(app)
    task = asyncio.create_task(server.serve(sockets=[unix.socket]))
    await server.up.wait()
    try:
        yield server
    finally:
        app.state.operator.end_streams()
        server.should_exit = True
        await task
        unix.close()


@pytest.fixture
async def client(home: Home, app: Any) -> AsyncIterator[OperatorClient]:
    """A client and, behind a real socket, the application."""
    async with listening(home, app), OperatorClient(home, actor="tester") as client:
        yield client
