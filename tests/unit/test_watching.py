"""Watching folders: what is watched, and that each change wakes, whatever becomes of the folder meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from headway import watching
from headway.watching import SOON, wakes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the first time as often as ever, and without a pause."""
    monkeypatch.setattr(watching, "SOON_MS", 0)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, ...]]:
    """Return the folders of each watch of the file system, which tells of changes without end."""
    places: list[tuple[Path, ...]] = []

    async def awatch(*folders: Path, **options: Any) -> AsyncIterator[set[Any]]:
        assert options["yield_on_timeout"]
        assert not options["recursive"]
        places.append(folders)
        while True:
            yield set()

    monkeypatch.setattr(watchfiles, "awatch", awatch)
    return places


async def test_a_folder_is_followed_through_its_loss_and_its_return(
    tmp_path: Path, watched: list[tuple[Path, ...]]
) -> None:
    above = tmp_path / "above"
    place = above / "place"
    async with aclosing(wakes([place, above])) as looks:
        for _ in range(1 + SOON):
            await anext(looks)
        assert watched == [], "the first looks wait for nothing"
        for _ in range(2):
            await anext(looks)
        assert watched.pop() == (tmp_path,)
        place.mkdir(parents=True)
        await anext(looks)
        await anext(looks)
        assert watched.pop() == (place, above)
        place.rename(above / "old")
        place.mkdir()
        await anext(looks)
        await anext(looks)
        assert watched == [(place, above)], "another folder of the same name"


async def test_a_system_that_watches_no_more_is_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_MS", 1)
    tried: list[tuple[Path, ...]] = []

    async def awatch(*folders: Path, **_: Any) -> AsyncIterator[set[Any]]:
        tried.append(folders)
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(watchfiles, "awatch", awatch)
    async with aclosing(wakes([tmp_path, tmp_path, tmp_path / "no"])) as looks:
        for _ in range(1 + SOON + 2):
            await anext(looks)
    assert tried == [(tmp_path,)] * 2
