"""Tokens of rate limits in runs: none is lost, a change of a limit reaches who waits, and the view knows it all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import headway
from headway import CancellationToken, EventLog, Runtime, StateStore
from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import BucketView, LimitsView
from headway.limits.bucket import RateLimiter
from headway.policy import PolicyEngine
from headway.testing import VirtualClock
from tests.unit.execution.kit import call, events_of, runtime


async def bucket_of(made: Runtime, tool: str = "echo") -> BucketView:
    """Return the tool's bucket as the log tells of it; it must be as the bucket itself says."""
    view = fold_all(LimitsView(), await made.log.read(limit=100_000)).buckets[tool]
    bucket = made.rate_limiter.get(tool)
    assert bucket is not None
    in_a_ms = bucket.capacity / bucket.interval_s / 1000
    assert view.level(bucket.statistics()["at_ms"]) == pytest.approx(bucket.tokens, abs=in_a_ms + 0.001)
    assert (view.capacity, view.interval_s, view.waiters) == (bucket.capacity, bucket.interval_s, bucket.waiters)
    assert (view.queue, view.next_ms) == ({}, None)
    return view


async def test_a_cancel_between_the_grant_and_the_call_gives_the_token_back() -> None:
    clock = VirtualClock()
    made, gate = runtime(clock=clock, max_concurrency=1)
    made.set_rate_limit("echo", 3, 3600)
    token = CancellationToken()
    actions = [call("a"), call("g", "gate"), call("b")]
    run = asyncio.create_task(made.execute_with_cancel({"actions": actions}, token))
    await gate.started.get()
    token.cancel("enough")
    gate.open.set()
    result = await run
    assert [r.attempts for r in result.results] == [1, 1, 0]
    assert (await bucket_of(made)).grants == 1


@pytest.mark.parametrize("how", ["cancel", "kill", "abort"])
async def test_calls_that_are_not_made_cost_no_tokens(how: str) -> None:
    clock = VirtualClock(autojump=True)
    made, _ = runtime(clock=clock)
    made.set_rate_limit("echo", 5, 3600)
    token = CancellationToken()

    @headway.tool
    async def stop() -> None:
        raise ValueError("no")

    made.register_tool(stop)
    if how != "abort":
        made.policies.register("stop", lambda c: getattr(token, how)("enough") if c.action_id == "s" else None)
    else:
        made.policies.register("stop", lambda c: "no" if c.action_id == "s" else None)
    actions = [call("a"), call("b"), call("s", "stop"), call("c")]
    result = await made.execute_with_cancel({"actions": actions}, token)
    assert [r.attempts for r in result.results] == [0, 0, 0, 0]
    assert (await bucket_of(made)).tokens == 5.0
    assert len(await events_of(made, kinds.RATE_LIMIT_RETURNED)) == 2


async def test_a_token_that_comes_back_goes_to_another_run_that_waits() -> None:
    clock = VirtualClock()
    limiter = RateLimiter(clock)
    log = EventLog(clock=clock)
    first, _ = runtime(clock=clock, log=log, limiter=limiter)
    second, _ = runtime(clock=clock, log=log, limiter=limiter, scope="second")
    first.set_rate_limit("echo", 1, 3600)

    def deny(call: Any) -> str | None:
        return "no" if call.action_id == "s" else None

    first.policies.register("deny", deny)
    waiting: list[asyncio.Task[Any]] = []

    def wait(asked: Any) -> None:
        if asked.action_id == "s":
            waiting.append(asyncio.create_task(second.execute({"actions": [call("w")]})))

    first.policies.register("wait", wait)
    result = await first.execute({"actions": [call("a"), call("s")]})
    assert result["a"].attempts == 0
    (run,) = waiting
    await clock.advance(0)
    assert (await run).ok
    assert (await bucket_of(first)).tokens == 0.0


async def test_a_call_that_is_made_keeps_its_token() -> None:
    clock = VirtualClock(autojump=True)
    made, _ = runtime(clock=clock)
    made.set_rate_limit("boom", 4, 3600)
    await made.execute({"actions": [call("a", "boom", failure_behavior="retry", max_retries=2)]})
    assert (await bucket_of(made, "boom")).tokens == pytest.approx(1.0, abs=0.01)
    assert await events_of(made, kinds.RATE_LIMIT_RETURNED) == []


async def test_a_raised_limit_frees_who_waits() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    made.set_rate_limit("echo", 1, 3600)
    run = asyncio.create_task(made.execute({"actions": [call(f"a{i}") for i in range(4)]}))
    await clock.advance(1)
    assert not run.done()
    made.set_rate_limit("echo", 100, 1)
    await clock.advance(1)
    result = await run
    assert [r.status for r in result.results] == ["succeeded"] * 4
    grants = [e.action_id for e in await events_of(made, kinds.RATE_LIMIT_GRANT)]
    assert grants == ["a0", "a1", "a2", "a3"]
    assert (await bucket_of(made)).capacity == 100


async def test_a_limit_that_is_taken_away_frees_who_waits() -> None:
    clock = VirtualClock()
    made, _ = runtime(clock=clock)
    made.set_rate_limit("echo", 1, 3600)
    run = asyncio.create_task(made.execute({"actions": [call(f"a{i}") for i in range(4)]}))
    await clock.advance(1)
    assert made.rate_limiter.remove("echo")
    await clock.advance(0)
    assert (await run).ok


async def test_runtimes_on_one_log_share_a_limiter_and_its_view_is_true() -> None:
    clock = VirtualClock()
    state, log, limiter = StateStore(), EventLog(clock=clock), RateLimiter(clock)
    first, second = (Runtime.with_shared(state, log, PolicyEngine(), limiter=limiter, clock=clock) for _ in range(2))

    @headway.tool
    async def echo(x: Any = None) -> Any:
        return x

    for made in (first, second):
        made.register_tool(echo)
    first.set_rate_limit("echo", 5, 3600)
    await first.execute({"actions": [call("a"), call("b")]})
    await second.execute({"actions": [call("a")]})
    view = await bucket_of(second)
    assert (view.tokens, view.grants) == (pytest.approx(2.0), 3)
    with pytest.raises(InvalidInput, match="limiter must be of type RateLimiter"):
        Runtime(limiter=5)  # type: ignore[arg-type]
