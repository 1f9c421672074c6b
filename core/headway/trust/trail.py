"""Trails: everything that the system passes on its way to a path, links and their targets included."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from headway.errors import UnsafeFile, one_line

Look = Callable[[str], os.stat_result | None]

MAX_LINKS = 40
"""Links followed on one trail, as in Linux."""


class Step(NamedTuple):
    """One thing on a trail: its path, which only ends in a link if at all, and its status, None if it is missing."""

    path: Path
    status: os.stat_result | None

    @property
    def is_link(self) -> bool:
        """True for a symbolic link."""
        return self.status is not None and stat.S_ISLNK(self.status.st_mode)

    @property
    def is_folder(self) -> bool:
        """True for a folder that exists."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)

    @property
    def identity(self) -> tuple[int, int] | None:
        """Device and inode, None if it is missing."""
        return None if self.status is None else (self.status.st_dev, self.status.st_ino)


def trail(path: Path | str) -> Iterator[Step]:
    """Yield the folders, links and the end on the way to ``path``, from ``/`` on; the last step is the real path.

    What lies beyond a missing part is yielded as missing. Raises :class:`UnsafeFile` for more than 40 links and
    ``OSError`` for what the system does not let us look at.
    """
    for place, status in passed(path, look):
        yield Step(Path(place), status)


def passed(path: Path | str, look: Look) -> Iterator[tuple[str, os.stat_result | None]]:
    """Yield what :func:`trail` does as plain texts; ``look`` gives the status of each, so that it may remember them."""
    here = ""
    todo = deque(os.path.abspath(path).split("/")[1:])  # noqa: PTH100 - keeps links as they are
    links = 0
    yield "/", look("/")
    while todo:
        part = todo.popleft()
        if part in ("", "."):
            continue
        if part == "..":
            here = here.rpartition("/")[0]
            continue
        place = f"{here}/{part}"
        status = look(place)
        yield place, status
        if status is None or not stat.S_ISLNK(status.st_mode):
            here = place
            continue
        links += 1
        if links > MAX_LINKS:
            raise UnsafeFile(f"{one_line(str(path), 300)}: goes through more than {MAX_LINKS} links")
        target = os.readlink(place)  # noqa: PTH115 - a Path would lose what ".." means behind a link
        if target.startswith("/"):
            here = ""
        todo.extendleft(reversed(target.split("/")))


def look(place: str) -> os.stat_result | None:
    """Return the status of a place, of a link its own; None if nothing is there."""
    try:
        return os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return None


def open_to_all(folder: Path) -> bool:
    """Return whether everyone may write to ``folder``; also True if it is there but cannot be looked at."""
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
