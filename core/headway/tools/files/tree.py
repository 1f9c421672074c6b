"""Walking the files beneath a folder of the workspace, within bounds.

Folders are opened relative to their open parent and never through a symlink; links are neither followed nor listed.
Names come in sorted order, so that two walks of the same tree agree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from headway.clock import Clock
from headway.errors import ControlFile
from headway.tools.files.glob import Glob, Places
from headway.tools.files.paths import FOLDER_FLAGS
from headway.tools.files.workspace import Found, Workspace, is_temporary

MAX_DEPTH = 64
"""Folders below the first that are entered."""
MAX_NAMES = 100_000
"""Names read of one folder."""
MAX_VISITED = 1_000_000
"""Names looked at in one walk."""

Stop = Literal["time", "results", "files", "bytes", "depth", "names"]


@dataclass(slots=True)
class Bounds:
    """The bounds of a walk: ``deadline`` on ``clock``, or a ``stop``.

    ``stopped_by`` is the first bound that was met: the result is then not complete.
    """

    clock: Clock
    deadline: float
    stopped_by: Stop | None = None
    ended: bool = False

    def stop(self, reason: Stop) -> None:
        """End the walk for ``reason``."""
        self.stopped_by = self.stopped_by or reason
        self.ended = True

    def leave_out(self, reason: Stop) -> None:
        """Note that something was left out for ``reason``; the walk continues."""
        self.stopped_by = self.stopped_by or reason

    def over(self) -> bool:
        """True if the walk is to end."""
        if not self.ended and self.clock.now() >= self.deadline:
            self.stop("time")
        return self.ended


class Tree:
    """The files beneath ``path`` that match ``glob``; iterate once. ``unreadable`` counts folders that would not open.

    Folders whose name is in ``skip`` are not entered; hidden ones count as unreadable. Raises as
    :meth:`Workspace.folder`.
    """

    def __init__(self, workspace: Workspace, path: str, glob: Glob, skip: Iterable[str], bounds: Bounds) -> None:
        self._workspace = workspace
        self._path = path
        self._glob = glob
        self._skip = frozenset(skip)
        self._bounds = bounds
        self._guard = workspace.guard(path)
        self.unreadable = 0
        self.visited = 0
        self.on_folder: Callable[[int], object] | None = None
        """Called with the number of names visited when a folder has been read."""

    def __iter__(self) -> Iterator[Found]:
        with self._workspace.folder(self._path) as (descriptor, parts):
            yield from self._files(descriptor, parts, self._glob.start, 0)

    def _files(self, folder: int, parts: tuple[str, ...], places: Places, depth: int) -> Iterator[Found]:
        for name, is_folder in self._names(folder):
            if self._bounds.over():
                return
            if not is_folder:
                if self._glob.matches(places, name):
                    yield Found(folder, name, (*parts, name), self._guard)
                continue
            inner = self._glob.enter(places, name) if name not in self._skip else None
            if not inner:
                continue
            if depth >= MAX_DEPTH:
                self._bounds.leave_out("depth")
                continue
            try:
                descriptor = os.open(name, FOLDER_FLAGS, dir_fd=folder)
            except OSError:  # not permitted, or exchanged for a link or removed in this moment
                self.unreadable += 1
                continue
            try:
                self._guard.enter(descriptor, (*parts, name))
                yield from self._files(descriptor, (*parts, name), inner, depth + 1)
            except ControlFile:
                self.unreadable += 1
            finally:
                os.close(descriptor)

    def _names(self, folder: int) -> list[tuple[str, bool]]:
        """Return the folder's files and folders, sorted: ``(name, is it a folder)``."""
        found: list[tuple[str, bool]] = []
        try:
            with os.scandir(folder) as entries:
                for entry in islice(entries, MAX_NAMES):
                    self.visited += 1
                    if entry.is_dir(follow_symlinks=False):
                        found.append((entry.name, True))
                    elif entry.is_file(follow_symlinks=False) and not is_temporary(entry.name):
                        found.append((entry.name, False))
                if next(entries, None) is not None:
                    self._bounds.leave_out("names")
        except OSError:
            self.unreadable += 1
        if self.visited > MAX_VISITED:
            self._bounds.stop("names")
        if self.on_folder is not None:
            self.on_folder(self.visited)
        found.sort()
        return found
