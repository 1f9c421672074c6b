"""Plans of workflows are read only if nobody else could have written them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.errors import InvalidPlan, UnsafeFile
from headway.plan.workflow import read_workflow


def test_a_plan_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(b'{"actions": []}')
    assert read_workflow(path) == b'{"actions": []}'


@pytest.mark.parametrize("which", ["the file", "its folder"])
def test_one_that_others_could_have_written_is_refused(tmp_path: Path, which: str) -> None:
    path = tmp_path / "flows" / "w.json"
    path.parent.mkdir()
    path.write_bytes(b"{}")
    (path if which == "the file" else path.parent).chmod(0o777)
    with pytest.raises(UnsafeFile, match=r"everyone may write to it: chmod go-w"):
        read_workflow(path)


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path / "gone.json", "there is no such file"),
        (tmp_path, "cannot be read: Is a directory"),
    ):
        with pytest.raises(InvalidPlan, match=words):
            read_workflow(path)
