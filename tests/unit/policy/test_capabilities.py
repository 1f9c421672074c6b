"""Capabilities: tools, state keys and the number of actions."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from headway.errors import InvalidInput
from headway.policy.capabilities import CapabilitySet
from tests.unit.policy.kit import call, write


def test_an_empty_set_allows_everything() -> None:
    everything = CapabilitySet()
    assert everything.tool_allowed("x")
    assert everything.state_key_allowed("x")
    assert everything.actions_within_budget(10**6)
    assert everything.check(call("x", reads=("a",), writes=("b",))) == []
    assert everything.check_plan(10**6) is None


def test_allowed_tools() -> None:
    some = CapabilitySet(allowed_tools={"a"})
    assert some.tool_allowed("a")
    assert not some.tool_allowed("b")
    assert some.check(call("a")) == some.check(write()) == []
    assert some.check(call("b")) == ["tool 'b' is not allowed by the capabilities"]


def test_denied_tools_win() -> None:
    some = CapabilitySet(allowed_tools=["a", "b"], denied_tools=("b", "c"))
    assert [some.tool_allowed(tool) for tool in "abc"] == [True, False, False]
    assert len(some.check(call("b"))) == 1
    assert not CapabilitySet(denied_tools={"b"}).tool_allowed("b")
    assert CapabilitySet(denied_tools={"b"}).tool_allowed("a")


def test_allowed_state_keys() -> None:
    some = CapabilitySet(allowed_state_keys={"k"})
    assert some.state_key_allowed("k")
    assert not some.state_key_allowed("l")
    assert some.check(call(reads=("k",), writes=("k",))) == []
    assert some.check(call(reads=("l", "k"), writes=("m", "l"))) == [
        "state key 'l' is not allowed by the capabilities",
        "state key 'm' is not allowed by the capabilities",
    ]
    assert len(some.check(write("z"))) == 1


def test_all_reasons_at_once() -> None:
    assert len(CapabilitySet(denied_tools={"t"}, allowed_state_keys={"k"}).check(call("t", reads=("x", "y")))) == 3


def test_max_actions() -> None:
    some = CapabilitySet(max_actions=2)
    assert some.actions_within_budget(2)
    assert not some.actions_within_budget(3)
    assert some.check_plan(2) is None
    assert some.check_plan(3) == "the plan has 3 actions, the capabilities allow 2"
    assert CapabilitySet(max_actions=0).check_plan(1) is not None


@pytest.mark.parametrize("bad", ["abc", b"abc", 1, None, [1], [""], ["\ud800"], [["a"]], math.nan, ["x" * 5000]])
def test_sets_are_collections_of_names(bad: Any) -> None:
    for field in ("allowed_tools", "denied_tools", "allowed_state_keys"):
        with pytest.raises(InvalidInput, match=f"capability {field}"):
            CapabilitySet(**{field: bad})


@pytest.mark.parametrize("bad", [-1, 1.5, True, "3", math.nan, math.inf])
def test_counts_are_whole_numbers(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="max_actions"):
        CapabilitySet(max_actions=bad)
    for ask in (CapabilitySet().actions_within_budget, CapabilitySet().check_plan):
        with pytest.raises(InvalidInput, match="whole number"):
            ask(bad)


@pytest.mark.parametrize("bad", [None, 1, [], ""])
def test_questions_about_no_name_are_refused(bad: Any) -> None:
    for ask in (CapabilitySet().tool_allowed, CapabilitySet().state_key_allowed):
        with pytest.raises(InvalidInput):
            ask(bad)


def test_it_cannot_be_changed_and_survives_json() -> None:
    some = CapabilitySet(allowed_tools={"a"}, max_actions=3)
    with pytest.raises(AttributeError):
        some.max_actions = 4  # type: ignore[misc]
    assert msgspec.json.decode(msgspec.json.encode(some), type=CapabilitySet) == some
