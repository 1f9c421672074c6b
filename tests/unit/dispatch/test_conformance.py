"""One suite over all dispatchers: whatever becomes of a call, its end comes once and says what it was."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import InvalidInput
from headway.dispatch.local import LocalDispatcher
from headway.dispatch.protocol import KILL_GRACE_S, Call, CallRequest, Cause, Dispatcher, dispatcher_of
from headway.events import kinds
from headway.testing import Answer, FakeDispatcher, VirtualClock, settle
from headway.thread_pool import DaemonThreads
from headway.tools.decorator import entry_of
from headway.tools.registry import ToolEntry

DISPATCHERS = ("local", "fake")


class Bench:
    """A dispatcher on a virtual clock whose tool behaves as a test says; ``ended`` are the calls that have ended."""

    def __init__(self, kind: str) -> None:
        self.clock = VirtualClock()
        self.threads = DaemonThreads(1)
        self.fake = FakeDispatcher(self.clock)
        self.dispatcher: Dispatcher = self.fake if kind == "fake" else LocalDispatcher(self.clock, self.threads)
        self.ended: list[Call] = []
        self.reports: list[tuple[str, dict[str, Any]]] = []
        self.release = asyncio.Event()

    def entry(self, answer: Answer) -> ToolEntry:
        """Return a tool that takes the course of ``answer``; the fake is told of it instead."""
        self.fake.answer("tool", answer)

        @headway.tool(name="tool", parameters={})
        async def tool(ctx: headway.ToolContext, **_: Any) -> Any:
            if answer.progress is not None:
                ctx.report_progress(answer.progress["current"])
            if not answer.hangs:
                await self.clock.sleep(answer.seconds)
            while answer.hangs and not self.release.is_set():
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    if not answer.stubborn:
                        raise
            if answer.error is not None:
                raise answer.error
            return answer.value

        return entry_of(tool)

    def call(self, answer: Answer, timeout_ms: int | None = None, **parameters: Any) -> Call:
        """Make a call."""
        entry = self.entry(answer)
        request = CallRequest(
            entry=entry,
            parameters=parameters,
            on_end=self.ended.append,
            timeout_ms=timeout_ms,
            report=lambda kind, data: self.reports.append((kind, data)),
        )
        call = self.dispatcher.call(request)
        assert not self.ended, "no call ends before its handle is there"
        return call


@pytest.fixture(params=DISPATCHERS)
async def bench(request: pytest.FixtureRequest) -> Any:
    made = Bench(request.param)
    yield made
    made.release.set()
    await settle()
    assert made.dispatcher.health().running == 0
    assert made.clock.pending == 0


async def test_a_call_returns_what_its_tool_returns(bench: Bench) -> None:
    call = bench.call(Answer({"n": 1}, seconds=2))
    await bench.clock.advance(1)
    assert (call.begun, call.done, call.seconds, bench.dispatcher.health().running) == (True, False, 0.0, 1)
    await bench.clock.advance(1)
    assert bench.ended == [call]
    assert (call.value, call.error, call.cause, call.abandoned) == ({"n": 1}, None, None, False)
    assert (call.started, call.ended, call.seconds) == (0, 2, 2)


async def test_a_call_fails_with_what_its_tool_raises(bench: Bench) -> None:
    call = bench.call(Answer(error=ValueError("no")))
    await settle()
    assert bench.ended == [call]
    assert isinstance(call.error, ValueError)
    assert (call.value, call.cause) == (None, None)


async def test_a_time_limit_ends_a_call(bench: Bench) -> None:
    call = bench.call(Answer(hangs=True), timeout_ms=500)
    await bench.clock.advance(0.4)
    assert not call.done
    await bench.clock.advance(0.2)
    assert (call.cause, call.seconds, call.abandoned, bench.ended) == (Cause.TIMEOUT, 0.5, False, [call])


async def test_a_call_within_its_time_limit_leaves_no_timer(bench: Bench) -> None:
    call = bench.call(Answer(7, seconds=0.1), timeout_ms=500)
    await bench.clock.advance(0.2)
    assert (call.value, call.cause, bench.clock.pending) == (7, None, 0)


async def test_a_kill_ends_a_call(bench: Bench) -> None:
    call = bench.call(Answer(hangs=True))
    await settle()
    bench.dispatcher.kill(call)
    bench.dispatcher.kill(call)
    await settle()
    assert (call.cause, call.abandoned, bench.ended) == (Cause.KILLED, False, [call])


async def test_a_kill_in_the_turn_of_the_call_ends_it_too(bench: Bench) -> None:
    call = bench.call(Answer(hangs=True), timeout_ms=500)
    bench.dispatcher.kill(call)
    await settle()
    assert (call.cause, bench.ended) == (Cause.KILLED, [call])


async def test_a_kill_that_cannot_wait_has_ended_the_call_on_return(bench: Bench) -> None:
    call = bench.call(Answer(hangs=True, stubborn=True), timeout_ms=500)
    await settle()
    bench.dispatcher.kill(call, now=True)
    assert (call.cause, call.abandoned, bench.ended) == (Cause.KILLED, True, [call])
    assert bench.dispatcher.health().abandoned == 1


async def test_a_call_that_ignores_its_end_is_abandoned_after_the_grace(bench: Bench) -> None:
    call = bench.call(Answer(hangs=True, stubborn=True), timeout_ms=500)
    await bench.clock.advance(0.5)
    assert not call.done
    await bench.clock.advance(KILL_GRACE_S)
    assert (call.cause, call.abandoned, call.seconds, bench.ended) == (Cause.TIMEOUT, True, 1.5, [call])


async def test_the_first_cause_stays(bench: Bench) -> None:
    call = bench.call(Answer(hangs=True, stubborn=True), timeout_ms=500)
    await bench.clock.advance(0.6)
    bench.dispatcher.kill(call)
    await bench.clock.advance(KILL_GRACE_S)
    assert (call.cause, call.abandoned, bench.ended) == (Cause.TIMEOUT, True, [call])


async def test_a_kill_after_the_end_changes_nothing(bench: Bench) -> None:
    call = bench.call(Answer("done"))
    await settle()
    bench.dispatcher.kill(call)
    bench.dispatcher.kill(call, now=True)
    assert not bench.dispatcher.cancel(call, "late")
    await bench.clock.advance(5)
    assert (call.value, call.cause, bench.ended) == ("done", None, [call])


async def test_a_cancel_does_not_touch_a_call_that_has_begun(bench: Bench) -> None:
    call = bench.call(Answer("done", seconds=1))
    await settle()
    assert not bench.dispatcher.cancel(call, "enough")
    await bench.clock.advance(1)
    assert (call.value, call.cause) == ("done", None)


async def test_progress_is_reported_as_events(bench: Bench) -> None:
    bench.call(Answer(progress={"current": 3}))
    await settle()
    assert bench.reports == [(kinds.ACTION_PROGRESS, {"current": 3})]


async def test_an_idempotency_key_names_the_call_and_not_the_attempt() -> None:
    entry = Bench("fake").entry(Answer())
    fields: dict[str, Any] = {"entry": entry, "parameters": {}, "on_end": print, "job_id": "j", "action_id": "a"}
    keys = [
        CallRequest(attempt=attempt, compensates=undo, **fields).idempotency_key
        for attempt, undo in ((1, False), (2, False), (1, True))
    ]
    assert keys == ["j:a", "j:a", "j:a:compensation"]


def test_a_dispatcher_has_all_its_methods() -> None:
    with pytest.raises(InvalidInput, match="a dispatcher has call, cancel, kill and health; object has no call"):
        dispatcher_of(object())
