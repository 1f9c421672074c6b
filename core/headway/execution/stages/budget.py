"""Budget: an attempt reserves what it will use before it starts, and settles what it used after it ended.

A compensation is counted and never refused: what was paid for must not stay done because the means to undo it are gone.
At the end of a budget the run stops, or what is left waits until a person tops it up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headway.events import kinds
from headway.execution import stop as stops
from headway.execution.stages.stage import Exhausted, Stage
from headway.limits.budget import Amounts, Reserved
from headway.limits.prices import UNPRICED
from headway.tools.estimate import estimate_of

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import End, Flow
    from headway.execution.stages.top_up import TopUp
    from headway.limits.budget import BudgetMeter


class BudgetStage(Stage):
    """Holds the reservations of attempts."""

    name = "budget"
    each_attempt = True

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._held: dict[PendingAction, Reserved] = {}
        self._top_up: TopUp | None = None

    def active(self) -> bool:
        """Return True if the run has a budget."""
        return self.run.meter is not None

    @property
    def _meter(self) -> BudgetMeter:
        assert self.run.meter is not None
        return self.run.meter

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Reserve; park the action while what it needs may come back, stop the run once it cannot."""
        meter = self._meter
        if action.compensates:
            return True
        if not action.needs_call:
            return self._take(action, flow, meter.reserve({"actions": 1}))
        counted = {"tool_calls": 1} if action.attempt else {"tool_calls": 1, "actions": 1}
        if not meter.measured:
            return self._take(action, flow, meter.reserve(counted))
        entry = action.entry
        assert entry is not None
        declared = estimate_of(entry.name, entry.estimate, action.parameters)
        amounts = self._estimating(action, counted, declared)
        found = meter.reserve(amounts(), declared)
        if found is not None:
            return self._take(action, flow, found)

        def answered(found: Reserved | str) -> None:
            if isinstance(found, str) and self._asks():
                action.stage -= 1  # it comes here again, and asks
                flow.resume(action)
                return
            try:
                self._take(action, flow, found)
            except Exhausted as exhausted:
                flow.refuse(action, exhausted)
            else:
                flow.resume(action)

        flow.park(action, self.name, meter.wait(amounts, answered, declared))
        return False

    def leave(self, action: PendingAction, end: End | None) -> None:
        """Settle what the attempt used; give everything back if there was none."""
        reserved = self._held.pop(action, None)
        if end is None:
            if reserved is not None:
                self._settle(action, reserved, {})
            return
        spent: dict[str, int] = {}
        if end.seconds is not None:
            spent = {"duration_ms": round(end.seconds * 1000), **(end.used or {})}
            self.env.prices.note(action.tool, UNPRICED | spent if end.used is not None else spent)
        if action.compensates:
            self._settle(action, {}, {"tool_calls": 1, **spent})
        elif reserved is not None:
            counted = {name: reserved[name] for name in ("tool_calls", "actions") if name in reserved}
            self._settle(action, reserved, spent | counted)

    def exhausted(self, action: PendingAction, dimension: str) -> Exhausted:
        """Record that nothing more may start, and return what says so to an action."""
        meter = self._meter
        limit = meter.limits[dimension]
        data = {"dimension": dimension, "spent": meter.spent[dimension], "limit": limit}
        self.run.emit(kinds.BUDGET_EXHAUSTED, data, node=action.node)
        return Exhausted(stops.exhausted(dimension, limit))

    def _asks(self) -> bool:
        """Return True if a person is asked for more at the budget's end."""
        return self._meter.asks and self.env.asking.attended and not self.run.stopping

    def _estimating(
        self, action: PendingAction, counted: dict[str, int], declared: Mapping[str, int]
    ) -> Callable[[], Amounts]:
        """Return a function that tells the amounts of the next attempt: as declared, else as calls were until then."""
        tool, meter, prices = action.tool, self._meter, self.env.prices

        def amounts() -> Amounts:
            told: dict[str, int | None] = dict(counted)
            for name in meter.measured:
                amount = declared.get(name)
                if amount is None and name == "duration_ms":
                    amount = action.node.action.timeout_ms or prices.largest(tool, name) or 0
                elif amount is None:
                    amount = prices.largest(tool, name)
                told[name] = amount
            return told

        return amounts

    def _take(self, action: PendingAction, flow: Flow, found: Reserved | str | None) -> bool:
        """Take what the meter answered: a reservation, or the dimension that is exhausted."""
        run, meter = self.run, self._meter
        assert found is not None
        if not isinstance(found, str):
            self._held[action] = found
            run.emit(kinds.BUDGET_RESERVED, {**meter.statistics(), "amounts": dict(found)}, node=action.node)
            return True
        if not self._asks():
            raise self.exhausted(action, found)
        if self._top_up is None:
            from headway.execution.stages.top_up import TopUp

            self._top_up = TopUp(self, meter)
        self._top_up.wait(action, flow, found)
        return False

    def _settle(self, action: PendingAction, reserved: Reserved, spent: dict[str, int]) -> None:
        run, meter = self.run, self._meter
        warned = meter.settle(reserved, spent)
        run.emit(kinds.BUDGET_SETTLED, meter.statistics(), node=action.node)
        for dimension in warned:
            data = {"dimension": dimension, "spent": meter.spent[dimension], "limit": meter.limits[dimension]}
            run.emit(kinds.BUDGET_WARNING, data, node=action.node)
        if not run.stopping and not action.compensates:
            meter.serve()
