"""The A2A application on a fake engine, reached without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from headway_bridge.a2a import a2a_app
from tests.unit.bridge.a2a.fakes import FakeEngine
from tests.unit.bridge.a2a.wire import WIRES, Client, Wire


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    made = FakeEngine()
    yield made
    await made.close()


@pytest.fixture
async def client(engine: FakeEngine) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(a2a_app(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420") as http:
        yield Client(http)


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param
    return made
