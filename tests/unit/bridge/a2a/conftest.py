"""The A2A application on a fake engine, reached without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.bridge.a2a.fakes import HEADERS, FakeEngine, app_of
from tests.unit.bridge.a2a.wire import WIRES, Client, Wire


@pytest.fixture
async def engine() -> AsyncIterator[FakeEngine]:
    made = FakeEngine()
    yield made
    await made.close()


@pytest.fixture
async def client(engine: FakeEngine) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(app_of(engine))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420", headers=HEADERS) as http:
        yield Client(http)


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    made: Wire = request.param
    return made
