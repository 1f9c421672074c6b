"""Names of a package that are imported on first use, so that importing the package costs next to nothing (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def attach(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of ``package``.

    ``homes`` maps each name to the module that has it, seen from the package; an empty home is for a module itself.
    What was asked for once is an ordinary attribute from then on.
    """
    names = vars(sys.modules[package])

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{home}"), name) if home else import_module(f"{package}.{name}")
        names[name] = value
        return value

    def listed() -> list[str]:
        return sorted(names["__all__"])

    return find, listed
