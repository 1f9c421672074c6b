"""Prices: the most that a call of each tool has used so far, from which budgets take their estimates."""

from __future__ import annotations

from collections.abc import Mapping

PRICED = ("tokens", "usd_micros")
"""The dimensions that a tool reports itself. A call that succeeded and said nothing of them used none."""

UNPRICED = dict.fromkeys(PRICED, 0)
"""The amounts of a call that succeeded and said nothing."""


class Prices:
    """The largest amounts seen, by tool and dimension."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}

    def note(self, tool: str, amounts: Mapping[str, int]) -> None:
        """Take note of what a call used."""
        seen = self._seen.setdefault(tool, {})
        for name, amount in amounts.items():
            if amount >= seen.get(name, 0):
                seen[name] = amount

    def largest(self, tool: str, dimension: str) -> int | None:
        """Return the most that a call of ``tool`` has used of ``dimension``; None if nothing is known of it."""
        return self._seen.get(tool, {}).get(dimension)

    def forget(self, tool: str) -> None:
        """Forget a tool: another one has its name now."""
        self._seen.pop(tool, None)
