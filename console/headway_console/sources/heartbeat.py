"""Heartbeat of a daemon: it is asked every second whether it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from headway.clock import Clock
from headway.errors import HeadwayError, NoAnswer

BEAT_S = 1.0
"""Seconds between an answer and the next question."""

SILENCE_S = 2.0
"""Seconds without an answer after which that is told; it may still come, and so may that of a command."""


class Heartbeat:
    """Asks again and again. ``problem`` is one line, "" while all is well; ``since_ms`` is when that began.

    ``gone`` says of a problem that nobody is there: a daemon that is only silent may be busy, and takes commands.

    ``ask()`` returns when the daemon answered and raises a :class:`HeadwayError` when it did not. Before the first
    answer all counts as well; :meth:`beat` asks immediately.
    """

    def __init__(self, ask: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._told = asyncio.Event()
        self.problem = ""
        self.gone = False
        self.since_ms = clock.time_ms()

    def start(self) -> None:
        """Ask from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="headway-heartbeat")

    async def stop(self) -> None:
        """Ask no more. Stopping twice is harmless."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def hurry(self) -> None:
        """Let the task of :meth:`start` ask as soon as it can: there is a sign that things have changed."""
        self._wake.set()

    async def beat(self) -> None:
        """Ask once."""
        timer = self._clock.call_later(SILENCE_S, self._late)
        try:
            await self._ask()
        except HeadwayError as error:
            self.lose(error)
        else:
            self.tell("")
        finally:
            timer.cancel()
            self._told.set()  # also by what nobody foresaw: who waits for the first continues

    def _late(self) -> None:
        self._told.set()
        if not self.gone:  # else it is as it was
            self.tell("the daemon does not answer")

    async def first(self) -> None:
        """Wait until something is known: the first answer, or that it is late."""
        await self._told.wait()

    def lose(self, error: HeadwayError) -> None:
        """Note that this came in the place of an answer."""
        self.tell(error.message, gone=not isinstance(error, NoAnswer))

    def tell(self, problem: str, *, gone: bool = False) -> None:
        """Note how things stand."""
        self.gone = gone
        if problem != self.problem:
            self.problem = problem
            self.since_ms = self._clock.time_ms()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            await self.beat()
            timer = self._clock.call_later(BEAT_S, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
