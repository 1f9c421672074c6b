"""Large mappings that never change, of which a slightly changed one is made cheaply."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from math import isqrt
from typing import Any

_FEW = 64
_NONE: frozenset[str] = frozenset()


class Layered(Mapping[str, Any]):
    """A mapping of texts that is for ever what it was when it was made. It keeps its order as a dict does.

    What changed lately lies in a small layer above a large one: a changed mapping shares the large layer and copies
    the small one, which is merged into a new large layer once it holds about four times the square root of it. So one
    change costs the square root of the number of keys, and a look-up never more than three. No layer is ever changed,
    so any thread may read.
    """

    __slots__ = ("_base", "_recent", "_void")

    def __init__(
        self, base: dict[str, Any] | None = None, recent: dict[str, Any] | None = None, void: frozenset[str] = _NONE
    ) -> None:
        self._base = base if base is not None else {}
        self._recent = recent if recent is not None else {}
        self._void = void  # keys of the base that were removed since; one that came back is in `recent` too

    def changed(self, changes: Mapping[str, Mapping[str, Any]]) -> Layered:
        """Return this mapping after changes ``{key: {"op": "set", "value": …} | {"op": "delete"}}``."""
        base, recent, gone = self._base, self._recent.copy(), []
        for key, change in changes.items():
            if change["op"] == "set":
                recent[key] = change["value"]
            else:
                recent.pop(key, None)
                if key in base:
                    gone.append(key)
        after = Layered(base, recent, self._void.union(gone) if gone else self._void)
        small = len(recent) + len(after._void)
        if small > _FEW and small > 4 * isqrt(len(base)):
            return Layered(after._merged())
        return after

    def copy(self) -> dict[str, Any]:
        """Return a dict with the same keys, values and order, much faster than ``dict(…)`` does."""
        merged = self._merged()
        return merged.copy() if merged is self._base else merged

    def _merged(self) -> dict[str, Any]:
        """Return both layers as one: the base itself where nothing lies above it."""
        base, recent, void = self._base, self._recent, self._void
        if not (recent or void):
            return base
        merged = {key: value for key, value in base.items() if key not in void} if void else base.copy()
        merged.update(recent)
        return merged

    # -- the mapping -----------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        recent = self._recent
        if key in recent:
            return recent[key]
        if key in self._void:
            raise KeyError(key)
        return self._base[key]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default``."""
        recent = self._recent
        if key in recent:
            return recent[key]
        return default if key in self._void else self._base.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._recent or (key in self._base and key not in self._void)

    def __iter__(self) -> Iterator[str]:
        return iter(self._merged())

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._merged())

    def __len__(self) -> int:
        base, void = self._base, self._void
        return len(base) - len(void) + sum(key not in base or key in void for key in self._recent)

    def items(self) -> ItemsView[str, Any]:
        """Return the pairs of keys and values."""
        return self._merged().items()

    def values(self) -> ValuesView[Any]:
        """Return the values."""
        return self._merged().values()

    def __repr__(self) -> str:
        return f"Layered({len(self)} keys)"  # without the values: a repr ends in logs
