"""The floor: asyncio's own task group, one task an action, with neither plan nor log, nothing on disk."""

from __future__ import annotations

import asyncio
import time

from benchmarks._pace import PACE
from benchmarks.peers._serve import Cpu, peak_rss_mb, serve


async def _noop() -> int:
    await asyncio.sleep(0)
    return 1


async def _level(count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(_noop())


async def flat(count: int) -> float:
    """Return µs of CPU an action."""
    with Cpu() as cpu:
        await _level(count)
    return cpu.us(count)


async def layers(count: int, width: int) -> float:
    """Return µs of CPU an action."""
    with Cpu() as cpu:
        for _ in range(count):
            await _level(width)
    return cpu.us(count * width)


async def chain(count: int) -> float:
    """Return µs of CPU an action."""
    return await layers(count, 1)


async def growth(many: int, few: int) -> float:
    """Return what one of many costs against one of few."""
    base = await PACE.measure_async(lambda: flat(few), 5)
    return await PACE.measure_async(lambda: flat(many), 1) / base


async def nap_async(count: int) -> float:
    """Return the wall time in ms of that many sleeps of 10 ms."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(asyncio.sleep(0.01))
    return (time.perf_counter() - began) * 1e3


async def nap_sync(count: int) -> float:
    """Return the wall time in ms of that many sleeps of 10 ms, each in a thread of the default pool."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(asyncio.to_thread(time.sleep, 0.01))
    return (time.perf_counter() - began) * 1e3


async def memory(count: int) -> float:
    """Return the peak of this process's resident memory in MB once it has run that many flat actions."""
    await _level(count)
    return peak_rss_mb()


if __name__ == "__main__":
    serve(
        "asyncio.TaskGroup",
        {
            "flat": flat,
            "layers": layers,
            "chain": chain,
            "durable_flat": flat,
            "durable_layers": layers,
            "durable_chain": chain,
            "growth": growth,
            "nap_async": nap_async,
            "nap_sync": nap_sync,
            "memory": memory,
        },
        warm=("flat 200",),
    )
