"""Reading out of a long log: 1,000,000 events of 20,000 jobs. Wall time, as one who asks would wait.

The store is filled through its own schema, 20 jobs at a time in turn, as a busy daemon would leave it; the caches
(job rows, snapshots) are made by Headway itself when it first opens the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks._figure import Figure, Rival, at_most
from benchmarks._pace import PACE, SLOWED, TRIES, loop
from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog, StoreReader
from headway.store.sqlite.codec import COLUMNS, Row, pack, to_row
from headway.store.sqlite.connect import close_writer, open_for_writing

JOBS = 20_000
ACTIONS = 23
EACH = 4 + 2 * ACTIONS  # created, started, level finished, completed; an executing and a succeeded event an action
AT_ONCE = 20
ASKS = 400

_OUTPUT = {"rows": 12, "text": "y" * 160, "path": "src/module/file.py"}


def run() -> list[Figure]:
    """Measure; p50 and p99 over questions about jobs drawn by chance."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        began = time.perf_counter()
        _fill(home.db)
        filled = time.perf_counter() - began
        rows = [
            Figure("fill with 1,000,000 events (not by Headway)", filled, "s wall"),
            Figure("size of the store", home.db.stat().st_size / 1e6, "MB"),
        ]
        rows += asyncio.run(_open(home))
        return rows + asyncio.run(_read(home))


def job_id(number: int) -> str:
    """Return the id of a job: twelve hex digits, in no order."""
    return f"{number * 2654435761 % 2**48:012x}"


def _job(number: int) -> Iterator[Event]:
    """Yield a job's 50 events."""
    name = job_id(number)
    names = [f"a{n}" for n in range(ACTIONS)]
    graph = {
        "actions": [{"id": action, "type": "tool_call", "tool": "fetch"} for action in names],
        "levels": [list(range(ACTIONS))],
    }
    yield Event(k.JOB_CREATED, {"scope": f"job:{name}", "source": "bench", "title": "bench", "graph": graph}, name)
    yield Event(k.JOB_STARTED, {"pid": 1}, name)
    for action in names:
        yield Event(k.ACTION_EXECUTING, {}, name, action, 0, 1)
        yield Event(k.ACTION_SUCCEEDED, {"output": _OUTPUT, "duration_ms": 1.5}, name, action, 0, 1)
    done = {"succeeded": ACTIONS, "failed": 0, "skipped": 0, "rejected": 0}
    yield Event(k.LEVEL_FINISHED, done, name, level=0)
    yield Event(k.JOB_COMPLETED, {"cost": {"tool_calls": ACTIONS}}, name)


def _rows() -> Iterator[Row]:
    seq = 0
    for first in range(0, JOBS, AT_ONCE):
        for turn in zip(*(_job(first + n) for n in range(AT_ONCE)), strict=True):
            for event in turn:
                seq += 1
                event.ts = 1_700_000_000_000 + seq
                yield to_row(seq, pack(event))
    assert seq == JOBS * EACH


def _fill(path: Path) -> None:
    """Insert all rows in one transaction; it need not survive a crash."""
    connection = open_for_writing(path)
    places = ", ".join("?" * len(COLUMNS.split(",")))
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO events ({COLUMNS}) VALUES ({places})", _rows())  # noqa: S608 - constant columns
    connection.execute("COMMIT")
    close_writer(connection)


async def _open(home: Home) -> list[Figure]:
    """Open the store as a writer twice: the first has to make the caches."""
    figures = []
    for what in ("open for writing, caches made anew", "open for writing, caches there"):
        began = time.perf_counter()
        log = await StoreLog.open(home)
        figures.append(Figure(what, (time.perf_counter() - began) * 1e3, "ms wall"))
        await log.close()
    return figures


async def _read(home: Home) -> list[Figure]:
    rng = random.Random(1)
    began = time.perf_counter()
    async with await StoreReader.open(home.db) as reader:
        opened = (time.perf_counter() - began) * 1e3

        async def one() -> None:
            assert len(await reader.events(job_id=job_id(rng.randrange(JOBS)))) == EACH

        async def page() -> None:
            assert len(await reader.events(after=rng.randrange(JOBS * EACH - 1000))) == 1000

        async def view() -> None:
            assert (await reader.run_view(job_id(rng.randrange(JOBS)))).job.finished

        async def row() -> None:
            await reader.job(job_id(rng.randrange(JOBS)))

        async def newest() -> None:
            assert len(await reader.jobs()) == 100

        async def completed() -> None:
            assert len(await reader.jobs("completed", before=rng.randrange(JOBS * EACH // 2, JOBS * EACH))) == 100

        p50, p99 = await _times(one, ASKS)
        floor50, floor99 = _floor(home.db)
        return [
            Figure("open for reading", opened, "ms wall"),
            Figure("events of one job (50), p50", p50, "ms wall", at_most(1), (Rival("sqlite3, rows only", floor50),)),
            Figure("events of one job (50), p99", p99, "ms wall", at_most(1), (Rival("sqlite3, rows only", floor99),)),
            *await _two("run_view of one job", view, ASKS),
            *await _two("job row", row, ASKS),
            *await _two("jobs(): the newest 100", newest, ASKS // 4),
            *await _two("jobs('completed', before=…): 100", completed, ASKS // 4),
            *await _two("a page of 1,000 events", page, ASKS // 4),
            Figure("jobs_view(): all 20,000", (await _times(reader.jobs_view, 3))[0], "ms wall"),
        ]


async def _two(what: str, ask: Callable[[], Awaitable[Any]], count: int) -> list[Figure]:
    p50, p99 = await _times(ask, count)
    return [Figure(f"{what}, p50", p50, "ms wall"), Figure(f"{what}, p99", p99, "ms wall")]


async def _times(ask: Callable[[], Awaitable[Any]], count: int) -> tuple[float, float]:
    """Return p50 and p99 in ms, of questions asked while the machine kept its pace."""
    kept = _Chunks(count)
    while kept.more():
        with kept.chunk() as times:
            for _ in range(kept.size):
                began = time.perf_counter()
                await ask()
                times.append(time.perf_counter() - began)
    return kept.percentiles()


class _Chunks:
    """Times in chunks, each between two loops of the wall's clock; those that count, or else all."""

    def __init__(self, count: int) -> None:
        self.size = min(count, 25)
        self._wanted = count
        self._made: list[tuple[float, list[float]]] = []

    def more(self) -> bool:
        """Whether another chunk is needed."""
        return sum(map(len, self._counted())) < self._wanted and len(self._made) * self.size < TRIES * self._wanted

    @contextlib.contextmanager
    def chunk(self) -> Iterator[list[float]]:
        """Yield where a chunk's times go."""
        before, times = loop(time.perf_counter), list[float]()
        yield times
        self._made.append((max(before, loop(time.perf_counter)), times))

    def percentiles(self) -> tuple[float, float]:
        """Return p50 and p99 in ms."""
        chunks = self._counted() or [times for _, times in self._made]
        times = sorted(chain.from_iterable(chunks))
        return times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3

    def _counted(self) -> list[list[float]]:
        return [times for pace, times in self._made if pace <= PACE.best * SLOWED]


def _floor(path: Path) -> tuple[float, float]:
    """Ask SQLite itself for other jobs' rows, on this thread; p50 and p99 in ms."""
    rng = random.Random(2)
    sql = f"SELECT {COLUMNS} FROM events WHERE job_id = ? ORDER BY seq"  # noqa: S608 - constant columns
    kept = _Chunks(ASKS)
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        while kept.more():
            with kept.chunk() as times:
                for _ in range(kept.size):
                    began = time.perf_counter()
                    connection.execute(sql, (job_id(rng.randrange(JOBS)),)).fetchall()
                    times.append(time.perf_counter() - began)
    return kept.percentiles()
