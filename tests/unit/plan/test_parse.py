"""The door for plans: what is taken, and the one line for what is not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from headway.errors import InvalidInput, InvalidPlan
from headway.plan.format import Action, ActionProposal
from headway.plan.parse import LARGE_BYTES, MAX_BYTES, as_proposal, parse_proposal, recorded_proposal


def test_integers_keep_their_value() -> None:
    raw = b'{"actions":[{"type":"tool_call","tool":"t","parameters":{"a":3,"b":9007199254740993}}]}'
    assert parse_proposal(raw).actions[0].parameters == {"a": 3, "b": 9007199254740993}


def test_bytes_text_and_mapping_are_the_same() -> None:
    plan = {"id": "p", "timestamp": "t", "actions": [{"id": "a", "type": "state_read", "parameters": {"key": "k"}}]}
    text = json.dumps(plan)
    assert parse_proposal(plan) == parse_proposal(text) == parse_proposal(text.encode())


def test_defaults_are_cars() -> None:
    action = parse_proposal({"actions": [{"type": "tool_call", "tool": "t"}]}).actions[0]
    assert (action.max_retries, action.failure_behavior, action.timeout_ms) == (3, "abort", None)
    assert len(action.id) == 12


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"{", "the plan is not valid JSON"),
        (b"\xff", "the plan is not valid JSON"),
        (b"[]", "the plan is not a JSON object"),
        (b"{}", "actions: field required"),
        (b'{"actions":{}}', "actions: expected array, got object"),
        (
            b'{"actions":[{"type":"zap"}]}',
            "actions[0].type: 'zap' is none of tool_call, state_write, state_read, assertion",
        ),
        (
            b'{"actions":[{"type":"tool_call","timeout_ms":"5"}]}',
            "actions[0].timeout_ms: expected int | null, got str",
        ),
        (b'{"actions":[{"type":"tool_call","failure_behavior":"replan"}]}', "actions[0].failure_behavior"),
        (
            b'{"actions":[{"type":"tool_call","expected_effects":{"":1}}]}',
            "a key of actions[0].expected_effects: expected str of length >= 1",
        ),
        (
            b'{"actions":[{"type":"tool_call","expected_effects":{"' + b"k" * 1025 + b'":1}}]}',
            "a key of actions[0].expected_effects: expected str of length <= 1024",
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


FULL = {
    "actions": [
        {
            "id": "a",
            "type": "tool_call",
            "tool": "t",
            "preconditions": [{"key": "k"}],
            "assumptions": [{"key": "k"}],
            "compensation": {"type": "tool", "tool": "undo"},
        }
    ]
}

UNKNOWN = [
    ((), "acton", 'unknown field "acton": did you mean "actions"?', None),
    ((), "x", 'unknown field "x"', None),
    (("actions", 0), "params", 'actions[0]: unknown field "params": did you mean "parameters"?', "a"),
    (("actions", 0), "timeout", 'actions[0]: unknown field "timeout": did you mean "timeout_ms"?', "a"),
    (
        ("actions", 0, "preconditions", 0),
        "op",
        'actions[0].preconditions[0]: unknown field "op"',
        "a",
    ),
    (
        ("actions", 0, "assumptions", 0),
        "expected",
        'actions[0].assumptions[0]: unknown field "expected": did you mean "expected_value"?',
        "a",
    ),
    (("actions", 0, "compensation"), "args", 'actions[0].compensation: unknown field "args"', "a"),
]


def with_field(at: tuple[str | int, ...], name: str) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(json.dumps(FULL))
    place: Any = plan
    for step in at:
        place = place[step]
    place[name] = {"any": "thing"}
    return plan


@pytest.mark.parametrize(("at", "name", "line", "action_id"), UNKNOWN)
def test_an_unknown_field_is_refused_with_a_suggestion(
    at: tuple[str | int, ...], name: str, line: str, action_id: str | None
) -> None:
    plan = with_field(at, name)
    with pytest.raises(InvalidPlan) as caught:
        parse_proposal(plan)
    assert caught.value.message.startswith(line)
    strict = parse_proposal({**FULL, "id": "p", "timestamp": "t"})
    lenient = parse_proposal({**plan, "id": "p", "timestamp": "t"}, compat="car")
    assert lenient == strict == recorded_proposal(json.dumps({**plan, "id": "p", "timestamp": "t"}))
    assert strict.ignored == ()
    [(who, text)] = lenient.ignored
    assert (who, text) == (action_id, caught.value.message)


def test_free_data_goes_into_metadata_context_and_values() -> None:
    plan = with_field(("actions", 0), "metadata")
    plan["context"] = {"anything": [{"x": 1}]}
    plan["actions"][0]["parameters"] = {"nothing": {"known": 1}}
    plan["actions"][0]["expected_effects"] = {"k": {"params": 1}}
    assert parse_proposal(plan).to_dict()["actions"] == plan["actions"]


def test_several_unknown_fields_are_counted() -> None:
    with pytest.raises(InvalidPlan, match=r'^actions\[0\]: unknown field "params".* \(and 1 more\)$'):
        parse_proposal({"actions": [{"type": "tool_call", "params": {}, "depends": []}]})


def test_compat_car_refuses_all_else() -> None:
    with pytest.raises(InvalidPlan, match=r"^actions\[0\]\.tool: expected str \| null, got int$"):
        parse_proposal({"actions": [{"type": "tool_call", "params": {}, "tool": 5}]}, compat="car")
    with pytest.raises(InvalidInput, match="compat is 'car' or None, not 'rac'"):
        parse_proposal(FULL, compat="rac")  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize(
    "value", [b"x", [b"x"], {"k": [bytearray(b"x")]}, memoryview(b"x")], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("field", ["parameters", "expected_effects", "metadata"])
def test_bytes_are_refused_wherever_a_plan_may_hold_anything(field: str, value: Any) -> None:
    fields: dict[str, Any] = {"id": "a", "type": "tool_call", "tool": "t", field: {"it": value}}
    with pytest.raises(InvalidPlan, match="which JSON does not have"):
        parse_proposal({"actions": [fields]})
    with pytest.raises(InvalidPlan, match="which JSON does not have"):
        as_proposal(ActionProposal(actions=[Action(**fields)]))


def _large(**more: Any) -> dict[str, Any]:
    actions = [
        {"id": f"a{i}", "type": "tool_call", "tool": "t", "parameters": {"n": 2**53 + i, "text": "ü" * 100}, **more}
        for i in range(500)
    ]
    return {"id": "p", "timestamp": "2026-01-02T03:04:05Z", "actions": actions, "context": {"goal": "g"}}


def test_a_large_plan_is_read_as_a_small_one_is() -> None:
    raw = json.dumps(_large(dependencies=[], max_retries=1)).encode()
    assert len(raw) > LARGE_BYTES
    made = parse_proposal(raw)
    assert made == msgspec.json.decode(raw, type=ActionProposal)
    assert made.actions[7].parameters["n"] == 2**53 + 7


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda plan: plan.pop("actions"), "actions: field required"),
        (lambda plan: plan.update(actions=3), "actions: expected array, got int"),
        (lambda plan: plan.update(actions={}), "actions: expected array, got object"),
        (lambda plan: plan.update(sauce="s"), 'unknown field "sauce": did you mean "source"?'),
        (lambda plan: plan["actions"][400].update(params={}), 'actions[400]: unknown field "params": did you mean'),
        (lambda plan: plan["actions"][400].update(type="x"), "actions[400].type: 'x' is none of"),
        (lambda plan: plan["actions"].append(1), "actions[500]: expected object, got int"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_large_plan_is_told_as_of_a_small_one(change: Any, text: str) -> None:
    plan = _large()
    plan["context"]["filler"] = "x" * LARGE_BYTES
    change(plan)
    with pytest.raises(InvalidPlan) as caught:
        parse_proposal(json.dumps(plan))
    assert text in str(caught.value)


@pytest.mark.parametrize("form", [lambda plan: plan, json.dumps, lambda plan: json.dumps(plan).encode()])
def test_a_plan_of_too_many_actions_is_refused_before_they_are_looked_at(form: Any) -> None:
    plan = {"actions": [{"no": "action", "filler": "x" * 200}] * 500}
    with pytest.raises(InvalidPlan, match=r"the plan has 500 actions; the limit is 499 \(max_actions under"):
        parse_proposal(form(plan), max_actions=499)
    with pytest.raises(InvalidPlan, match="unknown field"):
        parse_proposal(form(plan), max_actions=500)
