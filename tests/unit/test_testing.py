"""The virtual clock and the made-up streams that other tests rely on."""

import asyncio
import contextvars
import itertools
import random

import pytest

from headway.clock import Clock
from headway.events import kinds
from headway.testing import VirtualClock, event_stream, settle


def test_time_stands_still() -> None:
    clock: Clock = VirtualClock(start_ms=1000)
    assert (clock.now(), clock.time_ms()) == (0.0, 1000)
    assert (clock.now(), clock.time_ms()) == (0.0, 1000)


async def test_advance_fires_timers_in_time_order_at_their_time() -> None:
    clock = VirtualClock(start_ms=0)
    seen: list[tuple[str, int]] = []
    for name, delay in (("late", 2.0), ("early", 0.5), ("twin", 0.5), ("beyond", 3.5)):
        clock.call_later(delay, lambda name=name: seen.append((name, clock.time_ms())))
    await clock.advance(3.0)
    assert seen == [("early", 500), ("twin", 500), ("late", 2000)]
    assert clock.now() == 3.0
    assert (clock.pending, clock.next_at) == (1, 3.5)


async def test_tasks_run_between_two_instants() -> None:
    clock = VirtualClock()
    seen: list[str] = []

    async def worker(name: str, delay: float) -> None:
        for step in range(3):
            await clock.sleep(delay)
            await asyncio.sleep(0)  # a few turns of the loop at the same instant
            await asyncio.sleep(0)
            seen.append(f"{name}{step}@{clock.now():g}")

    tasks = [asyncio.create_task(worker("a", 1.0)), asyncio.create_task(worker("b", 1.5))]
    await clock.advance(10)
    assert seen == ["a0@1", "b0@1.5", "a1@2", "b1@3", "a2@3", "b2@4.5"]
    assert all(task.done() for task in tasks)


async def test_a_timer_set_by_a_timer_fires_in_the_same_advance() -> None:
    clock = VirtualClock()
    seen: list[float] = []
    clock.call_later(1, lambda: clock.call_later(1, lambda: seen.append(clock.now())))
    await clock.advance(2)
    assert seen == [2.0]


async def test_a_cancelled_timer_does_not_fire_even_at_its_instant() -> None:
    clock = VirtualClock()
    seen: list[str] = []
    second = None

    def first() -> None:
        seen.append("first")
        assert second is not None
        second.cancel()

    clock.call_later(1, first)
    second = clock.call_later(1, seen.append, "second")
    third = clock.call_later(2, seen.append, "third")
    third.cancel()
    third.cancel()
    assert clock.pending == 2
    await clock.advance(5)
    assert seen == ["first"]
    assert clock.pending == 0


async def test_no_delay_is_the_next_turn_and_moves_no_time() -> None:
    clock = VirtualClock()
    seen: list[int] = []
    clock.call_later(0, seen.append, 1)
    clock.call_later(-5, seen.append, 2).cancel()
    assert seen == []
    await clock.sleep(0)
    assert seen == [1]
    assert clock.now() == 0


async def test_a_cancelled_sleep_leaves_no_timer() -> None:
    clock = VirtualClock()
    task = asyncio.create_task(clock.sleep(5))
    await settle()
    assert clock.pending == 1
    task.cancel()
    await settle()
    assert clock.pending == 0


async def test_callbacks_run_in_the_context_they_were_set_in() -> None:
    clock = VirtualClock()
    var = contextvars.ContextVar("var", default="none")
    seen: list[str] = []
    var.set("then")
    clock.call_later(1, lambda: seen.append(var.get()))
    var.set("now")
    await clock.advance(1)
    assert seen == ["then"]


async def test_an_error_in_a_callback_goes_to_the_loop_and_stops_nothing() -> None:
    clock = VirtualClock()
    seen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
    clock.call_later(1, lambda: 1 / 0)
    clock.call_later(1, seen.append, "next")
    await clock.advance(1)
    asyncio.get_running_loop().set_exception_handler(None)
    assert isinstance(seen[0], ZeroDivisionError)
    assert seen[1] == "next"


def test_autojump_runs_hours_at_once() -> None:
    async def main() -> tuple[float, list[str]]:
        clock = VirtualClock(autojump=True)
        seen: list[str] = []

        async def worker(name: str, delay: float) -> None:
            for _ in range(3):
                await clock.sleep(delay)
                await asyncio.sleep(0)
                seen.append(f"{name}@{clock.now():g}")

        await asyncio.gather(worker("a", 3600), worker("b", 5000))
        return clock.now(), seen

    first = asyncio.run(main())
    assert first == (15000.0, ["a@3600", "b@5000", "a@7200", "b@10000", "a@10800", "b@15000"])
    assert asyncio.run(main()) == first


def test_one_autojump_clock_on_two_loops() -> None:
    clock = VirtualClock(autojump=True)

    async def leave_a_timer_behind() -> None:
        task = asyncio.create_task(clock.sleep(60))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave_a_timer_behind())
    asyncio.run(clock.sleep(5))
    assert clock.now() == 5.0


async def test_advance_works_on_an_autojump_clock_too() -> None:
    clock = VirtualClock(autojump=True)
    sleeper = asyncio.create_task(clock.sleep(100))
    await clock.advance(10)
    assert clock.now() == 10
    await sleeper
    assert clock.now() == 100


async def test_settle_says_when_tasks_never_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.testing.clock._MAX_TURNS", 50)

    async def spin() -> None:
        for _ in range(1000):
            await asyncio.sleep(0)

    task = asyncio.create_task(spin())
    with pytest.raises(RuntimeError, match="come to rest"):
        await settle()
    task.cancel()


def test_a_stream_is_what_its_seed_says_and_obeys_the_rules() -> None:
    one, two = (event_stream(random.Random(7), jobs=12, actions=12) for _ in range(2))
    assert one == two
    assert [e.seq for e in one] == list(range(1, len(one) + 1))
    assert all(a.ts <= b.ts for a, b in itertools.pairwise(one))
    for job_id in {e.job_id for e in one if e.kind == kinds.JOB_CREATED}:
        mine = [e for e in one if e.job_id == job_id and e.kind in kinds.ALL]
        assert mine[0].kind == kinds.JOB_CREATED
        assert [e.kind in kinds.TERMINAL_JOB for e in mine] == [False] * (len(mine) - 1) + [True]
        settled = [e.action_id for e in mine if e.kind in kinds.TERMINAL_ACTION]
        assert len(settled) == len(set(settled))


def test_streams_contain_every_kind_of_a_run() -> None:
    seen = {e.kind for seed in range(30) for e in event_stream(random.Random(seed), jobs=6, actions=12)}
    not_drawn = {
        kinds.ACTION_CHUNK,
        kinds.ACTION_DEDUPLICATED,
        kinds.ACTION_PRINT,
        kinds.BUDGET_EXHAUSTED,
        kinds.BUDGET_WARNING,
        kinds.COMPENSATION_FAILED,
        kinds.COMPENSATION_STARTED,
        kinds.COMPENSATION_SUCCEEDED,
        kinds.CONFIG_REFUSED,
        kinds.CONFIG_RELOADED,
        kinds.JOB_PROGRESS,
        kinds.JOB_REQUEUED,
        kinds.ELICITATION_ANSWERED,
        kinds.ELICITATION_EXPIRED,
        kinds.ELICITATION_REQUESTED,
        kinds.ELICITATION_WITHDRAWN,
        kinds.HOOK_CHANGED,
        kinds.HOOK_DROPPED,
        kinds.HOOK_VERDICT,
        kinds.MCP_SERVER_CHANGED,
        kinds.MCP_STARTUP_COMPLETE,
        kinds.MCP_STARTUP_UPDATE,
        kinds.POLICIES_LOADED,
        kinds.POLICIES_REFUSED,
        kinds.POLICY_VIOLATION,
        kinds.REPLAN_ATTEMPTED,
        kinds.REPLAN_EXHAUSTED,
        kinds.REPLAN_PROPOSAL_RECEIVED,
        kinds.REPLAN_REJECTED,
        kinds.RUN_PAUSE_REQUESTED,
        kinds.TOOLS_CHANGED,
    }
    not_of_runs = {kind for kind in kinds.ALL if kind.startswith(("schedule_", "thread_"))}
    assert kinds.ALL - kinds.LEARNING - seen - not_of_runs <= not_drawn
    assert "kind_of_a_newer_version" in seen
