"""The door for plans: what is taken, and the one line for what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headway.errors import InvalidPlan
from headway.plan.parse import MAX_BYTES, parse_proposal


def test_integers_keep_their_value() -> None:
    raw = b'{"actions":[{"type":"tool_call","tool":"t","parameters":{"a":3,"b":9007199254740993}}]}'
    assert parse_proposal(raw).actions[0].parameters == {"a": 3, "b": 9007199254740993}


def test_bytes_text_and_mapping_are_the_same() -> None:
    plan = {"id": "p", "timestamp": "t", "actions": [{"id": "a", "type": "state_read", "parameters": {"key": "k"}}]}
    text = json.dumps(plan)
    assert parse_proposal(plan) == parse_proposal(text) == parse_proposal(text.encode())


def test_unknown_fields_are_ignored_and_defaults_are_cars() -> None:
    action = parse_proposal({"actions": [{"type": "tool_call", "tool": "t", "timeout": 5}], "x": 1}).actions[0]
    assert (action.max_retries, action.failure_behavior, action.timeout_ms) == (3, "abort", None)
    assert len(action.id) == 12


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"{", "the plan is not valid JSON"),
        (b"\xff", "the plan is not valid JSON"),
        (b"[]", "the plan is not a JSON object"),
        (b"{}", "actions: field required"),
        (b'{"actions":{}}', "actions: input should be a valid list"),
        (b'{"actions":[{"type":"zap"}]}', "actions[0].type: input should be"),
        (
            b'{"actions":[{"type":"tool_call","timeout_ms":"5"}]}',
            "actions[0].timeout_ms: input should be a valid integer",
        ),
        (b'{"actions":[{"type":"tool_call","failure_behavior":"replan"}]}', "actions[0].failure_behavior"),
        (
            b'{"actions":[{"type":"tool_call","expected_effects":{"":1}}]}',
            "a key of actions[0].expected_effects: string should have at least 1 character",
        ),
        (
            b'{"actions":[{"type":"tool_call","expected_effects":{"' + b"k" * 1025 + b'":1}}]}',
            "a key of actions[0].expected_effects: string should have at most 1024 characters",
        ),
        (b'{"actions":[],"context":{"a":NaN}}', "the plan is not valid JSON"),
        (b"[" * 100_000, "nested deeper than 64"),
        (b'{"context":' + b"[" * 64 + b"]" * 64 + b',"actions":[]}', "nested deeper than 64"),
        (b" " * (MAX_BYTES + 1), "the limit is 8,388,608"),
        ('{"actions":[],"source":"\ud800"}', "the plan is not JSON"),
        ({"actions": {1, 2}}, "actions[0]: "),
        ({"actions": [], "context": {"a": float("nan")}}, "NaN and infinities are not JSON numbers"),
        ({"actions": [], "context": {"a": None, "b": [float("inf")]}}, "NaN and infinities are not JSON numbers"),
        (5, "a plan is JSON or a mapping, not int"),
    ],
)
def test_bad_input_is_one_clear_line(raw: Any, text: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        parse_proposal(raw)
    assert text in caught.value.message
    assert "\n" not in caught.value.message


def test_63_levels_inside_the_plan_are_taken() -> None:
    raw = b'{"actions":[],"context":{"x":' + b"[" * 62 + b"]" * 62 + b"}}"
    assert parse_proposal(raw).actions == []
