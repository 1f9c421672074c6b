"""Blocking calls in threads: together, abandoned, and never in the way of an exit."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from headway.errors import ToolError, Unavailable
from headway.thread_pool import DaemonThreads


@pytest.fixture
def threads() -> Iterator[DaemonThreads]:
    pool = DaemonThreads(4)
    yield pool
    pool.close()


class Gate:
    """A call that says that it has begun and waits to be let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()

    def __call__(self, value: object = "late") -> object:
        self.begun.set()
        assert self.go.wait(30)
        return value


async def until(holds: Callable[[], object]) -> None:
    """Give the loop and the threads turns until ``holds()``; the test's own time limit ends it."""
    while not holds():  # noqa: ASYNC110 - what threads do sets no event of the loop's
        await asyncio.sleep(0.001)


async def test_result_arguments_and_thread(threads: DaemonThreads) -> None:
    def call(a: int, *, b: int) -> tuple[int, int]:
        return a + b, threading.get_ident()

    total, ident = await threads.submit(call, 1, b=2)
    assert total == 3
    assert ident != threading.get_ident()


async def test_error_is_the_calls_own(threads: DaemonThreads) -> None:
    error = ValueError("no")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="no") as caught:
        await threads.submit(fail)
    assert caught.value is error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(1), asyncio.CancelledError()])
async def test_errors_that_would_end_the_loop_come_as_tool_errors(threads: DaemonThreads, error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(ToolError, match=type(error).__name__):
        await threads.submit(fail)


async def test_context_is_copied(threads: DaemonThreads) -> None:
    var = contextvars.ContextVar("var", default="outside")
    var.set("caller's")

    def call() -> str:
        before = var.get()
        var.set("thread's")
        return before

    assert await threads.submit(call) == "caller's"
    assert var.get() == "caller's"


async def test_as_many_at_once_as_allowed() -> None:
    pool = DaemonThreads(50)
    barrier = threading.Barrier(50)
    await asyncio.gather(*(pool.submit(barrier.wait, 30) for _ in range(50)))
    assert pool.statistics().started == 50
    pool.close()


async def test_never_more_than_allowed_and_in_order(threads: DaemonThreads) -> None:
    gates = [Gate() for _ in range(4)]
    calls = [threads.submit(gate) for gate in gates]
    seen: list[int] = []
    queued = [threads.submit(seen.append, n) for n in range(20)]
    for gate in gates:
        await until(gate.begun.is_set)
    found = threads.statistics()
    assert (found.running, found.queued, found.started) == (4, 20, 4)
    assert seen == []
    gates[0].go.set()
    await asyncio.gather(*queued)
    assert seen == list(range(20))
    for gate in gates:
        gate.go.set()
    await asyncio.gather(*calls)
    assert threads.statistics().started == 4


async def test_idle_threads_are_used_again(threads: DaemonThreads) -> None:
    for _ in range(100):
        await threads.submit(int)
    assert threads.statistics().started == 1


async def test_abandoned_call_is_replaced_and_its_result_dropped() -> None:
    pool = DaemonThreads(1)
    gate = Gate()
    call = pool.submit(gate)
    await until(gate.begun.is_set)
    waiting = pool.submit(str, 5)
    assert pool.statistics().queued == 1

    assert call.cancel()
    assert not call.cancel()
    assert await waiting == "5"
    assert call.cancelled()
    assert call.alive
    assert pool.statistics().abandoned == 1

    gate.go.set()
    await until(lambda: pool.statistics().abandoned == 0)
    assert not call.alive
    assert call.cancelled()
    await until(lambda: pool.statistics().idle == 1)  # the surplus thread is gone
    pool.close()


async def test_abandoned_calls_take_places_once_there_are_too_many() -> None:
    pool = DaemonThreads(2, max_abandoned=1)
    gates = [Gate() for _ in range(3)]
    for gate in gates:
        call = pool.submit(gate)
        await until(gate.begun.is_set)
        call.cancel()
    waiting = pool.submit(str, 5)  # three hang, one of them is replaced: 2 - (3 - 1) places are left
    found = pool.statistics()
    assert (found.abandoned, found.running, found.queued, found.started) == (3, 0, 1, 3)
    gates[1].go.set()
    assert await waiting == "5"
    for gate in gates:
        gate.go.set()
    pool.close()


async def test_queued_call_that_is_cancelled_never_runs() -> None:
    pool = DaemonThreads(1)
    gate, ran = Gate(), threading.Event()
    call, queued = pool.submit(gate), pool.submit(ran.set)
    assert queued.cancel()
    assert pool.statistics().queued == 0
    gate.go.set()
    assert await call == "late"
    await pool.submit(int)
    assert not ran.is_set()
    pool.close()


async def test_cancel_of_the_waiting_task_and_timeout_abandon(threads: DaemonThreads) -> None:
    gate = Gate()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(threads.submit(gate), 0.01)
    assert threads.statistics().abandoned == 1
    gate.go.set()
    await until(lambda: threads.statistics().abandoned == 0)


async def test_cancel_while_the_lock_is_held_does_not_wait(threads: DaemonThreads) -> None:
    """Do as a signal handler does that interrupts the pool on its own thread."""
    gate = Gate()
    call = threads.submit(gate)
    await until(gate.begun.is_set)
    with threads._lock:
        assert call.cancel()
    await until(lambda: threads.statistics().abandoned == 1)
    gate.go.set()
    await until(lambda: threads.statistics().abandoned == 0)


async def test_close_cancels_what_waits_and_refuses_more() -> None:
    pool = DaemonThreads(1)
    gate = Gate()
    running, waiting = pool.submit(gate), pool.submit(int)
    pool.close()
    assert waiting.cancelled()
    with pytest.raises(Unavailable, match="closed"):
        pool.submit(int)
    gate.go.set()
    assert await running == "late"


async def test_idle_threads_end() -> None:
    pool = DaemonThreads(2, idle_secs=0.001)
    await pool.submit(int)
    await until(lambda: pool.statistics().idle == 0)
    assert await pool.submit(str, 1) == "1"
    pool.close()


async def test_no_thread_from_the_system_is_a_tool_error(
    threads: DaemonThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    gate = Gate()
    running = threads.submit(gate)
    with monkeypatch.context() as patched:
        patched.setattr("_thread.start_new_thread", refuse)
        waiting = threads.submit(str, 1)  # the running thread takes it
        gate.go.set()
        assert await running == "late"
        assert await waiting == "1"
    other = DaemonThreads(1)
    with monkeypatch.context() as patched:
        patched.setattr("_thread.start_new_thread", refuse)
        with pytest.raises(ToolError, match="no thread"):
            await other.submit(int)


def test_loop_closed_while_a_call_runs_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    pool, gate, returned = DaemonThreads(1), Gate(), threading.Event()

    def call() -> None:
        gate()
        returned.set()

    async def main() -> None:
        pool.submit(call)
        await until(gate.begun.is_set)

    asyncio.run(main())
    gate.go.set()
    assert returned.wait(30)
    done = threading.Event()

    async def again() -> None:  # the same thread, on another loop: the first result has been dealt with
        await pool.submit(done.set)

    asyncio.run(again())
    pool.close()
    gc.collect()
    assert done.is_set()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cancel", [True, False])
def test_hanging_call_does_not_delay_the_exit(cancel: bool) -> None:
    script = f"""
import asyncio, threading
from headway.thread_pool import DaemonThreads

async def main():
    pool = DaemonThreads(2)
    begun = threading.Event()
    call = pool.submit(lambda: (begun.set(), threading.Event().wait()))
    await pool.submit(begun.wait)
    if {cancel}:
        call.cancel()

asyncio.run(main())
print("end")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")


async def test_debuggers_follow_into_the_threads() -> None:
    seen: list[str] = []

    def tracer(frame: object, event: str, arg: object) -> None:
        seen.append(frame.f_code.co_name)  # type: ignore[attr-defined]

    def traced() -> None: ...

    before = threading.gettrace()
    threading.settrace(tracer)  # type: ignore[arg-type]
    try:
        pool = DaemonThreads(1)
        await pool.submit(traced)
        pool.close()
    finally:
        threading.settrace(before)  # type: ignore[arg-type]
    assert "traced" in seen


def test_at_least_one_thread() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        DaemonThreads(0)
