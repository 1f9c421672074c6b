"""Homes: paths, the short socket, the folder's mode."""

import stat
from pathlib import Path

import pytest

from headway.errors import StoreError, StoreUnreadable
from headway.home import Home, runtime_folder
from headway.project import default_home


def test_paths(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    assert home.db == tmp_path / "h" / "headway.db"
    assert home.lock_file.name == "headway.lock"
    assert home.daemon_file.name == "daemon.json"
    assert not home.path.exists()
    home.prepare()
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert Home(str(tmp_path / "x" / ".." / "h")) == home
    assert "h" in repr(home)


def test_home_expands_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home("~/here").path == tmp_path / "here"


def test_a_long_path_gets_a_short_private_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    short, long = Home("/srv/h"), Home(tmp_path / ("d" * 100))
    assert short.socket == Path("/srv/h/headway.sock")
    assert len(str(long.socket)) <= 200
    assert long.socket.parent == runtime_folder()
    assert long.socket != Home(tmp_path / ("e" * 100)).socket
    long.prepare()
    assert stat.S_IMODE(runtime_folder().stat().st_mode) == 0o700
    runtime_folder().chmod(0o755)
    with pytest.raises(StoreError, match="not private"):
        long.prepare()


def test_the_runtime_folder_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    assert runtime_folder() == Path("/run/user/1/headway")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 90)
    assert "x" * 90 not in str(runtime_folder())


def test_a_file_where_the_home_should_be(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    for path in (tmp_path / "f", tmp_path / "f" / "below"):
        with pytest.raises(StoreUnreadable, match="file") as caught:
            Home(path).prepare()
        assert "\n" not in str(caught.value)


def test_default_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path))
    assert default_home() == Home(tmp_path)
    monkeypatch.delenv("HEADWAY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_home(tmp_path).path.parent == tmp_path / "data" / "headway" / "projects"
