"""A clock that stands still until it is moved (after trio's ``MockClock``)."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from typing import Any

_MAX_TURNS = 100_000
_TURNS_BLIND = 100  # on a loop that does not show what is ready


class VirtualTimer:
    """A timer of a :class:`VirtualClock`."""

    __slots__ = ("_args", "_callback", "_context", "_handle", "_loop", "cancelled", "when")

    def __init__(self, when: float, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.when = when
        self.cancelled = False
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context()
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None

    def cancel(self) -> None:
        """Stop the timer; doing so twice, or after it fired, is harmless."""
        self.cancelled = True
        if self._handle is not None:
            self._handle.cancel()

    def fire(self) -> None:
        """Hand the callback to the loop, unless cancelled."""
        if not self.cancelled:
            self._handle = self._loop.call_soon(self._callback, *self._args, context=self._context)


class VirtualClock:
    """A :class:`headway.clock.Clock` whose time moves only by :meth:`advance`, or by itself with ``autojump``.

    Timers fire in time order, those of one instant in the order they were set; between two instants every task runs
    until it waits. The same program gives the same history each time.

    ``autojump=True``: whenever the loop has nothing ready, time jumps to the next timer. That is blind to what happens
    outside the loop: do not use it while threads, subprocesses or sockets are awaited, their answers would come "too
    late". ``advance`` does not wait for those either. Both need a loop that shows its ready queue, as asyncio's do.
    """

    def __init__(self, *, start_ms: int = 1_700_000_000_000, autojump: bool = False) -> None:
        self._start_ms = start_ms
        self._now = 0.0
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._count = 0
        self._autojump = autojump
        self._advancing = False
        self._watching: asyncio.AbstractEventLoop | None = None
        self._idle_turns = 0

    def now(self) -> float:
        """Return the virtual seconds since this clock was made."""
        return self._now

    def time_ms(self) -> int:
        """Return the virtual wall time: ``start_ms`` and the milliseconds since."""
        return self._start_ms + round(self._now * 1000)

    @property
    def pending(self) -> int:
        """The number of timers that have yet to fire."""
        return sum(not timer.cancelled for _, _, timer in self._timers)

    @property
    def next_at(self) -> float | None:
        """The time (as :meth:`now`) of the next timer; ``None`` without one."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> VirtualTimer:
        """Call ``callback(*args)`` on the running loop after ``delay`` virtual seconds, in the next turn if <= 0."""
        timer = VirtualTimer(self._now + max(0.0, delay), callback, args)
        if delay <= 0:
            timer.fire()
            return timer
        self._count += 1
        heapq.heappush(self._timers, (timer.when, self._count, timer))
        self._watch()
        return timer

    async def sleep(self, delay: float) -> None:
        """Wait ``delay`` virtual seconds; not positive: let the other tasks run once."""
        if delay <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, _resolve, future)
        try:
            await future
        finally:
            timer.cancel()

    async def advance(self, seconds: float) -> None:
        """Move time on by ``seconds``, firing the timers on the way; returns when every task waits again."""
        target = self._now + max(0.0, seconds)
        self._advancing = True
        try:
            await settle()
            while (when := self.next_at) is not None and when <= target:
                self._jump(when)
                await settle()
            self._now = target
            await settle()
        finally:
            self._advancing = False
            self._watch()

    def _jump(self, when: float) -> None:
        """Set the time and fire everything that is due."""
        self._now = max(self._now, when)
        while (due := self.next_at) is not None and due <= self._now:
            heapq.heappop(self._timers)[2].fire()

    def _watch(self) -> None:
        """With autojump: look at the loop each turn while there are timers, to notice when it has nothing to do."""
        if not self._autojump or self._advancing or self.next_at is None:
            return
        loop = asyncio.get_running_loop()
        if self._watching is not loop:  # else a look is scheduled (one of a loop that ended never comes)
            self._watching = loop
            self._idle_turns = 0
            loop.call_soon(self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._watching = None
        when = self.next_at
        if when is None or self._advancing:
            return
        self._idle_turns = 0 if _ready(loop) else self._idle_turns + 1
        if self._idle_turns > 2:  # two idle turns, so that what the selector holds is served first
            self._idle_turns = 0
            self._jump(when)
            if self.next_at is None:
                return
        self._watching = loop
        loop.call_soon(self._look)


async def settle() -> None:
    """Return when every other task of the loop waits for something (time, a thread, a socket, another task).

    Raises ``RuntimeError`` if they never do, as with a task that calls ``asyncio.sleep(0)`` for ever.
    """
    loop = asyncio.get_running_loop()
    if not hasattr(loop, "_ready"):
        for _ in range(_TURNS_BLIND):
            await asyncio.sleep(0)
        return
    for _ in range(_MAX_TURNS):
        await asyncio.sleep(0)
        if not _ready(loop):
            return
    raise RuntimeError(f"the tasks of this loop did not come to rest in {_MAX_TURNS} turns")


def _ready(loop: asyncio.AbstractEventLoop) -> int:
    """Return how many callbacks are ready to run now."""
    return len(getattr(loop, "_ready", ()))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
