"""The validator's tests of the state, operator by operator, and its reading of escaped values."""

from __future__ import annotations

from typing import Any

import pytest

from headway import parse_proposal, verify


def holds(operator: str, value: Any, state: dict[str, Any]) -> bool:
    """Return whether verify finds that a precondition on ``k`` will hold."""
    condition = {"key": "k", "operator": operator, "value": value}
    write = {"id": "w", "type": "state_write", "parameters": {"key": "x", "value": 1}, "preconditions": [condition]}
    return verify(parse_proposal({"actions": [write]}), state).valid


@pytest.mark.parametrize(
    ("operator", "below", "same", "above"),
    [
        ("eq", False, True, False),
        ("neq", True, False, True),
        ("gt", False, False, True),
        ("lt", True, False, False),
        ("gte", False, True, True),
        ("lte", True, True, False),
    ],
)
def test_an_operator_compares_numbers(operator: str, below: bool, same: bool, above: bool) -> None:
    assert [holds(operator, 5, {"k": number}) for number in (4, 5, 6)] == [below, same, above]
    assert not holds(operator, 5, {})


def test_equal_values_are_equal_in_json() -> None:
    for one, other, same in ((1, 1.0, True), (True, 1, False), (0, False, False), ([1], [True], False)):
        assert holds("eq", one, {"k": other}) is holds("eq", other, {"k": one}) is same
        assert holds("contains", one, {"k": [other]}) is same


def test_exists_and_not_exists_ask_for_the_key_alone() -> None:
    assert holds("exists", None, {"k": None})
    assert not holds("exists", None, {})
    assert holds("not_exists", None, {})
    assert not holds("not_exists", None, {"k": None})


def test_an_escaped_value_is_compared_as_it_will_be() -> None:
    check = {"id": "c", "type": "assertion", "parameters": {"key": "k", "expected": "$$a.output"}}
    plan = parse_proposal({"actions": [check]})
    assert verify(plan, {"k": "$a.output"}).valid
    assert not verify(plan, {"k": "$$a.output"}).valid
