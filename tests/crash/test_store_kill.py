"""kill -9 of a writing process: what it was told is on disk, is there; what is there has no gap and is sound."""

import os
import random
import select
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headway.home import Home
from headway.store import StoreLog, check
from tests import seeds
from tests.sizes import cases

CYCLES = int(os.environ.get("HEADWAY_CRASH_CYCLES") or cases(40))

_WRITER = """
import asyncio, os, sys
from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog

GRAPH = {"actions": [{"id": "a"}], "levels": [[0]]}

async def produce(log, name):
    number = 0
    while True:
        job = f"{os.getpid()}-{name}-{number}"
        number += 1
        seq = await log.write(Event(k.JOB_CREATED, {"scope": "s", "graph": GRAPH}, job))
        print(seq, flush=True)
        big = "x" * (100_000 if number % 7 == 0 else 50)
        log.append(Event(k.ACTION_SUCCEEDED, {"output": big}, job, "a", 0, 1))
        print(await log.write(Event(k.JOB_COMPLETED, {"cost": {}}, job)), flush=True)
        if name == "p0" and number % 40 == 0:
            await log.prune(keep_days=0, max_bytes=None) if number % 80 == 0 else await log.rebuild_caches()

async def main():
    log = await StoreLog.open(Home(sys.argv[1]))
    await asyncio.gather(*(produce(log, f"p{n}") for n in range(8)))

asyncio.run(main())
"""


def _run_and_kill(home: Home, rng: random.Random) -> int:
    """Let a writer write for a while, kill it, and return the last seq that it was told is on disk."""
    child = subprocess.Popen([sys.executable, "-c", _WRITER, str(home.path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    out = child.stdout.fileno()
    data = b""
    deadline = None
    while deadline is None or time.monotonic() < deadline:  # the moment is random: that is the point
        if select.select([out], [], [], 0.005)[0]:
            data += os.read(out, 1 << 16)
            if deadline is None:
                deadline = time.monotonic() + rng.uniform(0.0, 0.15)
    child.kill()
    data += child.stdout.read()
    child.stdout.close()
    assert child.wait() == -9
    return max(int(line) for line in data.split(b"\n")[:-1])


def _check(home: Home, acknowledged: int) -> int:
    connection = sqlite3.connect(home.db)
    try:
        assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        first, last, count = connection.execute("SELECT min(seq), max(seq), count(*) FROM events").fetchone()
        (pruned,) = connection.execute(
            "SELECT coalesce(sum(json_extract(data, '$.events')), 0) FROM events WHERE kind = 'store_pruned'"
        ).fetchone()
        (unfinished,) = connection.execute(
            "SELECT count(*) FROM events WHERE job_id IN (SELECT job_id FROM pruned_jobs)"
        ).fetchone()
        assert last >= acknowledged
        assert first >= 1
        assert count - unfinished == last - pruned  # every seq was given once; what is missing was pruned
        orphans = connection.execute(
            "SELECT count(*) FROM blobs WHERE hash NOT IN (SELECT hash FROM blob_refs)"
        ).fetchone()
        assert orphans == (0,)
        return int(last)
    finally:
        connection.close()


@pytest.mark.timeout(60 + CYCLES)
async def test_kill_9(tmp_path: Path) -> None:
    rng = seeds.chance()
    home = Home(tmp_path)
    last = 0
    for cycle in range(CYCLES):
        acknowledged = _run_and_kill(home, rng)
        assert acknowledged > last
        last = _check(home, acknowledged)
        if cycle % 8 == 0:  # it folds the whole log
            assert (await check(home)).problems == []
    log = await StoreLog.open(home)
    assert log.last_seq == last
    reader = await log.reader()
    view = await reader.jobs_view()
    await log.rebuild_caches()
    assert await reader.jobs_view() == view
    await log.close()
    assert (await check(home)).problems == []
