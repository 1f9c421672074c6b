"""The guard of one operation in a workspace: it knows what is closed at that moment and looks at the open folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from headway.trust.closed import Change, Closed, Place, refuse
from headway.trust.control import ControlFiles, closed_now
from headway.trust.git import is_git_folder


class Guard:
    """What a tool may look at and change below ``root`` during one operation on ``path`` (as the tool gave it).

    Raises :class:`headway.errors.ControlFile` for what it may not. All looking goes through open folders: what is
    judged is what will be changed, however it is called.
    """

    def __init__(self, control: ControlFiles | None, root: Path, path: str) -> None:
        self._closed: Closed = closed_now(control)
        self._root = root
        self._path = path

    def enter(self, folder: int, parts: Sequence[str]) -> None:
        """Refuse the open ``folder``, whose real path is ``parts``, if it is hidden."""
        refuse(self._path, self._closed.hides(self._root.parts, tuple(parts), [_identity(folder)]))

    def look(self, parts: Sequence[str]) -> None:
        """Refuse a path that is hidden, whether or not it exists."""
        refuse(self._path, self._closed.hides(self._root.parts, tuple(parts), ()))

    def read(self, status: os.stat_result) -> None:
        """Refuse an opened file that is one of a home's under another name."""
        refuse(self._path, self._closed.hides_file(status))

    def change(self, folders: Sequence[int], parts: Sequence[str], change: Change) -> None:
        """Refuse ``change`` at ``parts``, whose existing folders, the root first, are open as ``folders``."""
        folders = folders[: max(1, len(parts))]  # the place itself may be open, too
        place = Place(self._root.parts, tuple(parts), [_identity(folder) for folder in folders])
        if not parts:
            refuse(self._path, self._closed.hides(place.root, (), place.folders))
            return
        found = None
        if len(folders) == len(parts):
            with suppress(OSError):
                found = os.stat(parts[-1], dir_fd=folders[-1], follow_symlinks=False)
        refuse(self._path, self._closed.refusal(Place(place.root, place.parts, place.folders, found), change))
        if found is not None:
            self.read(found)
        if any(is_git_folder(folder) for folder in folders):
            refuse(self._path, "it is in a git directory")
        if found is None and is_git_folder(folders[-1], parts[len(folders) - 1]):
            refuse(self._path, "it would make its folder a git directory")


def _identity(folder: int) -> tuple[int, int]:
    status = os.fstat(folder)
    return status.st_dev, status.st_ino
