"""Token buckets on a virtual clock: full at the start, even refill, fair waiters."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.limits.bucket import RateLimiter, TokenBucket
from headway.testing import VirtualClock


async def test_it_starts_full_refills_evenly_and_never_overfills() -> None:
    clock = VirtualClock()
    bucket = TokenBucket("t", 4, 2.0, clock)
    assert [bucket.take() for _ in range(5)] == [True] * 4 + [False]
    await clock.advance(0.5)
    assert bucket.tokens == pytest.approx(1.0)
    assert bucket.take()
    await clock.advance(100)
    assert bucket.tokens == 4.0


async def test_waiters_are_served_in_the_order_they_came_each_at_its_time() -> None:
    clock = VirtualClock()
    bucket = TokenBucket("t", 1, 1.0, clock)
    bucket.take()
    granted: list[tuple[str, float]] = []
    for name in "abc":
        bucket.wait(lambda waited, name=name: granted.append((name, waited)))
    assert (bucket.waiters, bucket.next_grant_s()) == (3, pytest.approx(1.0))
    assert not bucket.take()  # nobody jumps the queue
    await clock.advance(2.0)
    assert granted == [("a", pytest.approx(1.0)), ("b", pytest.approx(2.0))]
    await clock.advance(1.0)
    assert granted[2] == ("c", pytest.approx(3.0))
    assert bucket.waiters == 0


async def test_who_leaves_the_line_takes_no_token() -> None:
    clock = VirtualClock()
    bucket = TokenBucket("t", 1, 1.0, clock)
    bucket.take()
    granted: list[str] = []
    first = bucket.wait(lambda _: granted.append("first"))
    bucket.wait(lambda _: granted.append("second"))
    first.cancel()
    first.cancel()
    assert bucket.waiters == 1
    await clock.advance(1.0)
    assert granted == ["second"]
    assert bucket.tokens == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("max_calls", "interval"),
    [
        (0, 1),
        (-1, 1),
        (True, 1),
        (1.5, 1),
        ("1", 1),
        (1, 0),
        (1, -1),
        (1, math.inf),
        (1, math.nan),
        (10**400, 1),
        (1, 10**400),
        (1, 1e300),
        (1, "1"),
        (1, True),
    ],
)
def test_bad_numbers_are_refused_in_one_line(max_calls: Any, interval: Any) -> None:
    with pytest.raises(InvalidInput, match="rate limit of 't'"):
        RateLimiter().set_limit("t", max_calls, interval)


async def test_a_callback_that_raises_takes_nobody_elses_turn() -> None:
    clock = VirtualClock()
    bucket = TokenBucket("t", 1, 1.0, clock)
    assert bucket.take()
    served: list[float] = []

    def broken(_: float) -> None:
        raise RuntimeError("no")

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    bucket.wait(broken)
    bucket.wait(served.append)
    await clock.advance(3)
    assert len(served) == 1


async def test_a_token_that_is_given_back_goes_to_the_first_in_line() -> None:
    clock = VirtualClock()
    bucket = TokenBucket("t", 1, 100.0, clock)
    bucket.give_back()
    assert bucket.tokens == 1.0  # never more than full
    assert bucket.take()
    granted: list[str] = []
    bucket.wait(lambda _: granted.append("a"))
    bucket.wait(lambda _: granted.append("b"))
    bucket.give_back()
    assert (granted, bucket.next_grant_s()) == ([], 0.0)
    await clock.advance(0)
    assert granted == ["a"]
    await clock.advance(100)
    assert granted == ["a", "b"]


async def test_a_token_that_is_there_is_the_first_waiters_before_he_has_heard_of_it() -> None:
    clock = VirtualClock()
    bucket = TokenBucket("t", 1, 100.0, clock)
    assert bucket.take()
    granted: list[str] = []
    bucket.wait(lambda _: granted.append("a"))
    bucket.give_back()
    assert (bucket.tokens, granted) == (1.0, [])
    assert not bucket.take()
    await clock.advance(0)
    assert granted == ["a"]


async def test_a_new_limit_frees_who_waits_in_the_same_order_and_gives_nothing_for_free() -> None:
    clock = VirtualClock()
    limiter = RateLimiter(clock)
    bucket = limiter.set_limit("t", 1, 3600.0)
    assert bucket.take()
    granted: list[tuple[str, float]] = []
    for name in "abc":
        bucket.wait(lambda waited, name=name: granted.append((name, waited)))
    await clock.advance(10)
    changed = limiter.set_limit("t", 10, 10.0)
    assert (changed.capacity, changed.waiters, round(changed.tokens, 2)) == (10, 3, round(10 * 10 / 3600, 2))
    await clock.advance(1.0)
    assert [name for name, _ in granted] == ["a"]
    await clock.advance(2.0)
    assert [name for name, _ in granted] == ["a", "b", "c"]
    assert granted[0][1] == pytest.approx(10 + 1 - 10 / 360, abs=0.01)
    assert limiter.get("t") is changed


async def test_a_full_bucket_stays_full_and_an_empty_one_empty() -> None:
    clock = VirtualClock()
    limiter = RateLimiter(clock)
    limiter.set_limit("t", 4, 1.0)
    assert limiter.set_limit("t", 2, 1.0).tokens == 2.0
    assert limiter.set_limit("t", 50, 1.0).tokens == 50.0
    while limiter.set_limit("t", 2, 1.0).take():
        pass
    assert limiter.set_limit("t", 1000, 1.0).tokens == 0.0
    assert limiter.set_limit("t", 1000, 1.0).take() is False


async def test_who_waits_for_a_limit_that_is_taken_away_is_let_go() -> None:
    clock = VirtualClock()
    limiter = RateLimiter(clock)
    bucket = limiter.set_limit("t", 1, 3600.0)
    assert bucket.take()
    granted: list[str] = []
    gone = bucket.wait(lambda _: granted.append("gone"))
    for name in "ab":
        bucket.wait(lambda _, name=name: granted.append(name))
    gone.cancel()
    await clock.advance(1)
    assert limiter.remove("t")
    assert (granted, bucket.waiters, limiter.get("t"), len(limiter)) == (["a", "b"], 0, None, 0)
    assert not limiter.remove("t")
    await clock.advance(7200)
    assert granted == ["a", "b"]


async def test_all_are_let_go_though_one_of_them_raises() -> None:
    clock = VirtualClock()
    limiter = RateLimiter(clock)
    bucket = limiter.set_limit("t", 1, 3600.0)
    assert bucket.take()
    granted: list[float] = []

    def broken(_: float) -> None:
        raise RuntimeError("no")

    bucket.wait(broken)
    bucket.wait(granted.append)
    with pytest.raises(RuntimeError):
        limiter.remove("t")
    await clock.advance(0)
    assert len(granted) == 1
