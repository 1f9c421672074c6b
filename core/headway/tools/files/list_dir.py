"""``list_dir``: what is in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

from pydantic import Field

from headway.tools.decorator import tool
from headway.tools.files.paths import told
from headway.tools.files.tree import MAX_NAMES
from headway.tools.files.workspace import Workspace, is_temporary, joined

MAX_ENTRIES = 10_000
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}


def list_dir_tool(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Return the tool for ``workspace``."""

    @tool(idempotent=True, category="files")
    def list_dir(
        path: Annotated[str, "Folder to list, relative to the workspace."] = ".",
        max_entries: Annotated[int, Field(ge=1, le=MAX_ENTRIES, description="List at most so many.")] = 1000,
    ) -> dict[str, Any]:
        """List a folder, sorted by name.

        Gives path, entries (each with name, type: file, dir, link or other, size in bytes and modified_ms since 1970)
        and truncated.
        """
        with workspace.folder(path) as (folder, parts), told(path):
            names, more = _names(folder)
            entries = [entry for name in names[: int(max_entries)] if (entry := _entry(folder, name))]
        return {"path": joined(parts), "entries": entries, "truncated": more or len(names) > max_entries}

    return list_dir


def _names(folder: int) -> tuple[list[str], bool]:
    with os.scandir(folder) as found:
        names = [entry.name for entry in islice(found, MAX_NAMES) if not is_temporary(entry.name)]
        more = next(found, None) is not None
    return sorted(names), more


def _entry(folder: int, name: str) -> dict[str, Any] | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:  # removed in this moment
        return None
    return {
        "name": joined((name,)),
        "type": _KINDS.get(stat.S_IFMT(found.st_mode), "other"),
        "size": found.st_size,
        "modified_ms": found.st_mtime_ns // 1_000_000,
    }
