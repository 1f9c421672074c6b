"""The job API: how soon a job runs, what 10,000 that wait take, what a page and a bulk operation cost."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import headway
from benchmarks._figure import Figure, at_most
from headway.config import Config
from headway.config.model import AdmissionConfig
from headway.engine import Engine
from headway.events import kinds

SECONDS = 60
PICKUPS = 400
WAITING = 10_000
TOGETHER = 100
BULK = 1000
PAGES = 20


def run() -> Iterator[Figure]:
    """Yield the figures."""
    with tempfile.TemporaryDirectory() as folder:
        yield from asyncio.run(_figures(Path(folder)))


async def _figures(folder: Path) -> list[Figure]:
    return [figure async for figure in _measured(folder)]


async def _measured(folder: Path) -> AsyncIterator[Figure]:
    go = asyncio.Event()

    @headway.tool
    async def hold() -> None:
        await go.wait()

    @headway.tool
    async def nothing() -> None:
        pass

    bounds = AdmissionConfig(max_waiting=2 * WAITING, max_plan_bytes=2**30)
    async with await Engine.open(folder, Config(admission=bounds), tools=[hold, nothing]) as engine:
        jobs = engine.manager
        waits = sorted([await _pickup(engine) for _ in range(PICKUPS)])
        yield Figure("from enqueue to running, p50, wall", waits[PICKUPS // 2], "ms", at_most(5))
        yield Figure("from enqueue to running, p99, wall", waits[PICKUPS * 99 // 100], "ms", at_most(25))
        gc.collect()
        before = _resident()
        for _ in range(32):
            await jobs.enqueue_job("in the way", call="hold")
        for start in range(0, WAITING, TOGETHER):
            many = range(start, start + TOGETHER)
            await asyncio.gather(
                *(jobs.enqueue_job(f"{n:05} waits", call="nothing", principal=f"{n % 7}") for n in many)
            )
        gc.collect()
        yield Figure(f"{WAITING:,} queued jobs, each", (_resident() - before) / WAITING / 1024, "KiB")
        yield Figure("a page of 100 of them, CPU", await _cpu_ms(lambda: engine.jobs(limit=100)), "ms", at_most(10))
        yield Figure(
            "app_status, 100 of them, CPU", await _cpu_ms(lambda: jobs.app_status(limit=100)), "ms", at_most(10)
        )
        began = time.perf_counter()
        report = await jobs.bulk("cancel", "title:waits")
        assert len(report.items) == WAITING
        yield Figure(f"a look at {WAITING:,} by a filter, wall", (time.perf_counter() - began) * 1000, "ms")
        began = time.perf_counter()
        report = await jobs.bulk("cancel", "title:waits principal:0", dry_run=False)
        each = (time.perf_counter() - began) / len(report.items)
        yield Figure(f"{BULK:,} jobs cancelled by a filter, wall", each * BULK, "s", at_most(2))
        go.set()


async def _pickup(engine: Engine) -> float:
    """Return the ms from the call that enqueues a job until its job_started is committed."""
    with engine.subscribe(engine.log.last_seq) as events:
        began = time.perf_counter()
        asked = asyncio.create_task(engine.manager.enqueue_job("soon", call="nothing"))
        async for batch in events:
            if any(event.kind == kinds.JOB_STARTED for event in batch):
                break
        took = (time.perf_counter() - began) * 1000
    await engine.wait((await asked).job_id)
    return took


async def _cpu_ms(ask: Callable[[], Awaitable[Any]]) -> float:
    found = []
    for _ in range(PAGES):
        began = time.process_time()
        await ask()
        found.append((time.process_time() - began) * 1000)
    return median(found)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
