"""Budgets: what one run may spend.

An attempt reserves what it will use before it starts and settles what it used after it ended, so actions that run at
once cannot overshoot together. A call or an action is counted; time, tokens and money are estimated. What does not fit
beside the reservations of others waits for them. Money is counted in millionths of a US dollar, as integers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from headway.arguments import expect_one_of
from headway.numbers import whole_number

DIMENSIONS = ("tool_calls", "actions", "duration_ms", "tokens", "usd_micros")
COUNTED = frozenset({"tool_calls", "actions"})
"""Dimensions known before the start. The others are measured: what a call uses of them is known after its end."""

ON_EXHAUSTED = ("stop", "ask")
"""What a run does at the end of its budget: it stops, or asks a person for more."""

WARN_AT = 0.8

Amounts = Mapping[str, int | None]
"""The amounts that a start asks for, by dimension; None asks for all there is, as nobody knows how much it takes."""

Reserved = dict[str, int]
"""The amounts that a start has been given, to be handed back when it is settled."""


class CostBudget(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of one run; None is no limit.

    ``tool_calls`` counts attempts of tool calls, ``actions`` actions started: they are never passed. ``duration_ms`` is
    time inside tools added up, ``tokens`` and ``usd_micros`` what tools report in their :class:`headway.ToolResult`.
    Of those a call reserves an estimate before it starts: what its tool declares (``estimate``), else the most that a
    call of the tool has used so far. As long as nothing is known of the tokens or the money of a tool, its call
    reserves all that is left, and other calls of tools that have a price wait. For time ``timeout_ms`` is the estimate,
    else the longest call so far, else none.

    A call whose declared estimate is more than is left does not start: the budget is exhausted. One that is less, but
    does not fit beside what calls in flight hold, waits for what they give back. So nothing passes a limit where tools
    keep to what they declare. Where a tool declares nothing, the last call may use more than is left: the excess of
    that one call, or of each in flight whose price was met for the first time.

    ``on_exhausted`` is "stop": the rest of the run is skipped and it fails; or "ask": what is left waits until a person
    tops the budget up, where somebody is there to ask.
    """

    tool_calls: int | None = None
    actions: int | None = None
    duration_ms: int | None = None
    tokens: int | None = None
    usd_micros: int | None = None
    on_exhausted: str = "stop"

    def __post_init__(self) -> None:
        expect_one_of(self.on_exhausted, ON_EXHAUSTED, "on_exhausted")
        for name in DIMENSIONS:
            value = getattr(self, name)
            if value is not None:
                whole_number(value, f"budget {name}", 0)

    def limits(self) -> dict[str, int]:
        """Return the limits that are set."""
        return {name: value for name in DIMENSIONS if (value := getattr(self, name)) is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are set: what makes an equal budget."""
        found: dict[str, Any] = self.limits()
        return found if self.on_exhausted == "stop" else found | {"on_exhausted": self.on_exhausted}


class Place:
    """One place in a budget's line; :meth:`cancel` leaves it."""

    __slots__ = ("amounts", "callback", "declared")

    def __init__(
        self, amounts: Callable[[], Amounts], callback: Callable[[Reserved | str], object], declared: Collection[str]
    ) -> None:
        self.amounts = amounts
        self.declared = declared
        self.callback: Callable[[Reserved | str], object] | None = callback

    def cancel(self) -> None:
        """Leave the line; harmless after the answer."""
        self.callback = None


class BudgetMeter:
    """The meter of one run's budget: spent, reserved, and the line of those who wait for a part of it."""

    def __init__(
        self, budget: CostBudget, spent: dict[str, int] | None = None, added: Mapping[str, int] | None = None
    ) -> None:
        self.limits = budget.limits()
        self.asks = budget.on_exhausted == "ask"
        self.added: dict[str, int] = {}  # by people who topped it up
        self.measured = tuple(name for name in self.limits if name not in COUNTED)
        self.spent: dict[str, int] = dict.fromkeys(self.limits, 0)
        self.reserved: dict[str, int] = dict.fromkeys(self.limits, 0)
        self._line: deque[Place] = deque()
        self._warned: set[str] = set()
        for name, amount in (spent or {}).items():
            if name in self.spent:
                self.spent[name] = amount
        if added:
            self.top_up(added)

    def top_up(self, amounts: Mapping[str, int]) -> None:
        """Raise the limits of some dimensions by ``amounts``; of those that have no limit nothing changes."""
        for name, amount in amounts.items():
            if name in self.limits:
                self.limits[name] += amount
                self.added[name] = self.added.get(name, 0) + amount
                if self.spent[name] < self.limits[name] * WARN_AT:
                    self._warned.discard(name)

    def reserve(self, amounts: Amounts, declared: Collection[str] = ()) -> Reserved | str | None:
        """Reserve ``amounts`` and return them as they were given.

        Those of the ``declared`` dimensions are given whole or not at all; an estimate made of earlier calls may get
        less, all that is left. The name of a dimension says that this is used up and nothing more may start. None says
        that ``amounts`` do not fit beside what others hold, or that others wait already: :meth:`wait`. What is only
        counted never waits.
        """
        return self._ask(amounts, declared, behind=self._first() is not None)

    def _ask(self, amounts: Amounts, declared: Collection[str], *, behind: bool) -> Reserved | str | None:
        given: Reserved = {name: amount or 0 for name, amount in amounts.items() if name in COUNTED}
        fits = True
        for name, limit in self.limits.items():
            held, left = self.reserved[name], limit - self.spent[name]
            if name in COUNTED:
                wanted = given.get(name, 0)
                if wanted and held + wanted > left:
                    return name
                continue
            if left <= 0:
                return name
            estimate = amounts.get(name, 0)
            if estimate == 0:
                continue
            if name in declared and estimate is not None and estimate > left:
                return name  # whatever others give back, it never fits
            alone = not held  # then it gets what is left, though that be less
            fits = fits and not behind and (alone or (estimate is not None and held + estimate <= left))
            given[name] = left if estimate is None else min(estimate, left)
        if not fits:
            return None
        for name, amount in given.items():
            if name in self.reserved:
                self.reserved[name] += amount
        return given

    def wait(
        self,
        amounts: Callable[[], Amounts],
        callback: Callable[[Reserved | str], object],
        declared: Collection[str] = (),
    ) -> Place:
        """Stand in line; :meth:`serve` calls ``callback`` with what :meth:`reserve` then returns.

        ``amounts()`` is asked whenever the turn may have come: more may be known by then.
        """
        place = Place(amounts, callback, declared)
        self._line.append(place)
        return place

    def settle(self, reserved: Mapping[str, int], spent: Mapping[str, int]) -> list[str]:
        """Give back ``reserved``, add ``spent``; return the dimensions that have just passed 80 %. Then serve."""
        warned = []
        for name, limit in self.limits.items():
            self.reserved[name] -= reserved.get(name, 0)
            self.spent[name] += spent.get(name, 0)
            if name not in self._warned and self.spent[name] >= limit * WARN_AT and self.spent[name] > 0:
                self._warned.add(name)
                warned.append(name)
        return warned

    def serve(self) -> None:
        """Answer who waits, first come, first served, until one must wait on or hears that nothing is left."""
        while (place := self._first()) is not None:
            found = self._ask(place.amounts(), place.declared, behind=False)
            if found is None:
                return
            self._line.popleft()
            callback, place.callback = place.callback, None
            if callback is not None:
                callback(found)
            if isinstance(found, str):  # nothing more may start: once is enough
                return

    def statistics(self) -> dict[str, Any]:
        """Return the data of budget events: copies of ``reserved`` and ``spent``."""
        return {"reserved": dict(self.reserved), "spent": dict(self.spent)}

    def _first(self) -> Place | None:
        while self._line and self._line[0].callback is None:
            self._line.popleft()
        return self._line[0] if self._line else None
