"""Projects and their homes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.config import load_config
from headway.engine import Engine
from headway.errors import Conflict, StoreUnreadable
from headway.home import Home
from headway.project import (
    Project,
    check,
    claim,
    default_home,
    find_project,
    home_of,
    known_homes,
    project_at,
    recorded,
    shared_home,
)


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("HEADWAY_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def folder(path: Path, *, config: bool = True) -> Path:
    path.mkdir(parents=True)
    if config:
        (path / "headway.toml").write_text("")
    return path


def test_a_project_is_the_folder_of_the_file_above_else_the_working_folder(tmp_path: Path) -> None:
    a = folder(tmp_path / "a")
    below = folder(a / "src" / "deep", config=False)
    assert find_project(below) == find_project(a) == project_at(a)
    alone = folder(tmp_path / "alone", config=False)
    assert find_project(alone).root == str(alone.resolve())


def test_one_folder_has_one_home_by_whatever_path(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "x" / "same"), folder(tmp_path / "y" / "same")
    (tmp_path / "link").symlink_to(a)
    assert home_of(project_at(tmp_path / "link")) == home_of(project_at(a)) == default_home(a)
    assert home_of(project_at(a)) != home_of(project_at(b))
    assert home_of(project_at(a)).path.name.startswith("same-")


def test_a_home_is_not_that_of_another_project_with_the_same_name(tmp_path: Path) -> None:
    a, b = (project_at(folder(tmp_path / name / "same")) for name in "xy")
    home = home_of(a)
    home.prepare()
    claim(home, a)
    check(home, a)
    with pytest.raises(Conflict, match="belongs to project same"):
        check(home, b)


@pytest.mark.parametrize("name", ["..", "a b/ü", "-", "x" * 200])
def test_no_name_of_a_folder_leaves_the_data_folder(name: str, tmp_path: Path) -> None:
    home = home_of(Project("/somewhere", name))
    assert home.path.parent == default_home(tmp_path).path.parent
    assert len(home.path.name) <= 60


def test_a_home_is_claimed_once(tmp_path: Path) -> None:
    home, a, b = Home(tmp_path / "home"), project_at(folder(tmp_path / "a")), project_at(folder(tmp_path / "b"))
    home.prepare()
    claim(home, a)
    claim(home, a)
    assert recorded(home) == a
    with pytest.raises(Conflict, match="belongs to project a") as caught:
        claim(home, b)
    assert str(b) in str(caught.value)
    assert recorded(home) == a
    check(home, a)


def test_a_damaged_record_is_no_licence(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.project_file.write_text("{")
    with pytest.raises(StoreUnreadable, match="damaged"):
        claim(home, project_at(tmp_path))


@pytest.mark.anyio
async def test_an_engine_makes_its_home_the_projects(tmp_path: Path) -> None:
    a, b = folder(tmp_path / "a"), folder(tmp_path / "b")
    home = Home(tmp_path / "home")
    async with await Engine.open(home, load_config(a, {})) as engine:
        assert engine.project == project_at(a)
        engine.require_caller(str(a.resolve()), engine.config.digest)
        engine.require_caller(None, None)
        with pytest.raises(Conflict, match=r"serves project a .*, not b"):
            engine.require_caller(str(b.resolve()), None)
        with pytest.raises(Conflict, match=r"HEADWAY_\* variables"):
            engine.require_caller(str(a.resolve()), load_config(a, {"runtime.max_concurrency": 3}).digest)
    with pytest.raises(Conflict, match="belongs to project a"):
        await Engine.open(home, load_config(b, {}))
    async with await Engine.open(home, load_config(a, {})):  # what was refused has left nothing locked
        pass


@pytest.mark.anyio
async def test_homes_are_found_and_the_shared_one_too(tmp_path: Path) -> None:
    assert list(known_homes()) == []
    a = folder(tmp_path / "a")
    async with await Engine.open(default_home(a), load_config(a, {})):
        (known,) = known_homes()
        assert known.project == project_at(a)
        assert known.owner
        assert known.bytes > 0
        assert known.used_ms > 0
        assert not known.missing
    async with await Engine.open(shared_home()):
        pass
    first, second = known_homes()
    assert (first.owner, second.owner) == (None, None)
    assert (first.shared, second.shared) == (False, True)
    (a / "headway.toml").unlink()
    a.rmdir()
    assert next(known_homes()).missing


def test_the_digest_is_of_what_decides_about_a_plan(tmp_path: Path) -> None:
    one = load_config(tmp_path, {}, env={})
    assert one.digest == load_config(tmp_path, {}, env={}).digest
    assert one.digest == load_config(tmp_path, {"a2a.port": 1}, env={}).digest
    assert one.digest != load_config(tmp_path, {"budgets.actions": 1}, env={}).digest
