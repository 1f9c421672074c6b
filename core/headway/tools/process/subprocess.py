"""Tools in a child process that is asked in JSON-RPC 2.0, a line a message, over its stdin and stdout.

The child gets ``{"jsonrpc": "2.0", "id": 7, "method": NAME, "params": {…}}`` and answers, in any order,
``{"jsonrpc": "2.0", "id": 7, "result": …}`` or ``{… "error": {"message": "…"}}``. It may be told
``{"method": "$/cancel", "params": {"id": 7}}`` and shall then answer soon, with anything. It may tell
``{"method": "$/progress", "params": {"id": 7, "current": 1, "total": 3, "message": "…"}}`` and
``{"method": "$/chunk", "params": {"id": 7, "chunk": …}}`` meanwhile. What else it writes to stdout is ignored.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from headway.arguments import expect, expect_many, path_of, plain
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import InvalidInput, ToolError, one_line
from headway.numbers import positive_seconds, whole_number
from headway.tools.context import ToolContext
from headway.tools.process.command import environment, words_of
from headway.tools.process.dialogue import Dialogue
from headway.tools.sandbox import Child
from headway.tools.schema import ToolSchema, schema_of
from headway.tools.stream import CONTEXT

if TYPE_CHECKING:
    from headway.tools.estimate import Estimate
    from headway.tools.process.launch import Launch
    from headway.tools.registry import Permission, ToolEntry
    from headway.tools.sandbox import Sandbox

MAX_STDERR = 64 * 2**10
"""The bytes of a child's stderr that are kept, the last of it."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The wait before a process that crashed is started again, by the next call.

    After ``backoff_s`` seconds, doubled at each crash in a row up to ``cap_s``. An answer ends the row.
    """

    backoff_s: float = 0.1
    cap_s: float = 5.0

    def __post_init__(self) -> None:
        positive_seconds(self.backoff_s, "backoff_s")
        positive_seconds(self.cap_s, "cap_s")

    def delay(self, crashes: int) -> float:
        """Return the seconds to wait after so many crashes in a row."""
        number = whole_number(crashes, "crashes", 0)
        return min(self.cap_s, self.backoff_s * 2.0 ** min(number - 1, 32)) if number > 0 else 0.0


@dataclass(frozen=True, slots=True)
class SubprocessStatistics:
    """``pid`` of the process, None if none runs; ``starts`` ever; ``in_flight`` calls now.

    ``ignored`` counts the lines that it wrote to stdout and that were no answer.
    """

    pid: int | None
    starts: int
    in_flight: int
    ignored: int


class SubprocessTool:
    """A tool that is a program. Its process is started by the first call and serves all that follow, many concurrently.

    ``command`` is a list of words and never goes through a shell. ``schema`` is the JSON Schema of the parameters, or
    a whole ``ToolSchema``. The process sees PATH, HOME and LANG, and what ``env`` names (``"NAME"``,
    ``"NAME=value"``); it works in ``cwd``. A call that takes longer than ``timeout`` seconds (None: no limit) fails; an
    answer longer than ``max_output_bytes`` does. A process that crashes fails its calls and is started again as
    ``restart`` says, never with None. ``method`` is what it is asked, the tool's name without one.

    A call of a plan runs in the sandbox of its Runtime or Engine: the process sees the system's programs, the Python
    that Headway runs on, the files that ``command`` names and what ``readable`` adds. It may change the workspace if
    ``writes_files``, and reaches the network if ``network``.

    A cancelled call tells the process so; one that does not heed it is ended, with its whole process group, by TERM
    and KILL. For one event loop at a time. Raises ``InvalidInput`` for options that make no sense.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        schema: ToolSchema | Mapping[str, Any] | None = None,
        description: str = "",
        cwd: str | os.PathLike[str] | None = None,
        env: Sequence[str] = (),
        timeout: float | None = 60.0,
        max_output_bytes: int = 2**20,
        restart: Restart | None = Restart(),
        method: str | None = None,
        permission: Permission = "allow",
        category: str = "subprocess",
        writes_files: bool = True,
        estimate: Estimate | None = None,
        network: bool = False,
        readable: Sequence[str | os.PathLike[str]] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.schema = _schema(name, description, schema)
        self.name = self.schema.name
        self._command = words_of(command, f"the command of tool '{one_line(self.name, 80)}'")
        self._cwd = None if cwd is None else path_of(cwd, "cwd")
        self._env = environment(env)
        self._timeout = None if timeout is None else positive_seconds(timeout, "timeout")
        self._max = whole_number(max_output_bytes, "max_output_bytes", 1)
        self._restart = _restart(restart)
        self._method = self.name if method is None else plain(method, "method")
        self._traits: dict[str, Any] = {
            "permission": permission,
            "category": category,
            "writes_files": writes_files,
            "estimate": estimate,
        }
        self._network = expect(network, bool, "network")
        self._readable = [path_of(path, "readable") for path in expect_many(readable, "readable")]
        self._clock = clock_of(clock)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = asyncio.Lock()
        self._dialogue: Dialogue | None = None
        self._closings = 0
        self._parted: Dialogue | None = None  # the process that was last ended with the tool
        self._over: str | None = None  # why there will be no process again
        self._stderr = bytearray()
        self._starts = self._ignored = self._crashes = 0
        self._not_before = 0.0
        self.entry()  # refuses traits that no tool has

    def __repr__(self) -> str:
        return f"SubprocessTool({self.name!r}, pid={self.statistics().pid})"

    def entry(self, name: str | None = None) -> ToolEntry:
        """Return the registry's entry, under another ``name`` if one is given; the process is asked as before."""
        from headway.tools.registry import ToolEntry

        schema = self.schema
        if name is not None:
            schema = schema.replace(name=name)
        return ToolEntry(
            schema=schema,
            call=self.call,
            is_async=True,
            context_param=CONTEXT,
            source="subprocess",
            aclose=self.aclose,
            command=lambda params: tuple(self._command),
            **self._traits,
        )

    def statistics(self) -> SubprocessStatistics:
        """Return what the process is doing."""
        now = self._dialogue
        if now is None:
            return SubprocessStatistics(None, self._starts, 0, self._ignored)
        return SubprocessStatistics(now.child.pid, self._starts, now.in_flight, self._ignored + now.ignored)

    def stderr(self) -> str:
        """Return the last 64 KiB of what the process wrote to its stderr, this one's and those before it."""
        return self._stderr.decode(errors="replace")

    async def call(self, /, **params: Any) -> Any:
        """Ask the process once and return its result. Raises ``ToolError`` in one line for whatever goes wrong."""
        context = params.pop(CONTEXT, None)
        context = context if context is not None else ToolContext()
        dialogue = await self._ready(context.sandbox)
        confined = None if dialogue.launch is None else dialogue.launch.confined
        if confined is None:
            return await dialogue.ask(self._method, params, context, self._timeout)
        if not dialogue.in_flight:
            confined.blamed.clear()  # what others did while no call was in flight is not this call's
        try:
            answer = await dialogue.ask(self._method, params, context, self._timeout)
        except BaseException:
            with suppress(ToolError):
                await confined.check()
            raise
        await confined.check()
        return answer

    async def aclose(self) -> None:
        """End the process; calls in flight fail. Returns when it is gone; a later call starts it anew."""
        self._closings += 1
        dialogue = self._dialogue
        if dialogue is None:
            return
        self._enter()
        if self._dialogue is dialogue:
            self._parted = dialogue
            dialogue.child.close_input()
            dialogue.stop("was ended with its tool")
            await dialogue.child.wait()

    async def _ready(self, sandbox: Sandbox | None) -> Dialogue:
        """Return the process, started if need be, once the one before it is gone and its backoff is over."""
        self._enter()
        closings = self._closings
        while True:
            if self._closings != closings:
                raise ToolError(f"tool '{self.name}' was closed")
            if self._over is not None:
                raise ToolError(f"the process of tool '{self.name}' {self._over} and is not started again")
            dialogue = self._dialogue
            if dialogue is not None:
                if dialogue.usable and not dialogue.outdated:
                    return dialogue
                dialogue.stop("was ended because a control file was exchanged")
                await dialogue.child.wait()
            elif (wait := self._not_before - self._clock.now()) > 0:
                await self._clock.sleep(wait)
            else:
                await self._start(sandbox, closings)

    def _enter(self) -> None:
        """Belong to the running loop. A process that was left to a loop that is closed is killed."""
        loop = asyncio.get_running_loop()
        if self._loop is loop:
            return
        if self._loop is not None and not self._loop.is_closed():
            raise ToolError(f"tool '{self.name}' is in use on another event loop")
        if self._dialogue is not None:
            self._dialogue.child.abandon()
        self._dialogue, self._loop, self._starting = None, loop, asyncio.Lock()

    async def _start(self, sandbox: Sandbox | None, closings: int) -> None:
        """Start the process, unless another call has done so meanwhile, or the tool was closed."""
        async with self._starting:
            if self._dialogue is not None or self._closed_since(closings):
                return
            launch = None
            if sandbox is not None:
                launch = await sandbox.confine(self._child())
            begun = False
            try:
                if not self._closed_since(closings):
                    self._begin(launch)
                    begun = True
            finally:
                if launch is not None and not begun:
                    launch.leave()

    def _child(self) -> Child:
        return Child(
            self.name,
            self._command,
            self._cwd,
            self._env,
            writes=self._traits["writes_files"],
            network=self._network,
            readable=self._readable,
            own=True,
        )

    def _closed_since(self, closings: int) -> bool:
        return self._closings != closings

    def _begin(self, launch: Launch | None) -> None:
        self._dialogue = Dialogue(
            self.name,
            self._command,
            clock=self._clock,
            cwd=self._cwd,
            env=self._env,
            max_bytes=self._max,
            on_stderr=self._note,
            on_end=self._ended,
            launch=launch,
        )
        self._starts += 1

    def _note(self, data: bytes) -> None:
        self._stderr += data
        del self._stderr[:-MAX_STDERR]

    def _ended(self, dialogue: Dialogue) -> None:
        self._ignored += dialogue.ignored
        self._dialogue = None
        if dialogue.answered:
            self._crashes = 0
        if dialogue is self._parted:
            self._parted = None
        elif self._restart is None:
            self._over = dialogue.why
        elif dialogue.failed:
            self._crashes += 1
            self._not_before = self._clock.now() + self._restart.delay(self._crashes)


def _schema(name: str, description: str, schema: ToolSchema | Mapping[str, Any] | None) -> ToolSchema:
    if isinstance(schema, ToolSchema):
        return schema
    if not (schema is None or isinstance(schema, Mapping)):
        raise InvalidInput(f"a tool's schema is a JSON Schema or a ToolSchema, not {type(schema).__name__}")
    return schema_of(name, description=description, parameters=schema)


def _restart(restart: Restart | None) -> Restart | None:
    if not (restart is None or isinstance(restart, Restart)):
        raise InvalidInput(f"restart is a Restart or None, not {type(restart).__name__}")
    return restart
