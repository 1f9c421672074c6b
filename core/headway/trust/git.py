"""Git directories under any name: git finds a repository without a working tree by what a folder holds."""

from __future__ import annotations

import os

from headway.trust.names import GIT_FOLDER_PARTS, fold


def is_git_folder(folder: int, adding: str = "") -> bool:
    """Return whether the open ``folder`` is a git directory, or becomes one by an entry ``adding``.

    A repository without a working tree has none called ``.git``, and git finds it by these entries alone.
    """
    try:
        names = {fold(name) for name in os.listdir(folder)} if _has_part(folder, adding) else set()
    except OSError:
        return False
    names.add(fold(adding))
    return "head" in names and ("commondir" in names or {"objects", "refs"} <= names)


def _has_part(folder: int, adding: str) -> bool:
    """Look for the one entry without which there is no git directory, before all names of a folder are read."""
    if fold(adding) in GIT_FOLDER_PARTS:
        return True
    try:
        os.stat("HEAD", dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True
