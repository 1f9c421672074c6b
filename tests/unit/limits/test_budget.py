"""Budgets: reserve before, settle after, never over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.limits.budget import BudgetMeter, CostBudget


def test_what_is_reserved_counts_as_used_until_it_is_settled() -> None:
    meter = BudgetMeter(CostBudget(tool_calls=2))
    assert meter.reserve({"tool_calls": 1}) is None
    assert meter.reserve({"tool_calls": 1}) is None
    assert meter.reserve({"tool_calls": 1}) == "tool_calls"
    meter.settle({"tool_calls": 1}, {})  # one never ran
    assert meter.reserve({"tool_calls": 1}) is None


def test_a_dimension_nobody_reserves_stops_once_it_is_spent() -> None:
    meter = BudgetMeter(CostBudget(tokens=10))
    assert meter.reserve({"tool_calls": 1}) is None
    meter.settle({"tool_calls": 1}, {"tokens": 11})
    assert meter.reserve({"tool_calls": 1}) == "tokens"


def test_a_counted_dimension_that_is_used_up_stops_only_what_needs_it() -> None:
    meter = BudgetMeter(CostBudget(tool_calls=1, actions=1))
    assert meter.reserve({"tool_calls": 1, "actions": 1}) is None
    meter.settle({"tool_calls": 1, "actions": 1}, {"actions": 1})
    assert meter.reserve({"tool_calls": 1}) is None  # a retry: the action is paid for
    assert meter.reserve({"actions": 1}) == "actions"
    assert BudgetMeter(CostBudget(tool_calls=0)).reserve({"actions": 1}) is None


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
            held += meter.reserve({"tool_calls": 1}) is None
        elif held:
            held -= 1
            meter.settle({"tool_calls": 1}, {"tool_calls": 1} if step == "settle" else {})
        assert 0 <= meter.reserved["tool_calls"] == held
        assert meter.spent["tool_calls"] + held <= limit


@pytest.mark.parametrize("value", [-1, True, 1.5, "1"])
def test_limits_are_whole_numbers(value: Any) -> None:
    with pytest.raises(InvalidInput, match="budget tokens must be a whole number of at least 0"):
        CostBudget(tokens=value)
