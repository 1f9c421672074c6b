"""Token buckets: backpressure for tools that must not be called too often.

A bucket starts full and refills evenly: ``capacity`` tokens over ``interval_s`` seconds. Who finds it empty waits in
line; grants are first come, first served. A waiter holds nothing but its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from headway.arguments import expect, expect_call, plain
from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle, clock_of
from headway.errors import InvalidInput
from headway.numbers import positive_seconds, whole_number

_EPSILON = 1e-9


class Waiter:
    """One place in a bucket's line."""

    __slots__ = ("_bucket", "callback", "since")

    def __init__(self, bucket: TokenBucket, callback: Callable[[float], object], since: float) -> None:
        self._bucket = bucket
        self.callback: Callable[[float], object] | None = callback
        self.since = since

    def cancel(self) -> None:
        """Leave the line; harmless after the grant."""
        if self.callback is not None:
            self.callback = None
            self._bucket._left()


class TokenBucket:
    """One bucket. All methods belong to the event loop's thread."""

    def __init__(self, name: str, capacity: int, interval_s: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = plain(name, "a tool's name")
        self.capacity, self.interval_s = _terms(name, capacity, interval_s)
        self._clock = clock_of(clock)
        self._tokens = float(capacity)
        self._at = clock.now()
        self._line: deque[Waiter] = deque()
        self._gone = 0
        self._timer: TimerHandle | None = None

    def configure(self, capacity: int, interval_s: float) -> None:
        """Change the limit. The bucket stays as full as it was, and who waits keeps the place, at the new pace."""
        capacity, interval_s = _terms(self.name, capacity, interval_s)
        self._tokens = self.tokens * capacity / self.capacity
        self.capacity, self.interval_s = capacity, interval_s
        self._arm_anew()

    @property
    def tokens(self) -> float:
        """The tokens there are now; below 1 somebody who comes must wait."""
        self._refill()
        return self._tokens

    @property
    def waiters(self) -> int:
        """The number of those who wait in line."""
        return len(self._line) - self._gone

    def next_grant_s(self) -> float:
        """Return the seconds until a token is there for who stands first in line; 0 if there is one now."""
        return max(0.0, (1.0 - self.tokens) * self.interval_s / self.capacity)

    def take(self) -> bool:
        """Take a token if there is one and nobody waits for it; return whether it was taken."""
        if self.waiters:
            return False
        self._refill()
        if self._tokens < 1.0 - _EPSILON:
            return False
        self._tokens = max(0.0, self._tokens - 1.0)
        return True

    def give_back(self) -> None:
        """Return a token that was taken for a call that is not made; the first in line gets it at the loop's turn."""
        self._tokens = min(float(self.capacity), self.tokens + 1.0)
        self._arm_anew()

    def release(self) -> None:
        """Let everybody in line go, without tokens: there is no limit any more."""
        self._disarm()
        try:
            while (waiter := self._next()) is not None:
                self._tell(waiter)
        finally:
            if self._line:  # whatever a callback raises, the others are let go too
                self._timer = self._clock.call_later(0.0, self.release)

    def wait(self, callback: Callable[[float], object]) -> Waiter:
        """Stand in line; ``callback(seconds_waited)`` is called on the loop once the token is taken."""
        waiter = Waiter(self, expect_call(callback, "a waiter's callback"), self._clock.now())
        self._line.append(waiter)
        self._arm()
        return waiter

    def statistics(self) -> dict[str, Any]:
        """Return the data of the bucket's events: bucket, capacity, interval_s, tokens, at_ms, waiters."""
        return {
            "bucket": self.name,
            "capacity": self.capacity,
            "interval_s": self.interval_s,
            "tokens": round(self.tokens, 6),
            "at_ms": self._clock.time_ms(),
            "waiters": self.waiters,
        }

    def _refill(self) -> None:
        now = self._clock.now()
        gained = (now - self._at) * self.capacity / self.interval_s
        if gained > 0:
            self._tokens = min(float(self.capacity), self._tokens + gained)
        self._at = now

    def _arm(self) -> None:
        if self._timer is None and self._line:
            self._timer = self._clock.call_later(self.next_grant_s(), self._grant)

    def _arm_anew(self) -> None:
        self._disarm()
        self._arm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _grant(self) -> None:
        self._timer = None
        try:
            self._serve()
        finally:
            self._arm()  # whatever a callback raises, the others still get their turn

    def _serve(self) -> None:
        self._refill()
        while self._tokens >= 1.0 - _EPSILON and (waiter := self._next()) is not None:
            self._tokens = max(0.0, self._tokens - 1.0)
            self._tell(waiter)

    def _next(self) -> Waiter | None:
        """Take the first who still waits out of the line."""
        while self._line:
            waiter = self._line.popleft()
            if waiter.callback is not None:
                return waiter
            self._gone -= 1
        return None

    def _tell(self, waiter: Waiter) -> None:
        callback, waiter.callback = waiter.callback, None
        if callback is not None:
            callback(self._clock.now() - waiter.since)

    def _left(self) -> None:
        self._gone += 1
        if not self.waiters:
            self._line.clear()
            self._gone = 0
            self._disarm()


def _terms(name: str, capacity: object, interval_s: object) -> tuple[int, float]:
    return (
        whole_number(capacity, f"rate limit of '{name}': max_calls", 1),
        positive_seconds(interval_s, f"rate limit of '{name}': interval_secs"),
    )


class RateLimiter:
    """The buckets of a runtime, one a tool. Runtimes that have it in common share its limits."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock_of(clock)
        self._buckets: dict[str, TokenBucket] = {}
        self.version = 0  # grows when a tool gets its bucket, or loses it

    def set_limit(self, tool: str, max_calls: int, interval_secs: float) -> TokenBucket:
        """Give ``tool`` a full bucket, or change the one it has: see :meth:`TokenBucket.configure`."""
        bucket = self._buckets.get(plain(tool, "a tool's name"))
        if bucket is None:
            bucket = self._buckets[tool] = TokenBucket(tool, max_calls, interval_secs, self._clock)
            self.version += 1
        else:
            bucket.configure(max_calls, interval_secs)
        return bucket

    def remove(self, tool: str) -> bool:
        """Take the limit of ``tool`` away and let go who waits for a token; return whether there was one."""
        bucket = self._buckets.pop(expect(tool, str, "a tool's name"), None)
        if bucket is None:
            return False
        self.version += 1
        bucket.release()
        return True

    def get(self, tool: str | None) -> TokenBucket | None:
        """Return the bucket of ``tool``, or None if it is not limited."""
        try:
            return self._buckets.get(tool) if tool is not None else None
        except TypeError:
            raise InvalidInput(f"a tool's name is text, not {type(tool).__name__}") from None

    def __iter__(self) -> Any:
        return iter(self._buckets.values())

    def __len__(self) -> int:
        return len(self._buckets)
