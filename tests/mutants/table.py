"""The mutants of all rooms: what lies in ``tests/mutants/rows``."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.mutants import rows
from tests.mutants.mutant import Mutant


def of_room(room: str) -> list[Mutant]:
    """Return the rows of one file, each of which must be about that room."""
    found: list[Mutant] = import_module(f"{rows.__name__}.{room}").ROWS
    strays = [mutant.name for mutant in found if mutant.room != room]
    if strays:
        raise SystemExit(f"tests/mutants/rows/{room}.py has rows of another room: {strays}")
    return found


MUTANTS = [mutant for module in iter_modules(rows.__path__) for mutant in of_room(module.name)]
