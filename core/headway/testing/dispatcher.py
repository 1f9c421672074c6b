"""A dispatcher without tools: it answers as a test says, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle, clock_of
from headway.dispatch.protocol import KILL_GRACE_S, Call, CallRequest, Cause, Health
from headway.events import kinds
from headway.jsonvalue import copy_json
from headway.numbers import timeout_s


@dataclass(frozen=True, slots=True)
class Answer:
    """The course of one call: after ``seconds`` it returns ``value``, or raises ``error``.

    One that ``hangs`` does neither; one that is ``stubborn`` does not end either when it is cut off, and is abandoned
    after the grace. One that is ``queued`` never begins. ``progress`` is reported when it begins.
    """

    value: Any = None
    error: Exception | None = None
    seconds: float = 0.0
    hangs: bool = False
    stubborn: bool = False
    queued: bool = False
    progress: dict[str, Any] | None = None


class FakeCall(Call):
    """A call that no tool ever hears of."""

    def __init__(self, request: CallRequest, started: float, answer: Answer) -> None:
        super().__init__(request, started)
        self.answer = answer
        self.timers: list[TimerHandle] = []


class FakeDispatcher:
    """Answers each tool's calls as :meth:`answer` was told, in this order; the last answer goes for all later calls.

    A tool of which nothing was told returns None. ``requests`` are all that came, their parameters as they were then.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock_of(clock)
        self._answers: dict[str, list[Answer]] = {}
        self._open: dict[FakeCall, None] = {}
        self._abandoned = 0
        self.requests: list[CallRequest] = []
        self.parameters: list[dict[str, Any]] = []

    def answer(self, tool: str, *answers: Answer) -> None:
        """Say how the calls of ``tool`` end."""
        self._answers[tool] = list(answers)

    @property
    def tools(self) -> list[str]:
        """The names of the tools that were called, in order."""
        return [request.entry.name for request in self.requests]

    def call(self, request: CallRequest) -> FakeCall:
        """Note a request; its answer comes when its time has come."""
        self.requests.append(request)
        self.parameters.append(copy_json(request.parameters))
        call = FakeCall(request, self._clock.now(), self._next(request.entry.name))
        self._open[call] = None
        answer = call.answer
        if not answer.queued:
            call.begun = True
            if answer.progress is not None and request.report is not None:
                request.report(kinds.ACTION_PROGRESS, answer.progress)
            if not answer.hangs:
                self._later(call, answer.seconds, self._answered)
        if request.timeout_ms is not None and call.begun:
            self._later(call, timeout_s(request.timeout_ms), self._expired)
        return call

    def cancel(self, call: Call, reason: str) -> bool:
        """Take back a call that is queued."""
        if not isinstance(call, FakeCall) or call.done or call.begun:
            return False
        call.cause, call.reason = call.cause or Cause.WITHDRAWN, reason
        self._later(call, 0.0, self._end)
        return True

    def kill(self, call: Call, *, now: bool = False) -> None:
        """Cut a call off."""
        if isinstance(call, FakeCall) and not call.done:
            self._cut_off(call, Cause.KILLED, now=now)

    def health(self) -> Health:
        """Return how many calls are open."""
        waiting = sum(not call.begun for call in self._open)
        return Health(True, len(self._open), waiting, self._abandoned)

    def _next(self, tool: str) -> Answer:
        answers: Sequence[Answer] = self._answers.get(tool, ())
        if not answers:
            return Answer()
        return self._answers[tool].pop(0) if len(answers) > 1 else answers[0]

    def _later(self, call: FakeCall, seconds: float, step: Any) -> None:
        if seconds > 0:
            call.timers.append(self._clock.call_later(seconds, step, call))
        else:
            asyncio.get_running_loop().call_soon(step, call)

    def _answered(self, call: FakeCall) -> None:
        call.value, call.error = call.answer.value, call.answer.error
        self._end(call)

    def _expired(self, call: FakeCall) -> None:
        self._cut_off(call, Cause.TIMEOUT)

    def _cut_off(self, call: FakeCall, cause: Cause, *, now: bool = False) -> None:
        call.cause = call.cause or cause
        stubborn = call.answer.stubborn and call.begun
        if now:
            call.abandoned = stubborn
            self._end(call)
        elif stubborn:
            self._later(call, KILL_GRACE_S, self._abandon)
        else:
            self._later(call, 0.0, self._end)

    def _abandon(self, call: FakeCall) -> None:
        call.abandoned = not call.done
        self._end(call)

    def _end(self, call: FakeCall) -> None:
        if call.done:
            return
        for timer in call.timers:
            timer.cancel()
        call.ended = self._clock.now()
        self._abandoned += call.abandoned
        del self._open[call]
        call.request.on_end(call)
