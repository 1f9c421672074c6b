"""The survey of a workspace, as the owner of its folders meets it: root, whom no mode stops, is told no here, too."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from headway.tools.process import survey
from headway.tools.process.survey import Survey, set_aside


@pytest.fixture(autouse=True)
def owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold scandir and rename to the owner's bits of a folder's mode."""
    scandir, rename = os.scandir, os.rename

    def held(mode: int, needed: int) -> None:
        if mode & needed != needed:
            raise PermissionError(13, "Permission denied")

    def scan(path: str) -> Any:
        held(Path(path).stat().st_mode, stat.S_IRUSR)
        return scandir(path)

    def move(old: str, new: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        held(os.fstat(src_dir_fd).st_mode, stat.S_IWUSR | stat.S_IXUSR)
        rename(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(survey.os, "scandir", scan)
    monkeypatch.setattr(survey.os, "rename", move)


@pytest.mark.parametrize("mode", [0o111, 0o311, 0o555, 0o000])
def test_a_folder_that_was_closed_hides_no_control_file_and_keeps_none(tmp_path: Path, mode: int) -> None:
    """A mode that lets files be opened but not listed, or not renamed, is what a hostile program would leave."""
    known = Survey(tmp_path)
    assert known.look() == set()
    made = tmp_path / "sub" / "headway.toml"
    made.parent.mkdir()
    made.write_text("evil")
    made.parent.chmod(mode)

    assert known.look() == {str(made)}
    assert set_aside(tmp_path, str(made)) == "headway.toml.refused-1"

    assert [path.name for path in made.parent.iterdir()] == ["headway.toml.refused-1"]


def test_a_folder_that_is_open_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    folder.chmod(0o750)

    assert Survey(tmp_path).look() == set()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
