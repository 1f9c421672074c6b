"""Attempts: calling the tool, waiting for its end, and what its end means.

A coroutine tool becomes a task, a sync tool a call in one of our daemon threads. Both end in :meth:`Attempts._ended`
whatever happens: result, error, timeout, kill. A coroutine that ignores its cancellation is left behind after a
grace; a thread cannot be stopped and is left behind at once. What is left behind is never retried.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from headway.errors import TerminalToolError, describe
from headway.events import kinds
from headway.execution import stop as stops
from headway.execution.environment import KILL_GRACE_S
from headway.execution.progress import Progress
from headway.execution.slot import Slot
from headway.jsonvalue import copy_members, to_json
from headway.limits.reuse import Lead
from headway.numbers import timeout_s, whole_number
from headway.plan.format import FailureBehavior
from headway.plan.results import ActionStatus, ErrorCode, tokens_of
from headway.state import StateSnapshot, state_key
from headway.tools.chunks import ChunkEvents
from headway.tools.context import ToolContext, ToolResult
from headway.tools.threads import ThreadCall

if TYPE_CHECKING:
    from headway.execution.level import Level

BACKOFF_S = 0.1
BACKOFF_CAP_S = 10.0
_TICK_S = 0.001
_RETRYABLE = (ErrorCode.TOOL_ERROR, ErrorCode.TIMEOUT)


class Attempts:
    """The attempts of one level: those in flight, and those that ended and wait to be settled."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.run = level.run_
        self.env = level.env
        self.in_flight: dict[Slot, None] = {}
        self.ended: deque[Slot] = deque()

    # -- start and end of a call ---------------------------------------------------------------------------------

    def start(self, slot: Slot) -> None:
        """Call the tool. Its ``action_executing`` event is committed."""
        entry, clock = slot.entry, self.env.clock
        assert entry is not None
        slot.token = False
        slot.cut, slot.abandoned = None, False
        self.in_flight[slot] = None
        slot.started = clock.now()
        slot.begun = entry.is_async
        call: asyncio.Future[Any]
        try:
            parameters = copy_members(slot.parameters)  # the tool's own: no other attempt, action or plan sees changes
            context = None
            if entry.context_param is not None:
                context = self._context(slot)
                parameters = {**parameters, entry.context_param: context}
            if entry.is_async:
                call = asyncio.get_running_loop().create_task(entry.call(**parameters))
            else:
                call = self.env.threads.submit(self._in_thread, slot, context, partial(entry.call, **parameters))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            call = asyncio.get_running_loop().create_future()
            call.set_exception(error)
        slot.call = call
        call.add_done_callback(partial(self._ended, slot))
        timeout_ms = slot.node.action.timeout_ms
        if timeout_ms is not None:
            slot.timer = clock.call_later(timeout_s(timeout_ms), self._expired, slot)
        if self.run.token.is_killed():
            self._cut_off(slot, ErrorCode.KILLED)

    def _in_thread(self, slot: Slot, context: ToolContext | None, call: Callable[[], Any]) -> Any:
        """Make a sync call, in its thread. Its time begins here: waiting for a thread is not the tool's."""
        slot.started = self.env.clock.now()
        timeout_ms = slot.node.action.timeout_ms
        if context is not None and timeout_ms is not None:
            context.deadline = slot.started + timeout_s(timeout_ms)
        slot.begun = True
        return call()

    def _ended(self, slot: Slot, call: asyncio.Future[Any]) -> None:
        if slot.call is not call or slot not in self.in_flight:
            return
        slot.ended = self.env.clock.now()
        del self.in_flight[slot]
        if slot.timer is not None:
            slot.timer.cancel()
            slot.timer = None
        if slot.progress is not None:
            slot.progress.close()
            slot.progress = None
        if slot.chunks is not None:
            slot.chunks.close()
            slot.chunks = None
        self.ended.append(slot)
        self.level.wake()

    def _expired(self, slot: Slot) -> None:
        timeout = timeout_s(slot.node.action.timeout_ms or 0)
        waits = not slot.begun and not self.env.threads.stuck
        left = timeout if waits else slot.started + timeout - self.env.clock.now()
        if left > _TICK_S:  # it waited for its thread
            slot.timer = self.env.clock.call_later(left, self._expired, slot)
            return
        slot.timer = None
        self._cut_off(slot, ErrorCode.TIMEOUT)

    def withdraw(self) -> None:
        """Take back the calls that still wait for a thread: their tools have not begun, and now never will."""
        for slot in list(self.in_flight):
            if isinstance(slot.call, ThreadCall) and slot.call.withdraw():
                slot.cut = ErrorCode.CANCELED

    def kill(self) -> None:
        """Cut off everything in flight."""
        for slot in list(self.in_flight):
            self._cut_off(slot, ErrorCode.KILLED)

    def give_up(self, text: str, code: ErrorCode, launching: list[Slot]) -> None:
        """Cut off and leave behind everything in flight; fail it, and what was about to start, with ``code``."""
        for slot in list(self.in_flight):
            call = slot.call
            assert call is not None
            if not call.done():
                slot.cut = code
                call.cancel()
                self.env.leave_behind(call)
            self._ended(slot, call)
        cut = [slot for slot in self.ended if slot.cut is code]
        self.ended = deque(slot for slot in self.ended if slot.cut is not code)
        try:
            self.settle_ended()  # what ended by itself keeps its own outcome
        except Exception:  # noqa: BLE001 - what could not be settled is why all this ends
            cut.extend(self.ended)
        self.ended.clear()
        for slot in cut:
            slot.duration += max(0.0, slot.ended - slot.started)
        for slot in (*cut, *launching):
            self.level.return_token(slot)
            self.level.spending.settle(slot, 0.0)
            if self.run.results[slot.node.index] is None:
                self.fail(slot, text, code)

    def _cut_off(self, slot: Slot, why: ErrorCode) -> None:
        """Cancel the call; leave it behind if it does not end within the grace (a thread: at once).

        One that has just ended by itself keeps its outcome, though the level has not heard of it yet.
        """
        call, entry = slot.call, slot.entry
        if call is None or call.done() or entry is None:
            return
        slot.cut = slot.cut or why
        if entry.is_async:
            call.cancel()
            if slot.timer is not None:
                slot.timer.cancel()
            slot.timer = self.env.clock.call_later(KILL_GRACE_S, self._leave_behind, slot, call)
        else:
            slot.abandoned = True
            call.cancel()

    def _leave_behind(self, slot: Slot, call: asyncio.Future[Any]) -> None:
        slot.timer = None
        slot.abandoned = True
        self.env.leave_behind(call)
        self._ended(slot, call)

    def _context(self, slot: Slot) -> ToolContext:
        run, node, attempt = self.run, slot.node, slot.attempt
        timeout_ms = node.action.timeout_ms
        slot.chunks = ChunkEvents(
            self.env.clock, lambda data: run.emit(kinds.ACTION_CHUNK, data, node=node, attempt=attempt)
        )
        slot.progress = Progress(run, node, attempt)
        return ToolContext(
            job_id=run.job_id,
            action_id=node.id,
            attempt=slot.attempt,
            idempotency_key=f"{run.job_id}:{node.id}",
            cancel=run.token,
            deadline=slot.started + timeout_s(timeout_ms) if timeout_ms is not None else None,
            state=StateSnapshot(self.level.snapshot),
            workspace=self.env.workspace,
            clock=self.env.clock,
            progress=slot.progress.report,
            chunks=slot.chunks.report,
        )

    # -- what the end means --------------------------------------------------------------------------------------

    def settle_ended(self) -> None:
        """Settle, retry or fail everything that has ended."""
        while self.ended:
            self._settle(self.ended[0])
            self.ended.popleft()

    def _settle(self, slot: Slot) -> None:
        if slot.cut is ErrorCode.CANCELED:
            self._withdrawn(slot)
            return
        seconds = max(0.0, slot.ended - slot.started)
        slot.duration += seconds
        call = slot.call
        assert call is not None
        if slot.cut is ErrorCode.KILLED:
            self.level.spending.settle(slot, seconds)
            self.fail(slot, f"killed: {self.run.token.kill_reason}", ErrorCode.KILLED)
        elif slot.cut is ErrorCode.TIMEOUT:
            self.level.spending.settle(slot, seconds)
            text = f"timed out after {slot.node.action.timeout_ms} ms"
            self._failed(slot, text, ErrorCode.TIMEOUT)
        elif call.cancelled():
            self.level.spending.settle(slot, seconds)
            self._failed(slot, "the tool cancelled itself", ErrorCode.TOOL_ERROR)
        else:
            error = call.exception()
            if error is None:
                self._returned(slot, seconds, call.result())
            else:
                self.level.spending.settle(slot, seconds)
                terminal = isinstance(error, TerminalToolError)
                self._failed(slot, describe(error), ErrorCode.TOOL_ERROR, terminal)

    def _withdrawn(self, slot: Slot) -> None:
        """Settle a call that was taken back before its tool began: this attempt made no call."""
        stop = self.run.stop
        assert stop is not None
        self.level.spending.release(slot)
        slot.attempt -= 1
        if slot.attempt:
            self.level.not_again(slot, stop)
            return
        slot.give_way()
        self.run.settle(slot.node, ActionStatus.SKIPPED, error=stop.here, code=stop.code, waited=slot.waited)

    def _returned(self, slot: Slot, seconds: float, value: Any) -> None:
        effects, confirmed = slot.node.action.expected_effects, None
        artifacts: list[Any] = []
        usage: dict[str, Any] = {}
        amounts: dict[str, int] | None = {}
        cost: int | None = None
        try:
            if isinstance(value, ToolResult):
                amounts, confirmed = None, value.effects  # what it used is not known until that is read
                effects = effects if confirmed is None else confirmed
                artifacts = to_json(list(value.artifacts))
                usage, cost = to_json(dict(value.usage)), value.cost
                amounts = amounts_of(usage, cost)
                value = value.output
            output = to_json(value)
            changes = to_json({state_key(key): {"op": "set", "value": new} for key, new in effects.items()})
        except Exception as error:  # noqa: BLE001 - a tool may return anything, and what it returns may raise anything
            self.level.spending.settle(slot, seconds, amounts)
            text = f"tool '{slot.node.tool}' returned what cannot be recorded: {describe(error)}"
            self._failed(slot, text, ErrorCode.TOOL_ERROR)
            return
        self.level.spending.settle(slot, seconds, amounts)
        beyond = self.env.gates.effects_denied(confirmed) if confirmed else None
        if beyond is not None:
            self._failed(slot, f"tool '{slot.node.tool}' set what it may not: {beyond}", ErrorCode.CAPABILITY)
            return
        problem = slot.entry.output_problem(output) if slot.entry is not None else None
        if problem is not None:
            text = f"tool '{slot.node.tool}' returned what its schema does not allow: {problem}"
            self._failed(slot, text, ErrorCode.VALIDATION)
            return
        if isinstance(slot.reuse, Lead):
            slot.reuse.succeed(output, confirmed, artifacts)
        self.run.settle(
            slot.node,
            ActionStatus.SUCCEEDED,
            output=output,
            changes=changes,
            duration=slot.duration,
            waited=slot.waited,
            attempts=slot.attempt,
            artifacts=artifacts,
            usage=usage,
            cost=cost,
        )

    def _failed(self, slot: Slot, text: str, code: ErrorCode, terminal: bool = False) -> None:
        """Answer a failed attempt by the action's failure behaviour."""
        action, run = slot.node.action, self.run
        behavior = action.failure_behavior
        if terminal:
            self.fail(slot, text, code, terminal=True)
            run.end_with(stops.aborted(slot.node.id, text))
        elif behavior is FailureBehavior.SKIP:
            self.fail(slot, text, code, status=ActionStatus.SKIPPED)
        elif self._may_retry(slot, code):
            self._retry(slot, text, code)
        else:
            self.fail(slot, text, code)
            run.end_with(stops.aborted(slot.node.id, text))

    def _may_retry(self, slot: Slot, code: ErrorCode) -> bool:
        action = slot.node.action
        return (
            action.failure_behavior is FailureBehavior.RETRY
            and code in _RETRYABLE
            and slot.attempt <= action.max_retries
            and not slot.abandoned
            and not self.run.stopping
        )

    def _retry(self, slot: Slot, text: str, code: ErrorCode) -> None:
        delay = min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(slot.attempt - 1, 32))
        slot.error, slot.code, slot.call, slot.again = text, code, None, True
        data = {
            "error": text,
            "error_code": code.value,
            "delay_ms": round(delay * 1000),
            "duration_ms": round(slot.duration * 1000, 3),
        }
        self.run.emit(kinds.ACTION_RETRYING, data, node=slot.node, attempt=slot.attempt)

        def over() -> None:
            slot.parked = None
            slot.waited += delay
            self.level.unpark(slot)

        self.level.park(slot, self.env.clock.call_later(delay, over))

    def fail(
        self,
        slot: Slot,
        text: str,
        code: ErrorCode,
        *,
        terminal: bool = False,
        status: ActionStatus = ActionStatus.FAILED,
    ) -> None:
        """Settle an action that was dispatched and did not succeed."""
        slot.give_way()
        self.run.settle(
            slot.node,
            status,
            error=text,
            code=code,
            duration=slot.duration,
            waited=slot.waited,
            attempts=slot.attempt,
            terminal=terminal,
        )


def amounts_of(usage: dict[str, Any], cost: int | None) -> dict[str, int]:
    """Return what a tool's result counts against a budget; ``InvalidInput`` for what cannot be counted."""
    amounts = {}
    for name, amount in usage.items():
        if name.endswith("tokens"):
            whole_number(amount, f"usage {name}", 0)
            amounts["tokens"] = 0
    if amounts:
        amounts["tokens"] = tokens_of(usage)
    if cost is not None:
        amounts["usd_micros"] = whole_number(cost, "cost", 0)
    return amounts
