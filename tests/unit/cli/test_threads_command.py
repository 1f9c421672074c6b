"""``headway threads``: reading threads of a home."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from headway.home import Home
from headway.inference import Message
from headway.store import StoreLog
from headway.threads.threads import threads_of
from headway_console.cli import main
from tests.unit.cli.test_completing import complete


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("HEADWAY_CONFIG", raising=False)
    return tmp_path / "home"


def fill(home: Path) -> list[str]:
    async def write() -> list[str]:
        log = await StoreLog.open(Home(home))
        threads = threads_of(log)
        first = await threads.create(thread_id="first", name="the first", settings={"cwd": "/work"})
        for number in range(3):
            await threads.add_message(first.id, Message("user", f"message {number}\x1b[2J"))
        await threads.set_goal("first", "win", 100)
        fork = await threads.fork("first", 1)
        await threads.create(thread_id="away")
        await threads.archive("away")
        await log.close()
        return ["first", fork.id]

    return asyncio.run(write())


def told(capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    assert main(["threads", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_ls(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, fork = fill(home)
    found = told(capsys, "ls")
    assert [row["id"] for row in found["threads"]] == [fork, first]
    assert [row["messages"] for row in found["threads"]] == [2, 3]
    page = told(capsys, "ls", "--limit", "1", "--archived")
    assert [row["id"] for row in page["threads"]] == ["away"]
    page = told(capsys, "ls", "--limit", "1", "--archived", "--cursor", page["next"])
    assert [row["id"] for row in page["threads"]] == [fork]
    assert main(["threads", "ls", "--limit", "1"]) == 0
    out, err = capsys.readouterr()
    assert fork in out
    assert "there are more: --cursor" in err


def test_show(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, fork = fill(home)
    found = told(capsys, "show", fork)
    assert (found["thread"]["forked_from"], found["total"], found["next"]) == (first, 2, None)
    assert [one["message"]["text"] for one in found["messages"]] == ["message 0\x1b[2J", "message 1\x1b[2J"]
    assert main(["threads", "show", first, "--limit", "2"]) == 0
    out, err = capsys.readouterr()
    assert "win (active, 0 of 100 tokens)" in out
    assert "message 1" in out
    assert "\x1b" not in out
    assert "--cursor 2" in err
    assert main(["threads", "show", first, "--cursor", "2"]) == 0
    assert "message 2" in capsys.readouterr().out


def test_what_is_not_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["threads", "ls"]) == 3
    capsys.readouterr()
    fill(home)
    assert main(["threads", "show", "nobody"]) == 2
    assert "there is no thread 'nobody'" in capsys.readouterr().err
    assert main(["threads", "show", "first", "--cursor", "x"]) == 2
    assert main(["threads", "ls", "--limit", "0"]) == 2


def test_completion(home: Path) -> None:
    assert complete("threads show") == []
    first, fork = fill(home)
    assert complete("threads show", "fi") == [first]
    assert set(complete("threads show")) == {"away", first, fork}
