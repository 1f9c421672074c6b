"""Ctrl-C and SIGTERM while a run is followed."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from headway.errors import Unavailable
from headway.testing import VirtualClock
from headway_console.cli.interrupts import GRACE_S, Interrupts


class Run:
    """A runner that only notes what it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[tuple[str, str, str]] = []
        self.changed = asyncio.Event()
        self._error = error

    async def cancel(self, job_id: str, reason: str) -> str:
        return self._note("cancel", job_id, reason)

    async def kill(self, job_id: str, reason: str) -> str:
        return self._note("kill", job_id, reason)

    def holds_interrupts(self) -> bool:
        return False

    def _note(self, what: str, job_id: str, reason: str) -> str:
        self.told.append((what, job_id, reason))
        self.changed.set()
        if self._error:
            raise self._error
        return "requested"

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):  # bounds a failure only
            while len(self.told) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Hear SIGHUP, which nohup has this process ignore."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def test_the_first_press_cancels_and_the_second_kills(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run()
    with Interrupts(run) as interrupts:  # type: ignore[arg-type]
        interrupts.watch("j1")
        os.kill(os.getpid(), signal.SIGINT)
        await run.until(1)
        os.kill(os.getpid(), signal.SIGINT)
        await run.until(2)
    assert run.told == [("cancel", "j1", "interrupted by the user"), ("kill", "j1", "interrupted twice by the user")]
    first, second = capsys.readouterr().err.splitlines()
    assert "cancelling" in first
    assert "press Ctrl-C again to kill" in first
    assert "killing" in second


async def test_the_third_press_is_not_caught() -> None:
    run = Run()
    with Interrupts(run) as interrupts:  # type: ignore[arg-type]
        interrupts.watch("j1")
        interrupts.press()
        interrupts.press()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        await run.until(2)


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "terminated"), (signal.SIGHUP, "terminal closed")])
async def test_a_request_to_end_cancels_and_kills_after_the_grace(number: signal.Signals, reason: str) -> None:
    run, clock = Run(), VirtualClock()
    with Interrupts(run, clock=clock) as interrupts:  # type: ignore[arg-type]
        interrupts.watch("j1")
        os.kill(os.getpid(), number)
        await run.until(1)
        await clock.advance(GRACE_S - 0.1)
        assert run.told == [("cancel", "j1", reason)]
        await clock.advance(0.2)
        await run.until(2)
    assert run.told[1] == ("kill", "j1", reason)


async def test_nothing_is_killed_once_the_run_has_ended() -> None:
    run, clock = Run(), VirtualClock()
    with Interrupts(run, clock=clock) as interrupts:  # type: ignore[arg-type]
        interrupts.watch("j1")
        interrupts.terminate("terminated")
        await run.until(1)
    await clock.advance(2 * GRACE_S)
    assert [what for what, _, _ in run.told] == ["cancel"]


async def test_a_command_that_fails_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(Unavailable("the daemon is gone"))
    with Interrupts(run) as interrupts:  # type: ignore[arg-type]
        interrupts.watch("j1")
        interrupts.press()
        await run.until(1)
        await asyncio.sleep(0)
    assert "headway: error: the daemon is gone" in capsys.readouterr().err


async def test_a_signal_that_nohup_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts(Run()):  # type: ignore[arg-type]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


async def test_signals_are_given_back() -> None:
    before: list[Callable[..., object] | int | None] = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)]
    with Interrupts(Run()):  # type: ignore[arg-type]
        pass
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGHUP)] == before


async def test_a_press_before_there_is_a_job_stops_it_once_there_is() -> None:
    run = Run()
    with Interrupts(run) as interrupts:  # type: ignore[arg-type]
        interrupts.press()
        interrupts.press()
        await asyncio.sleep(0)
        assert run.told == []
        interrupts.watch("j1")
        await run.until(2)
    assert [(what, job_id) for what, job_id, _ in run.told] == [("cancel", "j1"), ("kill", "j1")]


@pytest.mark.anyio
async def test_ctrl_c_is_left_to_who_holds_the_jobs_of_others() -> None:
    loop = asyncio.get_running_loop()
    held = asyncio.Event()

    class Holder(Run):
        def holds_interrupts(self) -> bool:
            loop.add_signal_handler(signal.SIGINT, held.set)
            return True

    with Interrupts(Holder()):  # type: ignore[arg-type]
        pass
    try:
        signal.raise_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            await held.wait()
    finally:
        loop.remove_signal_handler(signal.SIGINT)
