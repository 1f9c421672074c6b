"""Pruning: CPU time of deleting an event against that of writing it, and how long a running job waits beside it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._figure import Figure, at_most
from benchmarks._pace import PACE, Round, loop
from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog

SECONDS = 20
JOBS = 60
ACTIONS = 48
ROUNDS = 5

_OUTPUT = {"rows": 12, "text": "y" * 160, "path": "src/module/file.py"}


def _job(job_id: str) -> list[Event]:
    """Return the events of a job that has ended: 100 with two an action."""
    graph = {
        "actions": [{"id": f"a{n}", "type": "tool_call", "tool": "noop"} for n in range(ACTIONS)],
        "levels": [list(range(ACTIONS))],
    }
    data = {"scope": f"job:{job_id}", "source": "bench", "title": "bench", "proposal": {}, "graph": graph}
    events = [Event(k.JOB_CREATED, data, job_id), Event(k.JOB_STARTED, {"pid": 1}, job_id)]
    for n in range(ACTIONS):
        events.append(Event(k.ACTION_EXECUTING, {}, job_id, f"a{n}", 0, 1))
        events.append(Event(k.ACTION_SUCCEEDED, {"output": _OUTPUT, "duration_ms": 1.5}, job_id, f"a{n}", 0, 1))
    done = {"succeeded": ACTIONS, "failed": 0, "skipped": 0, "rejected": 0}
    events.append(Event(k.LEVEL_FINISHED, done, job_id, level=0))
    events.append(Event(k.JOB_COMPLETED, {"cost": {"tool_calls": ACTIONS}}, job_id))
    return events


async def _round(home: Home) -> tuple[float, float, float]:
    """Write jobs and prune them; return µs of CPU an event for both, and a writer's longest wait beside it in ms."""
    log = await StoreLog.open(home)
    jobs = [_job(f"{n * 2654435761 % 2**48:012x}") for n in range(JOBS)]
    events = sum(map(len, jobs))
    began = time.process_time()
    for job in jobs:
        for start in range(0, len(job), 20):
            await log.write(*job[start : start + 20])
    written = time.process_time() - began
    began = time.process_time()
    assert (await log.prune(keep_days=0))["events"] == events
    pruned = time.process_time() - began
    for job_id, job in enumerate(jobs):
        await log.write(*[Event(e.kind, e.data, f"again{job_id}", e.action_id, e.level, e.attempt) for e in job])
    waits: list[float] = []
    pruning = asyncio.create_task(log.prune(keep_days=0))
    while not pruning.done():
        asked = time.perf_counter()
        await log.write(Event("beside"))
        waits.append(time.perf_counter() - asked)
    await pruning
    await log.close()
    return written / events * 1e6, pruned / events * 1e6, max(waits, default=0.0) * 1e3


def run() -> Iterator[Figure]:
    """Measure; write and prune by turns."""
    PACE.case(SECONDS - 4)
    made: dict[str, list[Round]] = {"write": [], "prune": [], "ratio": [], "wait": []}
    while not PACE.enough(made["ratio"], ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            before, wall = loop(), loop(time.perf_counter)
            write, prune, wait = asyncio.run(_round(Home(Path(folder) / "home")))
            pace, wall = max(before, loop()), max(wall, loop(time.perf_counter))
        for name, value in (("write", write), ("prune", prune), ("ratio", prune / write)):
            made[name].append(PACE.note(Round(value, pace)))
        made["wait"].append(Round(wait, wall))
    slowed = PACE.slowed(made["ratio"], ROUNDS)
    yield Figure("write, 20 events a commit", PACE.median(made["write"]), "µs CPU/event", None, (), slowed)
    yield Figure("prune", PACE.median(made["prune"]), "µs CPU/event", None, (), slowed)
    yield Figure("prune an event, against its write", PACE.median(made["ratio"]), "times", at_most(0.5), (), slowed)
    slowed = PACE.slowed(made["wait"], ROUNDS)
    wait = PACE.median(made["wait"])
    yield Figure("longest wait of a writer beside it", wait, "ms wall", at_most(50), (), slowed)
