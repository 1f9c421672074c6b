"""A conversation with one child process: requests in flight, and what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import Any

from headway.clock import Clock, TimerHandle
from headway.errors import HeadwayError, InvalidInput, ToolError, ToolTimeout, one_line
from headway.tools.context import ToolContext
from headway.tools.process import rpc
from headway.tools.process.child import ChildProcess
from headway.tools.process.launch import Launch

CANCEL_GRACE_S = 0.25
"""The time that a child has to answer after ``$/cancel``; then it is ended."""

EOF_GRACE_S = 0.2
"""The time in which a child that closed a pipe may exit by itself."""

MAX_UNSENT = 32 * 2**20
"""The most bytes that wait for a child to read them."""

MAX_NOISE = 64 * 2**20
"""The most bytes that a child may write between two messages that can be understood."""


class _Call:
    """A request that has no answer yet. A late answer to one that nobody waits for any more is taken all the same."""

    __slots__ = ("answer", "context", "number", "timer")

    def __init__(self, number: int, context: ToolContext) -> None:
        self.number = number
        self.context = context
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.timer: TimerHandle | None = None

    def end(self, result: Any, error: ToolError | None = None) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


class Dialogue:
    """One child, from its start to its end, of which ``on_end`` is told. ``name`` is the tool's, for messages.

    ``failed`` is whether it ended as it should not have; ``answered`` whether it ever gave an answer; ``why`` says how
    it ended, as the rest of "the process of tool 'x' …".
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        clock: Clock,
        cwd: Path | None,
        env: Mapping[str, str],
        max_bytes: int,
        on_stderr: Callable[[bytes], object],
        on_end: Callable[[Dialogue], object],
        launch: Launch | None = None,
    ) -> None:
        self._name = name
        self._clock = clock
        self._max = max_bytes
        self._on_stderr = on_stderr
        self._on_end = on_end
        self._lines = rpc.Lines(max_bytes)
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._noise = 0
        self._timer: TimerHandle | None = None
        self.why = ""
        self.failed = False
        self.answered = False
        self.usable = True
        self.ignored = 0
        self.child = ChildProcess(
            command,
            clock=clock,
            on_data=self._data,
            on_eof=self._eof,
            on_exit=self._exited,
            cwd=cwd,
            env=env,
            stdin=True,
            launch=launch,
        )
        self.launch = launch

    @property
    def outdated(self) -> bool:
        """True if the child may change control files that were put in place after its start, and is idle."""
        confined = None if self.launch is None else self.launch.confined
        return confined is not None and not self._calls and confined.exchanged()

    @property
    def in_flight(self) -> int:
        """The number of requests without an answer."""
        return len(self._calls)

    async def ask(self, method: str, params: dict[str, Any], context: ToolContext, timeout: float | None) -> Any:
        """Send one request and return the result that comes back for it.

        Raises ``ToolError``: the child's own error, its end, an answer that cannot be read; ``ToolTimeout`` after
        ``timeout`` seconds. A cancelled or late one is taken back: that is waited for.
        """
        self._number += 1
        call = _Call(self._number, context)
        line = self._request(method, params, call.number)
        self._calls[call.number] = call
        if timeout is not None:
            call.timer = self._clock.call_later(timeout, self._expired, call, timeout)
        self.child.write(line)
        try:
            return await call.answer
        except (asyncio.CancelledError, ToolTimeout):
            await self._take_back(call)
            raise

    def stop(self, why: str, *, failed: bool = False) -> None:
        """End the child; what is in flight may still be answered within the grace."""
        if not self.child.stopping:
            self.usable = False
            self.why, self.failed = self.why or why, self.failed or failed
            self.child.terminate()

    def _request(self, method: str, params: dict[str, Any], number: int) -> bytes:
        try:
            line = rpc.request(method, params, number)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            reason = error.message if isinstance(error, HeadwayError) else one_line(str(error), 200)
            raise InvalidInput(f"the parameters of tool '{self._name}' are not JSON: {reason}") from None
        if self.child.unsent + len(line) > MAX_UNSENT:
            raise ToolError(f"the process of tool '{self._name}' does not read its input")
        return line

    # -- taking back ---------------------------------------------------------------------------------------------

    def _expired(self, call: _Call, timeout: float) -> None:
        if not call.answer.done():
            call.answer.set_exception(ToolTimeout(f"tool '{self._name}' did not answer within {timeout:g} s"))

    async def _take_back(self, call: _Call) -> None:
        """Tell the child that nobody wants the answer, and wait until it has taken note or is gone."""
        if call.number not in self._calls:
            return
        if call.timer is not None:
            call.timer.cancel()
        call.answer = asyncio.get_running_loop().create_future()
        call.timer = self._clock.call_later(CANCEL_GRACE_S, self._unheeded, call)
        self.child.write(rpc.request("$/cancel", {"id": call.number}))
        with suppress(ToolError):
            await call.answer

    def _unheeded(self, call: _Call) -> None:
        if call.number in self._calls:
            self.stop("was ended because it did not heed a cancel")

    # -- what comes back -----------------------------------------------------------------------------------------

    def _data(self, name: str, data: bytes) -> None:
        if name == "stderr":
            self._on_stderr(data)
            return
        self._noise += len(data)
        for line in self._lines.feed(data):
            self._line(line)
        if self._noise > MAX_NOISE:
            self.stop(f"was ended because it wrote {MAX_NOISE:,} bytes that are no answer", failed=True)

    def _line(self, line: bytes) -> None:
        too_long = isinstance(line, rpc.Cut)
        message = None if too_long else rpc.read(line)
        if message is not None and self._understood(message):
            self._noise = 0
            return
        self.ignored += 1
        if message is None and rpc.looks_like_an_answer(line):
            limit = f"answered with a line of more than {self._max:,} bytes"
            self._unreadable(limit if too_long else "gave an answer that is not JSON")

    def _understood(self, message: dict[str, Any]) -> bool:
        if "method" in message:
            params = message.get("params")
            return isinstance(params, dict) and self._told(message["method"], params)
        number = message.get("id")
        if type(number) is not int or number not in self._calls or not ("result" in message or "error" in message):
            return False  # true is no 1
        self.answered = True
        error = message.get("error")
        self._calls.pop(number).end(message.get("result"), None if error is None else rpc.failure(error, self._name))
        return True

    def _told(self, method: Any, params: dict[str, Any]) -> bool:
        """Pass on progress and chunks of a call in flight; False for anything else."""
        number = params.get("id")
        call = self._calls.get(number) if type(number) is int else None
        if call is None:
            return False
        try:
            if method == "$/progress":
                call.context.report_progress(params.get("current"), params.get("total"), params.get("message"))
            elif method == "$/chunk":
                call.context.emit_chunk(params.get("chunk"))
            else:
                return False
        except Exception:  # noqa: BLE001 - no numbers, no text: what a child writes may be anything
            return False
        return True

    def _unreadable(self, what: str) -> None:
        """An answer that cannot be read may be any call's, so none of them may keep waiting for its own."""
        calls, self._calls = self._calls, {}
        among = f", one of {len(calls)} calls in flight: all of them fail" if len(calls) > 1 else ""
        for call in calls.values():
            if among:
                self.child.write(rpc.request("$/cancel", {"id": call.number}))
            call.end(None, ToolError(f"tool '{self._name}' {what}{among}"))

    # -- the end -------------------------------------------------------------------------------------------------

    def _eof(self, name: str) -> None:
        if name != "stderr" and self.usable:
            self.usable = False
            why = f"was ended because it closed its {'output' if name == 'stdout' else 'input'}"
            self._timer = self._clock.call_later(EOF_GRACE_S, lambda: self.stop(why, failed=True))

    def _exited(self, code: int | None) -> None:
        if rest := self._lines.rest():
            self._line(rest)
        self.usable = False
        if self._timer is not None:
            self._timer.cancel()
        if not self.why:
            self.why = _how(code)
            self.failed = bool(self._calls) or code != 0
        calls, self._calls = self._calls, {}
        self._on_end(self)
        if self.launch is not None:
            self.launch.leave()
        for call in calls.values():
            call.end(None, ToolError(f"the process of tool '{self._name}' {self.why} before it answered"))


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return "ended" if code is None else f"ended with exit code {code}"
    try:
        return f"was ended by {Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
