"""Replay: opening a recording of 50,000 events and going about in it. CPU time."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from benchmarks._figure import Figure
from headway.events.event import Event
from headway.events.recording import write_recording
from headway.testing import VirtualClock, event_stream
from headway_console.source import Item
from headway_console.sources import ReplaySource
from headway_console.sources.recording import RecordingIndex
from headway_console.sources.replay import MAX_SPEED

SECONDS = 25

EVENTS = 50_000
SEEKS = 60


def run() -> Iterator[Figure]:
    """Measure; return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.jsonl"
        write_recording(path, "long", _events(), redacted=False)
        yield Figure("size of the recording", path.stat().st_size / 1e6, "MB")
        yield from asyncio.run(_open(path))
        yield from _index(path)
        yield from asyncio.run(_go_about(path))


def _events() -> Iterator[Event]:
    """The logs of many small homes one after the other, as one."""
    seq = last = home = 0
    while seq < EVENTS:
        home += 1
        for event in event_stream(random.Random(home), jobs=8, actions=40, start_ms=last + 1000, noise=False):
            seq += 1
            last = event.ts
            event.seq = seq
            if event.job_id is not None:
                event.job_id = f"{home}-{event.job_id}"
            yield event


async def _open(path: Path) -> list[Figure]:
    began = time.process_time()
    source = ReplaySource(path, clock=VirtualClock())
    await source.open()
    taken = time.process_time() - began
    assert source.last_seq >= EVENTS
    await source.close()
    return [Figure("open, to the first event", taken * 1e3, "ms")]


def _index(path: Path) -> list[Figure]:
    index = RecordingIndex(path)
    began = time.process_time()
    slowest = 0.0
    more = True
    while more:
        step = time.process_time()
        more = index.advance(500)
        slowest = max(slowest, time.process_time() - step)
    taken = time.process_time() - began
    kept = sum(len(packed) for _, packed in index._kept)
    index.close()
    return [
        Figure("index and fold", taken / index.count * 1e6, "µs/event"),
        Figure("longest turn of the loop meanwhile", slowest * 1e3, "ms"),
        Figure("views kept", kept / 1e6, "MB"),
    ]


async def _go_about(path: Path) -> list[Figure]:
    source = ReplaySource(path, clock=VirtualClock(), playing=False)
    await source.open()
    items = source.batches()
    source.seek(source.last_seq)
    await anext(items)
    rng = random.Random(1)
    seeks, steps = [], []
    for _ in range(SEEKS):
        source.seek(rng.randint(1, source.last_seq))
        seeks.append(await _timed(items))
        source.step(-1)
        steps.append(await _timed(items))
    source.seek(0)
    await anext(items)
    source.set_speed(MAX_SPEED)
    source.play()
    began, count = time.process_time(), 0
    while source.playing:
        item = await anext(items)
        count += len(item) if isinstance(item, list) else 0
    taken = time.process_time() - began
    assert count >= EVENTS - 1
    await source.close()
    return [
        Figure("seek anywhere, median", sorted(seeks)[SEEKS // 2] * 1e3, "ms"),
        Figure("seek anywhere, worst", max(seeks) * 1e3, "ms"),
        Figure("one event back, median", sorted(steps)[SEEKS // 2] * 1e3, "ms"),
        Figure("play at once", taken / count * 1e6, "µs/event"),
    ]


async def _timed(items: AsyncIterator[Item]) -> float:
    began = time.process_time()
    await anext(items)
    return time.process_time() - began
