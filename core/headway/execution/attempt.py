"""Attempts: calls in flight, and the meaning of their ends.

The dispatcher calls the tools; whatever happens to a call, its end comes to :meth:`Attempts._ended`. A call that was
abandoned may still run, and is never retried.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from headway.dispatch.protocol import Call, CallRequest, Cause, Surroundings
from headway.errors import TerminalToolError, ToolError, describe
from headway.events import kinds
from headway.execution import stop as stops
from headway.execution.slot import Slot
from headway.jsonvalue import to_json
from headway.limits.reuse import Lead
from headway.numbers import whole_number
from headway.plan.format import FailureBehavior
from headway.plan.results import ActionStatus, ErrorCode, tokens_of
from headway.state import state_key
from headway.tools.context import ToolResult

if TYPE_CHECKING:
    from headway.execution.level import Level

BACKOFF_S = 0.1
BACKOFF_CAP_S = 10.0
_RETRYABLE = (ErrorCode.TOOL_ERROR, ErrorCode.TIMEOUT)
SELF_CANCELLED = "the tool cancelled itself"


class Attempts:
    """The attempts of one level: those in flight, and those that ended and wait to be settled."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.run = level.run_
        self.env = level.env
        self.in_flight: dict[Call, Slot] = {}
        self.ended: deque[Slot] = deque()
        self._surroundings = Surroundings(level.run_.token, level.snapshot, level.env.workspace)

    # -- start and end of a call ---------------------------------------------------------------------------------

    def start(self, slot: Slot) -> None:
        """Call the tool. Its ``action_executing`` event is committed."""
        entry, node = slot.entry, slot.node
        assert entry is not None
        slot.token = False
        request = CallRequest(
            entry,
            slot.parameters,
            on_end=self._ended,
            job_id=self.run.job_id,
            action_id=node.id,
            attempt=slot.attempt,
            timeout_ms=node.action.timeout_ms,
            surroundings=self._surroundings,
            report=partial(self._report, slot, slot.attempt) if entry.context_param is not None else None,
        )
        call = slot.call = self.env.dispatcher.call(request)
        self.in_flight[call] = slot
        if self.run.token.is_killed():
            self.env.dispatcher.kill(call)

    def _report(self, slot: Slot, attempt: int, kind: str, data: dict[str, Any]) -> None:
        self.run.emit(kind, data, node=slot.node, attempt=attempt)

    def _ended(self, call: Call) -> None:
        slot = self.in_flight.pop(call, None)
        if slot is not None:
            self.ended.append(slot)
            self.level.wake()

    def withdraw(self) -> None:
        """Take back the calls whose tools have not begun: now they never will."""
        for call in list(self.in_flight):
            self.env.dispatcher.cancel(call, self.run.token.reason)

    def kill(self) -> None:
        """Cut off everything in flight."""
        for call in list(self.in_flight):
            self.env.dispatcher.kill(call)

    def give_up(self, text: str, code: ErrorCode, launching: list[Slot]) -> None:
        """Cut off and leave behind everything in flight; fail it, and what was about to start, with ``code``."""
        for call in list(self.in_flight):
            self.env.dispatcher.kill(call, now=True)
        cut = [slot for slot in self.ended if _cause(slot) is Cause.KILLED]
        self.ended = deque(slot for slot in self.ended if _cause(slot) is not Cause.KILLED)
        try:
            self.settle_ended()  # what ended by itself, or by its time limit, keeps its own outcome
        except Exception:  # noqa: BLE001 - what could not be settled is why all this ends
            cut.extend(self.ended)
        self.ended.clear()
        for slot in cut:
            slot.duration += slot.call.seconds if slot.call is not None else 0.0
        for slot in (*cut, *launching):
            self.level.return_token(slot)
            self.level.spending.settle(slot, 0.0)
            if self.run.results[slot.node.index] is None:
                self.fail(slot, text, code)

    # -- what the end means --------------------------------------------------------------------------------------

    def settle_ended(self) -> None:
        """Settle, retry or fail everything that has ended."""
        while self.ended:
            self._settle(self.ended[0])
            self.ended.popleft()

    def _settle(self, slot: Slot) -> None:
        call = slot.call
        assert call is not None
        if call.cause is Cause.WITHDRAWN:
            self._withdrawn(slot)
            return
        seconds = call.seconds
        slot.duration += seconds
        error = call.error
        if call.cause is None and error is None:
            self._returned(slot, seconds, call.value)
            return
        self.level.spending.settle(slot, seconds)
        if call.cause is Cause.KILLED:
            self.fail(slot, f"killed: {self.run.token.kill_reason}", ErrorCode.KILLED)
        elif call.cause is Cause.TIMEOUT:
            self._failed(slot, f"timed out after {slot.node.action.timeout_ms} ms", ErrorCode.TIMEOUT)
        elif error is None or isinstance(error, asyncio.CancelledError):
            self._failed(slot, SELF_CANCELLED, ErrorCode.TOOL_ERROR)
        else:
            self._failed(slot, describe(error), ErrorCode.TOOL_ERROR, isinstance(error, TerminalToolError))

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
            and not (slot.call is not None and slot.call.abandoned)
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


def _cause(slot: Slot) -> Cause | None:
    return slot.call.cause if slot.call is not None else None


def recordable(tool: str, value: Any, used: dict[str, int]) -> Any:
    """Return the output in what a compensation returned, as JSON, and put into ``used`` what the call used."""
    try:
        if isinstance(value, ToolResult):
            used.update(amounts_of(to_json(dict(value.usage)), value.cost))
            value = value.output
        return to_json(value)
    except Exception as error:  # noqa: BLE001 - a tool may return anything, and what it returns may raise anything
        raise ToolError(f"tool '{tool}' returned what cannot be recorded: {describe(error)}") from None


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
