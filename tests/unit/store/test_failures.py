"""When the disk refuses: nothing acknowledged is lost, order is kept, and the log goes on by itself."""

import asyncio
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headway.errors import LogFull, StoreError, StoreUnreadable
from headway.events.event import Event
from headway.home import Home
from headway.store.sqlite.connect import open_for_writing
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.reader import StoreReader
from headway.testing import VirtualClock, settle
from tests.unit.store.runs import names, numbered, whole_run


class Faulty(sqlite3.Connection):
    """A connection on which statements fail while ``fails`` says so."""

    fails: Callable[[str], bool]
    code = sqlite3.SQLITE_FULL

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if self.fails(sql):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = self.code
            raise error
        return super().execute(sql, parameters)


class Disk:
    """Makes faulty connections. ``broken``: every INSERT and COMMIT fails; ``chance``: some of all statements do."""

    def __init__(self) -> None:
        self.broken = False
        self.chance = 0.0
        self.tries = 0
        self.code = sqlite3.SQLITE_FULL
        self.random = random.Random(1)
        self.die = False

    def fails(self, sql: str) -> bool:
        if self.die:
            raise MemoryError("no memory")
        writes = sql.startswith(("INSERT", "COMMIT"))
        self.tries += writes
        return (self.broken and writes) or (sql != "ROLLBACK" and self.random.random() < self.chance)

    def connect(self, path: Path) -> sqlite3.Connection:
        open_for_writing(path).close()
        connection = sqlite3.connect(path, isolation_level=None, factory=Faulty)
        connection.fails = self.fails
        connection.code = self.code
        return connection


async def _on_disk(home: Home) -> list[str]:
    async with await StoreReader.open(home.db) as reader:
        events = await reader.events(limit=100_000)
    assert numbered(events) == list(range(1, len(events) + 1))
    return [event.kind for event in events]


async def _thread_rests(log: StoreLog) -> None:
    """Wait until the writer's thread has looked at everything and its answers have arrived."""
    await log.in_writer(lambda work: None)
    await settle()


async def test_a_full_disk_keeps_and_tells(tmp_path: Path) -> None:
    disk, clock = Disk(), VirtualClock()
    log = await StoreLog.open(Home(tmp_path), clock=clock, connect=disk.connect)
    await log.write(Event("1"))
    disk.broken = True
    with pytest.raises(LogFull, match="no room") as caught:
        await log.write(Event("2"))
    assert str(tmp_path) in str(caught.value)
    assert log.full
    log.append(Event("3"), Event("4"))
    with pytest.raises(LogFull):
        await log.flush()
    assert (log.last_seq, log.pending) == (1, 3)
    assert await _on_disk(log.home) == ["1"]
    disk.broken = False
    assert await log.write(Event("5")) == 5
    assert not log.full
    assert log.problem is None
    assert clock.pending == 0
    assert await _on_disk(log.home) == ["1", "2", "3", "4", "5"]
    assert numbered(await log.read()) == [1, 2, 3, 4, 5]
    await log.close()


async def test_it_tries_again_by_itself_each_second(tmp_path: Path) -> None:
    disk, clock = Disk(), VirtualClock()
    log = await StoreLog.open(Home(tmp_path), clock=clock, connect=disk.connect)
    disk.broken = True
    log.append(Event("1"))
    await settle()
    await _thread_rests(log)
    assert log.full
    for _ in range(3):
        tries = disk.tries
        await clock.advance(0.9)
        await _thread_rests(log)
        before = disk.tries
        await clock.advance(0.1)
        await _thread_rests(log)
        assert disk.tries > before >= tries
        assert log.full
    following = asyncio.ensure_future(anext(log.subscribe()))
    disk.broken = False
    await clock.advance(1.0)
    await _thread_rests(log)
    assert not log.full
    assert numbered(await following) == [1]
    await log.close()


async def test_a_commit_that_arrived_though_it_failed_is_made_once(tmp_path: Path) -> None:
    armed: list[str] = []

    class Late(sqlite3.Connection):
        """A connection whose statements take effect and then fail, once armed."""

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            done = super().execute(sql, parameters)
            if armed and sql.startswith(armed[0]):
                armed.clear()
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return done

    def connect(path: Path) -> sqlite3.Connection:
        open_for_writing(path).close()
        return sqlite3.connect(path, isolation_level=None, factory=Late)

    home = Home(tmp_path)
    log = await StoreLog.open(home, connect=connect)
    try:
        armed.append("INSERT")  # of a lone event: the statement is the transaction
        assert await log.write(Event("a")) == 1
        assert armed == []
        armed.append("COMMIT")  # of events that change the caches, in a transaction with these
        run = whole_run()
        assert await log.write(*run) == 1 + len(run)
        assert (armed, log.full, log.pending) == ([], False, 0)
        assert await log.write(Event("b")) == 2 + len(run)
    finally:
        await log.close()
    assert await _on_disk(home) == ["a", *(event.kind for event in run), "b"]


async def test_another_error_is_a_store_error(tmp_path: Path) -> None:
    disk = Disk()
    disk.code = sqlite3.SQLITE_IOERR
    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock(), connect=disk.connect)
    disk.broken = True
    with pytest.raises(StoreError, match="input/output") as caught:
        await log.write(Event("1"))
    assert not isinstance(caught.value, LogFull)
    disk.broken = False
    assert await log.flush() == 1
    await log.close()


async def test_the_backlog_is_bounded(tmp_path: Path) -> None:
    disk = Disk()
    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock(), backlog=10, connect=disk.connect)
    log.append(*[Event("k") for _ in range(100)])  # no bound while the disk takes them
    await log.flush()
    disk.broken = True
    log.append(*[Event("k") for _ in range(8)])
    with pytest.raises(LogFull):
        await log.flush()
    log.append(Event("k"), Event("k"))
    with pytest.raises(LogFull):
        log.append(Event("k"))
    disk.broken = False
    assert await log.flush() == 110
    log.append(Event("k"))
    await log.close()
    assert len(await _on_disk(log.home)) == 111


async def test_closing_on_a_full_disk_says_what_is_lost(tmp_path: Path) -> None:
    disk = Disk()
    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock(), connect=disk.connect)
    await log.write(Event("1"))
    disk.broken = True
    log.append(Event("2"), Event("3"))
    with pytest.raises(LogFull, match="2 events could not be written"):
        await log.close()
    disk.broken = False
    log = await StoreLog.open(Home(tmp_path))
    assert log.last_seq == 1
    await log.close()


async def test_failures_at_any_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.store.sqlite.caches.FLUSH_EVERY", 20)
    monkeypatch.setattr("headway.store.sqlite.due.LONG", 10)
    disk = Disk()
    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock(), connect=disk.connect)
    events = [event for n in range(60) for event in whole_run(f"j{n}", 3, scope=f"s{n % 4}")]
    acknowledged = 0
    disk.chance = 0.03
    refused = 0
    for start in range(0, len(events), 7):
        try:
            acknowledged = await log.write(*events[start : start + 7])
        except StoreError:
            refused += 1
        assert log.last_seq >= acknowledged
    disk.chance = 0.0
    assert refused > 10
    assert await log.flush() == len(events)
    assert await _on_disk(log.home) == [event.kind for event in events]
    async with await StoreReader.open(log.home.db) as reader:
        before = await reader.jobs_view(), await reader.run_view("j59"), await reader.scope_state("s3")
        await log.rebuild_caches()
        assert before == (await reader.jobs_view(), await reader.run_view("j59"), await reader.scope_state("s3"))
    assert len(before[0].jobs) == 60
    await log.close()


async def test_a_thread_that_dies_leaves_nobody_waiting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock(), connect=disk.connect)
    disk.die = True
    with pytest.raises(StoreError, match="no memory"):
        await log.write(Event("1"))
    await log._writer.ended
    await settle()
    assert log.full
    with pytest.raises(StoreError, match="no memory"):
        await log.write(Event("2"))
    with pytest.raises(StoreError):
        await log.prune(keep_days=1)
    with pytest.raises(StoreError, match="could not be written"):
        await log.close()
    assert "ends" in caplog.text


async def test_caches_that_fail_do_not_stop_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(view: Any, event: Event) -> Any:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("headway.store.sqlite.caches.fold", fail)
        log = await StoreLog.open(Home(tmp_path))
        await log.write(*whole_run("j"))
        await log.close()
    assert "a bug" in caplog.text
    log = await StoreLog.open(Home(tmp_path))
    reader = await log.reader()
    assert (await reader.job("j")).status == "completed"
    await log.close()


async def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """SQLite's own SQLITE_FULL, from a limit on the number of pages; prune makes room and the log goes on."""

    def connect(path: Path) -> sqlite3.Connection:
        connection = open_for_writing(path)
        connection.execute("PRAGMA max_page_count = 160")
        return connection

    log = await StoreLog.open(Home(tmp_path), clock=VirtualClock(start_ms=10**12), connect=connect)
    acknowledged: list[str] = []

    async def fill() -> None:
        for n in range(1000):
            await log.write(*whole_run(f"j{n}", 4, output="x" * 500))
            acknowledged.append(f"j{n}")

    with pytest.raises(LogFull):
        await fill()
    async with await StoreReader.open(log.home.db) as reader:
        assert {row.job_id for row in await reader.jobs(limit=1000)} >= set(acknowledged)
        report = await log.prune(max_bytes=200_000)
        assert report["jobs"][:3] == ["j0", "j1", "j2"]
        assert report["bytes"] <= 200_000
        await log.flush()
        assert not log.full
        kept = await reader.jobs(limit=1000)
        assert [row.job_id for row in reversed(kept)] == [
            f"j{n}" for n in range(len(report["jobs"]), len(acknowledged) + 1)
        ]
        assert (await reader.run_view(kept[0].job_id)).job.status == "completed"
    await log.write(*whole_run("last"))
    await log.close()


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root to mount a tmpfs"
)
async def test_a_full_file_system(tmp_path: Path) -> None:
    with _small_disk(tmp_path):
        await _fill(tmp_path)


@contextmanager
def _small_disk(path: Path) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(path)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


async def _fill(path: Path) -> None:
    ballast = path / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    log = await StoreLog.open(Home(path), clock=VirtualClock())
    acknowledged = 0

    async def fill() -> None:
        nonlocal acknowledged
        while True:
            acknowledged = await log.write(*[Event("k", {"text": "x" * 300}) for _ in range(10)])

    with pytest.raises(LogFull):
        await fill()
    assert log.full
    assert acknowledged > 100
    assert len(await _on_disk(log.home)) == acknowledged
    ballast.unlink()
    assert await log.flush() == acknowledged + 10
    await log.close()
    assert len(await _on_disk(log.home)) == acknowledged + 10


@pytest.mark.parametrize("what", ["garbage", "folder", "foreign", "damaged"])
async def test_what_is_not_a_store_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    if what == "garbage":
        home.db.write_bytes(b"no database at all, " * 1000)
    elif what == "folder":
        home.db.mkdir()
    elif what == "foreign":
        connection = sqlite3.connect(home.db)
        connection.execute("CREATE TABLE theirs (a)")
        connection.close()
    else:
        await (await StoreLog.open(home)).close()
        data = bytearray(home.db.read_bytes())
        data[100:4096] = os.urandom(3996)
        home.db.write_bytes(data)
    for opening in (StoreLog.open(home), StoreReader.open(home.db)):
        with pytest.raises(StoreUnreadable) as caught:
            await opening
        assert str(home.db) in str(caught.value)
        assert "\n" not in str(caught.value)
    if what == "folder":
        home.db.rmdir()
    else:
        home.db.unlink()
    await (await StoreLog.open(home)).close()  # nothing stayed locked or open


async def test_an_empty_file_is_a_store_to_be(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.db.touch()
    with pytest.raises(StoreUnreadable, match="is empty"):
        await StoreReader.open(home.db)
    assert names(tmp_path) == ["headway.db"]
    log = await StoreLog.open(home)
    assert await log.write(Event("k")) == 1
    await log.close()


_TRY = """
import asyncio, sys
from headway.errors import StoreError
from headway.home import Home
from headway.store.sqlite.log import StoreLog
from headway.store.sqlite.reader import StoreReader

async def main():
    home = Home(sys.argv[1])
    for opening in (StoreLog.open(home), StoreReader.open(home.db)):
        try:
            await opening
        except StoreError as error:
            print(type(error).__name__, error)

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may open anything")
async def test_no_permission(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    await (await StoreLog.open(home)).close()
    home.db.chmod(0)
    as_nobody = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [*as_nobody, sys.executable, "-c", _TRY, str(home.path)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"StoreUnreadable the store {home.db} may not be read by this user",
        f"StoreUnreadable the store {home.db} may not be read by this user",
    ]
