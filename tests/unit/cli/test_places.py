"""Line and column of what an error names in a JSON document."""

import json

import pytest

from headway.errors import InvalidPlan
from headway.plan.parse import parse_proposal
from headway_console.cli.places import Place, place_at, place_of, place_of_action

PLAN = b"""{
  "goal": "\xc3\xa9",
  "actions": [
    {"id": "a", "type": "tool_call", "tool": "x",
     "preconditions": [{"key": "k", "kind": 1}]},
    {"id": "b", "type": "tool_cal", "parameters": {"\\u006bey": [1, {"deep": "}"}]}}
  ]
}
"""


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([], Place(1, 1)),
        (["goal"], Place(2, 3)),
        (["actions"], Place(3, 3)),
        (["actions", "0"], Place(4, 5)),
        (["actions", "0", "preconditions", "0", "kind"], Place(5, 37)),
        (["actions", "1"], Place(6, 5)),
        (["actions", "1", "parameters", "key", "1", "deep"], Place(6, 69)),
        (["actions", "1", "parameters", "nothing"], Place(6, 37)),
        (["actions", "7", "id"], Place(3, 3)),
        (["nothing"], Place(1, 1)),
    ],
)
def test_a_path_leads_to_its_value_or_to_the_innermost_one_there_is(steps: list[str], place: Place) -> None:
    assert place_at(PLAN, steps) == place


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b'{"actions": [\n  ,]}', Place(2, 3)),
        (b'{"actions": [\n\n', Place(1, 14)),
        (b'{"actions": [\n {"id": "a", "type": "tool_cal"}]}', Place(2, 14)),
        (b'{"actions": [\n {"id": "a", "type": "tool_call",\n  "params": {}}]}', Place(3, 3)),
        (b'{"actions": [\n {"id": "\xff"}]}', Place(2, 10)),
        (b'\n{"actions": {}}', Place(2, 2)),
    ],
)
def test_the_errors_of_the_format_have_a_place(raw: bytes, place: Place) -> None:
    with pytest.raises(InvalidPlan) as caught:
        parse_proposal(raw)
    assert place_of(raw, caught.value.message) == place


@pytest.mark.parametrize("raw", [b"[]", b"", b"3", b"\xff\xfe", b"[" * 5000])
def test_what_has_no_place_has_none(raw: bytes) -> None:
    if raw.isascii():
        assert place_of(raw, "the plan is not a JSON object with an 'actions' list") is None
    place_of(raw, "actions[0].id: expected str")  # whatever it finds, it raises nothing
    assert place_of_action(raw, "a") is None


def test_an_action_is_found_by_its_id() -> None:
    raw = json.dumps({"actions": [{"id": "a"}, {"id": "b"}]}, indent=1).encode()
    assert place_of_action(raw, "b") == Place(6, 3)
    assert place_of_action(raw, "c") is None
