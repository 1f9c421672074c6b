"""All MCP servers of one registry: started concurrently, each on its own, and closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from headway.arguments import expect, expect_many
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import InvalidInput, NotFound, SecretUnavailable, one_line
from headway.tools.mcp.elicit import Elicitor, ask_person
from headway.tools.mcp.report import McpFailure, McpServerStatus, McpStartup
from headway.tools.mcp.server import Server
from headway.tools.mcp.settings import Filter, McpServer
from headway.tools.registry import ToolRegistry

if TYPE_CHECKING:
    from headway.egress.door import Door
    from headway.tools.sandbox import Sandbox

Told = Callable[[McpServerStatus], object]


class McpServers:
    """The tools of ``servers``, in ``registry`` as ``mcp__server__tool`` once :meth:`start` has returned.

    Programs run in ``sandbox``; None: without one. Requests to addresses go through ``door``; None: one with the usual
    rules. ``resolve`` gives the value of a secret by its name. ``elicit`` answers what a server asks in the middle of a
    call, by default the person whom the call's job asks, if there is one. ``on_update`` is told of each server's new
    status, and ``on_complete`` once of the end of the start.

    Raises ``InvalidInput`` for two servers of one name.
    """

    def __init__(
        self,
        servers: Iterable[McpServer],
        registry: ToolRegistry,
        *,
        sandbox: Sandbox | None = None,
        door: Door | None = None,
        clock: Clock = SYSTEM_CLOCK,
        resolve: Callable[[str], str] | None = None,
        elicit: Elicitor = ask_person,
        on_update: Told = lambda status: None,
        on_complete: Callable[[McpStartup], object] = lambda startup: None,
    ) -> None:
        expect(registry, ToolRegistry, "registry")
        self._on_update = on_update
        self._on_complete = on_complete
        self._servers: dict[str, Server] = {}
        for settings in expect_many(servers, "servers"):
            name = expect(settings, McpServer, "servers").name
            if name in self._servers:
                raise InvalidInput(f"there are two MCP servers '{name}'")
            self._servers[name] = Server(
                settings,
                registry,
                sandbox=sandbox,
                door=door,
                clock=clock_of(clock),
                resolve=resolve if resolve is not None else _no_secret,
                elicit=elicit,
                tell=self._tell,
            )
        self._starting: asyncio.Task[McpStartup] | None = None

    async def start(self) -> McpStartup:
        """Start all servers concurrently, and return what became of them, within the longest ``startup_secs``.

        Nothing is raised for a server that fails: the others are not held up. Starting twice is one start.
        """
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="mcp start")
        return await asyncio.shield(self._starting)

    async def _start(self) -> McpStartup:
        await asyncio.gather(*(server.start() for server in self._servers.values()))
        reports = self.reports()
        startup = McpStartup(
            [one.name for one in reports if one.status == "ready"],
            [McpFailure(one.name, one.error) for one in reports if one.status not in ("ready", "cancelled")],
            [one.name for one in reports if one.status == "cancelled"],
        )
        self._on_complete(startup)
        return startup

    def reports(self) -> list[McpServerStatus]:
        """Return how each server is now, sorted by name."""
        return [self._servers[name].report() for name in sorted(self._servers)]

    def choose(self, server: str, *, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        """Let other tools of ``server`` through from now on, those in use among them. Raises ``NotFound``."""
        found = self._servers.get(expect(server, str, "the name of an MCP server"))
        if found is None:
            raise NotFound(f"there is no MCP server '{one_line(server, 80)}'")
        found.choose(Filter(tuple(expect_many(allow, "allow")), tuple(expect_many(deny, "deny"))))

    async def aclose(self) -> None:
        """End all servers and their processes, concurrently."""
        await asyncio.gather(*(server.aclose() for server in self._servers.values()))
        if self._starting is not None:
            await asyncio.wait([self._starting])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _tell(self, server: Server) -> None:
        self._on_update(server.report())


def _no_secret(name: str) -> str:
    raise SecretUnavailable(f"secret '{one_line(name, 80)}' is not declared")
