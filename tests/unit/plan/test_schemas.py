"""References against schemas: what a schema rules out is an error, what it leaves open is none."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import InvalidPlan, Runtime, ToolSchema, verify
from headway.plan.parse import parse_proposal
from headway.plan.schemas import ANYTHING, Part, kinds_of, may_fit, parts_at
from headway.plan.verify import admit, refuse
from headway.tools import ToolEntry, ToolRegistry

PAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "links": {"type": "array", "items": {"$ref": "#/$defs/link"}, "maxItems": 3},
        "size": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}], "items": False},
        "any": {},
    },
    "$defs": {
        "link": {"type": "object", "properties": {"href": {"type": "string"}}, "additionalProperties": False},
    },
}
TAKES = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "n": {"type": "integer"},
        "rows": {"type": "array", "items": {"type": "string"}},
        "any": True,
    },
    "additionalProperties": False,
}


def registry(returns: dict[str, Any] | None = PAGE, takes: dict[str, Any] = TAKES) -> ToolRegistry:
    made = ToolRegistry()
    made.register(ToolEntry(ToolSchema(name="fetch", returns=returns), call=dict, is_async=False))
    made.register(ToolEntry(ToolSchema(name="use", parameters=takes), call=dict, is_async=False))
    return made


def plan(parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "actions": [
            {"id": "a", "type": "tool_call", "tool": "fetch"},
            {"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}},
            {"id": "r", "type": "state_read", "parameters": {"key": "k"}},
            {"id": "c", "type": "assertion", "parameters": {"key": "k", "expected": 1}},
            {"id": "b", "type": "tool_call", "tool": "use", "parameters": parameters},
        ]
    }


ERRORS = [
    ({"any": "$a.output.links.0.title"}, "reference '$a.output.links.0.title': fetch does not return 'links.0.title'"),
    ({"any": "$a.output.title.0"}, "reference '$a.output.title.0': fetch does not return 'title.0'"),
    ({"any": "$a.output.links.3"}, "reference '$a.output.links.3': fetch does not return 'links.3'"),
    ({"any": "$a.output.links.first"}, "reference '$a.output.links.first': fetch does not return 'links.first'"),
    ({"any": "$a.output.pair.2"}, "reference '$a.output.pair.2': fetch does not return 'pair.2'"),
    ({"any": "$a.output.size.x"}, "reference '$a.output.size.x': fetch does not return 'size.x'"),
    ({"any": "$w.output.x"}, "reference '$w.output.x': state_write does not return 'x'"),
    ({"any": "$c.output.got"}, "reference '$c.output.got': assertion does not return 'got'"),
    ({"n": "$a.output.title"}, "reference '$a.output.title' is string, 'n' of tool 'use' takes integer"),
    ({"text": "$a.output.size"}, "reference '$a.output.size' is integer or null, 'text' of tool 'use' takes string"),
    ({"rows": ["x", "$a.output.links"]}, "reference '$a.output.links' is array, 'rows.1' of tool 'use' takes string"),
    ({"n": "$w.output"}, "reference '$w.output' is string, 'n' of tool 'use' takes integer"),
    ({"more": "$a.output.title"}, "reference '$a.output.title': tool 'use' does not take 'more'"),
]


@pytest.mark.parametrize(("parameters", "text"), ERRORS, ids=[text for _, text in ERRORS])
async def test_what_schemas_rule_out_is_refused_by_verify_and_admission(parameters: dict[str, Any], text: str) -> None:
    report = verify(plan(parameters), tools=registry())
    [issue] = report.issues
    assert (issue.severity, issue.action_id, issue.message, issue.check) == ("error", "b", text, "references")
    assert not report.valid
    runtime = Runtime(registry=registry())
    result = await runtime.execute(plan(parameters))
    assert (result.outcome, result["b"].error) == ("rejected", text)


FITS = [
    {"text": "$a.output.title", "n": "$a.output.size", "rows": ["$a.output.links.0.href"]},
    {"n": "$a.output.pair.1", "text": "$a.output.pair.0"},
    {"any": "$a.output.any.x.0", "n": "$a.output.any"},
    {"any": "$c.output.value.x", "n": "$r.output", "text": "$c.output.asserted"},
    {"rows": "$a.output.any"},
]


@pytest.mark.parametrize("parameters", FITS, ids=map(str, range(len(FITS))))
def test_what_fits_or_is_open_is_silent(parameters: dict[str, Any]) -> None:
    assert verify(plan(parameters), tools=registry()).issues == []
    assert verify(plan(parameters), tools=registry(None, {})).issues == []
    assert verify(plan(parameters)).issues == []


def test_a_part_that_is_open_but_not_declared_is_a_warning() -> None:
    [issue] = verify(plan({"any": "$a.output.titel"}), tools=registry()).issues
    assert (issue.severity, issue.check) == ("warning", "references")
    assert issue.message == (
        "reference '$a.output.titel': tool 'fetch' does not say that it returns 'titel': did you mean 'title'?"
    )


def test_references_of_compensations_are_looked_at_too() -> None:
    raw = plan({})
    raw["actions"][0]["compensation"] = {"tool": "use", "parameters": {"n": "$a.output.title"}}
    [issue] = verify(raw, tools=registry()).issues
    assert issue.check == "compensation_resolution"
    assert issue.message.endswith("reference '$a.output.title' is string, 'n' of tool 'use' takes integer")


def test_schemas_in_circles_and_odd_ones_are_open() -> None:
    for schema in (
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$ref": "https://example.org/schema"},
        {"$ref": "#/$defs/none"},
        {"properties": 5, "type": 7, "items": 3},
        {"if": {"type": "string"}},
    ):
        part = Part(schema, schema)
        assert parts_at(part, ("x",)) == [ANYTHING]
        assert kinds_of(part) is None
    assert parts_at(Part(False, False), ()) == []


SCALARS = st.sampled_from(["null", "boolean", "integer", "number", "string"]).map(lambda kind: {"type": kind})
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        SCALARS,
        st.just(True),
        st.just(False),
        st.sampled_from([{"enum": ["a", 1]}, {"const": {"x": [1]}}, {"type": ["array", "null"]}]),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("xy"), inner, max_size=2)},
            optional={"additionalProperties": inner},
        ),
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(0, 2)}),
        st.fixed_dictionaries({"prefixItems": st.lists(inner, min_size=1, max_size=2), "items": inner}),
        st.lists(inner, min_size=1, max_size=3).map(lambda many: {"anyOf": many}),
        st.lists(inner, min_size=1, max_size=2).map(lambda many: {"allOf": many}),
        st.lists(inner, min_size=1, max_size=2).map(lambda many: {"oneOf": many}),
    ),
    max_leaves=6,
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.sampled_from([0.5, "a", "b"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "y", "0"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, at: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = [(at, value)]
    if isinstance(value, dict):
        inside: Any = value.items()
    else:
        inside = enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        found += places(item, (*at, str(key)))
    return found


@given(SCHEMAS, VALUES)
def test_nothing_that_a_schema_takes_is_ruled_out(schema: Any, value: Any) -> None:
    if not jsonschema.Draft202012Validator(schema).is_valid(value):
        return
    for path, item in places(value):
        parts = parts_at(Part(schema, schema), path)
        assert parts, (path, "cannot stand there")
        fits = [part for part in parts if may_fit(kinds_of(Part({"const": item}, True)), kinds_of(part))]
        assert fits, (path, item)
        validators = [jsonschema.Draft202012Validator(part.schema) for part in parts]
        assert any(validator.is_valid(item) for validator in validators)


def test_admission_raises_what_verify_tells() -> None:
    proposal = parse_proposal(plan({"n": "$a.output.title"}))
    _, issues = admit(proposal, (), registry())
    with pytest.raises(InvalidPlan, match="takes integer"):
        raise refuse(issues)
    assert admit(proposal, (), registry(), recorded=True)[1] == []
