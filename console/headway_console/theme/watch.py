"""Following folders of themes, so that an edited file is seen immediately."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from headway_console.theme.loader import ThemeSet, load_themes

DEBOUNCE_MS = 200
"""Editors write a file in several steps; this long after the last one it is read."""


async def watch_themes(folders: Iterable[Path], stop: asyncio.Event | None = None) -> AsyncIterator[ThemeSet]:
    """Yield the themes of the folders anew each time that a ``*.toml`` there changes; not once at the start.

    Ends when ``stop`` is set, and at once if none of the folders is there. Links are followed: an edit behind a
    symbolic link counts.
    """
    watched = list(folders)
    real = {folder.resolve() for folder in watched if folder.is_dir()}
    real |= {path.resolve().parent for folder in real for path in folder.glob("*.toml") if path.is_symlink()}
    if not real:
        return
    from watchfiles import awatch  # here: a console starts without it

    async for _ in awatch(*sorted(real), watch_filter=_is_theme, debounce=DEBOUNCE_MS, step=50, stop_event=stop):
        yield await asyncio.to_thread(load_themes, watched)


def _is_theme(_change: object, path: str) -> bool:
    return path.endswith(".toml")
