"""Token buckets: backpressure for tools that must not be called too often.

A bucket starts full and refills evenly: ``capacity`` tokens over ``interval_s`` seconds. Who finds it empty waits in
line; grants are first come, first served. A waiter holds nothing but its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle
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
        self.name = name
        self.capacity = whole_number(capacity, f"rate limit of '{name}': max_calls", 1)
        self.interval_s = positive_seconds(interval_s, f"rate limit of '{name}': interval_secs")
        self._clock = clock
        self._tokens = float(capacity)
        self._at = clock.now()
        self._line: deque[Waiter] = deque()
        self._gone = 0
        self._timer: TimerHandle | None = None

    @property
    def tokens(self) -> float:
        """The tokens there are now; below 1 somebody who comes must wait."""
        self._refill()
        return self._tokens

    @property
    def waiters(self) -> int:
        """How many wait in line."""
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

    def wait(self, callback: Callable[[float], object]) -> Waiter:
        """Stand in line; ``callback(seconds_waited)`` is called on the loop once the token is taken."""
        waiter = Waiter(self, callback, self._clock.now())
        self._line.append(waiter)
        self._arm()
        return waiter

    def statistics(self) -> dict[str, Any]:
        """Return what the bucket's events carry: bucket, capacity, interval_s, tokens, at_ms, waiters."""
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

    def _grant(self) -> None:
        self._timer = None
        try:
            self._serve()
        finally:
            self._arm()  # whatever a callback raises, the others still get their turn

    def _serve(self) -> None:
        self._refill()
        while self._line:
            waiter = self._line[0]
            if waiter.callback is None:
                self._line.popleft()
                self._gone -= 1
                continue
            if self._tokens < 1.0 - _EPSILON:
                break
            self._line.popleft()
            self._tokens = max(0.0, self._tokens - 1.0)
            callback, waiter.callback = waiter.callback, None
            callback(self._clock.now() - waiter.since)

    def _left(self) -> None:
        self._gone += 1
        if not self.waiters:
            self._line.clear()
            self._gone = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None


class RateLimiter:
    """The buckets of a runtime, one a tool."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def set_limit(self, tool: str, max_calls: int, interval_secs: float) -> TokenBucket:
        """Give ``tool`` a new, full bucket; who waits in an old one keeps waiting there."""
        bucket = TokenBucket(tool, max_calls, interval_secs, self._clock)
        self._buckets[tool] = bucket
        return bucket

    def get(self, tool: str | None) -> TokenBucket | None:
        """Return the bucket of ``tool``, or None if it is not limited."""
        return self._buckets.get(tool) if tool is not None else None

    def __iter__(self) -> Any:
        return iter(self._buckets.values())

    def __len__(self) -> int:
        return len(self._buckets)
