"""A log in this process as a source."""

import asyncio
import random

import anyio
import pytest

from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.log import EventLog
from headway.events.views import JobRow, RunView
from headway.testing import VirtualClock, event_stream, settle
from headway_console.source import Commands, Item, Source
from headway_console.sources import MemorySource

pytestmark = pytest.mark.anyio


async def filled(jobs: int = 3) -> tuple[EventLog, list[Event]]:
    """A log with made-up events."""
    events = event_stream(random.Random(3), jobs=jobs)
    log = EventLog(clock=VirtualClock())
    await log.write(*events)
    return log, await log.read(limit=100_000)


async def test_it_yields_everything_and_then_what_comes() -> None:
    log, events = await filled()
    source: Source = MemorySource(log, title="a test")
    await source.open()
    got: list[Item] = []

    async def follow() -> None:
        got.extend([item async for item in source.batches()])

    task = asyncio.create_task(follow())
    await settle()
    assert not task.done()
    await log.write(Event("later"))
    await settle()
    await log.close()
    with anyio.fail_after(60):
        await task
    flat = [event for batch in got if isinstance(batch, list) for event in batch]
    assert flat == [*events, flat[-1]]
    assert flat[-1].kind == "later"
    assert not source.live


async def test_closing_the_source_ends_it_and_not_the_log() -> None:
    log, _ = await filled()
    source = MemorySource(log)
    await source.close()
    seen = asyncio.Event()

    async def follow() -> None:
        async for _ in source.batches():
            seen.set()

    task = asyncio.create_task(follow())
    with anyio.fail_after(60):
        await seen.wait()
        await settle()
        await source.close()
        await task
    assert not log.closed
    assert source.live
    await log.close()


async def test_a_run_is_folded_from_all_its_events() -> None:
    log, events = await filled(jobs=40)
    source = MemorySource(log)
    for job_id in sorted({event.job_id for event in events if event.job_id}):
        assert await source.run(job_id) == fold_all(RunView(job=JobRow(job_id=job_id)), events)
    assert await source.run("nobody") is None
    await log.close()


async def test_it_shows_only_unless_it_is_given_commands() -> None:
    log, _ = await filled()
    assert MemorySource(log).commands is None
    assert "only shows" in MemorySource(log).read_only
    commands: Commands = object()  # type: ignore[assignment]  # it is handed on, not used
    source = MemorySource(log, title="mine", commands=commands)
    assert (source.commands, source.read_only, source.replay, source.title) == (commands, "", None, "mine")
    assert source.link.connected
    assert source.now_ms() == log.clock.time_ms()
    await log.close()
