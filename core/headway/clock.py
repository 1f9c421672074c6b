"""Time, injected.

Nothing in Headway asks the machine for the time except :class:`SystemClock`. Tests and replay hand in a
:class:`headway.testing.VirtualClock`. Order never comes from a clock: it comes from an event's ``seq``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, cast

from headway.arguments import expect_call
from headway.errors import InvalidInput
from headway.numbers import LONGEST_S


class TimerHandle(Protocol):
    """The timer that :meth:`Clock.call_later` returns."""

    def cancel(self) -> None:
        """Stop the timer; doing so twice, or after it fired, is harmless."""


class Clock(Protocol):
    """A source of time and of timers."""

    def now(self) -> float:
        """Return monotonic seconds from an arbitrary start, for durations and deadlines."""

    def time_ms(self) -> int:
        """Return wall time as milliseconds since 1970 (UTC), for people to read."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Call ``callback(*args)`` on the running event loop after ``delay`` seconds."""

    async def sleep(self, delay: float) -> None:
        """Wait ``delay`` seconds."""


class SystemClock:
    """The machine's clock. It has no state: every instance is the same clock."""

    now = staticmethod(time.monotonic)

    @staticmethod
    def time_ms() -> int:
        """Return wall time as milliseconds since 1970 (UTC)."""
        return time.time_ns() // 1_000_000

    @staticmethod
    def call_later(delay: float, callback: Callable[..., object], *args: Any) -> TimerHandle:
        """Call ``callback(*args)`` on the running event loop after ``delay`` seconds."""
        return asyncio.get_running_loop().call_later(_delay(delay), expect_call(callback, "a timer's callback"), *args)

    @staticmethod
    async def sleep(delay: float) -> None:
        """Wait ``delay`` seconds."""
        await asyncio.sleep(_delay(delay))


SYSTEM_CLOCK = SystemClock()


def clock_of(value: object) -> Clock:
    """Return ``value`` if it has the methods of a clock; :class:`InvalidInput` if it does not."""
    for name in ("now", "time_ms", "call_later", "sleep"):
        if not callable(getattr(value, name, None)):
            raise InvalidInput(f"a clock has now, time_ms, call_later and sleep; {type(value).__name__} has no {name}")
    return cast("Clock", value)


def _delay(value: float) -> float:
    """Return ``value`` if a timer can wait so long: asyncio's order of timers does not survive a NaN."""
    try:
        if value <= LONGEST_S:
            return value + 0.0
    except (TypeError, OverflowError):
        pass
    raise InvalidInput(f"a delay is a number of seconds, at most {LONGEST_S:.0e}")


@asynccontextmanager
async def within(clock: Clock, seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Raise ``TimeoutError`` when the block has taken ``seconds`` on ``clock``."""
    async with asyncio.timeout(None) as scope:
        timer = clock.call_later(seconds, scope.reschedule, 0.0)
        try:
            yield scope
        finally:
            timer.cancel()


def rfc3339(ms: int) -> str:
    """Return milliseconds since 1970 as RFC 3339 in UTC, e.g. ``2026-01-02T03:04:05.678Z``."""
    seconds, millis = divmod(ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{millis:03d}Z"
