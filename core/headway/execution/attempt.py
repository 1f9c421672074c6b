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
from headway.errors import TerminalToolError, describe
from headway.events import kinds
from headway.execution import stop as stops
from headway.execution.outcome import Outcome, Unrecordable, read_outcome, redacted
from headway.execution.pending import PendingAction, State
from headway.execution.stages.stage import End
from headway.limits.prices import UNPRICED
from headway.plan.format import FailureBehavior
from headway.plan.results import ActionStatus, ErrorCode
from headway.tools.printing import captured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headway.dispatch.asking import Answered, Wait
    from headway.execution.level import Level
    from headway.tools.asking import AskRequest

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
        self.in_flight: dict[Call, PendingAction] = {}
        self.ended: deque[PendingAction] = deque()
        self.asking = 0  # questions of calls in flight that wait for people
        self._dispatcher = level.env.dispatcher
        self._job_id = level.run_.job_id
        self._redactor = level.env.log.redactor
        self._surroundings = Surroundings(level.run_.token, level.state, level.env.workspace, level.env.sandbox)

    # -- start and end of a call ---------------------------------------------------------------------------------

    def start(self, action: PendingAction) -> None:
        """Call the tool. The ``action_executing`` event of this attempt is committed."""
        entry, node = action.entry, action.node
        assert entry is not None
        reports = entry.context_param is not None or captured()
        request = CallRequest(
            entry=entry,
            parameters=action.parameters,
            on_end=self._ended,
            job_id=self._job_id,
            action_id=node.id,
            attempt=action.attempt,
            timeout_ms=node.action.timeout_ms,
            surroundings=self._surroundings,
            report=partial(self._report, action, action.attempt) if reports else None,
            reveal=self.run.reveal(entry) if entry.marks is not None else None,
            redactor=self._redactor,
            ask=partial(self._ask, action) if entry.context_param is not None else None,
        )
        action.move(State.IN_FLIGHT)
        action.questions = 0
        call = action.call = self._dispatcher.call(request)
        self.in_flight[call] = action

    def _report(self, action: PendingAction, attempt: int, kind: str, data: dict[str, Any]) -> None:
        self.run.emit(kind, data, node=action.node, attempt=attempt)

    def _ask(self, action: PendingAction, request: AskRequest, answered: Answered) -> Wait | None:
        """Put a question of a tool to people; its call holds no slot meanwhile."""
        from headway.execution.tool_question import ask_for

        action.questions += 1
        self.asking += 1
        self.level.wake()

        def over() -> None:
            self.asking -= 1

        return ask_for(self.run, action, request, answered, over)

    def _ended(self, call: Call) -> None:
        action = self.in_flight.pop(call, None)
        if action is None:
            return
        action.move(State.ENDED)
        self.ended.append(action)
        if self.level.waker is not None:
            self.level.wake()

    def withdraw(self) -> None:
        """Take back the calls whose tools have not begun: now they never will."""
        for call in list(self.in_flight):
            self._dispatcher.cancel(call, self.run.token.reason)

    def kill(self) -> None:
        """Cut off everything in flight."""
        for call in list(self.in_flight):
            self._dispatcher.kill(call)

    def give_up(self, text: str, code: ErrorCode, launching: Iterable[PendingAction]) -> None:
        """Cut off and leave behind everything in flight; fail it, and what was about to start, with ``code``."""
        for call in list(self.in_flight):
            self._dispatcher.kill(call, now=True)
        cut = [action for action in self.ended if _cut_off(action)]
        self.ended = deque(action for action in self.ended if not _cut_off(action))
        try:
            self.settle_ended()  # what ended by itself, or by its time limit, keeps its own outcome
        except Exception:  # noqa: BLE001 - what could not be settled is why all this ends
            cut.extend(self.ended)
        self.ended.clear()
        for action in cut:
            action.duration += action.call.seconds if action.call is not None else 0.0
        for action in (*cut, *launching):
            self.level.stages.leave(action, End(0.0))
            if self.run.results[action.node.index] is None:
                self.fail(action, text, code)

    # -- what the end means --------------------------------------------------------------------------------------

    def settle_ended(self) -> None:
        """Settle, retry or fail everything that has ended."""
        while self.ended:
            self._settle(self.ended[0])
            self.ended.popleft()

    def _settle(self, action: PendingAction) -> None:
        call = action.call
        assert call is not None
        if call.cause is Cause.WITHDRAWN:
            self._withdrawn(action)
            return
        action.duration += call.seconds
        error = call.error
        if call.cause is None and error is None:
            self._returned(action, call)
        elif call.cause is Cause.KILLED:
            self.level.stages.leave(action, End(call.seconds))
            self.fail(action, f"killed: {self.run.kill_reason}", ErrorCode.KILLED)
        elif call.cause is Cause.TIMEOUT:
            self._failed(action, f"timed out after {action.node.action.timeout_ms} ms", ErrorCode.TIMEOUT)
        elif error is None or _cancelled(call):
            self._failed(action, SELF_CANCELLED, ErrorCode.TOOL_ERROR)
        else:
            text = self._redactor.text(describe(error))
            self._failed(action, text, ErrorCode.TOOL_ERROR, terminal=isinstance(error, TerminalToolError))

    def _withdrawn(self, action: PendingAction) -> None:
        """Settle a call that was taken back before its tool began: this attempt made no call."""
        stop = self.run.stop
        assert stop is not None
        action.attempt -= 1
        self.level.not_started(action, stop)

    def _returned(self, action: PendingAction, call: Call) -> None:
        """Settle an action whose tool returned, if what it returned can stand."""
        node, stages = action.node, self.level.stages
        try:
            outcome = read_outcome(action.tool, call.value, node.action.expected_effects)
        except Unrecordable as error:
            self._failed(action, self._redactor.text(error.message), ErrorCode.TOOL_ERROR, used=error.used)
            return
        if self._redactor.active:
            outcome = redacted(outcome, self._redactor)
        if outcome.used:
            self.env.prices.note(action.tool, UNPRICED | outcome.used)
        problem = self._problem(action, outcome)
        if problem is not None:
            self._failed(action, *problem, used=outcome.used)
            return
        if stages.holding:
            stages.leave(action, End(call.seconds, outcome.used, outcome))
        if outcome.plain:
            self.run.succeeded(action, outcome.output)
            action.move(State.SETTLED)
            return
        self.run.settle(
            node,
            ActionStatus.SUCCEEDED,
            output=outcome.output,
            changes=outcome.changes,
            duration=action.duration,
            waited=action.waited,
            attempts=action.attempt,
            artifacts=outcome.artifacts,
            usage=outcome.usage,
            cost=outcome.cost,
        )
        action.move(State.SETTLED)

    def _problem(self, action: PendingAction, outcome: Outcome) -> tuple[str, ErrorCode] | None:
        """Return the reason against an outcome: effects beyond the run's rights, an output against its schema."""
        if outcome.effects:
            beyond = self.env.gates.effects_denied(outcome.effects)
            if beyond is not None:
                return f"tool '{action.tool}' set what it may not: {beyond}", ErrorCode.CAPABILITY
        assert action.entry is not None
        problem = action.entry.output_problem(outcome.output)
        if problem is not None:
            return f"tool '{action.tool}' returned what its schema does not allow: {problem}", ErrorCode.VALIDATION
        return None

    def _failed(
        self,
        action: PendingAction,
        text: str,
        code: ErrorCode,
        *,
        terminal: bool = False,
        used: dict[str, int] | None = None,
    ) -> None:
        """Answer a failed attempt by the action's failure behaviour. ``used`` None: nobody knows what it used."""
        behavior, run = action.node.action.failure_behavior, self.run
        skip = behavior is FailureBehavior.SKIP and not terminal
        retry = not terminal and self._may_retry(action, code)
        call = action.call
        assert call is not None
        self.level.stages.leave(action, End(call.seconds, used, final=not retry))
        if retry:
            self._retry(action, text, code)
            return
        self.fail(action, text, code, terminal=terminal, status=ActionStatus.SKIPPED if skip else ActionStatus.FAILED)
        if not skip:
            run.end_with(stops.aborted(action.node.id, text))

    def _may_retry(self, action: PendingAction, code: ErrorCode) -> bool:
        planned = action.node.action
        return (
            planned.failure_behavior is FailureBehavior.RETRY
            and code in _RETRYABLE
            and action.attempt <= planned.max_retries
            and not (action.call is not None and action.call.abandoned)
            and not self.run.stopping
        )

    def _retry(self, action: PendingAction, text: str, code: ErrorCode) -> None:
        delay = min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(action.attempt - 1, 32))
        action.error, action.code, action.call = text, code, None
        action.again, action.stage = True, 0
        data = {
            "error": text,
            "error_code": code.value,
            "delay_ms": round(delay * 1000),
            "duration_ms": round(action.duration * 1000, 3),
        }
        self.run.emit(kinds.ACTION_RETRYING, data, node=action.node, attempt=action.attempt)
        self.level.park(action, "backoff", self.env.clock.call_later(delay, self.level.resume, action))

    def fail(
        self,
        action: PendingAction,
        text: str,
        code: ErrorCode,
        *,
        terminal: bool = False,
        status: ActionStatus = ActionStatus.FAILED,
    ) -> None:
        """Settle an action that was dispatched and did not succeed. The stages have been left."""
        self.run.settle(
            action.node,
            status,
            error=text,
            code=code,
            duration=action.duration,
            waited=action.waited,
            attempts=action.attempt,
            terminal=terminal,
        )
        action.move(State.SETTLED)


def _cut_off(action: PendingAction) -> bool:
    """Return True for a call that was killed, or cancelled from outside: the end of a program cancels all tasks."""
    call = action.call
    return call is not None and (call.cause is Cause.KILLED or _cancelled(call))


def _cancelled(call: Call) -> bool:
    return call.cause is None and isinstance(call.error, asyncio.CancelledError)
