"""Functions become tools: their schema, description, context, and what is refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import inspect
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from headway.errors import InvalidInput
from headway.tools.context import ToolContext
from headway.tools.decorator import entry_of, options_of, tool
from headway.tools.schema import RateLimit


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Address(BaseModel):
    street: str


def test_decorated_function_stays_what_it_was() -> None:
    def double(n: int) -> int:
        """Double it."""
        return 2 * n

    assert tool(double) is double
    assert tool(double) is double
    assert double(2) == 4


def test_a_static_method_carries_its_options_whichever_decorator_comes_first() -> None:
    class Service:
        @tool(name="above", permission="deny", returns={"type": "integer"})
        @staticmethod
        def first(n: int) -> int:
            return n

        @staticmethod
        @tool(name="below", permission="ask")
        async def second(n: int) -> int:
            return n

    above, below = entry_of(Service.first), entry_of(Service.second)
    assert (above.name, above.permission, above.schema.returns) == ("above", "deny", {"type": "integer"})
    assert (below.name, below.permission, below.is_async) == ("below", "ask", True)
    assert options_of(Service.__dict__["first"]) == options_of(Service.first)
    assert entry_of(Service.__dict__["second"]).is_async
    assert Service.first(2) == Service().first(2) == above.call(n=2) == 2

    with pytest.raises(InvalidInput, match="a generator is no tool"):
        tool(staticmethod(generator))


def test_one_function_is_one_tool() -> None:
    def look() -> int:
        return 1

    guarded = tool(name="a", permission="deny")(look)
    again = r"^tool 'b': the function is tool 'a' already, with other options; wrap it in a def"
    with pytest.raises(InvalidInput, match=again):
        tool(name="b")(look)
    assert entry_of(guarded).permission == "deny"

    @tool(name="b", permission="ask")
    @functools.wraps(look)  # copies what look carries
    def wrapped() -> int:
        return look()

    assert [(entry_of(f).name, entry_of(f).permission) for f in (guarded, wrapped)] == [("a", "deny"), ("b", "ask")]
    with pytest.raises(InvalidInput, match="is tool 'b' already"):
        tool(wrapped)


def test_schema_from_annotations_and_description_from_docstring() -> None:
    @tool
    def search(
        query: Annotated[str, "What to look for."],
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
        kind: Literal["a", "b"] = "a",
        tags: list[str] | None = None,
        anything: Any = None,
        bare=None,  # type: ignore[no-untyped-def]
    ) -> list[str]:
        """Search the index.

        In two lines.

        Args:
            query: not in the description.
        """
        return []

    entry = entry_of(search)
    assert entry.schema.name == "search"
    assert entry.schema.description == "Search the index.\n\nIn two lines."
    assert entry.schema.parameters == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What to look for."},
            "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 10},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
            "anything": {"default": None},
            "bare": {"default": None},
        },
        "required": ["query"],
        "additionalProperties": False,
    }
    assert (entry.is_async, entry.context_param, entry.source) == (False, None, "user_defined")
    assert inspect.unwrap(entry.call) is search
    assert entry.validate({"query": "x", "limit": 3}) == []


def test_options() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}

    @tool(
        name="other",
        description="Does.",
        parameters=schema,
        returns={"type": "integer"},
        idempotent=True,
        cache_ttl_secs=5,
        rate_limit=(2, 0.5),
        permission="ask",
        category="net",
        writes_files=True,
    )
    async def function(n: int) -> int:
        """Not this."""
        return n

    entry = entry_of(function, source="builtin")
    assert entry.schema.to_dict() == {
        "name": "other",
        "description": "Does.",
        "parameters": schema,
        "returns": {"type": "integer"},
        "idempotent": True,
        "cache_ttl_secs": 5,
        "rate_limit": {"max_calls": 2, "interval_secs": 0.5},
    }
    assert (entry.permission, entry.category, entry.writes_files) == ("ask", "net", True)
    assert entry.is_async
    assert entry.source == "builtin"


def test_rate_limit_may_be_the_model() -> None:
    limit = RateLimit(max_calls=1, interval_secs=2)
    assert entry_of(tool(rate_limit=limit)(lambda_free)).schema.rate_limit == limit


def lambda_free() -> None: ...


def test_empty_schema_lets_anything_pass() -> None:
    @tool(parameters={})
    def loose(**params: Any) -> Any:
        return params

    assert entry_of(loose).validate({"a": object()}) == []


def test_keyword_arguments_open_the_schema() -> None:
    def loose(a: int, **more: Any) -> None: ...

    entry = entry_of(loose)
    assert "additionalProperties" not in entry.schema.parameters
    assert entry.validate({"a": 1, "b": 2}) == []
    assert entry.validate({"b": 2}) == ["missing required parameter 'a' for tool 'loose'"]


@pytest.mark.parametrize("optional", [False, True])
def test_context_parameter_is_not_the_plans(optional: bool) -> None:
    def needs(ctx: ToolContext, a: int) -> int:
        return a

    def may(a: int, *, ctx: ToolContext | None = None) -> int:
        return a

    entry = entry_of(may if optional else needs)
    assert entry.context_param == "ctx"
    assert list(entry.schema.parameters["properties"]) == ["a"]
    assert entry.call(a=1, ctx=ToolContext()) == 1
    assert entry.validate({"a": 1, "ctx": {}}) == ["Additional properties are not allowed ('ctx' was unexpected)"]


async def test_async_kinds() -> None:
    async def plain() -> int:
        return 1

    class Caller:
        async def __call__(self) -> int:
            """Call."""
            return 2

    assert await entry_of(plain).call() == 1
    named = entry_of(tool(name="object")(Caller()))
    assert named.is_async
    assert await named.call() == 2
    partial = functools.partial(plain)
    assert entry_of(partial).is_async
    assert entry_of(partial).schema.name == "plain"


def test_methods_and_wrapped_functions() -> None:
    class Service:
        def look(self, key: str) -> str:
            return key

    def passing(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    @tool
    @passing
    def wrapped(a: int) -> int:
        """Doc."""
        return a

    assert list(entry_of(Service().look).schema.parameters["properties"]) == ["key"]
    assert entry_of(wrapped).schema.parameters["required"] == ["a"]
    assert entry_of(wrapped).call(a=3) == 3


def test_values_are_made_from_json_where_the_annotation_is_richer() -> None:
    def take(
        when: dt.datetime,
        point: Point,
        address: Address,
        path: Path,
        many: set[int],
        text: str = "",
    ) -> Any:
        return when, point, address, path, many, text

    entry = entry_of(take)
    given = {
        "when": "2026-01-02T03:04:05Z",
        "point": {"x": 1},
        "address": {"street": "s"},
        "path": "a/b",
        "many": [1, 2],
    }
    assert entry.validate(given) == []
    assert entry.call(**given) == (
        dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        Point(1),
        Address(street="s"),
        Path("a/b"),
        {1, 2},
        "",
    )
    assert inspect.signature(entry.call) == inspect.signature(take)
    with pytest.raises(
        InvalidInput, match=r"^parameter 'when' of tool 'take': Input should be a valid datetime"
    ) as caught:
        entry.call(**{**given, "when": "secret"})
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert entry.validate({**given, "when": "secret"}) == [str(caught.value)]
    assert entry.validate({**given, "point": {"x": "1"}}) == ['"1" is not of type "integer" (at /point/x)']


def test_default_that_is_no_json_is_left_out() -> None:
    def take(a: Any = object()) -> None: ...  # noqa: B008

    assert entry_of(take).schema.parameters["properties"] == {"a": {}}


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_neither_is_a_number_that_json_does_not_know(number: float) -> None:
    class Range(BaseModel):
        to: float = number

    def take(a: float = number, b: Any = (1, [number]), *, c: Any) -> None: ...

    take.__annotations__["c"] = Range
    schema = entry_of(take).schema.parameters
    json.dumps(schema, allow_nan=False)
    assert schema["properties"] == {
        "a": {"type": "number"},
        "b": {},
        "c": {"$ref": "#/$defs/Range"},
    }
    assert schema["$defs"]["Range"]["properties"] == {"to": {"type": "number"}}


def positional(*args: int) -> None: ...
def positional_only(a: int, /) -> None: ...
def generator() -> Any:
    yield 1


def field_default(a: int = Field(3, ge=1)) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (positional, r"tool 'positional': '\*args' cannot be given by a plan"),
        (positional_only, "positional-only"),
        (generator, "a generator is no tool"),
        (field_default, "write Annotated"),
        (Point, "a class is no tool"),
        (lambda: 1, "a lambda needs a name"),
        (len, "positional-only"),
        (3, "goes on a function"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_where_it_is_decorated(function: Any, text: str) -> None:
    with pytest.raises(InvalidInput, match=text) as caught:
        tool(function)
    assert "\n" not in str(caught.value)


def no_schema(a: Callable[[], int]) -> None: ...
def own_class(a: threading_lock) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def two_contexts(a: ToolContext, b: ToolContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (no_schema, "tool 'no_schema': .* has no JSON Schema"),
        (own_class, "annotation of 'a' cannot be resolved: name 'threading_lock' is not defined"),
        (two_contexts, "both a ToolContext"),
    ],
)
def test_what_has_no_schema_is_refused_when_it_is_registered(function: Any, text: str) -> None:
    with pytest.raises(InvalidInput, match=text) as caught:
        entry_of(tool(function))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"name": ""}, "needs a name"),
        ({"name": "a\nb"}, "needs a name"),
        ({"name": " a"}, "needs a name"),
        ({"name": "x" * 257}, "needs a name"),
        ({"rate_limit": (0, 1)}, "rate_limit"),
        ({"rate_limit": (1, 0)}, "rate_limit"),
        ({"rate_limit": (1, float("inf"))}, "rate_limit"),
        ({"rate_limit": (1,)}, "rate_limit"),
        ({"permission": "maybe"}, "permission"),
        ({"cache_ttl_secs": -1}, "cache_ttl_secs"),
        ({"parameters": "object"}, "JSON Schema"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        tool(**options)(lambda_free)


def test_parameter_names_that_pydantic_keeps_for_itself() -> None:
    def take(schema: str, model_config: int, json: bool, _private: str, self: int = 1) -> None: ...

    entry = entry_of(take)
    assert entry.validate({"schema": "", "model_config": 1, "json": True, "_private": ""}) == []


def test_decorating_imports_no_pydantic() -> None:
    script = """
import sys, headway
from headway.tools import ToolContext, ToolRegistry, ToolResult

@headway.tool(rate_limit=(1, 1.0))
def f(a: int, ctx: ToolContext): ...

assert "pydantic" not in sys.modules and "jsonschema" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


@pytest.mark.parametrize(
    ("annotation", "given", "got"),
    [
        (int, 3.0, 3),
        (int, 3, 3),
        (int | None, 3.0, 3),
        (int | None, None, None),
        (int | str, 3.0, 3),
        (Annotated[int, Field(ge=1)], 3.0, 3),
        (list[int], [1.0, 2], [1, 2]),
        (dict[str, int], {"a": 1.0}, {"a": 1}),
        (list[int] | dict[str, list[int]], {"a": [1.0]}, {"a": [1]}),
        (Literal[1, 2], 1.0, 1),
        (float, 3.0, 3.0),
        (int | float, 3.0, 3.0),
        (Any, 3.0, 3.0),
        (list, [3.0], [3.0]),
    ],
    ids=str,
)
async def test_a_whole_number_that_is_written_as_a_float_is_an_int_where_the_tool_says_int(
    annotation: Any, given: Any, got: Any
) -> None:
    async def later(n: Any) -> Any:
        return n

    def at_once(n: Any) -> Any:
        return n

    for function in (later, at_once):
        function.__annotations__["n"] = annotation
        made = entry_of(function)
        assert made.validate({"n": given}) == []
        value = made.call(n=given)
        value = await value if made.is_async else value
        assert repr(value) == repr(got)


def test_a_value_that_is_no_int_is_left_to_the_schema() -> None:
    @tool
    def number(n: int) -> Any:
        return n

    made = entry_of(number)
    assert made.validate({"n": 3.5}) == ['3.5 is not of type "integer" (at /n)']
    assert repr(made.call(n=True)) == "True"
