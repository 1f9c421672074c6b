"""Control files that appear while programs are at work: renamed, and told to those who can have made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.errors import TerminalToolError, ToolError
from headway.tools.process import survey
from headway.tools.process.launch import Confined, Ground


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    (tmp_path / "sub").mkdir()
    return Ground(tmp_path)


def begun(ground: Ground, tool: str) -> Confined:
    child = Confined(tool, [ground])
    child.enter([])
    return child


def make(ground: Ground, name: str = "headway.toml") -> Path:
    path = ground.folder / "sub" / name
    path.write_text("evil")
    return path


async def ended(child: Confined) -> str:
    """End a child as its launch does; return what it is told."""
    try:
        await child.check()
    except ToolError as error:
        return error.message
    finally:
        child.leave(settled=True)
    return ""


async def test_who_began_later_is_not_told(ground: Ground) -> None:
    first = begun(ground, "first")
    made = make(ground)
    second = begun(ground, "second")
    assert await ended(second) == ""
    assert not made.exists(), "it is renamed as soon as anybody looks"
    assert await ended(first) == "tool 'first' made control files, now renamed: sub/headway.toml"
    assert await ended(begun(ground, "third")) == ""


async def test_who_ended_earlier_is_not_told(ground: Ground) -> None:
    first, second = begun(ground, "first"), begun(ground, "second")
    assert await ended(first) == ""
    make(ground)
    third = begun(ground, "third")
    assert await ended(second) == "tool 'second' made control files, now renamed: sub/headway.toml"
    make(ground)
    assert await ended(third) == "tool 'third' made control files, now renamed: sub/headway.toml"
    assert await third.check() is None


async def test_of_several_at_work_all_are_told_that_it_may_have_been_another(ground: Ground) -> None:
    first, second = begun(ground, "first"), begun(ground, "second")
    make(ground)
    said = [await ended(first), await ended(second)]
    assert said == [
        f"tool '{name}', or a program beside it, made control files, now renamed: sub/headway.toml"
        for name in ("first", "second")
    ]
    assert [path.name for path in (ground.folder / "sub").iterdir()] == ["headway.toml.refused-1"]


async def test_what_is_found_after_its_end_is_told_all_the_same(ground: Ground) -> None:
    child = begun(ground, "t")
    made = make(ground)
    child.leave()
    assert await ended(child) == "tool 't' made control files, now renamed: sub/headway.toml"
    assert not made.exists()


async def test_a_workspace_that_is_too_large_is_refused_before_anything_starts(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MAX_FOLDERS", 2)
    child = begun(ground, "t")
    for number in range(5):
        (ground.folder / "sub" / f"{number}").mkdir()
    made = make(ground)
    assert await ended(child) == "tool 't' made control files, now renamed: sub/headway.toml", (
        "though there are more now"
    )
    assert not made.exists()
    with pytest.raises(TerminalToolError, match="the workspace has more than 2 folders: choose a smaller one"):
        begun(ground, "next")
    assert ground.at_work == 0
