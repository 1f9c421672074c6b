"""One connection to an MCP server: from its handshake to its end, in a task of its own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult, Implementation, ToolListChangedNotification
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from headway._version import __version__
from headway.errors import HeadwayError, ToolError, describe, one_line
from headway.numbers import is_finite
from headway.tools.context import ToolContext
from headway.tools.mcp.elicit import Elicitor, McpAnswer, McpQuestion
from headway.tools.mcp.gate import REFUSED
from headway.tools.mcp.names import problem_of, tool_name
from headway.tools.mcp.results import output_of

if TYPE_CHECKING:
    from mcp.types import CallToolResult, Tool

    from headway.clock import Clock, TimerHandle

T = TypeVar("T")

MAX_PAGES = 100
MAX_TOOLS = 1000
LONGEST_DESCRIPTION = 4000

_CALL: contextvars.ContextVar[ToolContext | None] = contextvars.ContextVar("mcp_call", default=None)


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools of a server by the names that plans call, and what it lists that cannot be used, a line each."""

    tools: dict[str, Tool]
    problems: list[str] = field(default_factory=list)


class Connection:
    """Made by :meth:`open`; ends by :meth:`close`, or by itself: then ``on_lost(reason)`` is called, once.

    ``transport(on_end)`` makes the streams that the SDK works on. ``on_changed()`` is called when the server says that
    its tools have changed.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[Callable[[str], object]], AbstractAsyncContextManager[Any]],
        clock: Clock,
        *,
        elicit: Elicitor,
        on_lost: Callable[[str], object],
        on_changed: Callable[[], object],
    ) -> None:
        self.name = name
        self._transport = transport
        self._clock = clock
        self._elicit = elicit
        self._on_lost = on_lost
        self._on_changed = on_changed
        self._over = asyncio.Event()
        self._why: str | None = None
        self._client: Client | None = None
        self._settled = False
        self._calls: dict[ToolContext, None] = {}
        self._questions = 0
        self._task: asyncio.Task[None] | None = None

    async def open(self, seconds: float) -> Listing:
        """Connect, shake hands and list the tools. Raises ``ToolError`` in one line, then nothing is left running."""
        ready: asyncio.Future[Listing] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._live(ready), name=f"mcp {self.name}")
        try:
            return await within(self._clock, seconds, _wait(ready))
        except TimeoutError:
            self._why = f"did not answer within {seconds:g} s"
            raise ToolError(self._why) from None
        finally:
            if not ready.done() or ready.cancelled() or ready.exception() is not None:
                ready.cancel()
                await self.close()

    async def close(self) -> None:
        """End the connection and what it started; calls in flight fail."""
        self._why = self._why or "was closed"
        task = self._task
        if task is None:
            return
        self._over.set()
        if not self._settled:
            task.cancel()
        await asyncio.wait([task])

    async def list_tools(self) -> Listing:
        """Return the tools that the server lists, as far as they can be used. Raises ``ToolError``."""
        client = self._connected()
        found: dict[str, Tool] = {}
        taken: dict[str, str] = {}
        problems: list[str] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._asked(client.list_tools(cursor=cursor))
            for tool in page.tools:
                if problem := problem_of(self.name, tool.name, taken):
                    problems.append(problem)
                elif len(found) >= MAX_TOOLS:
                    problems.append(f"more than {MAX_TOOLS:,} tools are listed: the others were left out")
                    return Listing(found, problems)
                else:
                    name = tool_name(self.name, tool.name)
                    taken[name], found[name] = tool.name, tool
            if page.next_cursor is None:
                return Listing(found, problems)
            cursor = page.next_cursor
        raise ToolError(f"its list of tools has more than {MAX_PAGES} pages")

    async def call(self, tool: str, arguments: dict[str, Any], context: ToolContext, seconds: float) -> Any:
        """Call a tool by its own name and return the output. Raises ``ToolError`` in one line."""
        client = self._connected()

        async def report(progress: float, total: float | None, message: str | None) -> None:
            if is_finite(progress) and (total is None or is_finite(total)):
                context.report_progress(progress, total, message)

        async def ask() -> CallToolResult:
            _CALL.set(context)  # in a task of its own
            return await self._asked(client.call_tool(tool, arguments, progress_callback=report))

        self._calls[context] = None
        try:
            result = await within(self._clock, seconds, ask(), held=lambda: self._questions > 0)
        except TimeoutError:
            raise ToolError(f"MCP server '{self.name}' did not answer within {seconds:g} s") from None
        finally:
            self._calls.pop(context, None)
        return output_of(tool_name(self.name, tool), result)

    @property
    def ending(self) -> bool:
        """True once it has ended or is about to: it takes no more calls."""
        return self._over.is_set()

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the server says of itself: name, version, and the version of the protocol that is spoken."""
        client = self._connected()
        info = client.server_info
        said = ("", "") if info is None else (one_line(info.name, 80), one_line(info.version, 40))
        return (*said, one_line(client.protocol_version, 40))

    # -- its task ----------------------------------------------------------------------------------------------------

    async def _live(self, ready: asyncio.Future[Listing]) -> None:
        try:
            client = Client(
                self._transport(self._ended),
                client_info=Implementation(name="headway", version=__version__),
                elicitation_callback=self._asked_back,
                message_handler=self._told,
                cache=None,
            )
            async with client:
                self._client = client
                listing = await self.list_tools()
                if not ready.done():
                    ready.set_result(listing)
                self._settled = True
                await self._follow(client)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._why = self._why or _reason(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._client = None
            why = self._why or "ended the connection"
            if not ready.done():
                ready.set_exception(ToolError(why))
            elif not ready.cancelled() and ready.exception() is None:
                self._on_lost(why)

    async def _follow(self, client: Client) -> None:
        """Wait for the end; be told meanwhile of changed tools, by the newer protocol only to who listens."""
        tools = client.server_capabilities.tools
        listening: asyncio.Task[None] | None = None
        if client.protocol_version in MODERN_PROTOCOL_VERSIONS and tools is not None and tools.list_changed:
            listening = asyncio.create_task(self._listen(client), name=f"mcp {self.name} listens")
        try:
            await self._over.wait()
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.wait([listening])

    async def _listen(self, client: Client) -> None:
        with suppress(Exception):  # a server that says it tells and does not is no worse than one that does not say so
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._on_changed()

    def end(self, reason: str) -> None:
        """End the connection as one that was lost, for ``reason``."""
        self._ended(reason)

    def _ended(self, reason: str) -> None:
        self._why = self._why or reason
        self._over.set()

    def _connected(self) -> Client:
        if self._client is None or self._over.is_set():
            raise ToolError(f"MCP server '{self.name}' {self._why or 'is not connected'}")
        return self._client

    async def _asked(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for an answer of the server; whatever goes wrong is a ``ToolError`` that names the server."""
        try:
            return await work
        except HeadwayError:
            raise
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises, it is the server's doing
            why = self._why if self._over.is_set() and self._why else _reason(error)
            raise ToolError(f"MCP server '{self.name}' {why}") from None

    async def _told(self, message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._on_changed()

    async def _asked_back(self, context: Any, params: Any) -> ElicitResult:
        """Hand a question of the server to whoever answers; it belongs to the call it came in, if that can be told."""
        call = _CALL.get()
        if call is None and len(self._calls) == 1:
            call = next(iter(self._calls))
        schema = getattr(params, "requested_schema", None)
        question = McpQuestion(
            self.name,
            str(params.message),
            dict(schema) if isinstance(schema, dict) else {},
            getattr(params, "url", None),
            call,
        )
        self._questions += 1
        try:
            answer = await self._elicit(question)
        except Exception:  # noqa: BLE001 - whoever answers failed: the server is not told how
            answer = McpAnswer("decline")
        finally:
            self._questions -= 1
        content = answer.content if answer.action == "accept" else None
        return ElicitResult(action=answer.action, content=content)


async def within(
    clock: Clock, seconds: float, work: Coroutine[Any, Any, T], held: Callable[[], bool] = lambda: False
) -> T:
    """Return what ``work`` does; cancel it and raise :class:`TimeoutError` after so many seconds of ``clock``.

    While ``held()`` the time begins anew.
    """
    task = asyncio.ensure_future(work)
    expired = False
    timer: TimerHandle | None = None

    def expire() -> None:
        nonlocal expired, timer
        if held():
            timer = clock.call_later(seconds, expire)
            return
        expired = True
        task.cancel()

    timer = clock.call_later(seconds, expire)
    try:
        return await task
    except asyncio.CancelledError:
        if expired and task.cancelled():
            raise TimeoutError from None
        task.cancel()
        raise
    finally:
        if timer is not None:
            timer.cancel()


async def _wait(ready: asyncio.Future[T]) -> T:
    return await asyncio.shield(ready)


def _reason(error: BaseException) -> str:
    """Return what went wrong as the end of "MCP server 'x' …", in one line."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, HeadwayError):
        return error.message
    if isinstance(error, MCPError):
        said = one_line(error.message, 500)
        return said if error.code == REFUSED else f"answered: {said}"
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_input=False, include_context=False)
        place = ".".join(map(str, found[0]["loc"])) if found else ""
        what = found[0]["msg"] if found else "it is not valid"
        return f"sent an answer that the protocol does not have: {one_line(f'{place}: {what}', 300)}"
    return f"failed: {one_line(describe(error), 500)}"
