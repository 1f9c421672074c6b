"""Shutdown of a daemon: how it is asked to stop, and what makes sure that it does.

::

    running ──SIGTERM, SIGINT, stop──> soft ──SIGINT, stop now──> hard ──SIGINT──> gone
       └──────────────stop now─────────────────────────────────────^

soft: no new work, runs are cancelled and get a grace. hard: what still runs is killed. Whatever happens, the process
is gone :data:`LAST_RESORT_S` seconds after the first request: the kernel's timer ends it if it cannot end itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

LAST_RESORT_S = 9.8
"""Seconds after which the process ends as if killed: the log is durable, the next start closes what was open."""

AGAIN = -1
"""What a daemon returns that ended to be started anew: no exit code, its caller starts it."""

CANCELLED = 130
"""The exit code after a second Ctrl-C."""


def say_to_stderr(text: str) -> None:
    """Tell a person at the terminal one line, if there is one."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"headway: {text}\n")
        sys.stderr.flush()


class Stop:
    """A request to stop that only ever gets harder. ``say`` tells people what a signal has led to."""

    def __init__(self, say: Callable[[str], object] = say_to_stderr) -> None:
        self.soft = asyncio.Event()
        self.hard = asyncio.Event()
        self.say = say
        self.again = False
        """True if the daemon is to be started anew once it has ended."""
        self.interrupts = 0
        self._owns_process = False
        self._armed = False

    def request(self, now: bool = False) -> None:
        """Ask for the end; with ``now`` for a hard one. Asking twice is harmless."""
        self._arm()
        self.soft.set()
        if now:
            self.hard.set()

    @property
    def exit_code(self) -> int:
        """0 after an orderly stop, 130 after a second Ctrl-C, :data:`AGAIN` if it is to be started anew."""
        if self.again and not self.interrupts:
            return AGAIN
        return CANCELLED if self.interrupts > 1 else 0

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """While entered, SIGTERM, SIGHUP and SIGINT go to this object; outside the main thread nothing changes.

        Handlers are Python's own rather than the event loop's, so that they run while a tool blocks the loop.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def on_signal(number: int, frame: FrameType | None) -> None:
            self._arm()
            if number == signal.SIGINT:
                self.interrupts += 1
                if self.interrupts > 2:
                    os._exit(CANCELLED)
            loop.call_soon_threadsafe(self._heard, number)

        wanted: dict[signal.Signals, Any] = {
            signal.SIGTERM: on_signal,
            signal.SIGINT: on_signal,
            signal.SIGALRM: signal.SIG_DFL,
        }
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup is respected
            wanted[signal.SIGHUP] = on_signal
        before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
        self._owns_process = True
        try:
            yield
        finally:
            self._owns_process = False
            if self._armed:
                signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _arm(self) -> None:
        """Start the kernel's timer, once; also called from a signal handler."""
        if self._owns_process and not self._armed:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, LAST_RESORT_S)

    def _heard(self, number: int) -> None:
        if number != signal.SIGINT:
            self.again = False
            if not self.soft.is_set():
                self.say("stopping: runs are being cancelled")
            self.request()
        elif self.hard.is_set():
            self.say("stopping: already killing what still runs")
        elif self.soft.is_set():
            self.say("killing what still runs")
            self.request(now=True)
        else:
            self.say("stopping: runs are being cancelled, press Ctrl-C again to kill")
            self.request()
