"""Recordings by name: those of the folder ``recordings`` here, and those that ship with Headway."""

from __future__ import annotations

import contextlib
from pathlib import Path

FOLDER = "recordings"
SUFFIX = ".jsonl"


def recordings_by_name() -> dict[str, Path]:
    """Return the recordings that have a name, sorted by it; of two with the same one, that of the folder here."""
    from headway_console.resources import recordings

    found: dict[str, Path] = {}
    folders = [Path(FOLDER)]
    with contextlib.suppress(FileNotFoundError):  # an installation without them
        folders.insert(0, recordings())
    for folder in folders:
        for path in folder.glob(f"*{SUFFIX}"):
            if path.is_file() and path.stem.isprintable():
                found[path.stem] = path
    return dict(sorted(found.items()))


def recording(name: Path) -> Path:
    """Return the file that ``name`` means: a file of that name, else the recording that is called so.

    Raises :class:`headway.errors.NotFound` with the nearest name.
    """
    from headway.arguments import nearest
    from headway.errors import NotFound

    if name.exists() or len(name.parts) != 1 or name.suffix:
        return name
    known = recordings_by_name()
    if str(name) in known:
        return known[str(name)]
    near = nearest(str(name), known)
    hint = f"; did you mean {near}?" if near is not None else "; headway recordings ls lists those that have a name"
    raise NotFound(f"there is no recording {name}{hint}")
