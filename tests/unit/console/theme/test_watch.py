"""An edited theme is read anew at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from headway_console import resources
from headway_console.theme import DARK, ThemeSet, watch_themes

pytestmark = pytest.mark.anyio

SHIPPED = (resources.themes() / f"{DARK}.toml").read_text()


@contextlib.asynccontextmanager
async def watching(*folders: Path) -> AsyncIterator[asyncio.Queue[ThemeSet]]:
    """Follow the folders; a queue gets what is loaded."""
    loaded: asyncio.Queue[ThemeSet] = asyncio.Queue()
    stop = asyncio.Event()

    async def follow() -> None:
        async for themes in watch_themes(folders, stop):
            loaded.put_nowait(themes)

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)  # its first step sets up the watch and only then waits
    try:
        yield loaded
    finally:
        stop.set()
        with anyio.fail_after(20):
            await task


async def test_a_change_is_loaded_and_a_broken_one_told(tmp_path: Path) -> None:
    path = tmp_path / f"{DARK}.toml"
    path.write_text(SHIPPED)
    async with watching(tmp_path) as loaded:
        with anyio.fail_after(20):
            path.write_text(SHIPPED.replace('accent = "#e0a458"', 'accent = "#ffffff"'))
            assert (await loaded.get()).themes[DARK].accent == "#ffffff"
            path.write_text(SHIPPED + "nonsense")
            broken = await loaded.get()
            while not broken.problems:  # the file may be seen in the middle of being written
                broken = await loaded.get()
            assert DARK not in broken.themes
            assert broken.problems[0].path == path


async def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "themes").mkdir()
    path = tmp_path / "real" / "mine.toml"
    path.write_text(SHIPPED)
    (tmp_path / "themes" / "mine.toml").symlink_to(path)
    async with watching(tmp_path / "themes") as loaded:
        with anyio.fail_after(20):
            path.write_text(SHIPPED.replace('accent = "#e0a458"', 'accent = "#fefefe"'))
            assert (await loaded.get()).themes[DARK].accent == "#fefefe"


async def test_without_folders_it_ends_at_once(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        assert [themes async for themes in watch_themes([tmp_path / "none"])] == []
