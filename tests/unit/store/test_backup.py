"""A backup is the store as of one moment, whole or not there."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from headway.errors import InvalidInput, NotFound
from headway.home import Home
from headway.store import StoreLog, StoreReader, backup, check
from tests.unit.store.runs import names, whole_run


async def test_a_backup_opens_as_a_home_with_the_same_log(tmp_path: Path) -> None:
    home, copy = Home(tmp_path / "home"), Home(tmp_path / "copy")
    log = await StoreLog.open(home)
    await log.write(*whole_run("a", scope="ctx", output="x" * 100_000))
    copy.prepare()
    report = await backup(home, copy.db)
    assert (report.file, report.last_seq, report.bytes) == (str(copy.db), log.last_seq, copy.db.stat().st_size)
    assert stat.S_IMODE(copy.db.stat().st_mode) == 0o600
    assert names(copy.path) == ["headway.db"]  # one file, nothing beside it
    await log.write(*whole_run("b"))
    assert (await check(copy)).problems == []
    async with await StoreReader.open(copy.db) as reader:
        assert [row.job_id for row in await reader.jobs()] == ["a"]
        assert (await reader.run_view("a", resolve=True)).actions[0].output == "x" * 100_000
    again = await StoreLog.open(copy)
    assert await again.write(*whole_run("c")) == report.last_seq + len(whole_run("c"))
    await again.close()
    await log.close()


async def test_a_backup_of_a_busy_store_is_of_one_moment(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    ended = asyncio.Event()

    async def write(name: str) -> None:
        number = 0
        while not ended.is_set():
            await log.write(*whole_run(f"{name}{number}"))
            number += 1

    writers = [asyncio.create_task(write(name)) for name in ("a", "b", "c")]
    for number in range(4):
        copy = Home(tmp_path / f"copy{number}")
        copy.prepare()
        report = await backup(home, copy.db)
        found = await check(copy)
        assert found.problems == []
        assert found.events == report.last_seq
    ended.set()
    await asyncio.gather(*writers)
    await log.close()


async def test_nothing_is_replaced_without_force(tmp_path: Path) -> None:
    home, target = Home(tmp_path / "home"), tmp_path / "b.db"
    log = await StoreLog.open(home)
    await log.write(*whole_run("a"))
    await log.close()
    target.write_text("mine")
    with pytest.raises(InvalidInput, match="is there already"):
        await backup(home, target)
    assert target.read_text() == "mine"
    await backup(home, target, force=True)
    assert target.read_bytes().startswith(b"SQLite format 3")
    assert names(tmp_path) == ["b.db", "home"]


async def test_bad_targets_are_refused_and_leave_everything_as_it_was(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(NotFound):
        await backup(home, tmp_path / "b.db")
    log = await StoreLog.open(home)
    await log.write(*whole_run("a"))
    link = tmp_path / "link.db"
    link.symlink_to(home.db)
    wal = home.db.with_name(home.db.name + "-wal")
    for target, why in (
        (home.db, "belongs to the store itself"),
        (link, "belongs to the store itself"),
        (wal, "belongs to the store itself"),
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "b.db", "cannot write"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await backup(home, target, force=True)
    assert await log.write(*whole_run("b")) == 2 * len(whole_run("a"))
    await log.close()
    assert (await check(home)).problems == []
    assert names(tmp_path) == ["home", "link.db"]


async def test_a_failed_copy_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await log.write(*whole_run("a"))
    await log.close()

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("headway.store.sqlite.backup.os.link", fail)
    with pytest.raises(Exception, match="No space left"):
        await backup(home, tmp_path / "b.db")
    assert names(tmp_path) == ["home"]
