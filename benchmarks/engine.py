"""Many jobs of one engine: CPU time a job, and questions to the reader."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from benchmarks import _plans
from benchmarks._figure import Figure, at_most
from benchmarks._ours import noop
from benchmarks._pace import PACE, Round, loop
from headway import parse_proposal
from headway.config import Config
from headway.engine import Engine
from headway.home import Home

SECONDS = 25
JOBS = 1000
ACTIONS = 10
ROUNDS = 3


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Yield the number of statements that readers ask of SQLite meanwhile, as the one item of a list."""
    count = [0]
    originals = {name: getattr(aiosqlite.Connection, name) for name in ("execute", "execute_fetchall")}

    def counting(original: Any) -> Any:
        def ask(self: aiosqlite.Connection, sql: str, *arguments: Any) -> Any:
            count[0] += sql.lstrip()[:6].upper() == "SELECT"
            return original(self, sql, *arguments)

        return ask

    for name, original in originals.items():
        setattr(aiosqlite.Connection, name, counting(original))
    try:
        yield count
    finally:
        for name, original in originals.items():
            setattr(aiosqlite.Connection, name, original)


async def _round(home: Home) -> tuple[float, float]:
    """Run the jobs; return ms of CPU and questions to the reader, both a job."""
    engine = await Engine.open(home, Config(), tools=[noop])
    try:
        plan = parse_proposal(_plans.flat(ACTIONS))

        async def job() -> None:
            row = await engine.submit(plan)
            assert (await engine.wait(row.job_id)).job.status == "completed"

        await job()
        with _counted() as count:
            began = time.process_time()
            await asyncio.gather(*(job() for _ in range(JOBS)))
            return (time.process_time() - began) / JOBS * 1e3, count[0] / JOBS
    finally:
        await engine.close()


def run() -> Iterator[Figure]:
    """Measure; the median of rounds that count."""
    PACE.case(SECONDS - 8)
    made: list[Round] = []
    asked = 0.0
    while not PACE.enough(made, ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            before = loop()
            cost, asked = asyncio.run(_round(Home(Path(folder) / "home")))
            made.append(PACE.note(Round(cost, max(before, loop()))))
    name = f"{JOBS:,} concurrent jobs of {ACTIONS} no-ops, durable"
    slowed = PACE.slowed(made, ROUNDS)
    yield Figure(name, PACE.median(made), "ms CPU/job", at_most(1.5), (), slowed)
    yield Figure(f"{name}: questions to the reader", asked, "a job", at_most(1))
