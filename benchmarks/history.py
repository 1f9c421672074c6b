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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks._figure import Figure, Rival, at_most
from benchmarks._pace import CASE_S, PACE, SLOWED, TRIES, loop
from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog, StoreReader
from headway.store.sqlite.codec import COLUMNS, pack, to_row
from headway.store.sqlite.connect import close_writer, open_for_writing

SECONDS = 60

JOBS = 20_000
ACTIONS = 23
EACH = 4 + 2 * ACTIONS  # created, started, level finished, completed; an executing and a succeeded event an action
AT_ONCE = 20
ASKS = 200

_NUMBERS = """
    WITH RECURSIVE counted (number) AS (VALUES (0) UNION ALL SELECT number + 1 FROM counted WHERE number + 1 < ?)
    SELECT number, job_id(number) AS id FROM counted
    """

_OUTPUT = {"rows": 12, "text": "y" * 160, "path": "src/module/file.py"}


def run() -> Iterator[Figure]:
    """Measure; p50 and p99 over questions about jobs drawn by chance."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        began = time.perf_counter()
        _fill(home.db)
        filled = time.perf_counter() - began
        yield Figure("fill with 1,000,000 events (not by Headway)", filled, "s wall")
        yield Figure("size of the store", home.db.stat().st_size / 1e6, "MB")
        with asyncio.Runner() as runner:
            for part in (_open(home), _read(home)):
                with contextlib.suppress(StopAsyncIteration):
                    while True:
                        yield runner.run(anext(part))


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


def _fill(path: Path) -> None:
    """Insert all rows in one transaction; it need not survive a crash.

    SQLite copies one job's rows: the id's place in them is taken by each id, and the jobs of one group take turns.
    """
    name = job_id(1)
    connection = open_for_writing(path)
    connection.create_function("job_id", 1, job_id, deterministic=True)
    connection.execute("BEGIN")
    connection.execute(f"CREATE TEMP TABLE one AS SELECT {COLUMNS} FROM events")  # noqa: S608 - constant columns
    rows = [to_row(number, pack(event)) for number, event in enumerate(_job(1))]
    places = ", ".join("?" * len(COLUMNS.split(",")))
    connection.executemany(f"INSERT INTO one VALUES ({places})", rows)  # noqa: S608 - placeholders
    connection.execute(f"CREATE TEMP TABLE jobs_there AS {_NUMBERS}", (JOBS,))
    connection.execute(
        f"""
        INSERT INTO events ({COLUMNS})
        SELECT number / {AT_ONCE} * {AT_ONCE * EACH} + seq * {AT_ONCE} + number % {AT_ONCE} + 1 AS place,
            1700000000000 + number / {AT_ONCE} * {AT_ONCE * EACH} + seq * {AT_ONCE} + number % {AT_ONCE} + 1,
            kind, tenant, id, proposal_id, action_id, level, attempt, trace_id, replace(data, '{name}', id)
        FROM jobs_there CROSS JOIN one
        """  # noqa: S608 - constants
    )
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*), max(seq) FROM events").fetchone() == (JOBS * EACH, JOBS * EACH)
    close_writer(connection)


async def _open(home: Home) -> AsyncIterator[Figure]:
    """Open the store as a writer twice: the first time there are no caches, and they must be made."""
    for what, bar in (("without caches", at_most(100)), ("with caches", None)):
        began, cpu = time.perf_counter(), time.process_time()
        log = await StoreLog.open(home)
        await (await log.reader()).jobs(limit=20)
        yield Figure(f"open for writing {what}, first answer", (time.perf_counter() - began) * 1e3, "ms wall", bar)
        await log.rebuild_caches() if bar is not None else None
        cpu = time.process_time() - cpu
        yield Figure(f"open for writing {what}, until they are whole", cpu * 1e3, "ms CPU")
        await log.close()


async def _read(home: Home) -> AsyncIterator[Figure]:
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
        floor = "sqlite3, rows only"
        yield Figure("open for reading", opened, "ms wall")
        yield Figure("events of one job (50), p50", p50, "ms wall", at_most(1), (Rival(floor, floor50),))
        yield Figure("events of one job (50), p99", p99, "ms wall", at_most(1), (Rival(floor, floor99),))
        for what, ask, count in (
            ("run_view of one job", view, ASKS),
            ("job row", row, ASKS),
            ("jobs(): the newest 100", newest, ASKS // 4),
            ("jobs('completed', before=…): 100", completed, ASKS // 4),
            ("a page of 1,000 events", page, ASKS // 4),
        ):
            p50, p99 = await _times(ask, count)
            yield Figure(f"{what}, p50", p50, "ms wall")
            yield Figure(f"{what}, p99", p99, "ms wall")
        yield Figure("jobs_view(): all 20,000", (await _times(reader.jobs_view, 3))[0], "ms wall")


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
        self._until = time.monotonic() + CASE_S

    def more(self) -> bool:
        """Return whether another chunk is needed."""
        enough = len(self._made) * self.size >= TRIES * self._wanted or time.monotonic() >= self._until
        return not self._made or not (enough or sum(map(len, self._counted())) >= self._wanted)

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
