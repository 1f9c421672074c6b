"""``headway store redact``: asks first, takes values from files only, and says what it did."""

import asyncio
import json
from pathlib import Path

import pytest

import headway
from headway.store import StoreLog
from headway_console.cli import main


async def run(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["store", "redact", *arguments])


async def home_with(tmp_path: Path) -> Path:
    home = headway.Home(tmp_path / "home")
    log = await StoreLog.open(home)
    runtime = headway.Runtime(log=log)
    write = {
        "type": "state_write",
        "parameters": {"key": "note", "value": {"password": "in-clear", "text": "my-value"}},
    }
    assert (await runtime.execute({"actions": [write]})).status == "completed"
    await runtime.aclose()
    await log.close()
    return home.path


async def test_redact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = await home_with(tmp_path)
    value = tmp_path / "value"
    value.write_text("my-value\n")
    value.chmod(0o600)
    place = ("--home", str(home))
    assert await run(*place) == 2
    assert "give --yes" in capsys.readouterr().err
    assert await run("--dry-run", "--json", *place) == 0
    dry = json.loads(capsys.readouterr().out)
    assert dry["dry_run"] is True
    assert dry["report"]["events"] > 0
    assert b"in-clear" in (home / "headway.db").read_bytes()
    assert await run("--yes", "--value-file", str(value), *place) == 0
    shown = capsys.readouterr().out
    assert "held secrets" in shown
    assert "my-value" not in shown
    raw = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    assert b"in-clear" not in raw
    assert b"my-value" not in raw


async def test_a_value_file_that_others_may_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = await home_with(tmp_path)
    value = tmp_path / "value"
    value.write_text("my-value\n")
    value.chmod(0o644)
    assert await run("--yes", "--value-file", str(value), "--home", str(home)) != 0
    assert "chmod 600" in capsys.readouterr().err
    assert b"my-value" in (home / "headway.db").read_bytes()
