"""The log in memory: CPU time to append, alone and with readers; CPU time from an append to a waiting reader."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks._figure import Figure
from benchmarks._pace import PACE
from headway.events.event import Event
from headway.events.log import EventLog
from headway.events.recording import Recording, write_recording
from headway.secrets import Secret

SECONDS = 20

_EVENTS = 50_000
_TURN = 50  # events appended in one turn of the loop


def _made(count: int) -> list[Event]:
    return [Event("action_succeeded", {"output": {"n": n}}, f"job{n % 100}", f"a{n}", 0, 1) for n in range(count)]


def _append(batch: int) -> float:
    log = EventLog()
    events = _made(_EVENTS)
    groups = [events[n : n + batch] for n in range(0, len(events), batch)]
    began = time.process_time()
    for group in groups:
        log.append(*group)
    return (time.process_time() - began) / _EVENTS * 1e6


def _look() -> float:
    """Return the CPU time per event of asking whether there are secrets to look for: all that it costs without any."""
    log = EventLog()
    events = _made(_EVENTS)
    began = time.process_time()
    for event in events:
        if log.redactor.active:
            log.append(event)
    return (time.process_time() - began) / _EVENTS * 1e6


def _redact(values: int) -> float:
    """Return the CPU time per event that looking for secrets adds to an append."""
    log = EventLog()
    for n in range(values):
        log.redactor.add(f"s{n}", Secret(f"a-secret-value-{n:04}"))
    events = _made(_EVENTS)
    began = time.process_time()
    for event in events:
        log.append(event)
    return (time.process_time() - began) / _EVENTS * 1e6 - _append(1)


async def _follow(readers: int, job_id: str | None) -> float:
    """Return the CPU time per event of appending in turns and of ``readers`` that follow."""
    log = EventLog()
    seen = 0

    async def read() -> None:
        nonlocal seen
        async for batch in log.subscribe(job_id=job_id):
            seen += len(batch)

    tasks = [asyncio.create_task(read()) for _ in range(readers)]
    events = _made(_EVENTS)
    await asyncio.sleep(0)
    began = time.process_time()
    for start in range(0, _EVENTS, _TURN):
        log.append(*events[start : start + _TURN])
        await asyncio.sleep(0)
    await log.close()
    await asyncio.gather(*tasks)
    took = time.process_time() - began
    assert seen == readers * (_EVENTS if job_id is None else _EVENTS // 100 if job_id == "job1" else 0)
    return took / _EVENTS * 1e6


async def _round_trip(count: int = 5_000) -> float:
    """Return the CPU time from an append to its waiting reader and back, one event a turn."""
    log = EventLog()
    subscription = log.subscribe()
    events = _made(count)
    reading = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    began = time.process_time()
    for event in events:
        log.append(event)
        await reading
        reading = asyncio.ensure_future(anext(subscription))
        await asyncio.sleep(0)
    took = time.process_time() - began
    subscription.close()
    await asyncio.gather(reading, return_exceptions=True)
    return took / count * 1e6


def _recording() -> tuple[float, float]:
    events = _made(10_000)
    EventLog().append(*events)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.events.jsonl"
        began = time.process_time()
        write_recording(path, "bench", events)
        written = time.process_time() - began
        began = time.process_time()
        assert sum(1 for _ in Recording(path)) == 10_000
        return written / 10_000 * 1e6, (time.process_time() - began) / 10_000 * 1e6


def run() -> Iterator[Figure]:
    """Measure; return the figures."""
    cases: dict[str, Callable[[], float]] = {
        "append, one by one": lambda: _append(1),
        "append, 50 together": lambda: _append(50),
        "append 50 a turn, 1 reader": lambda: asyncio.run(_follow(1, None)),
        "append 50 a turn, 10 readers": lambda: asyncio.run(_follow(10, None)),
        "append 50 a turn, 10 readers of one job": lambda: asyncio.run(_follow(10, "job1")),
        "append 50 a turn, 100 readers of a quiet job": lambda: asyncio.run(_follow(100, "quiet")),
        "append to its waiting reader, one a turn": lambda: asyncio.run(_round_trip()),
    }
    for what, measure in cases.items():
        yield Figure(what, PACE.best_of(measure), "µs/event")
    yield Figure("look for secrets, none known", PACE.best_of(_look), "µs/event")
    yield Figure("look for secrets, 10 known", PACE.best_of(lambda: _redact(10)), "µs/event")
    written, read = _recording()
    yield Figure("write a recording, redacted", written, "µs/event")
    yield Figure("read a recording", read, "µs/event")
