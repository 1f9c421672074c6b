"""The stdio transport: a program in the sandbox, and the messages that it reads and writes, one a line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import ErrorData, JSONRPCError, JSONRPCMessage, JSONRPCResponse, jsonrpc_message_adapter

from headway.errors import ToolError, one_line
from headway.tools.mcp.gate import REFUSED, harmless
from headway.tools.process.child import ChildProcess
from headway.tools.process.rpc import Cut, Lines, read
from headway.tools.sandbox import Child

if TYPE_CHECKING:
    from headway.clock import Clock
    from headway.tools.mcp.settings import McpServer
    from headway.tools.process.launch import Launch
    from headway.tools.sandbox import Sandbox

EOF_GRACE_S = 0.5
"""The time in which a server whose stdin is closed may end by itself; then its process group gets TERM, then KILL."""

MAX_WAITING = 1024
"""Messages of a server that wait to be looked at; one that sends more is ended."""

MAX_FLOOD, FLOOD_S = 20_000, 10.0
"""The most messages of a server in so many seconds; one that sends more is ended."""

MAX_UNSENT = 32 * 2**20
"""The most bytes that wait for a server to read them."""

MAX_NOISE = 1000
"""Lines in a row that are no message, after which a server is ended."""

KEPT_STDERR = 4096

_ANSWER = re.compile(rb'\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(\d{1,18})\s*,\s*"(?:result|error)"')


class Pipe:
    """One run of a server's program; an async context manager that gives the two streams the SDK works on.

    ``on_end(reason)`` is called once, when the server has ended or has to be ended, unless we closed the streams.
    """

    def __init__(
        self,
        server: McpServer,
        env: Mapping[str, str],
        sandbox: Sandbox | None,
        clock: Clock,
        on_end: Callable[[str], object],
    ) -> None:
        self._server = server
        self._env = env
        self._sandbox = sandbox
        self._clock = clock
        self._on_end = on_end
        self._lines = Lines(server.max_message_bytes)
        self._noise = 0
        self._since, self._passed = clock.now(), 0
        self._stderr = bytearray()
        self._child: ChildProcess | None = None
        self._launch: Launch | None = None
        self._closing = False
        self._told = False

    @property
    def pid(self) -> int | None:
        """The process that was started: the sandbox around the program where there is one."""
        return self._child.pid if self._child is not None else None

    async def __aenter__(self) -> tuple[Any, Any]:
        server = self._server
        words = list(server.command)
        if self._sandbox is not None:
            child = Child(
                f"mcp__{server.name}",
                words,
                server.cwd,
                self._env,
                writes=server.writes_files,
                network=server.network,
                readable=server.readable,
                own=True,
            )
            self._launch = await self._sandbox.confine(child)
        self._into, self._messages = anyio.create_memory_object_stream[Any](MAX_WAITING)
        try:
            self._child = ChildProcess(
                words,
                clock=self._clock,
                on_data=self._take,
                on_exit=self._ended,
                on_eof=self._eof,
                cwd=server.cwd,
                env=self._env,
                stdin=True,
                launch=self._launch,
            )
        except BaseException:
            if self._launch is not None:
                self._launch.leave()
            self._close_streams()
            raise
        return self._messages, _Writer(self._child, self._end)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the program; return when it is gone, with its whole process group."""
        self._closing = True
        child = self._child
        assert child is not None
        with anyio.CancelScope(shield=True):
            child.close_input()
            if self._told:  # it misbehaved, or is gone
                child.terminate()
            timer = self._clock.call_later(EOF_GRACE_S, child.terminate)
            await child.wait()
            timer.cancel()
            self._close_streams()
            if self._launch is not None:
                with suppress(ToolError):  # what it made was renamed; its calls have been told
                    await self._launch.__aexit__(None, None, None)

    async def check(self) -> None:
        """Raise ``ToolError`` if control files were made in the workspace; they are renamed first."""
        if self._launch is not None and self._launch.confined is not None:
            await self._launch.confined.check()

    def exchanged(self) -> bool:
        """Return whether a control file was exchanged since: this process would see the old one."""
        confined = self._launch.confined if self._launch is not None else None
        return confined is not None and confined.exchanged()

    # -- what it writes ----------------------------------------------------------------------------------------------

    def _take(self, name: str, data: bytes) -> None:
        if name == "stderr":
            self._stderr += data
            del self._stderr[:-KEPT_STDERR]
            return
        if self._told or self._closing:
            return
        for line in self._lines.feed(data):
            if isinstance(line, Cut):
                self._too_long(line)
            else:
                self._line(line)

    def _too_long(self, head: bytes) -> None:
        """Fail the request that a message was too long for; where that cannot be told, the server has to be ended."""
        problem = f"sent a message of more than {self._server.max_message_bytes:,} bytes"
        found = _ANSWER.match(head)
        if found is None:
            self._end(problem)
        else:
            self._refuse(int(found[1]), problem)

    def _refuse(self, number: int, problem: str) -> None:
        """Let the request of that number fail instead of being answered."""
        self._pass(JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=REFUSED, message=problem)))

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            if isinstance(message, JSONRPCResponse):
                harmless(message.result)
        except (ValueError, RecursionError):
            if (number := _answered(line)) is not None:
                self._refuse(number, "sent an answer that the protocol does not have")
                return
            self._noise += 1
            if self._noise > MAX_NOISE:
                self._end("writes to stdout what are no messages of the protocol")
            return
        self._noise = 0
        self._pass(message)

    def _pass(self, message: JSONRPCMessage) -> None:
        if self._told:
            return
        if (now := self._clock.now()) - self._since > FLOOD_S:
            self._since, self._passed = now, 0
        self._passed += 1
        if self._passed > MAX_FLOOD:
            self._end("sends more than can be looked at")
            return
        try:
            self._into.send_nowait(SessionMessage(message))
        except anyio.WouldBlock:
            self._end("sends more than can be looked at")
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return

    # -- its end -----------------------------------------------------------------------------------------------------

    def _eof(self, name: str) -> None:
        if name == "stdin" or (name == "stdout" and not self._closing):
            self._clock.call_later(EOF_GRACE_S, self._end, "closed its pipes")

    def _ended(self, code: int | None) -> None:
        if code is None:
            how = "ended"
        elif code < 0:
            how = f"was ended by signal {-code}"
        else:
            how = f"ended with exit code {code}"
        said = self.said()
        self._end(f"{how}: {said}" if said else how)

    def said(self) -> str:
        """Return the last line that the program wrote to stderr; "" without one."""
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return one_line(lines[-1], 300) if lines else ""

    def _end(self, reason: str) -> None:
        """Tell of the end, once: what waits for an answer fails, and whoever holds the streams closes them."""
        if self._told or self._closing:
            return
        self._told = True
        self._into.close()
        self._on_end(reason)

    def _close_streams(self) -> None:
        self._into.close()
        self._messages.close()


def _answered(line: bytes) -> int | None:
    """Return the number of the request that a line is meant to answer; None if it is no answer."""
    message = read(line)
    if message is None or not ("result" in message or "error" in message):
        return None
    number = message.get("id")
    return number if type(number) is int else None


class _Writer:
    """The stream of what goes to the server."""

    def __init__(self, child: ChildProcess, end: Callable[[str], object]) -> None:
        self._child = child
        self._end = end
        self._closed = False

    async def send(self, message: SessionMessage) -> None:
        """Write a message, without waiting for the server to read it."""
        if self._closed:
            raise anyio.ClosedResourceError
        text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
        self._child.write(text.encode("utf-8", "surrogatepass") + b"\n")
        if self._child.unsent > MAX_UNSENT:
            self._end("does not read what it is sent")
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Take nothing more."""
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
