"""Thousands of cancels at random moments: whatever they meet, nothing is left, and the log tells all of it."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, ProposalResult, Runtime
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import JobRow, RunView, StateView
from headway.testing import VirtualClock
from headway.testing.clock import settle
from tests import seeds
from tests.sizes import cases
from tests.unit.execution.kit import call, runtime, write
from tests.unit.execution.test_hostile import left

CANCELS = cases(10_000)
GENERATION = 500  # cancels of one runtime's runs, so that no log grows without end
TURNS = 100_000  # of the loop, in which a thread that was let go has returned
LONGER_THAN_ANY_CALL_S = 5.0
EFFECTS = ("x", "y", "z")


class Weather:
    """A runtime with tools of every kind on a clock that stands still, and runs to be cancelled.

    Sync tools run in real threads: of them alone the seed does not tell at which point of the loop they return.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.clock = VirtualClock()
        self.runtime = Runtime(clock=self.clock, max_concurrency=3)
        self.release = threading.Event()  # lets the sync tools go that wait
        self.results: list[ProposalResult] = []
        self.cancels = 0  # of runs that had not ended
        self.met: Counter[str] = Counter()  # what the cancels met
        self._register()
        self.runtime.set_rate_limit("nap", 1, 0.4)
        self.runtime.set_rate_limit("fails", 3, 0.2)
        self.runtime.enable_tool_cache("talks", 0.5)

    def _register(self) -> None:
        clock = self.clock

        async def nap(seconds: float) -> float:
            await clock.sleep(seconds)
            return seconds

        async def fails(seconds: float) -> None:
            await clock.sleep(seconds)
            raise RuntimeError("no")

        async def stubborn(seconds: float) -> None:
            try:
                await clock.sleep(seconds)
            except asyncio.CancelledError:
                await clock.sleep(2 * seconds)  # sometimes longer than a killed call is waited for

        async def talks(seconds: float, ctx: headway.ToolContext) -> None:
            for n in range(5):
                ctx.report_progress(n, 5)
                await clock.sleep(seconds / 5)

        async def streams(seconds: float) -> AsyncIterator[str]:
            for n in range(5):
                yield f"{n} "
                await clock.sleep(seconds / 5)

        def works(seconds: float) -> float:
            if seconds > 0.8:
                raise RuntimeError("no")
            return seconds

        def holds(seconds: float) -> float:
            self.release.wait()
            return seconds

        for function in (nap, fails, stubborn, talks, streams, works, holds):
            self.runtime.register_tool(headway.tool(function))

    def plan(self) -> dict[str, Any]:
        """Return a random plan of up to six actions."""
        chance = self.chance
        actions = []
        for i in range(chance.randint(1, 6)):
            fields: dict[str, Any] = {
                "failure_behavior": chance.choice(("abort", "retry", "retry", "skip")),
                "max_retries": chance.randint(0, 2),
                "dependencies": [f"a{chance.randrange(i)}"] if i and chance.random() < 0.5 else [],
            }
            if chance.random() < 0.15:
                actions.append(write(f"a{i}", chance.choice(EFFECTS), i, **fields))
                continue
            if chance.random() < 0.3:
                fields["timeout_ms"] = chance.randint(1, 900)
            if chance.random() < 0.3:
                fields["expected_effects"] = {chance.choice(EFFECTS): i}
            if chance.random() < 0.3:
                undo = {"type": "tool", "tool": chance.choice(("nap", "nap", "fails")), "parameters": {"seconds": 0.3}}
                fields |= {"reversibility": "compensable", "compensation": undo}
            seconds = chance.choice((0.0, 0.1, 0.1, round(chance.random(), 3)))
            tools = ("nap", "nap", "nap", "fails", "fails", "stubborn", "talks", "talks", "streams", "streams")
            tool = chance.choice(tools) if chance.random() < 0.95 else chance.choice(("works", "holds"))
            idempotent = chance.random() < 0.4
            actions.append(call(f"a{i}", tool, parameters={"seconds": seconds}, idempotent=idempotent, **fields))
        return {"actions": actions}

    async def blow(self) -> None:
        """Start up to three runs, which stand in line for the one state, and cancel some as chance will have it."""
        chance = self.chance
        self.release.clear()
        limited = chance.random() < 0.2
        self.runtime.set_cost_budget(CostBudget(tool_calls=chance.randint(1, 6)) if limited else None)
        started: list[tuple[asyncio.Task[ProposalResult], CancellationToken]] = []
        shared = CancellationToken()
        for _ in range(chance.choice((1, 1, 2, 3))):
            token = shared if chance.random() < 0.1 else CancellationToken()
            started.append((asyncio.create_task(self.runtime.execute_with_cancel(self.plan(), token)), token))
        for _ in range(len(started) + chance.randint(0, 1)):
            await self._wait()
            chosen = chance.choice([run for run in started if not run[0].done()] or started)
            own = [course for course in self.runtime._supervisor._courses if course.asked is chosen[1]]
            behind = any(not running.done() for running, _ in started[: started.index(chosen)])
            in_line = behind and len(own) == 1 and own[0].jobs[-1].run is None
            self._cancel(*chosen)
            if in_line:
                await settle()
                assert chosen[0].done()  # at once: it waits for nothing any more
        for turn in range(TURNS):
            if all(running.done() for running, _ in started):
                break
            assert turn < TURNS - 1, "a run waits for what never comes"
            await self._go_on()
        self.results += [running.result() for running, _ in started if not running.cancelled()]
        await self._calm()

    def _cancel(self, running: asyncio.Task[ProposalResult], token: CancellationToken) -> None:
        if not running.done():
            self.cancels += 1
            reuse = self.runtime._powers.env.reuse
            self.met["equal call"] += reuse.results.statistics().waiting + reuse.idempotency.statistics().waiting
        how = self.chance.choice(("task", "cancel", "cancel", "kill", "both", "thread"))
        if how == "task":
            self.met["task"] += running.cancel()
        if how in ("cancel", "both"):
            token.cancel("soon")
        if how in ("kill", "both"):
            token.kill("now")
        if how == "thread":
            other = threading.Thread(target=token.cancel, args=("from outside",))
            other.start()
            other.join()

    async def _wait(self) -> None:
        """Let time go on: to a timer exactly, a few turns of the loop, or any span."""
        how, turns, span = self.chance.randrange(3), self.chance.randint(0, 6), self.chance.random()
        if how == 0:
            await self._next_timer()
        elif how == 1:
            for _ in range(turns):
                await asyncio.sleep(0)
        else:
            await self.clock.advance(span)

    async def _go_on(self) -> None:
        """Let the next thing happen: a thread returns, or a timer fires."""
        if self.runtime._powers.env.threads.statistics().running:
            self.release.set()
            await asyncio.sleep(0)
        else:
            await self._next_timer()

    async def _next_timer(self) -> None:
        when = self.clock.next_at
        await self.clock.advance(when - self.clock.now() + 1e-9 if when is not None else 0)

    async def _calm(self) -> None:
        """Check that nothing is left: no task, timer, waiter, call or thread at work."""
        self.release.set()
        env = self.runtime._powers.env
        if not env.left_behind:  # a call that was left behind may sleep on, nothing else
            assert self.clock.pending == 0
        await self.clock.advance(LONGER_THAN_ANY_CALL_S)
        threads = env.threads.statistics()
        for _ in range(TURNS):
            if not (threads.running or threads.abandoned):
                break
            await asyncio.sleep(0)
            threads = env.threads.statistics()
        await settle()
        assert (threads.running, threads.abandoned, threads.queued) == (0, 0, 0)
        assert not left()
        assert self.clock.pending == 0
        assert not env.left_behind
        assert [bucket.waiters for bucket in self.runtime.rate_limiter] == [0, 0]
        for cache in (env.reuse.results.statistics(), env.reuse.idempotency.statistics()):
            assert (cache.in_flight, cache.waiting) == (0, 0)

    async def check_log(self) -> Counter[str]:
        """Check what the log says of all this; return how often each end came."""
        events = await self.runtime.log.read(limit=10_000_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        jobs: defaultdict[str, list[Event]] = defaultdict(list)
        for event in events:
            if event.job_id is not None:
                jobs[event.job_id].append(event)
        results = {result.job_id: result for result in self.results}
        assert results.keys() <= jobs.keys()
        ends: Counter[str] = Counter()
        for job_id, told in jobs.items():
            ends[told[-1].kind] += 1
            check_ends(told)
            self.met.update(check_cancel(told))
            view = fold_all(RunView(JobRow(job_id)), told)
            assert view.job.finished
            assert job_id not in results or view.result() == results[job_id]
        scope = fold_all(StateView("runtime"), events)
        assert (scope.state, scope.pending, scope.jobs) == (dict(self.runtime.state.snapshot()), {}, {})
        return ends


def check_ends(told: list[Event]) -> None:
    """Check that a job and each of its actions ended once, the job last, and that attempts count up by one."""
    assert told[0].kind == kinds.JOB_CREATED
    assert [event.kind in kinds.TERMINAL_JOB for event in told] == [False] * (len(told) - 1) + [True]
    wanted = sorted(action["id"] for action in told[0].data["graph"]["actions"])
    assert sorted(event.action_id or "" for event in told if event.kind in kinds.TERMINAL_ACTION) == wanted
    attempts: Counter[str | None] = Counter()
    for event in told:
        if event.kind == kinds.ACTION_EXECUTING:
            attempts[event.action_id] += 1
            assert event.attempt == attempts[event.action_id]
        elif event.kind in kinds.TERMINAL_ACTION:
            assert (event.attempt or 0) == attempts[event.action_id]


def check_cancel(told: list[Event]) -> Counter[str]:
    """Check that nothing starts after a cancel, and nothing is undone for it; return what it met."""
    doing: dict[str | None, str] = {}
    requested = failed = started = False
    met: Counter[str] = Counter()
    tools = {action["id"]: action.get("tool", "") for action in told[0].data["graph"]["actions"]}
    for event in told:
        kind, action = event.kind, event.action_id
        started = started or kind == kinds.JOB_STARTED
        if kind == kinds.RUN_CANCEL_REQUESTED:
            requested = True
            met.update(doing.values() if started else ["line"])
        elif kind == kinds.RATE_LIMIT_WAIT:
            doing[action] = "token"
        elif kind == kinds.ACTION_EXECUTING:
            doing[action] = tools[action or ""]
        elif kind == kinds.ACTION_RETRYING:
            doing[action] = "backoff"
        elif kind == kinds.COMPENSATION_STARTED:
            doing[action] = "compensation"
        elif kind in kinds.TERMINAL_ACTION or kind in (kinds.COMPENSATION_SUCCEEDED, kinds.COMPENSATION_FAILED):
            doing.pop(action, None)
        failed = failed or (not requested and kind in (kinds.ACTION_FAILED, kinds.ACTION_REJECTED))
        if requested:
            assert kind not in (kinds.JOB_STARTED, kinds.LEVEL_STARTED, kinds.ACTION_EXECUTING, kinds.ACTION_RETRYING)
            assert failed or kind not in (kinds.COMPENSATION_STARTED, kinds.STATE_ROLLBACK)
    assert (told[-1].kind == kinds.JOB_CANCELLED) == requested
    return met


@pytest.mark.timeout(600)
async def test_thousands_of_random_cancels_leave_nothing() -> None:
    chance = seeds.chance()
    ends: Counter[str] = Counter()
    met: Counter[str] = Counter()
    cancels = 0
    while cancels < CANCELS:
        weather = Weather(chance)
        while weather.cancels < GENERATION:
            await weather.blow()
        ends.update(await weather.check_log())
        met.update(weather.met)
        cancels += weather.cancels
        weather.runtime._powers.env.threads.close()
    print(f"{cancels} cancels; jobs: {dict(ends)}; met: {dict(met)}")
    assert min(ends[kind] for kind in kinds.TERMINAL_JOB) > CANCELS / 100
    everything = ("line", "token", "backoff", "compensation", "equal call", "task", "nap", "fails", "stubborn", "talks")
    assert min(met[what] for what in (*everything, "streams", "works", "holds")) >= CANCELS / 500


async def test_a_cancelled_task_and_a_kill_in_one_turn_leave_no_timer_of_a_compensation() -> None:
    clock = VirtualClock()
    made, gate = runtime(clock=clock)
    undo = {"type": "tool", "tool": "gate"}
    done = call("a", reversibility="compensable", compensation=undo)
    token = CancellationToken()
    running = asyncio.create_task(made.execute_with_cancel({"actions": [done, call("f", "boom")]}, token))
    await gate.started.get()
    running.cancel()
    token.kill("now")
    await asyncio.wait([running])
    await settle()
    assert clock.pending == 0
    assert not left()
