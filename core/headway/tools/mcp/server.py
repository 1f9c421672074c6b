"""One MCP server over its life: started, watched, connected anew, and its tools kept in the registry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, InvalidInput, TerminalToolError, ToolError, describe, one_line
from headway.tools.context import ToolContext
from headway.tools.mcp.elicit import Elicitor
from headway.tools.mcp.names import tool_name
from headway.tools.mcp.report import McpServerStatus, McpStatus
from headway.tools.mcp.settings import Filter, McpServer
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.stream import CONTEXT

if TYPE_CHECKING:
    from mcp.types import Tool

    from headway.clock import Clock
    from headway.egress.door import Door
    from headway.tools.mcp.connection import Connection, Listing
    from headway.tools.mcp.http import HttpLink
    from headway.tools.mcp.pipe import Pipe
    from headway.tools.sandbox import Sandbox

_log = logging.getLogger("headway.tools.mcp")

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 60.0

ENVIRONMENT = {"PYTHONSAFEPATH": "1"}
"""Set for every program: Python must not import what a plan may have written beside the server's script."""


class Server:
    """``tell(server)`` is called at each change of :attr:`status`, on the event loop.

    ``resolve`` turns the name of a secret into its value. Tools are registered in ``registry`` while the server is
    there, and stay while it is connected anew: a call waits for that, as long as a start may take.
    """

    def __init__(
        self,
        settings: McpServer,
        registry: ToolRegistry,
        *,
        sandbox: Sandbox | None,
        door: Door | None,
        clock: Clock,
        resolve: Callable[[str], str],
        elicit: Elicitor,
        tell: Callable[[Server], object],
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.filter = settings.filter
        self.status: McpStatus = "starting"
        self.error = ""
        self._registry = registry
        self._sandbox = sandbox
        self._door = door
        self._clock = clock
        self._resolve = resolve
        self._elicit = elicit
        self._tell = tell
        self._opening: Connection | None = None
        self._connection: Connection | None = None
        self._pipe: Pipe | None = None
        self._listing: Listing | None = None
        self._identity = ("", "", "")
        self._entries: dict[str, ToolEntry] = {}
        self._problems: list[str] = []
        self._failures = 0
        self._settled = asyncio.Event()
        self._again: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False

    def report(self) -> McpServerStatus:
        """Return how the server is now."""
        server, version, protocol = self._identity
        return McpServerStatus(
            self.name, self.status, sorted(self._entries), self._problems, self.error, server, version, protocol
        )

    async def start(self) -> None:
        """Connect for the first time; :attr:`status` says what came of it. Nothing is raised."""
        if not self.settings.enabled:
            self._become("cancelled", "is switched off")
            return
        self._become("starting")
        error = await self._connect()
        if error is None:
            self._become("ready")
        elif self._closed:
            self._become("cancelled", "was closed while it started")
        else:
            self._become("failed", error.message)
            self._try_again(error)

    def choose(self, allow: Filter) -> None:
        """Let other tools of the server through from now on; calls ask too."""
        self.filter = allow
        if self._listing is not None:
            self._register(self._listing)

    async def aclose(self) -> None:
        """End the connection, the process behind it and all attempts to connect; the tools stay registered."""
        self._closed = True
        for task in (self._again, self._refreshing):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        for connection in (self._opening, self._connection):
            if connection is not None:
                await connection.close()
        self._settled.set()

    # -- connecting --------------------------------------------------------------------------------------------------

    async def _connect(self) -> ToolError | None:
        """Connect and register the tools; return what went wrong."""
        self._settled.clear()
        try:
            values = await asyncio.to_thread(self._prepared)  # a keyring, and importing the SDK, take their time
            connection = self._opening = self._made(values)
            if self._closed:
                raise ToolError("was closed")
            listing = await connection.open(self.settings.startup_secs)
            self._identity = connection.identity
            self._connection = connection
        except ToolError as error:
            return error
        except (HeadwayError, OSError, ValueError) as error:
            return ToolError(describe(error))
        finally:
            self._opening = None
            self._settled.set()
        self._register(listing)
        return None

    def _prepared(self) -> dict[str, str]:
        """Return the variables, or headers, with their secrets; import meanwhile what speaks to the server."""
        import headway.tools.mcp.connection

        if self.settings.url is None:
            import headway.tools.mcp.pipe

            return self._values(self.settings.env)
        import headway.tools.mcp.http  # noqa: F401 - likewise

        return self._values(self.settings.headers)

    def _made(self, values: dict[str, str]) -> Connection:
        from headway.tools.mcp.connection import Connection  # with it the SDK

        made = Connection(
            self.name,
            partial(self._transport, values),
            self._clock,
            elicit=self._elicit,
            on_lost=lambda reason: self._lost(made, reason),
            on_changed=self._refresh,
        )
        return made

    def _transport(self, values: dict[str, str], on_end: Callable[[str], object]) -> Pipe | HttpLink:
        if self.settings.url is not None:
            from headway.egress.door import Door
            from headway.tools.mcp.http import HttpLink

            return HttpLink(self.settings, values, self._door if self._door is not None else Door(), on_end)
        from headway.tools.mcp.pipe import Pipe
        from headway.tools.process.command import environment

        self._pipe = Pipe(self.settings, environment() | ENVIRONMENT | values, self._sandbox, self._clock, on_end)
        return self._pipe

    def _values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return variables with the values of the secrets that they refer to."""
        from headway.secrets.reference import name_in

        found = {}
        for key, value in given.items():
            name = name_in(value)
            found[key] = value if name is None else self._resolve(name)
        return found

    def _lost(self, connection: Connection, reason: str) -> None:
        if connection is not self._connection or self._closed:
            return
        self._connection = None
        self._settled.clear()
        self._become("lost", reason)
        self._try_again(ToolError(reason))

    def _try_again(self, error: ToolError) -> None:
        if self._closed or isinstance(error, TerminalToolError):
            return
        if self._again is None or self._again.done():
            self._again = asyncio.get_running_loop().create_task(self._reconnect(), name=f"mcp {self.name} again")

    async def _reconnect(self) -> None:
        while not self._closed:
            self._failures += 1
            await self._clock.sleep(min(FIRST_BACKOFF_S * 2 ** min(self._failures - 1, 20), LONGEST_BACKOFF_S))
            error = await self._connect()
            if error is None:
                self._become("ready")
                return
            if (self.status, self.error) != ("failed", error.message):
                self._become("failed", error.message)
            if isinstance(error, TerminalToolError):
                return

    def _become(self, status: McpStatus, error: str = "") -> None:
        self.status, self.error = status, one_line(error, 500)
        if status in ("failed", "lost"):
            _log.info("MCP server '%s' %s", self.name, self.error)
        self._tell(self)

    # -- its tools ---------------------------------------------------------------------------------------------------

    def _register(self, listing: Listing) -> None:
        """Make the registry's tools of this server those that it lists, and that are let through."""
        self._listing = listing
        problems = list(listing.problems)
        made: dict[str, ToolEntry] = {}
        for name, tool in listing.tools.items():
            if not self.filter.lets(tool.name):
                continue
            present = self._registry.get(name)
            if present is not None and present is not self._entries.get(name):
                problems.append(f"tool '{one_line(tool.name, 80)}' was left out: there is already a tool '{name}'")
                continue
            try:
                entry = self._entry(name, tool)
                self._registry.register(entry)
            except InvalidInput as error:
                problems.append(f"tool '{one_line(tool.name, 80)}' was left out: {error.message}")
                continue
            made[name] = entry
        for name in self._entries.keys() - made.keys():
            self._registry.remove(name)
        for problem in problems:
            _log.info("MCP server '%s': %s", self.name, problem)
        self._entries, self._problems = made, problems

    def _entry(self, name: str, tool: Tool) -> ToolEntry:
        from headway.tools.mcp.connection import LONGEST_DESCRIPTION
        from headway.tools.mcp.gate import MOST_PARTS, multiplies
        from headway.tools.schema import schema_of

        own = tool.name
        if multiplies(tool.input_schema) or multiplies(tool.output_schema):
            raise InvalidInput(f"its schema has more than {MOST_PARTS:,} parts with its references followed")

        async def call(**params: Any) -> Any:
            return await self._call(own, params)

        schema = schema_of(
            name,
            description=(tool.description or tool.title or "")[:LONGEST_DESCRIPTION],
            parameters=tool.input_schema,
            returns=tool.output_schema,
        )
        return ToolEntry(
            schema=schema,
            call=call,
            is_async=True,
            context_param=CONTEXT,
            source="mcp",
            permission=self.settings.permission,
            category=f"mcp {self.name}",
            writes_files=self.settings.writes_files,
            aclose=self.aclose,
        )

    async def _call(self, tool: str, params: dict[str, Any]) -> Any:
        context = params.pop(CONTEXT, None)
        context = context if context is not None else ToolContext()
        if not self.filter.lets(tool):
            raise TerminalToolError(f"tool '{tool_name(self.name, tool)}' is not let through by allow and deny")
        connection = await self._ready()
        output = await connection.call(tool, params, context, self.settings.call_secs)
        self._failures = 0
        if self._pipe is not None:
            await self._pipe.check()
        return output

    async def _ready(self) -> Connection:
        """Return the connection, after the wait for one that is being made."""
        from headway.tools.mcp.connection import within

        connection = self._connection
        if connection is not None:
            if self._pipe is not None and self._pipe.exchanged():
                connection.end("was ended because a control file was exchanged")
            if connection.ending:
                await connection.close()  # with it comes the word that it is lost
        if self._connection is None and not self._closed and self._again is not None and not self._again.done():
            with suppress(TimeoutError):
                await within(self._clock, self.settings.startup_secs, self._made_anew())
        if self._connection is None or self._closed:
            why = self.error or ("was closed" if self._closed else "is not connected")
            raise ToolError(f"MCP server '{self.name}' {why}")
        return self._connection

    async def _made_anew(self) -> None:
        await self._settled.wait()

    def _refresh(self) -> None:
        """List the tools anew: the server says that they changed."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._list_again(), name=f"mcp {self.name} list")

    async def _list_again(self) -> None:
        from headway.tools.mcp.connection import within

        connection = self._connection
        if connection is None:
            return
        try:
            work: Coroutine[Any, Any, Listing] = connection.list_tools()
            listing = await within(self._clock, self.settings.startup_secs, work)
        except (ToolError, TimeoutError) as error:
            _log.info("MCP server '%s': the tools that changed cannot be listed: %s", self.name, describe(error))
            return
        self._register(listing)
        self._tell(self)
