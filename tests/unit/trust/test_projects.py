"""The list of trusted projects: by real path, private, whole, and safe against itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headway.errors import InvalidConfig, NotFound, UnsafeFile
from headway.testing import VirtualClock
from headway.trust import TrustedProjects, trust_folder
from tests.unit.trust.test_ownership import needs_root


@pytest.fixture
def projects(tmp_path: Path) -> TrustedProjects:
    return TrustedProjects(tmp_path / "config" / "trusted.json", clock=VirtualClock())


def test_projects_come_and_go_by_real_path(projects: TrustedProjects, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    (tmp_path / "alias").symlink_to(one)
    assert projects.all() == []
    assert not projects.holds(one)
    assert projects.add(tmp_path / "alias") is True
    assert projects.add(one) is False
    assert projects.holds(one)
    assert projects.holds(tmp_path / "alias")
    assert not projects.holds(one / "below")
    assert not projects.holds(tmp_path)
    assert [project.path for project in projects.all()] == [one.resolve()]
    assert projects.all()[0].added_ms == VirtualClock().time_ms()
    projects.remove(tmp_path / "alias")
    assert projects.all() == []
    with pytest.raises(NotFound, match="one is not trusted"):
        projects.remove(one)


def test_what_is_gone_is_removed_as_it_is_written(projects: TrustedProjects, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    projects.add(one)
    one.rmdir()
    one.symlink_to(tmp_path)
    projects.remove(one)
    assert projects.all() == []


def test_the_file_is_private_and_leaves_nothing_beside_it(projects: TrustedProjects, tmp_path: Path) -> None:
    projects.add(tmp_path)
    assert projects.path.stat().st_mode & 0o777 == 0o600
    assert projects.path.parent.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in projects.path.parent.iterdir()) == ["trusted.json", "trusted.lock"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": 1}', '{"version": 1, "projects": {"/x": 3}}', "\ufeff{}", "[" * 100_000]
)
def test_a_broken_list_is_told_and_changes_nothing(projects: TrustedProjects, tmp_path: Path, text: str) -> None:
    projects.path.parent.mkdir()
    projects.path.write_text(text)
    for act in (projects.all, lambda: projects.holds(tmp_path), lambda: projects.add(tmp_path)):
        with pytest.raises(InvalidConfig, match="is not a list of trusted projects: mend it or remove it"):
            act()
    assert projects.path.read_text() == text


def test_a_list_of_another_version_is_left_alone(projects: TrustedProjects, tmp_path: Path) -> None:
    projects.path.parent.mkdir()
    projects.path.write_text(json.dumps({"version": 2, "projects": {}}))
    with pytest.raises(InvalidConfig, match="another version of Headway"):
        projects.add(tmp_path)


def test_a_list_that_others_could_have_written_is_refused(projects: TrustedProjects, tmp_path: Path) -> None:
    projects.add(tmp_path)
    projects.path.chmod(0o666)
    with pytest.raises(UnsafeFile, match="everyone may write to it"):
        projects.holds(tmp_path)
    projects.path.chmod(0o600)
    projects.path.parent.chmod(0o777)
    with pytest.raises(UnsafeFile, match="everyone may write to it"):
        projects.holds(tmp_path)


def test_a_loose_project_is_not_trusted(projects: TrustedProjects, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(UnsafeFile, match="everyone may write to it"):
        projects.add(loose)
    assert projects.all() == []


@needs_root
def test_a_foreign_project_is_not_trusted(projects: TrustedProjects, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 54321, 54321)
    with pytest.raises(UnsafeFile, match="belongs to 54321"):
        projects.add(theirs)


def test_a_place_that_cannot_be_written_is_told(projects: TrustedProjects, tmp_path: Path) -> None:
    projects.path.parent.write_text("a file where the folder should be")
    with pytest.raises(InvalidConfig, match="cannot be written"):
        projects.add(tmp_path)


def test_many_at_the_same_time_lose_nothing(projects: TrustedProjects, tmp_path: Path) -> None:
    """Threads here and processes beside them."""
    folders = [tmp_path / f"p{number}" for number in range(12)]
    for folder in folders:
        folder.mkdir()
    code = "import sys; from pathlib import Path; from headway.trust import TrustedProjects as T\n"
    code += "for name in sys.argv[2:]: T(Path(sys.argv[1])).add(Path(name))"
    command = [sys.executable, "-c", code, str(projects.path), *map(str, folders[:6])]
    with subprocess.Popen(command) as process, ThreadPoolExecutor(6) as pool:
        assert all(pool.map(projects.add, folders[6:]))
        assert process.wait(timeout=60) == 0
    assert [project.path for project in projects.all()] == sorted(folder.resolve() for folder in folders)


def test_names_that_are_no_text_are_kept(projects: TrustedProjects, tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n\"'"))
    try:
        strange.mkdir()
    except OSError:
        pytest.skip("this file system takes text only")
    projects.add(strange)
    assert projects.holds(strange)
    assert projects.all()[0].path == strange.resolve()


def test_the_list_lies_in_the_users_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert trust_folder() == tmp_path / "headway"
    assert TrustedProjects().path == tmp_path / "headway" / "trusted.json"
