"""Types of parameters and results: from JSON to what annotations name, and from what a tool returns to JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import subprocess
import sys
import typing
from collections import deque
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Base64Bytes, BaseModel, Field, TypeAdapter, computed_field
from typing_extensions import TypedDict

import headway
from headway import Runtime, ToolResult
from headway.errors import InvalidInput
from headway.jsonvalue import to_json
from headway.state import StateStore
from headway.tools.annotations import _generator, plain_schema
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1


class Kind(StrEnum):
    PAPER = "paper"


class Address(BaseModel):
    street: str
    since: dt.date | None = None


class Aliased(BaseModel):
    inner: int = Field(alias="inner-value")


@dataclasses.dataclass
class Point:
    x: int
    at: list[Path] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Loose:
    data: Any = None


class LooseModel(BaseModel):
    data: Any = None


class Stored(BaseModel):
    data: list[bytes] = []


class Row(TypedDict):
    name: str
    sizes: list[Size]


UUID_1 = UUID(int=1)
TYPES: list[tuple[Any, Any, Any]] = [
    (Address, {"street": "s", "since": "2026-01-02"}, Address(street="s", since=dt.date(2026, 1, 2))),
    (Aliased, {"inner-value": 1}, Aliased(**{"inner-value": 1})),
    (Point, {"x": 1, "at": ["a/b"]}, Point(1, [Path("a/b")])),
    (Path, "a/b", Path("a/b")),
    (dt.datetime, "2026-01-02T03:04:05Z", dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
    (dt.date, "2026-01-02", dt.date(2026, 1, 2)),
    (dt.timedelta, "PT5S", dt.timedelta(seconds=5)),
    (Color, "red", Color.RED),
    (Size, 1, Size.SMALL),
    (Kind, "paper", Kind.PAPER),
    (UUID, str(UUID_1), UUID_1),
    (Decimal, "1.50", Decimal("1.50")),
    (Row, {"name": "n", "sizes": [1]}, {"name": "n", "sizes": [Size.SMALL]}),
    (tuple[int, Path], [1, "a"], (1, Path("a"))),
    (list[Point], [{"x": 1, "at": []}], [Point(1)]),
    (dict[str, Address], {"k": {"street": "s", "since": None}}, {"k": Address(street="s")}),
    (dict[Color, int], {"red": 1}, {Color.RED: 1}),
    (Address | None, None, None),
    (Path | None, "a", Path("a")),
    (list[dict[str, list[dt.date]]], [{"k": ["2026-01-02"]}], [{"k": [dt.date(2026, 1, 2)]}]),
]


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize(("annotation", "data", "value"), TYPES, ids=lambda value: str(value)[:40])
async def test_values_of_a_type_come_from_json_and_become_json(
    annotation: Any, data: Any, value: Any, sync: bool
) -> None:
    seen: list[Any] = []

    def take(it):  # type: ignore[no-untyped-def] # its annotations are the test's
        seen.append(it)
        return it

    async def take_async(it):  # type: ignore[no-untyped-def] # its annotations are the test's
        return take(it)

    function = take if sync else take_async
    function.__annotations__ = {"it": annotation, "return": annotation}
    runtime = Runtime()
    runtime.register_tool(headway.tool(name="take")(function))
    result = await runtime.execute({"actions": [call("a", "take", parameters={"it": data})]})
    assert (result["a"].error, result["a"].output, seen) == (None, data, [value])
    assert type(seen[0]) is type(value)


@pytest.mark.parametrize(("annotation", "data", "value"), TYPES, ids=lambda value: str(value)[:40])
async def test_what_no_annotation_names_becomes_json_too(annotation: Any, data: Any, value: Any) -> None:
    runtime = Runtime()

    @headway.tool
    async def take() -> ToolResult:
        return ToolResult([value], effects={"k": value}, artifacts=[{"it": value}])

    runtime.register_tool(take)
    result = await runtime.execute({"actions": [call("a", "take")]})
    assert (result["a"].output, result["a"].artifacts) == ([data], [{"it": data}])
    assert runtime.state.get("k") == data


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, {"type": "string"}),
        (None, {"type": "null"}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (Path, {"type": "string", "format": "path"}),
        (Color, {"title": "Color", "type": "string", "enum": ["red", "blue"]}),
        (str | ToolResult, {"type": "string"}),
        (Any, None),
        (object, None),
        (ToolResult, None),
        (typing.NoReturn, None),
        (ToolResult | Any, None),
        ("NoSuchName", None),
        (deque, None),
        (Callable[[], int], None),
    ],
)
def test_the_schema_of_what_is_returned_is_of_the_annotation(annotation: Any, schema: Any) -> None:
    def give():  # type: ignore[no-untyped-def] # its annotations are the test's
        return None

    give.__annotations__ = {"return": annotation}
    found = entry_of(give).schema.returns
    assert found == schema or (schema is None and found == {"type": "array", "items": {}})


def test_the_schema_of_a_model_names_its_aliases_and_computed_parts() -> None:
    def give() -> list[Aliased]: ...

    assert entry_of(give).schema.returns == {
        "type": "array",
        "items": {"$ref": "#/$defs/Aliased"},
        "$defs": {
            "Aliased": {
                "type": "object",
                "properties": {"inner-value": {"type": "integer"}},
                "required": ["inner-value"],
                "title": "Aliased",
            }
        },
    }


def test_a_schema_given_by_hand_stands() -> None:
    @headway.tool(returns={"type": "object"})
    def give() -> str: ...

    assert entry_of(give).schema.returns == {"type": "object"}


async def chunks() -> AsyncIterator[str]:
    yield "a"


def test_a_stream_has_no_schema_of_its_output() -> None:
    assert entry_of(chunks).schema.returns is None


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize(
    ("annotation", "value", "rule"),
    [
        (int, "one", "'type' at /"),
        (str, None, "'type' at /"),
        (list[int], [1, "two"], "'type' at /1"),
        (Point, Point("x"), "'type' at /x"),  # type: ignore[arg-type] # that is the point
        (Address, {"street": 1}, "'type' at /street"),
        (None, 1, "'type' at /"),
    ],
)
async def test_what_the_annotation_does_not_allow_is_a_validation_error(
    annotation: Any, value: Any, rule: str, sync: bool
) -> None:
    def give():  # type: ignore[no-untyped-def] # its annotations are the test's
        return value

    async def give_async():  # type: ignore[no-untyped-def] # its annotations are the test's
        return value

    function = give if sync else give_async
    function.__annotations__ = {"return": annotation}
    runtime = Runtime()
    runtime.register_tool(headway.tool(name="give")(function))
    result = await runtime.execute({"actions": [call("a", "give")]})
    text = f"tool 'give' returned what its schema does not allow: {rule}"
    assert (result["a"].error, result["a"].error_code) == (text, "validation")


@pytest.mark.parametrize(
    ("annotation", "data", "reason"),
    [
        (Path, 1, '1 is not of type "string" (at /it)'),
        (dt.datetime, "tomorrow", "parameter 'it' of tool 'take': Input should be a valid datetime"),
        (UUID, "x", "parameter 'it' of tool 'take': Input should be a valid UUID"),
        (
            Address,
            {"street": "s", "since": "never"},
            "parameter 'it' of tool 'take': since: Input should be a valid date",
        ),
        (Color, "green", '"green" is not one of ["red","blue"] (at /it)'),
    ],
)
async def test_a_value_that_does_not_convert_is_refused_in_one_line(annotation: Any, data: Any, reason: str) -> None:
    def take(it):  # type: ignore[no-untyped-def] # its annotations are the test's
        raise AssertionError("it was called")

    take.__annotations__ = {"it": annotation}
    runtime = Runtime()
    runtime.register_tool(take)

    @headway.tool
    async def give() -> Any:
        return data

    runtime.register_tool(give)
    refused = await runtime.execute({"actions": [call("a", "take", parameters={"it": data})]})
    assert refused.outcome == "rejected"
    assert (refused["a"].error or "").startswith(reason)
    plan = [call("g", "give"), call("a", "take", parameters={"it": "$g.output"})]
    late = await runtime.execute({"actions": plan})
    assert "\n" not in (late["a"].error or "\n")
    assert (late["a"].status, late["a"].error_code, late["a"].attempts) == ("rejected", "validation", 0)


@pytest.mark.parametrize(
    "annotation",
    [bytes, bytes | None, list[bytes], dict[str, bytearray], memoryview, Stored, list[Stored], Base64Bytes],
)
def test_bytes_are_refused_in_annotations(annotation: Any) -> None:
    def take(it: Any) -> Any: ...

    take.__annotations__ = {"it": annotation}
    with pytest.raises(
        InvalidInput, match=r"^tool 'take': parameter 'it' takes \w+, which JSON does not have: use text"
    ):
        entry_of(take)
    with pytest.raises(InvalidInput, match=r"^tool 'take': parameter 'it' takes"):
        entry_of(headway.tool(parameters={})(take))
    take.__annotations__ = {"return": annotation}
    with pytest.raises(InvalidInput, match=r"^tool 'take' returns \w+, which JSON does not have: use text"):
        entry_of(take)


@pytest.mark.parametrize(
    "value",
    [
        b"x",
        bytearray(b"x"),
        [b"x"],
        {"k": [{"k": memoryview(b"x")}]},
        {b"x": 1},
        (b"x",),
        Loose(b"x"),
        [Loose({"k": b"x"})],
        LooseModel(data=[b"x"]),
        {f"k{i}": i for i in range(50)} | {"k": [b"x"]},
        MappingProxyType({"k": b"x"}),
    ],
)
async def test_bytes_are_refused_in_values(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^the value holds \w+, which JSON does not have: use text$"):
        to_json(value)
    state = StateStore()
    with pytest.raises(InvalidInput, match="which JSON does not have"):
        state.set("k", value)
    runtime = Runtime()

    async def give() -> Any:
        return value

    async def give_loose() -> Loose | LooseModel:
        return value  # type: ignore[no-any-return] # what it may be is the test's

    for name, function in (("give", give), ("give_loose", give_loose)):
        runtime.register_tool(function)
        result = await runtime.execute({"actions": [call("a", name)]})
        error = result["a"].error or ""
        assert error.startswith(f"tool '{name}' returned what cannot be recorded: "), error
        assert (error.endswith("which JSON does not have: use text"), len(state)) == (True, 0)


def double(n: int, factor: int = 2) -> Decimal:
    """Multiply."""
    return Decimal(n * factor)


class Maker:
    def sync(self, path: Path) -> Path:
        return path / "x"

    async def later(self, path: Path) -> Path:
        return path / "y"

    @staticmethod
    def static(path: Path) -> Path:
        return path / "s"

    @classmethod
    async def of_class(cls, path: Path) -> Path:
        return path / "c"


class Called:
    def __call__(self, path: Path) -> Path:
        return path / "z"


class CalledLater:
    async def __call__(self, path: Path) -> Path:
        return path / "w"


@pytest.mark.parametrize(
    ("function", "output"),
    [
        (Maker().sync, "a/x"),
        (Maker().later, "a/y"),
        (Maker.static, "a/s"),
        (Maker.of_class, "a/c"),
        (headway.tool(name="called")(Called()), "a/z"),
        (headway.tool(name="called")(CalledLater()), "a/w"),
        (functools.partial(Maker().sync), "a/x"),
        (functools.partial(Maker().later), "a/y"),
        (functools.partial(functools.partial(Maker.static)), "a/s"),
    ],
)
async def test_all_that_can_be_called_converts(function: Any, output: str) -> None:
    runtime = Runtime()
    runtime.register_tool(function)
    (name,) = runtime.registry.names()
    result = await runtime.execute({"actions": [call("a", name, parameters={"path": "a"})]})
    assert (result["a"].error, result["a"].output) == (None, output)
    assert runtime.tools[name].returns == {"type": "string", "format": "path"}


async def test_a_partial_converts_what_is_left() -> None:
    runtime = Runtime()
    runtime.register_tool(functools.partial(double, factor=3))
    result = await runtime.execute({"actions": [call("a", "double", parameters={"n": 2})]})
    assert result["a"].output == "6"


plain_types = st.recursive(
    st.sampled_from([str, int, float, bool, None, Any, object, list, dict, Literal["a"], Literal["a", "b"]]),
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),  # type: ignore[valid-type] # made here
        inner.map(lambda kind: dict[str, kind]),  # type: ignore[valid-type] # made here
        inner.map(lambda kind: Annotated[kind, "text"]),
        st.lists(inner, min_size=2, max_size=3).map(lambda kinds: typing.Union[tuple(kinds)]),  # noqa: UP007 - made here
    ),
    max_leaves=4,
)


@given(plain_types)
def test_the_schema_of_a_plain_type_is_pydantics(annotation: Any) -> None:
    schema = plain_schema(annotation)
    if schema is not None:
        assert ordered(schema) == ordered(TypeAdapter(annotation).json_schema(schema_generator=_generator()))


def ordered(schema: Any) -> Any:
    """Return a schema with its alternatives in one order: unions of the same types may be one object in typing."""
    if isinstance(schema, dict):
        schema = {key: ordered(value) for key, value in schema.items()}
        return {**schema, "anyOf": sorted(schema["anyOf"], key=str)} if "anyOf" in schema else schema
    return [ordered(item) for item in schema] if isinstance(schema, list) else schema


def test_a_tool_of_plain_types_needs_neither_an_adapter_of_pydantic_nor_jsonschema() -> None:
    script = """
import sys
from headway.tools import ToolRegistry, entry_of, tool

@tool
async def search(query: str, limit: int | None = None, *, where: list[str] = []) -> dict[str, list[str]]:
    return {}

entry = entry_of(search)
ToolRegistry().register(entry)
assert entry.validate({"query": "x"}) == [] and entry.output_problem({"a": ["b"]}) is None
print(*sorted({"pydantic.type_adapter", "jsonschema"} & {*sys.modules}))
"""
    ran = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    assert ran.stdout == "\n"


def test_paths_of_any_kind_and_numbers_of_other_types() -> None:
    class Meters(float):
        pass

    assert to_json([PurePath("a"), Meters(1.5), MappingProxyType({"k": 1})]) == ["a", 1.5, {"k": 1}]
    with pytest.raises(InvalidInput, match=r"^the value is not JSON: objects of type complex are not JSON$"):
        to_json([1j])


class Broken(BaseModel):
    @computed_field  # type: ignore[prop-decorator] # as pydantic's own docs have it
    @property
    def late(self) -> int:
        raise RuntimeError("not today\nnor tomorrow")


@dataclasses.dataclass(eq=False)
class Incomparable:
    data: Any = None

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("do not compare me")

    __hash__ = None  # type: ignore[assignment] # as of what compares by value


def test_a_value_whose_own_code_fails_is_refused_in_one_line() -> None:
    with pytest.raises(InvalidInput, match="a Broken cannot be written: RuntimeError: not today") as caught:
        to_json([Broken()])
    assert "\n" not in str(caught.value)
    assert to_json([Incomparable(1)]) == [{"data": 1}]
    with pytest.raises(InvalidInput, match="holds bytes"):
        to_json(Incomparable(b"x"))


@pytest.mark.parametrize("annotation", [Broken, Any])
async def test_such_a_result_fails_its_action_in_one_line(annotation: Any) -> None:
    async def give():  # type: ignore[no-untyped-def] # its annotations are the test's
        return Broken()

    give.__annotations__ = {"return": annotation}
    runtime = Runtime()
    runtime.register_tool(give)
    result = (await runtime.execute({"actions": [call("a", "give")]}))["a"]
    assert (result.error or "").startswith("tool 'give' returned what cannot be recorded: ")
    assert "not today" in (result.error or "")
    assert "\n" not in (result.error or "\n")
    assert result.error_code == "tool_error"
