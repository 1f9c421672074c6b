"""Admission: what a large plan costs an engine that serves others too, and what one that is too large costs it."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import _plans
from benchmarks._figure import Figure, at_most
from benchmarks._ours import noop
from headway.engine import Engine
from headway.errors import InvalidPlan
from headway.jobs.submission import Submission

SECONDS = 35
ACTIONS = 10_000
TOO_MANY = 70_000
ROUNDS = 5


class _Cost(NamedTuple):
    cpu_ms: float
    step_ms: float  # the longest step of the event loop, in CPU time of its thread
    lag_ms: float  # the longest time that another task of the loop had to wait
    refusal_ms: float


@contextmanager
def _measured() -> Iterator[list[float]]:
    """Yield the CPU times of the event loop's steps meanwhile, in seconds."""
    steps: list[float] = []
    run = asyncio.Handle._run

    def measured(self: asyncio.Handle) -> None:
        began = time.thread_time()
        run(self)
        steps.append(time.thread_time() - began)

    asyncio.Handle._run = measured  # type: ignore[method-assign] # what every step goes through
    try:
        yield steps
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign] # as it was


async def _lag(longest: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest[0] = max(longest[0], time.perf_counter() - began - 0.001)


async def _round(home: Path, plan: bytes, too_large: bytes) -> _Cost:
    go = asyncio.Event()

    async def hold() -> None:
        await go.wait()

    async with await Engine.open(home, tools=[noop, hold]) as engine:
        busy = Submission({"actions": [{"type": "tool_call", "tool": "hold"}]}, context_id="c")
        await engine.submit(busy)
        gc.collect()
        gc.freeze()  # as the daemon does
        longest = [0.0]
        watching = asyncio.create_task(_lag(longest))
        with _measured() as steps:
            began = time.process_time()
            row = await engine.submit(plan)
            cpu = time.process_time() - began
        watching.cancel()
        began = time.process_time()
        try:
            await engine.submit(too_large)
        except InvalidPlan:
            refusal = time.process_time() - began
        go.set()
        await engine.cancel(row.job_id)
        await engine.wait(row.job_id)
        gc.unfreeze()
    return _Cost(cpu * 1000, max(steps) * 1000, longest[0] * 1000, refusal * 1000)


async def _ran(home: Path, plan: bytes) -> float:
    """Return the longest step of the loop, in ms of CPU, from the submission of a plan to the view of its run."""
    async with await Engine.open(home, tools=[noop]) as engine:
        gc.collect()
        gc.freeze()
        with _measured() as steps:
            row = await engine.submit(plan)
            assert (await engine.wait(row.job_id)).job.status == "completed"
        gc.unfreeze()
    return max(steps) * 1000


def run() -> Iterator[Figure]:
    """Yield the figures."""
    plan = json.dumps(_plans.flat(ACTIONS)).encode()
    too_large = json.dumps(_plans.flat(TOO_MANY)).encode()
    costs, ran = [], []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            costs.append(asyncio.run(_round(Path(folder) / "home", plan, too_large)))
            ran.append(asyncio.run(_ran(Path(folder) / "other", plan)))
    best = _Cost(*map(min, zip(*costs, strict=True)))
    yield Figure("10,000 actions submitted: longest step of the loop", best.step_ms, "ms CPU", at_most(50))
    yield Figure("10,000 actions submitted: longest lag of another task", best.lag_ms, "ms", at_most(50))
    yield Figure("10,000 actions submitted, run and told: longest step", min(ran), "ms CPU", at_most(50))
    yield Figure("10,000 actions submitted: all of it", best.cpu_ms, "ms CPU")
    yield Figure("70,000 actions refused", best.refusal_ms, "ms CPU", at_most(200))
