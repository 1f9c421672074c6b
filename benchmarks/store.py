"""The durable log: acknowledged events a second, CPU time per event, time to an acknowledgement.

Every figure is with WAL and ``synchronous=FULL``: an acknowledged event is on disk. CPU time is the whole process's,
loop and writer thread together. Beside it SQLite alone with as many ready rows a commit as there are producers, and the
time that the disk takes to keep 4 KiB. A producer waits for its event, so 20 producers get at most 20 events a sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks._figure import Figure, Rival, at_least
from benchmarks._pace import FEWEST, PACE, Round, loop, sync
from headway.events import kinds as k
from headway.events.event import Event
from headway.home import Home
from headway.store import StoreLog, StoreReader
from headway.store.sqlite.codec import pack, to_row
from headway.store.sqlite.connect import close_writer, open_for_writing
from headway.store.sqlite.insert import insert_rows

SECONDS = 45
ROUNDS = 5
BAR_PRODUCERS = 20
DISK_SLOWED = 2.0
"""A round during which the disk took this many times its best does not count."""
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
"""The folder whose files Linux keeps in memory: what is left is the program's own cost."""
CASES = ((1, 200, 1), (20, 500, 20), (20, 500, 1), (200, 100, 200))
"""Producers, events of each, jobs they share."""

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


def _job_ids(count: int) -> list[str]:
    """Return ids that lie far apart, as random ones do."""
    return [f"{n * 2654435761 % 2**32:012x}" for n in range(count)]


async def _producers(home: Home, producers: int, each: int, jobs: int) -> tuple[float, float, float]:
    """Let producers write one event at a time; return events a second, CPU µs an event, median ms to the answer."""
    log = await StoreLog.open(home)
    ids = _job_ids(jobs)
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


def _sqlite(path: Path, rows_each: int, commits: int, jobs: int) -> tuple[float, float]:
    """Commit so many rows at a time, made beforehand, on one thread; return rows a second and CPU µs a row.

    They are the rows that as many producers and jobs give: the index by job costs what it costs the log.
    """
    with contextlib.closing(open_for_writing(path)) as connection:
        ids = _job_ids(jobs)
        events = (_event(ids[number % jobs], number // rows_each) for number in range(rows_each * commits))
        rows = [to_row(number + 1, pack(event)) for number, event in enumerate(events)]
        wall, cpu = time.perf_counter(), time.process_time()
        for start in range(0, len(rows), rows_each):
            connection.execute("BEGIN IMMEDIATE")
            insert_rows(connection, rows[start : start + rows_each])
            connection.execute("COMMIT")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        close_writer(connection)
        return len(rows) / wall, cpu / len(rows) * 1e6


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


class _Rounds:
    """Rounds of several values each; those made while the disk was slow are left out if there are enough others."""

    def __init__(self, folder: str | None) -> None:
        self._folder = folder or tempfile.gettempdir()
        self._made: list[tuple[float, dict[str, Round]]] = []

    @contextlib.contextmanager
    def round(self) -> Iterator[dict[str, float]]:
        """Yield where a round's values go."""
        pace, disk, values = loop(time.perf_counter), sync(self._folder), dict[str, float]()
        yield values
        pace, disk = max(pace, loop(time.perf_counter)), max(disk, sync(self._folder))
        self._made.append((disk, {name: PACE.note(Round(value, pace)) for name, value in values.items()}))

    def enough(self) -> bool:
        """Return whether no more rounds are needed."""
        return PACE.enough([values["rate"] for _, values in self._made], ROUNDS) or len(self._steady()) >= ROUNDS

    def median(self, name: str) -> float:
        """Return the median of a value."""
        return PACE.median([values[name] for values in self._steady()])

    def sync_ms(self) -> float:
        """Return how long the disk took to keep 4 KiB, in ms."""
        return statistics.median(sorted(disk for disk, _ in self._made)[: len(self._steady())]) * 1e3

    def ratio(self, one: str, other: str) -> float:
        """Return the median of one value against another of the same round."""
        pairs = [(values[one], values[other]) for values in self._steady()]
        return PACE.median([Round(a.value / b.value, max(a.pace, b.pace)) for a, b in pairs])

    def slowed(self) -> bool:
        """Return whether the machine did not keep its pace."""
        return PACE.slowed([values["rate"] for values in self._steady()], ROUNDS)

    def _steady(self) -> list[dict[str, Round]]:
        made = sorted(self._made, key=lambda one: one[0])
        limit = made[0][0] * DISK_SLOWED if made else 0.0
        return [values for number, (disk, values) in enumerate(made) if disk <= limit or number < FEWEST]


def _case(producers: int, each: int, jobs: int, folder: str | None = None, where: str = "") -> Iterator[Figure]:
    """Measure one case in a folder (None: that for temporary files)."""
    PACE.case()
    rounds = _Rounds(folder)
    while not rounds.enough():
        with tempfile.TemporaryDirectory(dir=folder) as made, rounds.round() as values:
            found = asyncio.run(_producers(Home(made), producers, each, jobs))
            values["rate"], values["cpu"], values["wait"] = found
            values["floor"], values["floor_cpu"] = _sqlite(Path(made) / "floor.db", producers, min(each, 500), jobs)
    name = f"{producers} producers, {jobs} jobs of {producers * each // jobs:,} events{where}"
    floor = f"sqlite3, {producers} rows a commit"
    bar = at_least(15_000) if producers == BAR_PRODUCERS else None
    rate, cpu, slowed = Rival(floor, rounds.median("floor")), Rival(floor, rounds.median("floor_cpu")), rounds.slowed()
    sync_ms = Rival("fsync", rounds.sync_ms())
    yield Figure(name, rounds.median("rate"), "events/s", bar, (rate,), slowed)
    if producers == BAR_PRODUCERS:
        ratio = rounds.ratio("rate", "floor")
        yield Figure(f"{name}, against sqlite3", ratio, "times its rate", at_least(0.5), (), slowed)
    yield Figure(f"{name}, CPU", rounds.median("cpu"), "µs CPU/event", None, (cpu,), slowed)
    yield Figure(f"{name}, to ack p50", rounds.median("wait"), "ms wall", None, (sync_ms,), slowed)


def run() -> Iterator[Figure]:
    """Measure; yield the figures as they come."""
    for case in CASES:
        yield from _case(*case)
    if MEMORY_DISK.is_dir():
        yield from _case(20, 500, 20, str(MEMORY_DISK), ", memory disk")
    with tempfile.TemporaryDirectory() as folder:
        rate, cpu = asyncio.run(_burst(Home(folder), 40, 500))
        yield Figure("bursts of 500", rate, "events/s")
        yield Figure("bursts of 500, CPU", cpu, "µs CPU/event")
        view, jobs = asyncio.run(_read(Home(folder)))
        yield Figure("view of a run of 20,000 events", view, "ms wall")
        yield Figure("list of jobs", jobs, "ms wall")
