"""Finds the data files that ship with Headway: themes, recordings and examples.

In a wheel they lie inside this package; in a checkout they lie beside ``pyproject.toml``. Nothing else in Headway knows
of the difference.
"""

from pathlib import Path

__all__ = ["examples", "recordings", "themes"]

_PACKAGE = Path(__file__).resolve().parent


def themes() -> Path:
    """The folder of the shipped ``*.toml`` themes. Raises FileNotFoundError if this installation lacks it."""
    return _find("themes")


def recordings() -> Path:
    """The folder of the shipped ``*.jsonl`` recordings. Raises FileNotFoundError if this installation lacks it."""
    return _find("recordings")


def examples() -> Path:
    """The folder of the examples, plans in its ``plans``. Raises FileNotFoundError if this installation lacks it."""
    return _find("examples")


def _find(name: str) -> Path:
    """The folder ``name`` of the package or, in a checkout, of the source tree around the package."""
    packaged = _PACKAGE / name
    if packaged.is_dir():
        return packaged
    tree = _PACKAGE.parents[1]
    # pyproject.toml tells a checkout from whatever happens to lie above site-packages.
    if (tree / "pyproject.toml").is_file() and (tree / name).is_dir():
        return tree / name
    raise FileNotFoundError(f"Headway's {name} are missing: neither {packaged} nor a source tree beside it has them")
