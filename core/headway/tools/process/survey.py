"""A survey of a workspace: the control files in it, by their names, at any depth.

A sandbox surveys the workspace before a program runs, to make read-only what is there, and afterwards, to find what was
not there before. A folder that has not changed is not read again: its time of change, which no program can set, tells.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from headway.errors import TerminalToolError, ToolError
from headway.trust.names import ANYWHERE, GIT, fold

MAX_FOLDERS = 500_000
"""The most folders of a workspace in which a program starts."""

GIT_NAMES = frozenset({"config", "config.worktree", "hooks", "commondir", "modules"})
"""The names in a ``.git`` folder through which git runs programs.

A folder that has a ``HEAD`` and what belongs to it is one under any name.
"""

SETTLED_NS = 1_000_000_000
"""The age from which on a folder's time of change is told apart from a later one."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Folder:
    changed: int
    children: list[str] = field(default_factory=list)
    control: list[str] = field(default_factory=list)
    git: list[str] = field(default_factory=list)


class Survey:
    """The survey of one folder, remembered from one :meth:`look` to the next. May be used from any thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[str, _Folder] = {}
        self._lock = threading.Lock()

    def look(self, *, bounded: bool = True) -> set[str]:
        """Return the paths of all control files below the root, as texts; links are not followed.

        A ``.git`` folder itself is none, :data:`GIT_NAMES` in it are. Raises ``TerminalToolError`` for a workspace of
        more than :data:`MAX_FOLDERS` folders, unless it is not ``bounded``: what a program did is looked at whole.
        """
        with self._lock:
            before, self._known = self._known, {}
            found: set[str] = set()
            waiting = [(str(self.root), False)]
            while waiting:
                path, git = waiting.pop()
                folder = self._folder(path, before.get(path), git)
                if folder is None:
                    continue
                found.update(f"{path}/{name}" for name in folder.control)
                waiting.extend((f"{path}/{name}", False) for name in folder.children)
                waiting.extend((f"{path}/{name}", True) for name in folder.git)
                if bounded and len(self._known) > MAX_FOLDERS:
                    raise TerminalToolError(
                        f"the workspace has more than {MAX_FOLDERS:,} folders: choose a smaller one"
                    )
            return found

    def _folder(self, path: str, known: _Folder | None, git: bool) -> _Folder | None:
        try:
            changed = os.lstat(path).st_ctime_ns
            if known is None or known.changed != changed:
                known = _Folder(changed)
                try:
                    _read(known, path, git)
                except PermissionError:  # a child may take the rights from us, but not from what it left in the folder
                    _open_up(path)
                    _read(known, path, git)
                if time.time_ns() - changed < SETTLED_NS:
                    known.changed = -1
        except OSError:  # gone, or another user's: the child, who is who we are, cannot read it either
            return None
        self._known[path] = known
        return known


def _open_up(path: str) -> None:
    """Give the owner all rights to a folder, as whoever closed it could; raise ``OSError`` for one that is not ours."""
    descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(os.fstat(descriptor).st_mode) | stat.S_IRWXU)
    finally:
        os.close(descriptor)


def _read(folder: _Folder, path: str, git: bool) -> None:
    with os.scandir(path) as entries:
        names: dict[str, str] = {}
        for entry in entries:
            name = names[entry.name] = fold(entry.name)
            if not git:
                _sort(folder, entry, name)
    folds = set(names.values())
    if git:
        folder.control = [name for name in names if names[name] in GIT_NAMES]
    elif "head" in folds and ("commondir" in folds or {"objects", "refs"} <= folds):
        folder.control += [name for name in names if names[name] in GIT_NAMES or names[name] == "head"]


def _sort(folder: _Folder, entry: os.DirEntry[str], name: str) -> None:
    is_folder = entry.is_dir(follow_symlinks=False)
    if name not in ANYWHERE:
        if is_folder:
            folder.children.append(entry.name)
    elif name == GIT and is_folder:
        folder.git.append(entry.name)
    else:
        folder.control.append(entry.name)


def set_aside(root: Path, path: str) -> str | None:
    """Rename ``path`` below ``root`` so that nothing finds it under its name; return the new name, None if it is gone.

    Folders on the way are opened one by one and never through a link, so a program that still runs cannot send this
    anywhere else.
    """
    *folders, name = Path(path).relative_to(root).parts
    descriptor = os.open(root, _FOLDER)
    try:
        for folder in folders:
            try:
                inner = os.open(folder, _FOLDER, dir_fd=descriptor)
            except OSError:
                return None
            os.close(descriptor)
            descriptor = inner
        for number in range(1, 1000):
            new = f"{name}.refused-{number}"
            with suppress(FileNotFoundError):
                os.stat(new, dir_fd=descriptor, follow_symlinks=False)
                continue
            try:
                _rename(name, new, descriptor)
            except FileNotFoundError:
                return None
            return new
    finally:
        os.close(descriptor)
    raise ToolError(f"too many files beside '{name}' were refused: remove them")


def _rename(name: str, new: str, folder: int) -> None:
    """Rename in an open folder, also in one of ours that is closed for writing."""
    try:
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=folder)
    except PermissionError:
        os.fchmod(folder, stat.S_IMODE(os.fstat(folder).st_mode) | stat.S_IRWXU)
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=folder)
