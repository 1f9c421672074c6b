"""Finds ``headway.toml``, without reading it: what only asks which project it is in needs no models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headway.trust.trail import open_to_all

FILE_NAME = "headway.toml"


def find_file(start: Path) -> Path | None:
    """Return the first ``headway.toml`` in ``start`` or the folders above it; None if there is none."""
    for candidate in way_up(start):
        path = candidate / FILE_NAME
        if path.is_file():
            return path
    return None


def way_up(start: Path) -> Iterator[Path]:
    """Yield ``start`` and the folders above it, up to the first that everyone may write to, which is left out.

    What anyone could have put there governs nobody. ``start`` itself comes in any case: it was chosen.
    """
    folder = start.absolute()
    yield folder
    if open_to_all(folder):
        return
    for above in folder.parents:
        if open_to_all(above):
            return
        yield above
