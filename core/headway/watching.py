"""Watching of folders: wakes whenever something in them may have changed, whoever asks what it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path

LOOK_MS = 5000
"""Milliseconds between two wakes when no message of a change comes: network folders send none."""

SOON_MS = 100
"""Milliseconds between the first wakes, which wait for no message."""

SOON = 10
"""The number of those. Most runs are over by then: what gives the messages costs more to import than a short run."""

DEBOUNCE_MS = 200
"""Milliseconds of quiet after a change before it wakes: editors write a file in several steps."""


async def wakes(places: Iterable[Path]) -> AsyncGenerator[None, None]:
    """Yield whenever something in one of the folders ``places`` may have changed, the first time immediately.

    What lies deeper than one level below a place wakes nobody. Of a folder that is not there the nearest one above is
    watched until it comes; one that is moved away and made anew is another folder of the same name, and followed.
    Every :data:`LOOK_MS` there is a wake in any case. Close the generator to end the watching.
    """
    watched = list(dict.fromkeys(places))
    yield None
    for _ in range(SOON):
        await asyncio.sleep(SOON_MS / 1000)
        yield None
    from watchfiles import awatch

    while True:
        found = {place: _identity(place) for place in watched}
        there = dict.fromkeys(_nearest(place) for place in watched)
        changes = awatch(
            *there,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=20,
            rust_timeout=LOOK_MS,
            yield_on_timeout=True,
            recursive=False,
        )
        try:
            async with aclosing(changes):
                async for _ in changes:
                    yield None
                    if any(_identity(place) != identity for place, identity in found.items()):
                        break
        except OSError:  # gone since it was looked for, or the system watches no more folders
            await asyncio.sleep(LOOK_MS / 1000)  # in the time of the disk, as watchfiles
            yield None


def _nearest(place: Path) -> Path:
    """Return ``place`` if it is a folder, else the nearest one above that is."""
    return next((path for path in (place, *place.parents) if is_folder(path)), Path("/"))


def is_folder(path: Path) -> bool:
    """Return whether ``path`` is a folder; not one whose name is too long to be one."""
    return os.path.isdir(path)  # noqa: PTH112 - Path's raises for such a name


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)
