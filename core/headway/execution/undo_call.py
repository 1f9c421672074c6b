"""The call that undoes an action, from its start to its end: result, error, timeout, kill.

It ends as the attempts of actions do (:mod:`headway.execution.attempt`): a coroutine that ignores its cancellation is
left behind after a grace, a thread, which nobody can stop, at once. So no tool holds up the end of an aborted run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from headway.errors import ToolError, describe
from headway.execution.attempt import amounts_of
from headway.execution.environment import KILL_GRACE_S, Environment
from headway.jsonvalue import copy_json, to_json
from headway.numbers import timeout_s
from headway.tools.context import ToolResult

if TYPE_CHECKING:
    from headway.clock import TimerHandle
    from headway.tools.context import ToolContext
    from headway.tools.registry import ToolEntry

_TICK_S = 0.001


class UndoCall:
    """One call of ``entry``, begun as this is made; it may take ``timeout_ms``."""

    def __init__(
        self,
        env: Environment,
        entry: ToolEntry,
        parameters: dict[str, Any],
        context: ToolContext,
        timeout_ms: int,
    ) -> None:
        self._env = env
        self._is_async = self._begun = entry.is_async
        self._timeout_ms = timeout_ms
        self._timeout = timeout_s(timeout_ms)
        self._context = context
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._timer: TimerHandle | None = None
        self._cut: str | None = None
        self._started = self._ended_at = env.clock.now()
        context.deadline = self._started + self._timeout
        self._call = self._begin(entry, parameters)
        self._call.add_done_callback(self._ended)
        self._timer = env.clock.call_later(self._timeout, self._expired)

    @property
    def seconds(self) -> float:
        """How long the call took."""
        return max(0.0, self._ended_at - self._started)

    async def result(self) -> Any:
        """Wait for the end of the call and return what the tool returned.

        Raises what the tool raised, and :class:`ToolError` if the call was cut off.
        """
        try:
            await self._over
        except asyncio.CancelledError:
            if not self._call.done():
                self._call.cancel()
                self._env.leave_behind(self._call)
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if self._cut is not None:
            raise ToolError(self._cut)
        if self._call.cancelled():
            raise ToolError("the tool cancelled itself")
        return self._call.result()

    def cut_off(self, why: str) -> None:
        """Cancel the call and leave it behind unless it ends soon; one that has ended keeps its outcome."""
        if self._call.done() or self._over.done():
            return
        self._cut = self._cut or why
        self._call.cancel()
        if self._is_async:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._env.clock.call_later(KILL_GRACE_S, self._leave_behind)

    def _begin(self, entry: ToolEntry, parameters: dict[str, Any]) -> asyncio.Future[Any]:
        try:
            parameters = copy_json(parameters)  # what the tool does to them touches no other action
            if entry.context_param is not None:
                parameters[entry.context_param] = self._context
            if entry.is_async:
                return asyncio.get_running_loop().create_task(entry.call(**parameters))
            return self._env.threads.submit(self._in_thread, partial(entry.call, **parameters))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def _in_thread(self, call: Callable[[], Any]) -> Any:
        """Make a sync call, in its thread. Its time begins here: waiting for a thread is not the tool's."""
        self._started = self._env.clock.now()
        self._context.deadline = self._started + self._timeout
        self._begun = True
        return call()

    def _expired(self) -> None:
        waits = not self._begun and not self._env.threads.stuck
        left = self._timeout if waits else self._started + self._timeout - self._env.clock.now()
        if left > _TICK_S:  # it waited for its thread
            self._timer = self._env.clock.call_later(left, self._expired)
            return
        self._timer = None
        self.cut_off(f"timed out after {self._timeout_ms} ms")

    def _leave_behind(self) -> None:
        self._timer = None
        self._env.leave_behind(self._call)
        self._settle()

    def _ended(self, call: asyncio.Future[Any]) -> None:
        if not call.cancelled():
            call.exception()  # seen, also where a cut tells the end
        self._settle()

    def _settle(self) -> None:
        if not self._over.done():
            self._ended_at = self._env.clock.now()
            self._over.set_result(None)


def recordable(tool: str, value: Any, used: dict[str, int]) -> Any:
    """Return the output in what the tool returned, as JSON, and put into ``used`` what the call used."""
    try:
        if isinstance(value, ToolResult):
            used.update(amounts_of(to_json(dict(value.usage)), value.cost))
            value = value.output
        return to_json(value)
    except Exception as error:  # noqa: BLE001 - a tool may return anything, and what it returns may raise anything
        raise ToolError(f"tool '{tool}' returned what cannot be recorded: {describe(error)}") from None
