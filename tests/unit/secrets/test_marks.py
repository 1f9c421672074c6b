"""Marked places of a schema, by the way that a value takes through it."""

from typing import Any

import pytest

from headway.secrets import marks_of
from headway.secrets.marks import is_marked, shown, stray_places

MARK = {"type": "string", "format": "password"}


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


WAYS: list[tuple[dict[str, Any], Any]] = [
    (object_of(p=MARK), {"p": "X"}),
    (object_of(p={"type": "string", "writeOnly": True}), {"p": "X"}),
    (object_of(p={"writeOnly": True}), {"p": "X"}),
    (object_of(p={"type": ["string", "null"], "format": "password"}), {"p": "X"}),
    (object_of(p={"anyOf": [MARK, {"type": "null"}]}), {"p": "X"}),
    (object_of(p={"oneOf": [{"type": "integer"}, {"allOf": [MARK]}]}), {"p": "X"}),
    (object_of(p={"$ref": "#/$defs/S"}) | {"$defs": {"S": MARK}}, {"p": "X"}),
    (object_of(a=object_of(p=MARK)), {"a": {"p": "X"}}),
    (object_of(a={"type": "array", "items": MARK}), {"a": ["X"]}),
    (object_of(a={"type": "array", "prefixItems": [{}, MARK]}), {"a": ["1", "X"]}),
    ({"type": "object", "additionalProperties": MARK}, {"any": "X"}),
    ({"type": "object", "patternProperties": {"^s_": MARK}}, {"s_a": "X"}),
    ({"if": object_of(k={"const": 1}), "then": object_of(p=MARK)}, {"k": 1, "p": "X"}),
]


def put(value: Any, text: Any) -> Any:
    if value == "X":
        return text
    if isinstance(value, dict):
        return {key: put(item, text) for key, item in value.items()}
    return [put(item, text) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("schema", "value"), WAYS)
def test_a_marked_place_takes_references_only(schema: dict[str, Any], value: dict[str, Any]) -> None:
    marks = marks_of(schema)
    assert marks is not None
    assert marks.problems("t", put(value, "secret://DB")) == []
    assert [name for _, name in marks.names(put(value, "secret://DB"))] == ["DB"]
    for literal in ("hunter2", "secret://", "secret://a b", "secret://DB/x", "", "$a.output", 5, ["x"]):
        (problem,) = marks.problems("t", put(value, literal))
        assert "takes secret://NAME, not a literal" in problem
        assert "hunter2" not in problem
    filled = marks.put(put(value, "secret://DB"), lambda name: f"value of {name}")
    assert filled == put(value, "value of DB")


@pytest.mark.parametrize("schema", [{}, object_of(p={"type": "string"}), object_of(p={"format": "email"})])
def test_a_schema_without_marks(schema: dict[str, Any]) -> None:
    assert marks_of(schema) is None


def test_only_texts_are_marked() -> None:
    assert is_marked(MARK)
    assert not is_marked({"type": "object", "writeOnly": True})
    assert not is_marked({"type": "string", "writeOnly": "yes"})
    assert not is_marked(True)


def test_references_elsewhere_are_told() -> None:
    marks = marks_of(object_of(p=MARK, note={"type": "string"}))
    assert marks is not None
    found = marks.problems("t", {"p": "secret://DB", "note": "secret://DB", "more": [{"secret://k": 1}]})
    assert [text.split("'")[1] for text in found] == ["note", "more[0].secret://k"]
    assert list(stray_places({"a": ["x", "secret://y"]})) == [("a", 1)]
    assert shown(("a", 1, "b")) == "a[1].b"


def test_bounds_on_a_marked_text_are_not_about_references() -> None:
    marks = marks_of(object_of(p={**MARK, "pattern": "^[0-9]+$", "minLength": 30}, q={"pattern": "x"}))
    assert marks is not None
    assert marks.relaxed() == object_of(p=MARK, q={"pattern": "x"})


def test_circles_end() -> None:
    schema = {
        "$ref": "#/$defs/a",
        "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, object_of(n={"$ref": "#"}, p=MARK)]}},
    }
    marks = marks_of(schema)
    assert marks is not None
    assert marks.names({"n": {"n": {"p": "secret://X"}}}) == [(("n", "n", "p"), "X")]
