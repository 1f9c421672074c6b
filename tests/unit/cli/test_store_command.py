"""``headway store check`` and ``headway store backup``: what they print and how they end."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headway.home import Home
from headway.store import StoreLog
from headway_console.cli import main
from tests.unit.store.runs import names, whole_run

pytestmark = pytest.mark.anyio


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["store", *arguments])


@pytest.fixture
async def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    log = await StoreLog.open(home)
    await log.write(*whole_run("a"))
    await log.close()
    return home


async def test_a_sound_store(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    log = await StoreLog.open(home)  # somebody else writes to it
    assert await run("check", "--home", str(home)) == 0
    assert capsys.readouterr().out == "9 events, 1 job, 0 blobs: no problems\n"
    assert await run("check", "--home", str(home), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"ok": True, "report": {"events": 9, "jobs": 1, "blobs": 0, "checkpoints": 0, "problems": []}}
    await log.close()


async def test_a_problem_is_named_and_ends_with_1(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(home.db)) as connection:
        connection.execute("UPDATE jobs SET failed = 3")
        connection.commit()
    assert await run("check", "--home", str(home)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "caches: the row of job a is not what its events fold to",
        "9 events, 1 job, 0 blobs: 1 problem",
    ]
    assert await run("check", "--home", str(home), "--json") == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


async def test_without_a_store_it_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("check",), ("backup", str(tmp_path / "b.db"))):
        assert await run(*arguments, "--home", str(tmp_path / "none")) == 3
        assert "there is no store" in capsys.readouterr().err
    assert names(tmp_path) == []


async def test_a_backup_is_made_once(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "b.db"
    assert await run("backup", str(file), "--home", str(home)) == 0
    assert capsys.readouterr().out == f"{file}: {file.stat().st_size:,} bytes, up to event 9\n"
    assert await run("backup", str(file), "--home", str(home)) == 2
    assert "is there already: name another file, or use --force" in capsys.readouterr().err
    assert await run("backup", str(file), "--home", str(home), "--force", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"file": str(file), "bytes": file.stat().st_size, "last_seq": 9}
