"""Budgets: what one run may spend.

An attempt reserves what it is sure to use (a tool call, an action) before it starts and settles what it used after it
ended, so actions that run at once cannot overshoot. Money is counted in millionths of a US dollar, as integers.
"""

from __future__ import annotations

from typing import Any

import msgspec

from headway.numbers import whole_number

DIMENSIONS = ("tool_calls", "actions", "duration_ms", "tokens", "usd_micros")
COUNTED = frozenset({"tool_calls", "actions"})
"""Dimensions known before the start. The others are measured: they are used up as soon as nothing is left of them."""

WARN_AT = 0.8


class CostBudget(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of one run; None is no limit.

    ``tool_calls`` counts attempts of tool calls, ``actions`` actions started, ``duration_ms`` time inside tools added
    up, ``tokens`` and ``usd_micros`` what tools report in their :class:`headway.ToolResult`.
    """

    tool_calls: int | None = None
    actions: int | None = None
    duration_ms: int | None = None
    tokens: int | None = None
    usd_micros: int | None = None

    def __post_init__(self) -> None:
        for name in DIMENSIONS:
            value = getattr(self, name)
            if value is not None:
                whole_number(value, f"budget {name}", 0)

    def limits(self) -> dict[str, int]:
        """Return the limits that are set."""
        return {name: value for name in DIMENSIONS if (value := getattr(self, name)) is not None}


class BudgetMeter:
    """What one run has spent and reserved of its budget."""

    def __init__(self, budget: CostBudget, spent: dict[str, int] | None = None) -> None:
        self.limits = budget.limits()
        self.spent: dict[str, int] = dict.fromkeys(self.limits, 0)
        self.reserved: dict[str, int] = dict.fromkeys(self.limits, 0)
        self.exhausted: str | None = None
        self._warned: set[str] = set()
        for name, amount in (spent or {}).items():
            if name in self.spent:
                self.spent[name] = amount

    def reserve(self, amounts: dict[str, int]) -> str | None:
        """Reserve ``amounts`` (those limited); return None, or the dimension that does not allow it."""
        for name, limit in self.limits.items():
            used = self.spent[name] + self.reserved[name]
            wanted = amounts.get(name, 0)
            over = wanted > 0 and used + wanted > limit if name in COUNTED else used >= limit
            if over:
                self.exhausted = self.exhausted or name
                return name
        for name, amount in amounts.items():
            if name in self.reserved:
                self.reserved[name] += amount
        return None

    def settle(self, reserved: dict[str, int], spent: dict[str, int]) -> list[str]:
        """Give back ``reserved``, add ``spent``; return the dimensions that have just passed 80 %."""
        warned = []
        for name, limit in self.limits.items():
            self.reserved[name] -= reserved.get(name, 0)
            self.spent[name] += spent.get(name, 0)
            if name not in self._warned and self.spent[name] >= limit * WARN_AT and self.spent[name] > 0:
                self._warned.add(name)
                warned.append(name)
        return warned

    def statistics(self) -> dict[str, Any]:
        """Return what budget events carry: copies of ``reserved`` and ``spent``."""
        return {"reserved": dict(self.reserved), "spent": dict(self.spent)}
