"""Budgets: reserve before, settle after, never over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.limits.budget import BudgetMeter, CostBudget, Reserved
from headway.limits.prices import Prices


def test_what_is_reserved_counts_as_used_until_it_is_settled() -> None:
    meter = BudgetMeter(CostBudget(tool_calls=2))
    assert meter.reserve({"tool_calls": 1}) == {"tool_calls": 1}
    assert meter.reserve({"tool_calls": 1}) == {"tool_calls": 1}
    assert meter.reserve({"tool_calls": 1}) == "tool_calls"
    meter.settle({"tool_calls": 1}, {})  # one never ran
    assert meter.reserve({"tool_calls": 1}) == {"tool_calls": 1}


def test_a_measured_dimension_stops_everything_once_it_is_spent() -> None:
    meter = BudgetMeter(CostBudget(tokens=10))
    assert meter.reserve({"tool_calls": 1}) == {"tool_calls": 1}
    meter.settle({"tool_calls": 1}, {"tokens": 11})
    assert meter.reserve({"tool_calls": 1}) == "tokens"


def test_a_counted_dimension_that_is_used_up_stops_only_what_needs_it() -> None:
    meter = BudgetMeter(CostBudget(tool_calls=1, actions=1))
    first = meter.reserve({"tool_calls": 1, "actions": 1})
    assert first == {"tool_calls": 1, "actions": 1}
    meter.settle(first, {"actions": 1})
    assert meter.reserve({"tool_calls": 1}) == {"tool_calls": 1}  # a retry: the action is paid for
    assert meter.reserve({"actions": 1}) == "actions"
    assert BudgetMeter(CostBudget(tool_calls=0)).reserve({"actions": 1}) == {"actions": 1}


def test_estimates_are_held_and_what_does_not_fit_beside_them_waits() -> None:
    meter = BudgetMeter(CostBudget(tokens=100))
    first, second = meter.reserve({"tokens": 60}), meter.reserve({"tokens": 40})
    assert (first, second) == ({"tokens": 60}, {"tokens": 40})
    assert meter.reserve({"tokens": 1}) is None
    assert meter.reserve({"tokens": 0, "tool_calls": 1}) == {"tool_calls": 1}  # costs nothing: waits for nobody
    meter.settle({"tokens": 60}, {"tokens": 10})
    assert meter.statistics() == {"reserved": {"tokens": 40}, "spent": {"tokens": 10}}
    assert meter.reserve({"tokens": 50}) == {"tokens": 50}


def test_the_last_call_gets_what_is_left_if_nobody_holds_a_part_of_it() -> None:
    meter = BudgetMeter(CostBudget(tokens=100), {"tokens": 70})
    assert meter.reserve({"tokens": 60}) == {"tokens": 30}
    meter.settle({"tokens": 30}, {"tokens": 60})
    assert meter.reserve({"tokens": 1}) == "tokens"


def test_a_call_of_unknown_price_reserves_all_that_is_left_and_so_is_alone() -> None:
    meter = BudgetMeter(CostBudget(tokens=100, usd_micros=5))
    assert meter.reserve({"tokens": 10, "usd_micros": 0}) == {"tokens": 10}
    assert meter.reserve({"tokens": None, "usd_micros": 0}) is None  # somebody holds a part
    meter.settle({"tokens": 10}, {"tokens": 10})
    assert meter.reserve({"tokens": None, "usd_micros": 0}) == {"tokens": 90}
    assert meter.reserve({"tokens": 1}) is None
    assert meter.reserve({"usd_micros": None}) == {"usd_micros": 5}


def test_the_line_is_first_come_first_served_and_can_be_left() -> None:
    meter = BudgetMeter(CostBudget(tokens=100))
    held = meter.reserve({"tokens": 100})
    assert isinstance(held, dict)
    told: list[tuple[str, Reserved | str]] = []

    def tell(name: str) -> Callable[[Reserved | str], None]:
        return lambda found: told.append((name, found))

    meter.wait(lambda: {"tokens": 80}, tell("a"))
    gone = meter.wait(lambda: {"tokens": 20}, tell("b"))
    meter.wait(lambda: {"tokens": 30}, tell("c"))
    gone.cancel()
    gone.cancel()
    assert meter.reserve({"tokens": 20}) is None
    meter.settle(held, {"tokens": 10})
    assert meter.reserve({"tokens": 5}) is None  # there is room, but others were first
    meter.serve()
    assert told == [("a", {"tokens": 80})]
    meter.settle({"tokens": 80}, {"tokens": 95})
    meter.serve()
    assert told[1:] == [("c", "tokens")]  # nothing is left for it


def test_only_the_first_in_line_hears_that_nothing_is_left() -> None:
    meter = BudgetMeter(CostBudget(tokens=10))
    held = meter.reserve({"tokens": None})
    assert isinstance(held, dict)
    told: list[Reserved | str] = []
    for _ in range(3):
        meter.wait(lambda: {"tokens": None}, told.append)
    meter.settle(held, {"tokens": 10})
    meter.serve()
    assert told == ["tokens"]


def test_it_warns_once_at_four_fifths() -> None:
    meter = BudgetMeter(CostBudget(actions=10))
    warned = [meter.settle({}, {"actions": 1}) for _ in range(10)]
    assert warned == [[]] * 7 + [["actions"]] + [[]] * 2


def test_a_fork_starts_from_what_was_spent() -> None:
    assert BudgetMeter(CostBudget(actions=3), {"actions": 3, "tokens": 9}).reserve({"actions": 1}) == "actions"


@given(st.integers(0, 20), st.lists(st.sampled_from(["reserve", "settle", "release"]), max_size=60))
def test_spent_and_reserved_never_pass_the_limit(limit: int, steps: list[str]) -> None:
    meter = BudgetMeter(CostBudget(tool_calls=limit))
    held = 0
    for step in steps:
        if step == "reserve":
            held += isinstance(meter.reserve({"tool_calls": 1}), dict)
        elif held:
            held -= 1
            meter.settle({"tool_calls": 1}, {"tool_calls": 1} if step == "settle" else {})
        assert 0 <= meter.reserved["tool_calls"] == held
        assert meter.spent["tool_calls"] + held <= limit


@dataclass
class Till:
    """Calls of tools that each have one price, made at once as far as a budget of tokens lets them."""

    limit: int
    prices: dict[str, int]
    declared: frozenset[str] = frozenset()
    meter: BudgetMeter = field(init=False)
    seen: Prices = field(default_factory=Prices)
    in_flight: list[tuple[str, Reserved]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    over: bool = False

    def __post_init__(self) -> None:
        self.meter = BudgetMeter(CostBudget(tokens=self.limit))

    def call(self, tool: str) -> None:
        """Start a call of ``tool`` now, or when the budget lets it."""
        if self.over:
            return

        def amounts() -> dict[str, int | None]:
            return {"tokens": self.prices[tool] if tool in self.declared else self.seen.largest(tool, "tokens")}

        declared = ("tokens",) if tool in self.declared else ()
        found = self.meter.reserve(amounts(), declared)
        if found is None:
            self.waiting.append(tool)
            self.meter.wait(amounts, lambda found: self._answered(tool, found), declared)
        else:
            self._take(tool, found)

    def _answered(self, tool: str, found: Reserved | str) -> None:
        assert self.waiting.pop(0) == tool  # nobody is overtaken
        self._take(tool, found)

    def _take(self, tool: str, found: Reserved | str) -> None:
        if isinstance(found, str):
            self.over = True
        else:
            self.in_flight.append((tool, found))

    def end(self, which: int) -> None:
        """End one of the calls in flight."""
        tool, reserved = self.in_flight.pop(which % len(self.in_flight))
        spent = {"tokens": self.prices[tool]}
        self.seen.note(tool, spent)
        self.meter.settle(reserved, spent)
        self.meter.serve()


TILLS = st.fixed_dictionaries({"a": st.integers(0, 30), "b": st.integers(0, 30), "c": st.integers(0, 30)})
STEPS = st.lists(st.sampled_from("abc") | st.integers(0, 9), max_size=60)


@given(st.integers(0, 100), TILLS, st.frozensets(st.sampled_from("abc")), STEPS)
def test_calls_at_once_pass_a_limit_by_no_more_than_one_of_them_exceeds_what_it_reserved(
    limit: int, prices: dict[str, int], declared: frozenset[str], steps: list[str | int]
) -> None:
    till = Till(limit, prices, declared)
    meter = till.meter
    excess = [0]
    for step in [*steps, *[0] * len(steps)]:
        if isinstance(step, str):
            till.call(step)
        elif till.in_flight:
            tool, reserved = till.in_flight[step % len(till.in_flight)]
            excess.append(prices[tool] - reserved.get("tokens", 0))
            till.end(step)
        assert meter.reserved["tokens"] == sum(reserved.get("tokens", 0) for _, reserved in till.in_flight)
        assert meter.spent["tokens"] <= limit + max(excess)
        if meter.spent["tokens"] <= limit:
            assert meter.spent["tokens"] + meter.reserved["tokens"] <= limit
        assert till.in_flight or not till.waiting or till.over  # nobody waits for nothing


@given(st.integers(0, 100), st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), max_size=30))
def test_calls_that_keep_to_their_declared_estimates_pass_no_limit(limit: int, calls: list[tuple[int, int]]) -> None:
    meter = BudgetMeter(CostBudget(tokens=limit))
    in_flight: list[tuple[Reserved, int]] = []
    for estimate, part in calls:
        left = limit - meter.spent["tokens"]
        found = meter.reserve({"tokens": estimate}, ("tokens",))
        if isinstance(found, dict):
            assert found == {"tokens": estimate}, "whole or not at all"
            in_flight.append((found, min(part, estimate)))
        elif isinstance(found, str):
            assert estimate > left or left == 0, "what may fit once others give back is not exhausted"
        elif in_flight:
            reserved, used = in_flight.pop(0)
            meter.settle(reserved, {"tokens": used})
    for reserved, used in in_flight:
        meter.settle(reserved, {"tokens": used})
    assert meter.spent["tokens"] <= limit


def test_prices_are_the_most_seen_until_the_tool_is_another() -> None:
    prices = Prices()
    assert prices.largest("t", "tokens") is None
    prices.note("t", {"tokens": 0})
    assert (prices.largest("t", "tokens"), prices.largest("t", "usd_micros")) == (0, None)
    prices.note("t", {"tokens": 9})
    prices.note("t", {"tokens": 4})
    assert prices.largest("t", "tokens") == 9
    prices.forget("t")
    assert prices.largest("t", "tokens") is None


@pytest.mark.parametrize("value", [-1, True, 1.5, "1"])
def test_limits_are_whole_numbers(value: Any) -> None:
    with pytest.raises(InvalidInput, match="budget tokens must be a whole number of at least 0"):
        CostBudget(tokens=value)
