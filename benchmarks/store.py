"""The durable log: acknowledged events a second, CPU time per event, time to an acknowledgement.

Every figure is with WAL and ``synchronous=FULL``: an acknowledged event is on disk. CPU time is the whole process's,
loop and writer thread together.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time

from headway.events import kinds as k
from headway.events.event import Event
from headway.store.home import Home
from headway.store.log import StoreLog
from headway.store.reader import StoreReader

_OUTPUT = {"rows": 12, "text": "y" * 160, "path": "src/module/file.py"}


def _created(job_id: str, actions: int) -> Event:
    graph = {
        "actions": [{"id": f"a{i}", "type": "tool_call", "tool": "noop"} for i in range(actions)],
        "levels": [list(range(actions))],
    }
    data = {"scope": f"job:{job_id}", "source": "bench", "title": "bench", "proposal": {}, "graph": graph}
    return Event(k.JOB_CREATED, data, job_id)


def _event(job_id: str, number: int) -> Event:
    action = f"a{number % 100}"
    if number % 2 == 0:
        return Event(k.ACTION_EXECUTING, {}, job_id, action, 0, 1)
    changes = {"key": {"op": "set", "value": number}}
    data = {"output": _OUTPUT, "state_changes": changes, "duration_ms": 1.5}
    return Event(k.ACTION_SUCCEEDED, data, job_id, action, 0, 1)


async def _producers(home: Home, producers: int, each: int, jobs: int) -> tuple[float, float, float]:
    """Let producers write one event at a time; return events a second, CPU µs an event, median ms to the answer."""
    log = await StoreLog.open(home)
    ids = [f"{n * 2654435761 % 2**32:012x}" for n in range(jobs)]
    await log.write(*[_created(job_id, 100) for job_id in ids])
    waits: list[float] = []

    async def produce(job_id: str) -> None:
        for number in range(each):
            began = time.perf_counter()
            await log.write(_event(job_id, number))
            waits.append(time.perf_counter() - began)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(produce(ids[n % jobs]) for n in range(producers)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await log.close()
    events = producers * each
    return events / wall, cpu / events * 1e6, statistics.median(waits) * 1e3


async def _burst(home: Home, turns: int, events: int) -> tuple[float, float]:
    """Append without waiting, as the end of a level does, and flush; return events a second and CPU µs an event."""
    log = await StoreLog.open(home)
    job_id = "b" * 12
    await log.write(_created(job_id, 100))
    wall, cpu = time.perf_counter(), time.process_time()
    for turn in range(turns):
        log.append(*[_event(job_id, turn * events + number) for number in range(events)])
        await log.flush()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await log.close()
    return turns * events / wall, cpu / (turns * events) * 1e6


async def _read(home: Home) -> tuple[float, float]:
    """Fold a run of 20,000 events from its snapshot and tail, and list jobs; return both in ms."""
    async with await StoreReader.open(home.db) as reader:
        began = time.perf_counter()
        await reader.run_view("b" * 12)
        run = time.perf_counter() - began
        began = time.perf_counter()
        await reader.jobs()
        return run * 1e3, (time.perf_counter() - began) * 1e3


def run() -> list[tuple[str, float, str]]:
    """Return the figures as (name, value, unit)."""
    figures: list[tuple[str, float, str]] = []
    for producers, each, jobs in ((1, 1000, 1), (20, 1000, 1), (20, 500, 20), (20, 2000, 20), (200, 200, 200)):
        with tempfile.TemporaryDirectory() as folder:
            rate, cpu, wait = asyncio.run(_producers(Home(folder), producers, each, jobs))
        name = f"store: {producers} producers, {jobs} jobs of {producers * each // jobs:,} events"
        figures += [(name, rate, "events/s"), (name, cpu, "µs CPU/event"), (f"{name}, to ack p50", wait, "ms")]
    with tempfile.TemporaryDirectory() as folder:
        rate, cpu = asyncio.run(_burst(Home(folder), 40, 500))
        figures += [("store: bursts of 500", rate, "events/s"), ("store: bursts of 500", cpu, "µs CPU/event")]
        view, jobs = asyncio.run(_read(Home(folder)))
        figures += [("store: view of a run of 20,000 events", view, "ms"), ("store: list of jobs", jobs, "ms")]
    return figures


if __name__ == "__main__":
    for name, value, unit in run():
        print(f"{name:45} {value:12,.2f} {unit}")
