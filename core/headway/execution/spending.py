"""Spending: what the actions of a level reserve of the run's budget, wait for, and settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headway.events import kinds
from headway.execution import stop as stops
from headway.limits.budget import Amounts, Reserved
from headway.limits.prices import PRICED
from headway.plan.results import ActionStatus
from headway.tools.estimate import estimate_of

if TYPE_CHECKING:
    from headway.execution.level import Level
    from headway.execution.slot import Slot

_UNPRICED = dict.fromkeys(PRICED, 0)


class Spending:
    """The budget as one level meets it; without a budget it costs next to nothing."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.run = level.run_
        self.meter = level.run_.meter
        self.prices = level.env.prices

    def reserve_action(self, slot: Slot) -> bool:
        """Reserve an action that makes no call; False if the budget is exhausted: the slot is settled then."""
        if self.meter is None:
            return True
        found = self.meter.reserve({"actions": 1})
        return self._given(slot, found) if found is not None else False

    def reserve_call(self, slot: Slot) -> bool:
        """Reserve the next attempt; False if the slot had to be parked, or settled as the budget is exhausted."""
        counted: dict[str, int | None] = {"tool_calls": 1} if slot.attempt else {"tool_calls": 1, "actions": 1}
        meter = self.meter
        if meter is None:
            slot.reserved = counted  # type: ignore[assignment]  # nothing of it is None without estimates
            return True
        if not meter.measured:
            found = meter.reserve(counted)
            return self._given(slot, found) if found is not None else False
        amounts = self._estimating(slot, counted)
        found = meter.reserve(amounts())
        if found is not None:
            return self._given(slot, found)

        def answered(found: Reserved | str) -> None:
            slot.parked = None
            slot.waited += self.level.env.clock.now() - slot.parked_at
            self.level.parked.pop(slot, None)
            if self._given(slot, found):
                self.level.unpark(slot)

        self.level.park(slot, meter.wait(amounts, answered))
        return False

    def _estimating(self, slot: Slot, counted: dict[str, int | None]) -> Callable[[], Amounts]:
        """Return what tells what the next attempt will use: as its tool declares, else as its calls were until then."""
        entry, meter, prices = slot.entry, self.meter, self.prices
        assert entry is not None
        assert meter is not None
        declared = estimate_of(entry.name, entry.estimate, slot.parameters)

        def amounts() -> Amounts:
            told = dict(counted)
            for name in meter.measured:
                amount = declared.get(name)
                if amount is None and name == "duration_ms":
                    amount = slot.node.action.timeout_ms or prices.largest(entry.name, name) or 0
                elif amount is None:
                    amount = prices.largest(entry.name, name)
                told[name] = amount
            return told

        return amounts

    def _given(self, slot: Slot, found: Reserved | str) -> bool:
        """Take what the meter answered: a reservation, or the dimension that is exhausted, which stops the run."""
        run, meter = self.run, self.meter
        assert meter is not None
        if not isinstance(found, str):
            slot.reserved = found
            run.emit(kinds.BUDGET_RESERVED, {**meter.statistics(), "amounts": dict(found)}, node=slot.node)
            return True
        limit = meter.limits[found]
        run.emit(
            kinds.BUDGET_EXHAUSTED, {"dimension": found, "spent": meter.spent[found], "limit": limit}, node=slot.node
        )
        stop = stops.exhausted(found, limit)
        run.end_with(stop)
        slot.give_way()
        if slot.attempt:
            self.level.not_again(slot, stop)
        else:
            run.settle(slot.node, ActionStatus.SKIPPED, error=stop.here, code=stop.code, waited=slot.waited)
        return False

    def settle(self, slot: Slot, seconds: float, used: dict[str, int] | None = None) -> None:
        """Settle an attempt that ended after ``seconds``. ``used`` is what its tool told; None: nobody knows."""
        reserved, tool = slot.reserved, slot.node.tool or ""
        if self.meter is None:
            slot.reserved = {}
            if used:
                self.prices.note(tool, _UNPRICED | used)
            return
        spent = {"duration_ms": round(seconds * 1000)} | (used or {})
        self.prices.note(tool, _UNPRICED | spent if used is not None else spent)
        spent |= {name: reserved[name] for name in ("tool_calls", "actions") if name in reserved}
        self._settle(slot, spent)

    def release(self, slot: Slot) -> None:
        """Give back what is reserved for an attempt that is not made."""
        self._settle(slot, {})

    def spend_action(self, slot: Slot) -> None:
        """Settle an action that made no call."""
        self._settle(slot, {"actions": 1})

    def _settle(self, slot: Slot, spent: dict[str, int]) -> None:
        run, meter, reserved = self.run, self.meter, slot.reserved
        slot.reserved = {}
        if meter is None or not reserved:
            return
        warned = meter.settle(reserved, spent)
        run.emit(kinds.BUDGET_SETTLED, meter.statistics(), node=slot.node)
        for dimension in warned:
            data = {"dimension": dimension, "spent": meter.spent[dimension], "limit": meter.limits[dimension]}
            run.emit(kinds.BUDGET_WARNING, data, node=slot.node)
        if not run.stopping:
            meter.serve()
