"""Storms: runs that are cancelled, killed and abandoned at random moments leave nothing, and repeat from their seed."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headway
from headway import CancellationToken, Runtime
from headway.events import kinds
from headway.events.event import Event
from headway.limits.budget import CostBudget
from headway.testing import VirtualClock, settle
from tests.unit.runtime.kit import call, write
from tests.unit.runtime.test_hostile import left

STOPS = int(os.environ.get("HEADWAY_STORM_STOPS", "10000"))
SEED = int(os.environ.get("HEADWAY_STORM_SEED", "1"))
GENERATION = 500  # stops of one runtime's runs, so that no log grows without end
LONGER_THAN_ANY_CALL_S = 5.0


class Storm:
    """A runtime with slow, failing and stubborn tools, on a clock that stands still, and runs to be stopped."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.clock = VirtualClock()
        self.runtime = Runtime(clock=self.clock, max_concurrency=3)
        self.stops = 0  # of runs that had not ended
        clock = self.clock

        @headway.tool
        async def nap(seconds: float) -> float:
            await clock.sleep(seconds)
            return seconds

        @headway.tool
        async def fails(seconds: float) -> None:
            await clock.sleep(seconds)
            raise RuntimeError("no")

        @headway.tool
        async def stubborn(seconds: float) -> None:
            try:
                await clock.sleep(seconds)
            except asyncio.CancelledError:
                await clock.sleep(2 * seconds)  # sometimes longer than a killed call is waited for

        @headway.tool
        async def talks(seconds: float, ctx: headway.ToolContext) -> None:
            for n in range(5):
                ctx.report_progress(n, 5)
                await clock.sleep(seconds / 5)

        for tool in (nap, fails, stubborn, talks):
            self.runtime.register_tool(tool)
        self.runtime.set_rate_limit("nap", 2, 0.5)
        self.runtime.set_rate_limit("fails", 3, 0.2)
        self.runtime.enable_tool_cache("talks", 0.5)

    def plan(self) -> dict[str, Any]:
        """Return a random plan of up to six actions."""
        chance = self.chance
        actions = []
        for i in range(chance.randint(1, 6)):
            fields: dict[str, Any] = {
                "failure_behavior": chance.choice(("abort", "retry", "retry", "skip")),
                "max_retries": chance.randint(0, 2),
                "dependencies": [f"a{chance.randrange(i)}"] if i and chance.random() < 0.6 else [],
            }
            if chance.random() < 0.2:
                actions.append(write(f"a{i}", chance.choice("xyz"), i, **fields))
                continue
            if chance.random() < 0.3:
                fields["timeout_ms"] = chance.randint(1, 900)
            seconds = chance.choice((0.0, 0.1, 0.1, round(chance.random(), 3)))
            tool = chance.choice(("nap", "nap", "fails", "stubborn", "talks"))
            idempotent = chance.random() < 0.3
            actions.append(call(f"a{i}", tool, parameters={"seconds": seconds}, idempotent=idempotent, **fields))
        return {"actions": actions, "timestamp": "2026-01-01T00:00:00Z"}

    async def run(self) -> None:
        """Start up to three runs, which stand in line for the one state, and stop each as chance will have it."""
        chance = self.chance
        if chance.random() < 0.3:
            self.runtime.set_cost_budget(CostBudget(tool_calls=chance.randint(1, 6)))
        else:
            self.runtime.set_cost_budget(None)
        started = []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            token = CancellationToken()
            running = asyncio.create_task(self.runtime.execute_with_cancel(self.plan(), token))
            started.append((running, token))
        for _ in range(chance.randint(0, 3)):
            running, token = chance.choice(started)
            await self._wait()
            self.stops += not running.done()
            how = chance.choice(("task", "kill", "cancel", "both"))
            if how == "task":
                running.cancel()
            if how in ("cancel", "both"):
                token.cancel("soon")
            if how in ("kill", "both"):
                token.kill("now")
        await settle()
        while not all(running.done() for running, _ in started):
            await self._next_timer()
        if not self.runtime._env.left_behind:  # a call that was left behind may sleep on, nothing else
            assert self.clock.pending == 0
        await self.clock.advance(LONGER_THAN_ANY_CALL_S)
        for running, _ in started:
            if not running.cancelled() and running.exception() is not None:
                raise running.exception() or AssertionError

    async def _wait(self) -> None:
        """Let time go on: to a timer exactly, a few turns of the loop, or any span."""
        how = self.chance.randrange(3)
        if how == 0 and self.clock.next_at is not None:
            await self._next_timer()
        elif how == 1:
            for _ in range(self.chance.randint(0, 6)):
                await asyncio.sleep(0)
        else:
            await self.clock.advance(self.chance.random())

    async def _next_timer(self) -> None:
        when = self.clock.next_at
        assert when is not None, "a run waits for what never comes"
        await self.clock.advance(when - self.clock.now() + 1e-9)

    def check_nothing_is_left(self) -> None:
        """No task, timer, waiter or call; to be asked once the runs have ended."""
        assert not left()
        assert self.clock.pending == 0
        assert [bucket.waiters for bucket in self.runtime.rate_limiter] == [0, 0]
        assert not self.runtime._env.left_behind
        reuse = self.runtime._env.reuse
        assert [(s.in_flight, s.waiting) for s in (reuse.results.statistics(), reuse.idempotency.statistics())] == [
            (0, 0),
            (0, 0),
        ]

    async def events(self) -> list[Event]:
        """Return the log."""
        return await self.runtime.log.read(limit=10_000_000)


def check_ends(events: list[Event]) -> None:
    """Check that each job and each of its actions ended once, the job last."""
    actions = {e.job_id: len(e.data["graph"]["actions"]) for e in events if e.kind == kinds.JOB_CREATED}
    last = {event.job_id: event.kind for event in events if event.job_id is not None}
    assert set(last) == set(actions)
    assert set(last.values()) <= set(kinds.TERMINAL_JOB)
    assert Counter(e.job_id for e in events if e.kind in kinds.TERMINAL_JOB) == dict.fromkeys(actions, 1)
    settled = Counter((e.job_id, e.action_id) for e in events if e.kind in kinds.TERMINAL_ACTION)
    assert set(settled.values()) <= {1}
    assert Counter(job_id for job_id, _ in settled) == actions


@pytest.mark.timeout(300)
async def test_ten_thousand_stops_leave_nothing() -> None:
    print(f"HEADWAY_STORM_SEED={SEED} HEADWAY_STORM_STOPS={STOPS}")
    chance = random.Random(SEED)
    ends: Counter[str] = Counter()
    stops = 0
    while stops < STOPS:
        storm = Storm(chance)
        while storm.stops < GENERATION:
            await storm.run()
            storm.check_nothing_is_left()
        events = await storm.events()
        check_ends(events)
        ends.update(event.kind for event in events if event.kind in kinds.TERMINAL_JOB)
        stops += storm.stops
    print(f"{stops} stops of {ends.total()} jobs: {dict(ends)}")
    assert min(ends[kind] for kind in kinds.TERMINAL_JOB) > STOPS / 100


async def _log_of(seed: int) -> list[dict[str, Any]]:
    storm = Storm(random.Random(seed))
    for _ in range(5):
        await storm.run()
    return renamed(await storm.events())


def renamed(events: list[Event]) -> list[dict[str, Any]]:
    """Return events with their jobs and proposals numbered in order of appearance instead of their random ids."""
    text = msgspec.json.encode(events).decode()
    seen = dict.fromkeys(name for e in events for name in (e.job_id, e.proposal_id) if name)
    for number, name in enumerate(seen):
        text = text.replace(name, f"id{number}")
    found: list[dict[str, Any]] = msgspec.json.decode(text)
    return found


@settings(max_examples=50)
@given(st.integers(0, 2**32))
async def test_runs_with_one_seed_give_equal_logs_but_for_ids(seed: int) -> None:
    assert await _log_of(seed) == await _log_of(seed)
