"""Ctrl-C and SIGTERM while a job is followed: first a soft cancel that says so, then a kill."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any

from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle
from headway.errors import HeadwayError, describe
from headway_console.cli.output import note

if TYPE_CHECKING:
    from headway_console.cli.runner import Runner

GRACE_S = 5.0
"""Seconds from a SIGTERM's soft cancel to the kill: nobody is there to press twice."""

_ASKED = {signal.SIGTERM: "terminated", signal.SIGHUP: "terminal closed"}

Command = Callable[[str, str], Coroutine[Any, Any, str]]
"""Takes a job's id and the reason."""


class Interrupts:
    """While entered, signals stop the job of ``runner`` that :meth:`watch` names, also those that came before that.

    Ctrl-C: the first press cancels, the second kills, the third ends this process as it stands. SIGTERM and SIGHUP:
    cancel, kill after :data:`GRACE_S` seconds, and end this process as it stands after as many more.
    """

    def __init__(self, runner: Runner, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._runner = runner
        self._job_id: str | None = None
        self._early: list[tuple[Command, str]] = []  # asked for before there was a job
        self._clock = clock
        self._presses = 0
        self._commands: set[asyncio.Task[None]] = set()
        self._timer: TimerHandle | None = None

    @property
    def asked(self) -> bool:
        """True if any signal came."""
        return self._presses > 0

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.press)
        for number, reason in _ASKED.items():
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup is respected
                loop.add_signal_handler(number, self.terminate, reason)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        for number in (*_ASKED, signal.SIGINT):
            if number != signal.SIGINT or not self._runner.holds_interrupts():
                loop.remove_signal_handler(number)
        if self._timer is not None:
            self._timer.cancel()
        for task in self._commands:
            task.cancel()

    def watch(self, job_id: str) -> None:
        """Say which job it is."""
        self._job_id = job_id
        for command, reason in self._early:
            self._do(command, reason)
        self._early.clear()

    def press(self) -> None:
        """Answer one Ctrl-C."""
        self._presses += 1
        if self._presses == 1:
            note("cancelling: what is in flight runs to its end; press Ctrl-C again to kill it")
            self._stop("interrupted by the user")
        else:
            note("killing what is in flight")
            self._kill("interrupted twice by the user")
            # What cannot even be killed does not hold the terminal: the next press ends this process.
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def terminate(self, reason: str) -> None:
        """Answer a SIGTERM or SIGHUP."""
        self._presses += 1
        if self._timer is not None:
            return
        note(f"{reason}: cancelling; what is in flight after {GRACE_S:.0f} s is killed")
        self._timer = self._clock.call_later(GRACE_S, self._insist, reason)
        self._stop(reason)

    def _insist(self, reason: str) -> None:
        self._timer = self._clock.call_later(GRACE_S, signal.raise_signal, signal.SIGINT)
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        self._kill(reason)

    def _stop(self, reason: str) -> None:
        self._do(self._runner.cancel, reason)

    def _kill(self, reason: str) -> None:
        self._do(self._runner.kill, reason)

    def _do(self, command: Command, reason: str) -> None:
        if self._job_id is None:
            self._early.append((command, reason))
            return
        task = asyncio.get_running_loop().create_task(self._tell(command(self._job_id, reason)))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _tell(self, command: Coroutine[Any, Any, str]) -> None:
        try:
            await command
        except HeadwayError as error:
            note(f"error: {describe(error)}")
