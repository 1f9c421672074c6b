"""The local dispatcher: tasks and threads, and the tool's own copy of everything."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

import headway
from headway.dispatch.local import LocalDispatcher
from headway.dispatch.protocol import Call, CallRequest, Cause, Surroundings
from headway.testing import VirtualClock, settle
from headway.thread_pool import DaemonThreads
from headway.tools.decorator import entry_of


class Ends(asyncio.Queue[Call]):
    """The calls that have ended, in order."""

    async def next(self) -> Call:
        """Wait for the next one."""
        return await asyncio.wait_for(self.get(), 30)


class Hold:
    """A blocking tool that stays in its thread until it is released."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.release = threading.Event()
        self.calls: list[int] = []

    @property
    def tool(self) -> Callable[[int], int]:
        """A new function that stays."""

        def stay(n: int = 0) -> int:
            self.calls.append(n)
            self.inside.set()
            self.release.wait(30)
            return n

        return stay

    async def entered(self) -> None:
        """Wait until a call is inside."""
        assert await asyncio.to_thread(self.inside.wait, 30)


def request(function: Any, ends: Ends, parameters: dict[str, Any] | None = None, **fields: Any) -> CallRequest:
    """Return a request to call ``function``."""
    entry = entry_of(headway.tool(name="tool", parameters={})(function))
    return CallRequest(entry=entry, parameters=parameters or {}, on_end=ends.put_nowait, **fields)


@pytest.mark.parametrize("blocking", [False, True])
async def test_what_a_tool_does_to_its_parameters_touches_nobody_else(blocking: bool) -> None:
    seen: list[list[int]] = []

    def take(x: list[int]) -> None:
        seen.append(list(x))
        x.clear()

    async def take_async(x: list[int]) -> None:
        take(x)

    ends, given, dispatcher = Ends(), {"x": [1, 2]}, LocalDispatcher()
    for _ in range(2):
        dispatcher.call(request(take if blocking else take_async, ends, given))
        await ends.next()
    assert (seen, given) == ([[1, 2], [1, 2]], {"x": [1, 2]})


async def test_a_call_that_waits_for_a_thread_can_be_taken_back() -> None:
    hold, ends = Hold(), Ends()
    dispatcher = LocalDispatcher(threads=DaemonThreads(1))
    first, second = (dispatcher.call(request(hold.tool, ends, {"n": n})) for n in (1, 2))
    await hold.entered()
    health = dispatcher.health()
    assert (health.running, health.waiting, health.ok) == (2, 1, True)
    assert not dispatcher.cancel(first, "enough")
    assert dispatcher.cancel(second, "enough")
    assert not dispatcher.cancel(second, "again")
    assert await ends.next() is second
    assert (second.cause, second.reason, second.begun, second.seconds) == (Cause.WITHDRAWN, "enough", False, 0.0)
    hold.release.set()
    assert await ends.next() is first
    assert (first.value, hold.calls) == (1, [1])


async def test_a_thread_is_abandoned_at_its_time_limit() -> None:
    clock, hold, ends = VirtualClock(), Hold(), Ends()
    threads = DaemonThreads(1, max_abandoned=0)
    dispatcher = LocalDispatcher(clock, threads)
    call = dispatcher.call(request(hold.tool, ends, timeout_ms=100))
    await hold.entered()
    await clock.advance(0.2)
    assert await ends.next() is call
    assert (call.cause, call.abandoned, call.seconds) == (Cause.TIMEOUT, True, 0.1)
    assert (dispatcher.health().abandoned, dispatcher.health().ok) == (1, False)
    hold.release.set()


async def test_waiting_for_a_thread_is_not_the_tools_time() -> None:
    clock, hold, ends = VirtualClock(), Hold(), Ends()
    dispatcher = LocalDispatcher(clock, DaemonThreads(1))

    def quick(ctx: headway.ToolContext) -> float | None:
        return ctx.remaining()

    dispatcher.call(request(hold.tool, ends))
    waiting = dispatcher.call(request(quick, ends, timeout_ms=100))
    await clock.advance(5)
    hold.release.set()
    await ends.next()
    assert await ends.next() is waiting
    assert (waiting.cause, waiting.value, waiting.started) == (None, pytest.approx(0.1), 5)


async def test_a_tool_is_told_of_its_call() -> None:
    ends = Ends()

    async def look(ctx: headway.ToolContext) -> list[Any]:
        ctx.state["k"].append("mine")
        return [ctx.job_id, ctx.action_id, ctx.attempt, ctx.idempotency_key, ctx.deadline, ctx.cancel.is_cancelled()]

    clock, token, state = VirtualClock(), headway.CancellationToken(), {"k": [1]}
    token.cancel("enough")
    surroundings = Surroundings(token, state)
    call = LocalDispatcher(clock).call(
        request(look, ends, job_id="j", action_id="a", attempt=2, timeout_ms=500, surroundings=surroundings)
    )
    await settle()
    assert (call.value, state) == (["j", "a", 2, "j:a", 0.5, True], {"k": [1]})
    await clock.advance(1)


@pytest.mark.parametrize("blocking", [False, True])
async def test_parameters_that_the_function_does_not_take_are_its_error(blocking: bool) -> None:
    ends = Ends()

    async def none() -> None: ...

    LocalDispatcher().call(request((lambda: None) if blocking else none, ends, {"x": 1}))
    assert isinstance((await ends.next()).error, TypeError)


async def test_closed_threads_are_an_error_of_the_call() -> None:
    threads, ends = DaemonThreads(1), Ends()
    threads.close()
    LocalDispatcher(threads=threads).call(request(lambda: 1, ends))
    assert isinstance((await ends.next()).error, headway.HeadwayError)


@pytest.mark.parametrize("kind", ["async", "blocking", "stream"])
async def test_an_exit_in_a_tool_is_its_error(kind: str) -> None:
    ends = Ends()

    def leave() -> None:
        raise SystemExit(3)

    async def leave_async() -> None:
        leave()

    async def leave_in_mid_stream() -> AsyncIterator[str]:
        yield "a"
        leave()

    LocalDispatcher().call(
        request({"async": leave_async, "blocking": leave, "stream": leave_in_mid_stream}[kind], ends)
    )
    error = (await ends.next()).error
    assert isinstance(error, headway.ToolError)
    assert error.message == "SystemExit: 3"


@pytest.mark.parametrize("turns", [0, 1])
async def test_a_task_that_somebody_cancels_ends_its_call(turns: int) -> None:
    ends = Ends()

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    call = LocalDispatcher().call(request(hang, ends))
    for _ in range(turns):
        await asyncio.sleep(0)
    (task,) = (task for task in asyncio.all_tasks() if task.get_name() == "tool")
    task.cancel()
    assert await ends.next() is call
    assert isinstance(call.error, asyncio.CancelledError)
    assert ends.empty()


def test_an_interrupt_in_a_tool_is_noted_and_reaches_the_program() -> None:
    ended: list[Call] = []

    async def interrupt() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        entry = entry_of(headway.tool(name="tool", parameters={})(interrupt))
        LocalDispatcher().call(CallRequest(entry=entry, parameters={}, on_end=ended.append))
        await asyncio.get_running_loop().create_future()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert isinstance(ended[0].error, KeyboardInterrupt)
