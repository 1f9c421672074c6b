"""The registry, and parameters against schemas."""

from __future__ import annotations

import functools
import gc
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.tools.context import ToolContext
from headway.tools.executor import ExecutorTools
from headway.tools.longrun import Poll, long_running
from headway.tools.quickcheck import quick_check
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.schema import ToolSchema
from headway.tools.stream import CONTEXT


def entry(parameters: dict[str, Any], name: str = "sch", **more: Any) -> ToolEntry:
    return ToolEntry(ToolSchema(name=name, parameters=parameters, **more), lambda: None, is_async=False)


def test_by_name_and_sorted() -> None:
    registry = ToolRegistry()
    for name in ("b", "a", "c"):
        registry.register(entry({}, name))
    assert registry.names() == ["a", "b", "c"]
    assert [e.name for e in registry.entries()] == ["a", "b", "c"]
    assert [s.name for s in registry.schemas()] == ["a", "b", "c"]
    assert "a" in registry
    assert "z" not in registry
    assert len(registry) == 3
    assert registry.get("z") is None
    assert registry.remove("a")
    assert not registry.remove("a")
    newer = entry({}, "b")
    registry.register(newer)
    assert registry.get("b") is newer


def test_cars_names_of_what_a_registry_knows() -> None:
    registry = ToolRegistry()
    a = entry(FLAT, "a")
    b = ToolEntry(ToolSchema(name="b"), dict, is_async=False, source="mcp", category="shell", permission="deny")
    registry.register(b)
    registry.register(a)
    assert (registry.contains("a"), registry.contains("z")) == (True, False)
    assert registry.by_source("user_defined") == registry.by_category("general") == [a]
    assert registry.by_source("mcp") == registry.by_category("shell") == [b]
    assert registry.by_source("nowhere") == registry.by_category("nothing") == []
    assert registry.validate("a", {"p": 4}) == ['4 is not of type "string" (at /p)']
    assert registry.validate("a", {"p": "x"}) == []
    assert registry.validate("z", {}) == ["tool 'z' is not registered"]
    assert registry.allowed_schemas() == [a.schema]
    assert registry.to_schema_map() == {"a": a.schema, "b": b.schema}


def test_functions_are_sent_to_entry_of() -> None:
    with pytest.raises(InvalidInput, match="entry_of"):
        ToolRegistry().register(len)  # type: ignore[arg-type]


FLAT = {
    "type": "object",
    "properties": {"p": {"type": "string"}, "e": {"type": "string", "enum": ["a", "b"]}},
    "required": ["p"],
}


@pytest.mark.parametrize(
    ("params", "texts"),
    [
        ({"p": "x"}, []),
        ({"p": "x", "extra": 1}, []),
        ({}, ["missing required parameter 'p' for tool 'sch'"]),
        ({"p": 4}, ['4 is not of type "string" (at /p)']),
        ({"p": "x", "e": "zz"}, ['"zz" is not one of ["a","b"] (at /e)']),
        (
            {"e": 1},
            [
                '1 is not one of ["a","b"] (at /e)',
                '1 is not of type "string" (at /e)',
                "missing required parameter 'p' for tool 'sch'",
            ],
        ),
    ],
)
def test_texts(params: dict[str, Any], texts: list[str]) -> None:
    assert sorted(entry(FLAT).validate(params)) == sorted(texts)


LONG = ["x" * 50, "y" * 500]


@pytest.mark.parametrize(
    ("rule", "value", "text"),
    [
        ({"type": "string"}, None, 'null is not of type "string"'),
        ({"type": ["integer", "null"]}, [True], '[true] is not of types "integer", "null"'),
        ({"const": True}, 0, "true was expected"),
        ({"enum": ["a", None]}, "it's", '"it\'s" is not one of ["a",null]'),
        ({"enum": LONG}, LONG, f'["{"x" * 50}","{"y" * 64}… is not one of ["{"x" * 50}","{"y" * 244}…'),
        ({"minimum": 2}, 1.5, "1.5 is less than the minimum of 2"),
        ({"maximum": 2}, 10**30, f"{10**30} is greater than the maximum of 2"),
        ({"exclusiveMinimum": 2}, 2, "2 is less than or equal to the minimum of 2"),
        ({"exclusiveMaximum": 2}, 2, "2 is greater than or equal to the maximum of 2"),
        ({"minLength": 1}, "", '"" is shorter than 1 character'),
        ({"maxLength": 2}, 'a"b', '"a\\"b" is longer than 2 characters'),
        ({"pattern": "^a$"}, "b", '"b" does not match "^a$"'),
        ({"required": ["q"]}, {}, '"q" is a required property'),
        ({"uniqueItems": True}, [None, None], "[null,null] has non-unique elements"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, True, "true is not valid under any of the given schemas"),
        ({"oneOf": [{"minimum": 1}, {"maximum": 9}]}, 3, "3 is valid under more than one of the given schemas"),
        ({"not": {"const": None}}, None, 'null should not be valid under {"const":null}'),
        ({"properties": {"q": False}}, {"q": None}, "False schema does not allow null"),
        ({"type": "string"}, {"a": (1, b"")}, '{"a":[1,"bytes"]} is not of type "string"'),
        ({"type": "string"}, {(1,): 2}, 'a value of type dict is not of type "string"'),
    ],
)
def test_texts_show_values_as_json(rule: dict[str, Any], value: Any, text: str) -> None:
    (found,) = entry({"properties": {"p": rule}}).validate({"p": value})
    assert found.removesuffix(" (at /p)") == text


def test_every_missing_parameter_is_named() -> None:
    schema = {"type": "object", "required": ["a", "b", "a b"]}
    assert entry(schema).validate({}) == [
        f"missing required parameter '{name}' for tool 'sch'" for name in ("a", "b", "a b")
    ]


def test_full_dialect() -> None:
    schema = {
        "$defs": {"name": {"type": "string", "pattern": "^[a-z]+$"}},
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"$ref": "#/$defs/name"}, "uniqueItems": True}},
        "if": {"required": ["a"]},
        "then": {"required": ["b"]},
        "propertyNames": {"maxLength": 5},
    }
    tool = entry(schema)
    assert tool.validate({"names": ["a", "b"]}) == []
    assert tool.validate({"names": ["a", "A"]}) == ['"A" does not match "^[a-z]+$" (at /names/1)']
    assert tool.validate({"a": 1}) == ["missing required parameter 'b' for tool 'sch'"]
    assert tool.validate({"too_long": 1}) == ['"too_long" is longer than 5 characters']


def test_an_older_dialect_that_the_schema_names() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "properties": {"n": {"maximum": 3, "exclusiveMaximum": True}},
    }
    assert entry(schema).validate({"n": 2}) == []
    assert len(entry(schema).validate({"n": 3})) == 1


def test_pointer_escapes() -> None:
    schema = {"properties": {"a/b~c": {"type": "integer", "not": {"const": 3}}}}
    assert entry(schema).validate({"a/b~c": "x"}) == ['"x" is not of type "integer" (at /a~1b~0c)']


def test_long_values_are_cut_and_findings_counted() -> None:
    (text,) = entry(FLAT).validate({"p": ["x" * 10_000_000]})
    assert len(text) < 300
    assert text.endswith('… is not of type "string" (at /p)')
    many = entry({"properties": {"l": {"type": "array", "items": {"type": "integer"}}}}).validate(
        {"l": ["x"] * 100_000}
    )
    assert len(many) == 21
    assert many[-1] == "and more"


def test_line_breaks_do_not_get_into_a_text() -> None:
    (text,) = entry(FLAT).validate({"p": "x", "e": "a\n\x1b[2J"})
    assert "\n" not in text
    assert "\x1b" not in text


def test_deeply_nested_values_end() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    schema = {
        "$defs": {"l": {"type": ["array", "integer"], "items": {"$ref": "#/$defs/l"}}},
        "properties": {"v": {"$ref": "#/$defs/l"}},
    }
    assert entry(schema).validate({"v": deep}) == ["the parameters of tool 'sch' are nested too deeply to be checked"]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "objekt"}, '"objekt" is not valid'),
        ({"type": "string"}, "must be of type 'object'"),
        ({"type": ["string", "null"]}, "must be of type 'object'"),
        ({"properties": [1]}, r"\(at /properties\)"),
        ({"type": "object", "properties": {"a": {"pattern": "("}}}, 'not a "regex"'),
        ({"type": "object", "properties": {"a": {"type": "integer", "minimum": "x"}}}, "minimum"),
        ({"type": "object", "required": "a"}, 'not of type "array"'),
        ({"$ref": "#/$defs/none"}, "reference '#/[$]defs/none' is not in the schema"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "reference 'http://127.0.0.1:9/schema.json' is not in the schema"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "is not in the schema"),
        ({"$ref": "#"}, "refers to itself without end"),
        (nested(2000), "nested too deeply"),
    ],
)
def test_broken_schema_is_refused_at_registration(schema: dict[str, Any], text: str) -> None:
    registry = ToolRegistry()
    with pytest.raises(InvalidInput, match=text) as caught:
        registry.register(entry(schema))
    assert str(caught.value).startswith("tool 'sch': ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert registry.names() == []


def test_broken_schema_of_the_result_is_refused_too() -> None:
    registry = ToolRegistry()
    with pytest.raises(InvalidInput, match="broken schema"):
        registry.register(entry({}, returns={"type": "nothing"}))
    registry.register(entry({}, returns={"type": "integer"}))


def test_references_that_are_allowed() -> None:
    for schema in (
        {"$id": "https://example.com/a", "$defs": {"b": {"$id": "b", "type": "object"}}, "$ref": "b"},
        {"properties": {"schema": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}},
        {"properties": {"$ref": {"type": "string"}, "d": {"default": {"$ref": "#/nowhere"}}}},
    ):
        registry, tool = ToolRegistry(), entry(schema)
        registry.register(tool)
        assert registry.get(tool.name) is tool


def test_flat_schemas_need_no_validator() -> None:
    script = """
import sys
from headway.tools.schema import ToolSchema
from headway.tools.registry import ToolEntry, ToolRegistry

registry = ToolRegistry()
for schema in ({}, {"type": "object", "properties": {"p": {"type": "string"}}, "required": ["p"]}):
    registry.register(ToolEntry(ToolSchema(name="t", parameters=schema), print, is_async=False))
    assert registry.get("t").validate({"p": "x"}) == []
assert "jsonschema" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "a", "b", "long text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("pqr"), inner, max_size=2),
    max_leaves=4,
)
simple = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"type": st.sampled_from(["string", "boolean", "null", "array", "object"])}),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 3), "maxLength": st.integers(0, 3)}
    ),
    st.fixed_dictionaries({"type": st.just("string"), "enum": st.just(["a", "b"])}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["integer", "number"])},
        optional={"minimum": st.integers(-2, 2), "maximum": st.integers(-2, 2), "title": st.just("T")},
    ),
)
subschemas = st.one_of(
    simple,
    st.fixed_dictionaries({"type": st.just("array"), "items": simple}, optional={"minItems": st.integers(0, 2)}),
    st.fixed_dictionaries({"anyOf": st.lists(simple, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"$ref": st.sampled_from(["#/$defs/A", "#/$defs/B"])}),
)


def objects(members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return schemas of objects."""
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("pqr"), members, max_size=3)},
        optional={
            "required": st.lists(st.sampled_from("pqr"), unique=True),
            "additionalProperties": st.booleans() | members,
        },
    )


defined = st.fixed_dictionaries({"$defs": st.fixed_dictionaries({"A": simple | objects(simple), "B": simple})})
schemas = st.builds(lambda schema, shared: {**schema, **shared}, objects(subschemas | objects(subschemas)), defined)


@given(schemas, st.dictionaries(st.sampled_from("pqrs"), values, max_size=3))
def test_the_quick_yes_is_always_the_validators(schema: dict[str, Any], params: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    check = quick_check(schema)
    assert check is not None
    if check(params):
        assert Draft202012Validator(schema).is_valid(params)


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}, "type": "object"}}, "$ref": "#/$defs/A"},
        {"$defs": {"A": {"type": "strin"}}, "type": "object", "properties": {"a": {"type": "string"}}},
        {"$ref": "#/properties/a", "properties": {"a": {"type": "string"}}},
        {"$ref": "#/$defs/A"},
        {"type": "string", "const": {"a": 1}},
        {"type": "string", "enum": ["a", 1]},
        {"type": "object", "required": "p"},
    ],
)
def test_the_quick_yes_leaves_to_the_validator_what_it_does_not_know(schema: dict[str, Any]) -> None:
    assert quick_check(schema) is None


async def test_closing_lets_go_of_what_tools_hold_and_keeps_them() -> None:
    closed: list[str] = []

    def held(name: str) -> ToolEntry:
        async def call() -> None: ...

        async def aclose() -> None:
            closed.append(name)

        return ToolEntry(ToolSchema(name=name), call, is_async=True, aclose=aclose)

    registry = ToolRegistry()
    registry.register(held("a"))
    registry.register(held("b"))
    registry.register(ToolEntry(ToolSchema(name="c"), dict, is_async=False))
    await registry.aclose()
    assert closed == ["a", "b"]
    assert registry.names() == ["a", "b", "c"]


async def test_an_executor_is_an_object_with_execute_a_function_or_what_is_called_like_one() -> None:
    class Called:
        async def __call__(self, tool: str, params: dict[str, Any]) -> Any:
            return [tool, params]

    class Executes:
        execute = Called.__call__

    class Blocks:
        def __call__(self, tool: str, params: dict[str, Any]) -> Any:
            return [tool, params]

    for executor in (Called(), Executes(), Called().__call__):
        assert await ExecutorTools(executor).entry(ToolSchema(name="t")).call(x=1) == ["t", {"x": 1}]
    for wrong in (Blocks(), Called, 5):
        with pytest.raises(InvalidInput, match="async def execute"):
            ExecutorTools(wrong)  # type: ignore[arg-type]


async def test_an_executor_gets_a_context_where_its_third_parameter_says_so() -> None:
    async def named(tool: str, params: dict[str, Any], whatever: ToolContext) -> Any:
        return whatever

    async def positional(tool: str, params: dict[str, Any], ctx: ToolContext | None = None, /) -> Any:
        return ctx

    async def without(tool: str, params: dict[str, Any], verbose: bool = False) -> Any:
        return verbose

    async def rest(*values: Any) -> Any:
        return len(values)

    async def elsewhere(tool: str, params: dict[str, Any], session: Missing = None) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return session

    async def unknown(tool: str, params: dict[str, Any], context: missing.ToolContext) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return context

    class Called:
        async def __call__(self, tool: str, params: dict[str, Any], context: ToolContext) -> Any:
            return context

    class Executes:
        execute = Called.__call__

    context = ToolContext(action_id="a")
    for executor in (named, positional, Called(), Executes(), functools.partial(named)):
        call = ExecutorTools(executor).entry(ToolSchema(name="t")).call
        assert await call(x=1, **{CONTEXT: context}) is context
        assert isinstance(await call(x=1), ToolContext)  # called without a run around it
    for executor, answer in ((without, False), (rest, 2), (elsewhere, None)):
        assert await ExecutorTools(executor).entry(ToolSchema(name="t")).call(x=1, **{CONTEXT: context}) == answer
    with pytest.raises(InvalidInput, match="a tool executor: the annotation of parameter 'context' cannot be resolved"):
        ExecutorTools(unknown)


async def test_an_executor_and_work_behind_a_handle_take_parameters_of_any_name() -> None:
    names = {"self": 1, "tool": 2, "name": 3, "params": 4, "schema": 5, "handle": 6, "function": 7}

    async def execute(tool: str, params: dict[str, Any]) -> Any:
        return [tool, params]

    assert await ExecutorTools(execute).entry(ToolSchema(name="t")).call(**names) == ["t", names]

    class Work:
        async def start(self, params: dict[str, Any]) -> Any:
            return params

        async def poll(self, handle: Any) -> Poll:
            return Poll("succeeded", handle)

        async def cancel(self, handle: Any) -> None: ...

    assert await long_running(Work(), name="w").call(**names) == names


class Listener:
    """Notes what a registry tells of."""

    def __init__(self, registry: ToolRegistry) -> None:
        self.told: list[tuple[str, ToolEntry | None]] = []
        registry.on_change(self.changed)

    def changed(self, name: str, entry: ToolEntry | None) -> None:
        self.told.append((name, entry))


def test_it_tells_of_what_is_there_what_comes_and_what_goes() -> None:
    registry = ToolRegistry()
    first, second, third = entry({}, "a"), entry({}, "b"), entry({}, "b")
    registry.register(first)
    listener = Listener(registry)
    registry.register(second)
    registry.register(third)
    with pytest.raises(InvalidInput):
        registry.register(entry({"type": "objekt"}, "c"))
    registry.remove("a")
    registry.remove("a")
    assert listener.told == [("a", first), ("b", second), ("b", third), ("a", None)]
    with pytest.raises(InvalidInput, match="tells a method of its changes"):
        registry.on_change(lambda name, entry: None)


def test_it_tells_nobody_who_is_gone() -> None:
    registry = ToolRegistry()
    told = Listener(registry).told
    gc.collect()
    registry.register(entry({}, "a"))
    assert told == []


QUIET = {
    "type": "object",
    "properties": {
        "n": {"type": ["integer", "null"], "maximum": 10},
        "s": {"type": "string", "enum": ["a", "b"], "pattern": "^[a-z]$"},
        "o": {
            "type": "object",
            "properties": {"known": {"type": "string"}},
            "additionalProperties": {"type": "integer"},
        },
        "c": {"const": {"a": 1}},
    },
    "required": ["n"],
}


@pytest.mark.parametrize(
    ("params", "texts"),
    [
        ({"n": 1}, []),
        ({}, ["missing required parameter 'n' for tool 'sch'"]),
        ({"n": "hunter2"}, ["the value at /n is not of type 'integer', 'null'"]),
        ({"n": 11111}, ["the value at /n does not meet 'maximum' 10"]),
        (
            {"n": 1, "s": "hunter2"},
            ["the value at /s does not meet 'enum'", "the value at /s does not meet 'pattern' '^[a-z]$'"],
        ),
        ({"n": 1, "o": {"known": 22222}}, ["the value at /o/known is not of type 'string'"]),
        ({"n": 1, "o": {"hunter2": "x"}}, ["the value at /o/* is not of type 'integer'"]),
        ({"n": 1, "c": "hunter2"}, ["the value at /c does not meet 'const'"]),
    ],
)
def test_findings_may_be_told_without_any_value(params: dict[str, Any], texts: list[str]) -> None:
    made = entry(QUIET)
    found = made.validate(params, quote=False)
    assert sorted(found) == sorted(texts)
    assert not any(value in repr(found) for value in ("hunter2", "11111", "22222"))
    assert bool(made.validate(params)) == bool(texts)
