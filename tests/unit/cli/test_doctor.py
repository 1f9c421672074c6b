"""``headway doctor`` tells what is wrong, and changes nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headway._version import __version__
from headway.client.token import TokenFile
from headway.errors import NotFound, StoreUnreadable
from headway.home import Home
from headway.store import engine_version, schema_version
from headway_console.cli.doctor import machine
from headway_console.cli.root import main

TOOLS = "import pathlib\npathlib.Path(__file__).with_name('loaded').touch()\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    return folder


def found(capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    assert main(["doctor", "--json"]) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is (code == 0)
    return {check["name"]: check for check in answer["checks"]}


def test_all_is_well_in_an_empty_folder_and_stays_empty(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checks = found(capsys)
    assert {"headway", "sqlite", "textual", "a2a-sdk", "terminal", "project", "trust", "sandbox"} <= set(checks)
    assert {"home", "store", "disk", "daemon"} <= set(checks)
    assert checks["sqlite"]["text"] == engine_version() == sqlite3.sqlite_version
    assert list(here.iterdir()) == []
    assert not (here.parent / "home").exists()
    assert not (here.parent / "CONFIG").exists()


def test_code_that_is_not_trusted_is_told_and_not_loaded(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "tools.py").write_text(TOOLS)
    (here / "headway.toml").write_text("[tools]\npython = ['tools.py']\n")
    trust = found(capsys)["trust"]
    assert (trust["status"], "tools.py" in trust["text"]) == ("warn", True)
    assert not (here / "loaded").exists()


def test_what_fails_is_told_with_what_to_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["run", "hello"]) == 0
    capsys.readouterr()
    home = here.parent / "home"
    assert found(capsys)["store"]["text"].startswith("schema ")
    (home / "headway.db").chmod(0o644)
    assert found(capsys, 1)["permissions"]["remedy"] == f"chmod 0600 {home / 'headway.db'}"
    assert main(["doctor"]) == 1
    assert f"chmod 0600 {home / 'headway.db'}" in capsys.readouterr().out
    (here / "headway.toml").write_text("port = 1\n")
    assert found(capsys, 1)["project"]["status"] == "fail"


@pytest.mark.parametrize("name", ["a2a.token", "a2a.header"])
def test_what_others_may_open_fails(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    home = Home(here.parent / "home")
    home.prepare()
    TokenFile(home).ensure()
    assert found(capsys)["permissions"]["status"] == "ok"
    (home.path / name).chmod(0o640)
    assert found(capsys, 1)["permissions"]["remedy"] == f"chmod 0600 {home.path / name}"


def test_a_home_that_a_group_may_enter_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(here.parent / "home")
    home.prepare()
    assert found(capsys)["home"]["status"] == "ok"
    home.path.chmod(0o750)
    told = found(capsys)["home"]
    assert (told["status"], told["remedy"]) == ("warn", f"chmod 0700 {home}")


def test_a_daemon_that_has_died_is_missed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = Home(here.parent / "home")
    home.prepare()
    assert found(capsys)["daemon"]["status"] == "ok"
    home.socket.touch(0o600)
    told = found(capsys)["daemon"]
    assert (told["status"], told["remedy"]) == ("warn", "headway serve starts one anew")


@pytest.mark.parametrize(("version", "status"), [("0.0.1", "warn"), (__version__, "ok")])
def test_the_daemons_version(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, version: str, status: str
) -> None:
    async def answers(home: Home) -> Any:
        return SimpleNamespace(version=version, pid=7, url="http://127.0.0.1:1")

    monkeypatch.setattr("headway.client.daemon.find_daemon", answers)
    told = found(capsys)["daemon"]
    assert told["status"] == status
    assert f"pid 7 is Headway {version}" in told["text"] or status == "ok"


def test_a_newer_store_fails(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert main(["run", "hello"]) == 0
    capsys.readouterr()
    path = here.parent / "home" / "headway.db"
    raw = bytearray(path.read_bytes())
    raw[60:64] = (999).to_bytes(4, "big")
    path.write_bytes(raw)
    assert found(capsys, 1)["store"]["status"] == "fail"


def test_a_schema_version_is_read_from_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with pytest.raises(NotFound):
        schema_version(path)
    path.write_bytes(b"no store")
    with pytest.raises(StoreUnreadable):
        schema_version(path)
    path.unlink()
    connection = sqlite3.connect(path)
    connection.executescript("PRAGMA user_version = 7; CREATE TABLE t (x);")
    connection.close()
    assert schema_version(path).version == 7
    assert schema_version(path).oldest <= schema_version(path).latest
    assert [file.name for file in tmp_path.iterdir()] == ["some.db"]


@pytest.mark.parametrize(("free", "status"), [(0, "fail"), (500_000_000, "warn"), (10**12, "ok")])
def test_room_on_the_disk(free: int, status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert [finding.status for finding in machine.disk(tmp_path / "not" / "there")] == [status]


@pytest.mark.parametrize(
    ("size", "encoding", "status"),
    [
        ((120, 40), "utf-8", "ok"),
        ((60, 40), "utf-8", "warn"),
        ((120, 20), "utf-8", "warn"),
        ((120, 40), "ascii", "warn"),
    ],
)
def test_the_terminal(size: tuple[int, int], encoding: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway_console.cli.consoles.has_terminal", lambda: True)
    monkeypatch.setattr(machine.shutil, "get_terminal_size", lambda: size)
    monkeypatch.setattr(machine.sys, "stdout", type("Out", (), {"encoding": encoding}))
    assert [finding.status for finding in machine.terminal()] == [status]
