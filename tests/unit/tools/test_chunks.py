"""Chunks become few events, bounded, in order; nothing is dropped silently."""

from __future__ import annotations

import asyncio
from typing import Any

from headway.testing import VirtualClock
from headway.testing.clock import settle
from headway.thread_pool import DaemonThreads
from headway.tools.chunks import MAX_CHARACTERS, ChunkEvents
from headway.tools.context import ToolContext


def made() -> tuple[VirtualClock, ToolContext, ChunkEvents, list[dict[str, Any]]]:
    clock = VirtualClock()
    events: list[dict[str, Any]] = []
    chunks = ChunkEvents(clock, events.append)
    return clock, ToolContext(chunks=chunks.report, clock=clock), chunks, events


async def test_the_first_is_shown_at_once_and_the_rest_ten_times_a_second() -> None:
    clock, context, _, events = made()
    for number in range(100):
        context.emit_chunk(f"{number},")
        await clock.advance(0.01)
    assert events[0] == {"index": 0, "count": 1, "chunks": ["0,"]}
    assert 10 <= len(events) <= 11
    await clock.advance(1)
    assert "".join(text for event in events for text in event["chunks"]) == "".join(f"{n}," for n in range(100))
    assert [event["index"] for event in events] == [
        sum(earlier["count"] for earlier in events[:place]) for place in range(len(events))
    ]


async def test_texts_in_a_row_are_joined_around_what_is_no_text() -> None:
    clock, context, _, events = made()
    context.emit_chunk("first")
    for chunk in ("a", "b", {"n": 1}, "c", None, "d", "e"):
        context.emit_chunk(chunk)
    await clock.advance(0.1)
    assert events[1:] == [{"index": 1, "count": 7, "chunks": ["ab", {"n": 1}, "c", None, "de"]}]


async def test_the_end_shows_what_is_left_and_nothing_after_it() -> None:
    clock, context, chunks, events = made()
    context.emit_chunk("a")
    context.emit_chunk("b")
    chunks.close()
    assert events[1:] == [{"index": 1, "count": 1, "chunks": ["b"]}]
    context.emit_chunk("late")
    chunks.close()
    await clock.advance(10)
    assert len(events) == 2
    assert clock.pending == 0


async def test_what_does_not_fit_is_cut_and_counted() -> None:
    clock, context, chunks, events = made()
    context.emit_chunk("x" * (MAX_CHARACTERS + 5))
    assert events == [{"index": 0, "count": 1, "chunks": ["x" * MAX_CHARACTERS], "dropped": 1}]
    for _ in range(3):
        context.emit_chunk(["y" * (MAX_CHARACTERS // 2)])
    context.emit_chunk("fits")
    await clock.advance(0.1)
    assert events[1]["chunks"] == [["y" * (MAX_CHARACTERS // 2)], "fits"]
    assert (events[1]["count"], events[1]["dropped"]) == (4, 2)
    context.emit_chunk("z")
    chunks.close()
    assert events[2] == {"index": 5, "count": 1, "chunks": ["z"]}


async def test_threads_may_report_and_wake_the_loop_once() -> None:
    clock, context, chunks, events = made()
    threads = DaemonThreads(1)

    def emit() -> None:
        for number in range(1000):
            context.emit_chunk(number)

    await threads.submit(emit)
    threads.close()
    await settle()
    await clock.advance(1)
    chunks.close()
    assert [number for event in events for number in event["chunks"]] == list(range(1000))
    assert len(events) <= 3


def test_a_thread_left_behind_reports_to_nobody() -> None:
    async def make() -> ToolContext:
        return made()[1]

    context = asyncio.run(make())
    threads = DaemonThreads(1)

    async def report() -> None:
        await threads.submit(context.emit_chunk, "late")

    asyncio.run(report())
    threads.close()
