"""A real engine with a store, behind a real server on a free loopback port."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from headway.client.token import TokenFile
from headway.config import Config
from headway.engine import Engine
from headway.home import Home
from headway.tools.decorator import entry_of, tool
from headway_bridge.a2a import a2a_app
from headway_bridge.auth import Authenticator, authenticator_of
from headway_bridge.listeners import Listener, bind_tcp, url_of
from tests.unit.bridge.a2a.wire import Client

TIMEOUT = 20.0

OPEN = {"tools": ["boom", "calculate", "echo", "list_dir", "slow"]}
"""The ``[a2a]`` of the tests."""


class Served:
    """An engine, where it listens, and the tools of the tests: ``echo``, ``boom`` and ``slow``, which a test opens."""

    def __init__(self, engine: Engine, url: str, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.url = url
        self.http = http
        self.client = Client(http)
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        for function in self._tools():
            engine.registry.register(entry_of(function))

    def _tools(self) -> list[Any]:
        @tool
        async def echo(n: int = 0, big: int = 0, text: str = "") -> Any:
            return {"n": n, "big": big, "text": text}

        @tool
        async def slow(n: int = 0) -> Any:
            self.started.set()
            await self.gate.wait()
            return n

        @tool
        async def boom() -> None:
            raise ValueError("it broke")

        return [echo, slow, boom]

    async def until(self, kind: str, count: int = 1) -> None:
        """Wait until so many events of that kind are in the log."""
        with self.engine.subscribe() as events:
            async for batch in events:
                count -= sum(event.kind == kind for event in batch)
                if count <= 0:
                    return

    async def newest_job(self) -> str:
        """Return the id of the last job submitted."""
        return (await self.engine.jobs(limit=1))[0].job_id


@contextlib.asynccontextmanager
async def serving(
    home: Path, config: Config | None = None, *, authenticator: Authenticator | None = None
) -> AsyncIterator[Served]:
    """Serve the engine of ``home`` until the block ends."""
    made = {"tools": {"workspace": str(home.parent)}, "a2a": OPEN}
    engine = await Engine.open(Home(home), config or Config.model_validate(made))
    try:
        with contextlib.closing(bind_tcp("127.0.0.1", 0)) as socket:
            who = authenticator or authenticator_of(engine.config, engine.home)
            server = Listener(a2a_app(engine, authenticator=who))
            task = asyncio.create_task(server.serve(sockets=[socket]))
            await server.up.wait()
            url = url_of(socket)
            headers = {"Authorization": f"Bearer {TokenFile(engine.home).ensure()}"}
            async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, headers=headers) as http:
                served = Served(engine, url, http)
                yield served
                served.gate.set()
            await engine.close()
            server.should_exit = True
            await task
    finally:
        await engine.close()
