"""Hooks: what is told, what is dropped, and that nobody waits for a sink."""

from __future__ import annotations

import asyncio
import logging

import pytest

import headway
from headway.errors import InvalidConfig
from headway.events import kinds
from headway.events.event import Event
from headway.events.log import EventLog
from headway.hooks.groups import GROUPS, kinds_of
from headway.hooks.hooks import CLOSE_GRACE_S, Hook
from headway.hooks.lane import MAX_BYTES, TELL_EVERY_S
from headway.hooks.message import MAX_BYTES as LONGEST
from headway.hooks.message import message_of
from headway.hooks.sinks.sink import NotTaken
from headway.testing import VirtualClock
from headway.testing.clock import settle
from tests.unit.hooks.kit import BROKEN, Taker, events, hooked, seen


async def test_a_hook_is_told_of_what_it_asked_for_in_order_and_of_nothing_from_before() -> None:
    log, taker = EventLog(), Taker()
    log.append(*events(2))
    async with hooked(log, Hook("a", ["jobs", "store_opened"], taker)) as hooks:
        log.append(*events(3), Event("action_chunk", {}), Event("store_opened", {"pid": 1}))
    assert [(one["seq"], one["kind"]) for one in taker.got] == [
        (3, "job_created"),
        (4, "job_created"),
        (5, "job_created"),
        (7, "store_opened"),
    ]
    assert taker.got[0]["job_id"] == "j0"
    assert taker.closed
    assert hooks.reports()[0].sent == 4


async def test_each_group_has_the_kinds_from_the_start_to_the_end_of_what_it_is_named_after() -> None:
    taker = Taker()

    @headway.tool
    async def echo(x: int) -> int:
        return x

    runtime = headway.Runtime(tools=[echo])
    async with hooked(runtime.log, Hook("a", ["jobs", "tools"], taker)):
        await runtime.execute({"actions": [{"id": "a", "type": "tool_call", "tool": "echo", "parameters": {"x": 1}}]})
    assert [one["kind"] for one in taker.got] == [
        "job_created",
        "job_started",
        "action_executing",
        "action_succeeded",
        "job_completed",
    ]
    assert kinds_of(GROUPS) == frozenset().union(*GROUPS.values())
    assert kinds_of(GROUPS) <= kinds.ALL - kinds.HOOK


def test_an_event_that_does_not_exist_is_refused_with_the_nearest_and_hooks_are_told_of_no_hooks() -> None:
    with pytest.raises(InvalidConfig, match=r"hooks\.a\.on: no event.*'tool'; did you mean 'tools'"):
        raise_for("tool")
    with pytest.raises(InvalidConfig, match="'hook_dropped'"):
        raise_for("hook_dropped")


def raise_for(name: str) -> None:
    from headway.hooks.hooks import Hooks

    Hooks(EventLog(), [Hook("a", [name], Taker())])


async def test_a_burst_of_ten_thousand_events_is_told_or_counted_and_bounded_meanwhile() -> None:
    log, quick, small, hung = EventLog(clock=VirtualClock()), Taker(), Taker(), Taker()
    hung.hangs = True
    hooks_of = [Hook("quick", ["jobs"], quick), Hook("small", ["jobs"], small, 100), Hook("hung", ["jobs"], hung, 700)]
    async with hooked(log, *hooks_of) as hooks:
        log.append(*events(10_000))
        await settle()
        told = {status.name: status for status in hooks.reports()}
        assert [one["data"]["n"] for one in quick.got] == list(range(10_000))
        assert told["small"].sent + told["small"].dropped == 10_000
        assert len(small.got) == told["small"].sent >= 100
        assert told["hung"].queued == 800  # a batch that hangs, and the queue
        assert told["hung"].dropped == 9_200
        hung.hangs = False
        closing = asyncio.create_task(hooks.aclose())
        await settle()
        await log.clock.advance(CLOSE_GRACE_S)  # type: ignore[attr-defined] # the clock is a VirtualClock
        await closing
    assert {status.name: status.sent + status.dropped for status in hooks.reports()} == dict.fromkeys(told, 10_000)
    dropped = [data["total"] for data in await seen(log, kinds.HOOK_DROPPED) if data["hook"] == "hung"]
    assert dropped[-1] == {status.name: status.dropped for status in hooks.reports()}["hung"]


async def test_a_sink_that_hangs_is_named_once_and_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    log, hung, other = EventLog(clock=clock), Taker(), Taker()
    hung.hangs = True
    async with hooked(log, Hook("hung", ["jobs"], hung, retries=1), Hook("other", ["jobs"], other)) as hooks:
        log.append(*events(1))
        await settle()
        assert len(other.got) == 1  # without any time
        await clock.advance(9)
        assert hooks.reports()[0].status == "ok"
        await clock.advance(1)
        assert hooks.reports()[0].error == "took no event within 10 s"
        await clock.advance(20)
        assert hung.tries == 2
        assert hooks.reports()[0].dropped == 1
        hung.hangs = False
        log.append(*events(2))
        await clock.advance(TELL_EVERY_S)
        assert len(hung.got) == 2
    assert await seen(log, kinds.HOOK_CHANGED) == [
        {"hook": "hung", "sink": "taker", "status": "failing", "error": "took no event within 10 s"},
        {"hook": "hung", "sink": "taker", "status": "ok"},
    ]
    assert await seen(log, kinds.HOOK_DROPPED) == [{"hook": "hung", "dropped": 1, "total": 1}]
    assert [r.message for r in caplog.records if r.levelno == logging.WARNING] == [
        "hook 'hung' (taker): took no event within 10 s"
    ]


async def test_what_fails_is_tried_again_with_growing_waits_and_in_order() -> None:
    clock = VirtualClock()
    log, taker = EventLog(clock=clock), Taker(batch=1)
    taker.trouble = BROKEN
    async with hooked(log, Hook("a", ["jobs"], taker, retries=3)):
        log.append(*events(2))
        tries = []
        for _ in range(8):
            await clock.advance(0.5)
            tries.append(taker.tries)
        assert tries == [2, 2, 3, 3, 3, 3, 4 + 1, 4 + 2]  # after 0.5, 1.5 and 3.5 s; then the next event
        taker.trouble = None
        await clock.advance(30)
        assert [one["data"]["n"] for one in taker.got] == [1]


async def test_what_will_not_change_is_not_tried_again_and_a_sink_that_raises_anything_goes_on() -> None:
    clock = VirtualClock()
    log, taker = EventLog(clock=clock), Taker(batch=1)
    async with hooked(log, Hook("a", ["jobs"], taker)) as hooks:
        for trouble in (NotTaken("no such thing", again=False), RuntimeError("a bug")):
            taker.trouble = trouble
            log.append(*events(1))
            await settle()
        assert (taker.tries, hooks.reports()[0].dropped) == (2, 2)
        taker.trouble = None
        log.append(*events(1))
        await settle()
        assert hooks.reports()[0].status == "ok"


async def test_the_log_is_told_of_troubles_at_a_bounded_rate() -> None:
    clock = VirtualClock()
    log, taker = EventLog(clock=clock), Taker(batch=1)
    async with hooked(log, Hook("a", ["jobs"], taker, retries=0)):
        for n in range(200):
            taker.trouble = NotTaken("flaps", again=False) if n % 2 else None
            log.append(*events(1))
            await clock.advance(0.1)
    assert len(await seen(log, *kinds.HOOK)) <= 2 * (20 / TELL_EVERY_S + 2)


async def test_the_end_waits_a_short_time_only() -> None:
    clock = VirtualClock()
    log, hung = EventLog(clock=clock), Taker()
    hung.hangs = True
    async with hooked(log, Hook("a", ["jobs"], hung)) as hooks:
        log.append(*events(3))
        await settle()
        closing = asyncio.create_task(hooks.aclose())
        await clock.advance(CLOSE_GRACE_S)
        assert closing.done()
    assert hooks.reports()[0].dropped == 3
    assert await seen(log, kinds.HOOK_DROPPED) == [{"hook": "a", "dropped": 3, "total": 3}]


async def test_the_queue_is_bounded_in_bytes_and_a_long_event_is_cut() -> None:
    log, hung = EventLog(clock=VirtualClock()), Taker(batch=1)
    hung.hangs = True
    async with hooked(log, Hook("a", ["jobs"], hung)) as hooks:
        log.append(*(Event("job_created", {"text": "x" * (LONGEST - 200)}) for _ in range(100)))
        await settle()
        assert hooks.reports()[0].dropped >= 100 - MAX_BYTES // (LONGEST - 200) - 2
        closing = asyncio.create_task(hooks.aclose())
        await log.clock.advance(CLOSE_GRACE_S)  # type: ignore[attr-defined] # the clock is a VirtualClock
        await closing
    long = message_of(Event("job_created", {"text": "x" * LONGEST}, job_id="j", seq=7))
    assert long.startswith(b'{"kind":"job_created","cut":262')
    assert b'"job_id":"j","seq":7}\n' in long


async def test_events_that_the_memory_let_go_of_count_as_dropped() -> None:
    log, taker = EventLog(max_events=10), Taker()
    log.append(Event("job_completed", {}, job_id="j"))
    async with hooked(log, Hook("a", ["jobs"], taker)) as hooks:
        for _ in range(40):
            log.append(Event("job_created", {}, job_id="j"), Event("job_completed", {}, job_id="j"))
        await settle()
        status = hooks.reports()[0]
    assert status.dropped > 0
    assert status.sent + status.dropped == 80


async def test_no_secret_leaves_in_an_event_or_in_what_is_said_of_a_sink(caplog: pytest.LogCaptureFixture) -> None:
    log, taker = EventLog(clock=VirtualClock()), Taker()
    log.redactor.add("hub", headway.Secret("CANARY-4711-XYZ"))
    taker.trouble = NotTaken("refused CANARY-4711-XYZ", again=False)
    async with hooked(log, Hook("a", ["jobs"], taker)) as hooks:
        log.append(*events(1))
        await settle()
        assert "CANARY" not in hooks.reports()[0].error
        taker.trouble = None
        log.append(Event("job_created", {"title": "my CANARY-4711-XYZ", "deep": [{"x": "CANARY-4711-XYZ"}]}))
    assert len(taker.got) == 1
    assert "CANARY" not in str(taker.got)
    assert "CANARY" not in caplog.text
    assert "CANARY" not in str(await seen(log, *kinds.HOOK))
