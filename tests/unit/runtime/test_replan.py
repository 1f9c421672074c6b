"""Between two plans nothing waits for ever: a cancel ends the delay and the callback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headway import CancellationToken, ReplanConfig, ReplanContext
from headway.events import kinds
from headway.testing import VirtualClock, settle
from tests.unit.runtime.kit import call, events_of, runtime

PLAN = {"actions": [call("f", "boom")]}


@pytest.mark.parametrize("where", ["delay", "callback", "stubborn callback"])
async def test_a_cancel_ends_the_wait_for_another_plan(where: str) -> None:
    clock, token = VirtualClock(), CancellationToken()
    asked = asyncio.Event()
    release = asyncio.Event()

    async def callback(context: ReplanContext) -> dict[str, Any]:
        asked.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                if where != "stubborn callback":
                    raise
        return PLAN

    made, _ = runtime(clock=clock)
    made.with_replan(callback, ReplanConfig(max_replans=3, delay_ms=60_000 if where == "delay" else 0))
    running = asyncio.create_task(made.execute_with_cancel(PLAN, token))
    await settle()
    assert asked.is_set() == (where != "delay")
    token.cancel("enough")
    result = await running
    assert (result.status, result.outcome) == ("failed", "aborted")
    (refused,) = await events_of(made, kinds.REPLAN_REJECTED)
    assert refused.data["error"] == "canceled: enough"
    release.set()
    await settle()
    assert not made._env.left_behind
    assert clock.pending == 0
    assert (await made.execute({"actions": [call("a")]})).ok  # the turn is free


async def test_a_caller_that_goes_away_takes_the_wait_along() -> None:
    clock = VirtualClock()

    async def callback(context: ReplanContext) -> None:
        await clock.sleep(3600)

    made, _ = runtime(clock=clock)
    made.with_replan(callback, ReplanConfig(max_replans=1))
    running = asyncio.create_task(made.execute(PLAN))
    await settle()
    running.cancel()
    await asyncio.wait([running])
    await settle()
    assert clock.pending == 0
    assert (await made.execute({"actions": [call("a")]})).ok
