"""The packages that the extra ``headway[local]`` installs, looked for without importing it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from headway.errors import InferenceRefused

INSTALL = "pip install 'headway[local]'"


def missing(*packages: str) -> str | None:
    """Return which of ``packages`` are not installed, and the command that installs them; None if all are."""
    absent = [package for package in packages if find_spec(package) is None]
    return f"{' and '.join(absent)} not installed: {INSTALL}" if absent else None


def folder_of(package: str) -> Path:
    """Return the folder of an installed ``package``. It is not imported."""
    spec = find_spec(package)
    places = [] if spec is None else list(spec.submodule_search_locations or [])
    if not places:
        raise InferenceRefused(f"{package} not installed: {INSTALL}")
    return Path(places[0])
