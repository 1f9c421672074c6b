"""Fixtures for pytest: ``pytest_plugins = "headway.testing.plugin"`` in a conftest.py or a test module.

It is no entry point: those who do not ask for it get neither its names nor its imports. ``engine`` is an async fixture,
for anyio's plugin, which Headway brings along, or for pytest-asyncio in its auto mode.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from headway.engine import Engine
    from headway.runtime import Runtime
    from headway.testing.clock import VirtualClock


@pytest.fixture
def anyio_backend() -> str:
    """The backend of anyio's plugin: Headway runs on asyncio."""
    return "asyncio"


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock that stands still until the test moves it: ``await virtual_clock.advance(10)``."""
    from headway.testing.clock import VirtualClock

    return VirtualClock()


@pytest.fixture
def runtime(virtual_clock: VirtualClock, tmp_path: Path) -> Runtime:
    """A runtime without tools, on the virtual clock, with a log in memory; file tools work in ``tmp_path``."""
    from headway.runtime import Runtime

    return Runtime(clock=virtual_clock, workspace=tmp_path)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine without tools, on a home of its own in ``tmp_path``; closed after the test, its runs killed."""
    from headway.engine import Engine
    from headway.home import Home

    opened = await Engine.open(Home(tmp_path / "home"))
    try:
        yield opened
    finally:
        await opened.close("the test has ended", grace=0)
