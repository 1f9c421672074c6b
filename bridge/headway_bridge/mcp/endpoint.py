"""The MCP server: calls become jobs, their progress is told, their ends are results.

A call of an offer waits for its job, and a client that gives up cancels it. ``start_job`` returns at once with the id
of a job, which ``get_job`` and ``cancel_job`` take, also after this process, or the daemon, has been started anew.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

import anyio
import msgspec
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import CallToolResult, ListToolsResult, TextContent, Tool

from headway._version import __version__
from headway.errors import HeadwayError, InvalidInput, InvalidPlan, NotFound, one_line
from headway.events import kinds
from headway_bridge.mcp.offer import ACTION, CANCEL, GET, START, Offer

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.events.views import JobRow
    from headway.plan.format import ActionProposal
    from headway.plan.results import ProposalResult

SOURCE = "mcp"
"""The source of the jobs that MCP clients started: they see no others."""

_JOB_ID = {"type": "object", "properties": {"job_id": {"type": "string"}}, "required": ["job_id"]}


class Jobs(Protocol):
    """What runs jobs: in this process, or behind the daemon's socket."""

    async def submit(self, proposal: ActionProposal, title: str, source: str = ...) -> JobRow:
        """Start a job; it is committed when this returns."""

    def batches(self, row: JobRow) -> AsyncGenerator[list[Event], None]:
        """Yield the job's events from its first, replayed and live."""

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row; :class:`NotFound` if there is no such job."""

    async def result(self, job_id: str) -> ProposalResult:
        """Return what a finished run came to, whole."""

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaces this one after its abort; None if none does."""

    async def cancel(self, job_id: str, reason: str) -> str:
        """Stop softly."""


Report = Callable[[float, float, str], Awaitable[None]]


class McpEndpoint:
    """The tools that MCP clients see. Made of ``offers``, and of ``jobs`` that run them."""

    def __init__(self, offers: Mapping[str, Offer], jobs: Jobs) -> None:
        self._offers = offers
        self._jobs = jobs

    async def serve(self) -> None:
        """Speak MCP over stdin and stdout until the client closes stdin."""
        server: Server[Any] = Server("headway", version=__version__, on_list_tools=self._list, on_call_tool=self._call)
        with _wire() as (stdin, stdout):
            async with stdio_server(anyio.wrap_file(stdin), anyio.wrap_file(stdout)) as (read, write):
                await server.run(read, write, server.create_initialization_options())

    def tools(self) -> list[Tool]:
        """Return what clients are told of each tool."""
        names = sorted(self._offers)
        start = {
            "type": "object",
            "properties": {"name": {"enum": names}, "arguments": {"type": "object"}},
            "required": ["name"],
        }
        told = [(name, one.description, one.schema) for name, one in self._offers.items()]
        told += [
            (START, "Start one of the other tools as a job, for what takes long, and return the job's id.", start),
            (GET, "Say how a job is; of one that has ended, its results.", _JOB_ID),
            (CANCEL, "Cancel a job: what is in flight runs to its end, the rest is skipped.", _JOB_ID),
        ]
        return [Tool(name=name, description=text, input_schema=schema) for name, text, schema in told]

    async def call(self, name: str, arguments: dict[str, Any], report: Report) -> CallToolResult:
        """Call a tool; what goes wrong is a result that says so in one line."""
        try:
            if name == START:
                row = await self._start(_text(arguments, "name"), arguments.get("arguments") or {})
                return _answer({"job_id": row.job_id, "status": row.status})
            if name == GET:
                return _answer(await self._look(_text(arguments, "job_id")))
            if name == CANCEL:
                job_id = (await self._own(_text(arguments, "job_id"))).job_id
                return _answer({"job_id": job_id, "answer": await self._jobs.cancel(job_id, "canceled by MCP client")})
            return await self._run(name, arguments, report)
        except InvalidPlan as error:
            issues = [getattr(issue, "message", str(issue)) for issue in error.issues]
            return _failure("; ".join(issues) or error.message)
        except HeadwayError as error:
            return _failure(error.message)

    async def _list(self, context: Any, params: Any) -> ListToolsResult:
        return ListToolsResult(tools=self.tools())

    async def _call(self, context: Any, params: Any) -> CallToolResult:
        return await self.call(params.name, params.arguments or {}, context.session.report_progress)

    async def _start(self, name: str, arguments: Any) -> JobRow:
        offer = self._offers.get(name)
        if offer is None:
            raise NotFound(f"there is no tool '{one_line(name, 80)}'")
        if not isinstance(arguments, dict):
            raise InvalidInput(f"the arguments of '{name}' are an object")
        return await self._jobs.submit(offer.plan(arguments), name, SOURCE)

    async def _own(self, job_id: str) -> JobRow:
        """Return the row of a job that a client started; others are as unknown as those that there are not."""
        unknown = NotFound(f"there is no job '{one_line(job_id, 80)}'")
        try:
            row = await self._jobs.row(job_id)
        except NotFound:
            raise unknown from None
        if row.source != SOURCE:
            raise unknown
        return row

    async def _look(self, job_id: str) -> dict[str, Any]:
        row = await self._own(job_id)
        done = row.succeeded + row.failed + row.skipped + row.rejected
        told: dict[str, Any] = {"job_id": job_id, "tool": row.title, "status": row.status, "done": done}
        told["actions"] = row.actions
        if row.finished:
            told["result"] = (await self._jobs.result(job_id)).to_dict()
        return told

    async def _run(self, name: str, arguments: dict[str, Any], report: Report) -> CallToolResult:
        row = await self._start(name, arguments)
        job_id = row.job_id
        try:
            while True:
                await self._follow(row, report)
                successor = await self._jobs.successor(row.job_id)
                if successor is None:
                    break
                row, job_id = await self._jobs.row(successor), successor
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._jobs.cancel(job_id, "canceled by MCP client")))
            raise
        result = await self._jobs.result(job_id)
        if self._offers[name].workflow:
            return _answer(result.to_dict(), failed=not result.ok)
        call = result[ACTION]
        if not result.ok:
            return _failure(call.error or result.error or f"'{name}' failed")
        return _answer(call.output if isinstance(call.output, dict) else {"result": call.output}, text=call.output)

    async def _follow(self, row: JobRow, report: Report) -> None:
        done = 0
        async with aclosing(self._jobs.batches(row)) as batches:
            async for batch in batches:
                for event in batch:
                    if event.kind in kinds.TERMINAL_ACTION:
                        done += 1
                        how = event.kind.removeprefix("action_")
                        await report(done, max(row.actions, done), f"{event.action_id} {how}")
                    elif event.kind in kinds.TERMINAL_JOB:
                        return


@contextmanager
def _wire() -> Iterator[tuple[TextIO, TextIO]]:
    """Give stdin and stdout to the protocol alone: what else is written to stdout meanwhile goes to stderr."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        with (
            open(os.dup(0), encoding="utf-8", errors="replace") as stdin,  # noqa: PTH123 - descriptors have no path
            open(os.dup(ours), "w", encoding="utf-8") as stdout,  # noqa: PTH123
        ):
            yield stdin, stdout
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def _text(arguments: Mapping[str, Any], key: str) -> str:
    value = arguments.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"'{key}' must be given, as a text")
    return value


def _answer(structured: dict[str, Any], *, text: Any = None, failed: bool = False) -> CallToolResult:
    said = text if isinstance(text, str) else msgspec.json.encode(structured if text is None else text).decode()
    return CallToolResult(content=[TextContent(type="text", text=said)], structured_content=structured, is_error=failed)


def _failure(error: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=one_line(error))], is_error=True)
