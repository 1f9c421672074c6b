"""Values made of a call's JSON: what is refused is a finding, before the call and not in it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import uuid
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict, Unpack

import pytest
from annotated_types import Ge, Interval, Len, MinLen, MultipleOf, Predicate
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from headway import Runtime
from headway.errors import InvalidInput
from headway.tools.context import ToolContext
from headway.tools.decorator import entry_of, tool
from headway.tools.registry import ToolEntry


class Even(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("must be even")
        return n


class Colour(enum.Enum):
    RED = "red"


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    day: dt.date
    tags: tuple[str, ...] = ()
    key: uuid.UUID | None = None
    colour: Colour = Colour.RED
    count: int = 0
    share: float = 0.0
    anything: Any = None


@dataclasses.dataclass
class Box:
    item: Any
    n: int = 0


def taking(annotation: Any) -> ToolEntry:
    """Return a tool ``take`` that gives back what it gets as ``v``."""

    def take(v: Any) -> Any:
        return v

    take.__annotations__["v"] = annotation
    return entry_of(take)


def no_prime(value: int) -> int:
    raise TypeError("a bug")


# -- what verify passes, execute runs --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (dt.date, "2024-13-45", "Input should be a valid date"),
        (uuid.UUID, "no", "Input should be a valid UUID"),
        (Even, {"n": 3}, "n: Value error, must be even"),
        (list[Even], [{"n": 2}, {"n": 3}], "1.n: Value error, must be even"),
        (Decimal, "ten", "Input should be a valid decimal"),
        (dict[int, str], {"zz": "x"}, "zz.[key]: Input should be a valid integer"),
        (Annotated[int, Predicate(lambda n: n % 2 == 0)], 3, "Predicate"),
        (Annotated[int, AfterValidator(no_prime)], 3, "TypeError: a bug"),
    ],
)
def test_what_the_annotation_refuses_is_a_finding(annotation: Any, value: Any, text: str) -> None:
    [found] = taking(annotation).validate({"v": value})
    assert found.startswith("parameter 'v' of tool 'take': ")
    assert text in found
    assert "\n" not in found


@pytest.mark.parametrize("value", ["2024-13-45", "$day.output"])
async def test_it_is_refused_as_validation_and_not_tried_again(value: str) -> None:
    calls = []

    def take(day: dt.date) -> None:
        calls.append(day)

    def tell() -> str:
        return "2024-13-45"

    runtime = Runtime()
    runtime.register_tool(take)
    runtime.register_tool(tell)
    first = {"id": "day", "type": "tool_call", "tool": "tell", "parameters": {}}
    second = {"id": "a", "type": "tool_call", "tool": "take", "parameters": {"day": value}}
    retry = {"failure_behavior": "retry", "max_retries": 3}
    result = (await runtime.execute({"actions": [first, {**second, **retry}]}))["a"]
    assert (result.status, result.error_code, result.attempts) == ("rejected", "validation", 0)
    assert "Input should be a valid date" in str(result.error)
    assert not calls


def test_each_parameter_has_its_finding_and_nothing_is_changed() -> None:
    def take(a: dt.date, b: uuid.UUID, c: int = 0) -> Any:
        return a, b, c

    entry = entry_of(take)
    params = {"a": "x", "b": "y", "c": 3.0}
    assert [found[:13] for found in entry.validate(params)] == ["parameter 'a'", "parameter 'b'"]
    assert repr(params) == repr({"a": "x", "b": "y", "c": 3.0})


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        str | None,
        list[int],
        dict[str, list[int]],
        dict,
        Literal["a", 1],
        Annotated[int, Field(ge=1, description="text"), "text"],
        Annotated[int | None, Ge(1)],
        Annotated[float, MultipleOf(0.5)],
        Annotated[str, Len(1, 3)],
        Annotated[list[str], MinLen(1)],
        Annotated[dict[str, int] | None, Field(min_length=1)],
    ],
)
def test_what_the_schema_says_whole_is_not_asked_of_pydantic(annotation: Any) -> None:
    assert taking(annotation).check is None


# -- what the schema does not say ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Annotated[int, Predicate(lambda n: n % 2 == 0)], 2, 3),
        (Annotated[int, Field(ge=1), Predicate(lambda n: n % 2 == 0)], 2, 3),
        (list[Annotated[str, Predicate(str.islower)]], ["a"], ["A"]),
        (Annotated[Any, Ge(3)], 3, 2),
        (Annotated[int | float, Field(ge=1)], 1.5, 0.5),
        (Annotated[str, Ge("b")], "b", "a"),
        (Annotated[str, Field(pattern="^a+$")], "aa", "b"),
        (Annotated[int, Interval(ge=1, le=3)], 3, 4),
    ],
)
def test_metadata_holds_whether_or_not_json_schema_has_a_word_for_it(annotation: Any, good: Any, bad: Any) -> None:
    entry = taking(annotation)
    assert entry.validate({"v": good}) == []
    assert entry.call(v=good) == good
    assert len(entry.validate({"v": bad})) == 1


@pytest.mark.parametrize(
    ("annotation", "given", "got"),
    [
        (dict[int, str], {"1": "x"}, {1: "x"}),
        (dict[int, dict[int, int]] | None, {"1": {"2": 3.0}}, {1: {2: 3}}),
        (list[dict[float, Any]], [{"1": 3.0}], [{1.0: 3.0}]),
        (Mapping[int, str], {"1": "x"}, {1: "x"}),
        (dict[str, int], {"1": 2.0}, {"1": 2}),
        (dict[Any, int], {"1": 2.0}, {"1": 2}),
    ],
)
def test_the_keys_of_a_dict_are_what_it_says(annotation: Any, given: Any, got: Any) -> None:
    entry = taking(annotation)
    assert entry.validate({"v": given}) == []
    assert repr(entry.call(v=given)) == repr(got)


# -- strict models ---------------------------------------------------------------------------------------------------


def test_a_strict_model_is_made_of_json() -> None:
    entry = taking(Strict)
    key = uuid.UUID(int=5)
    given = {"day": "2024-01-02", "tags": ["a"], "key": str(key), "colour": "red", "count": 3.0, "share": 1}
    assert entry.validate({"v": given}) == []
    assert entry.call(v=given) == Strict(day=dt.date(2024, 1, 2), tags=("a",), key=key, count=3, share=1.0)
    assert entry.validate({"v": {**given, "count": 3.5}}) == ['3.5 is not of type "integer" (at /v/count)']
    [found] = entry.validate({"v": {**given, "day": "2024-13-01"}})
    assert "day: Input should be a valid date" in found  # and not that 3.0 is no integer


@pytest.mark.parametrize("annotation", [Strict, Box])
def test_what_may_be_anything_stays_what_it_is(annotation: Any) -> None:
    entry = taking(annotation)
    if annotation is Box:
        assert repr(entry.call(v={"item": {"a": [3.0, 2**53 + 1, 1e22]}, "n": 2.0}).item) == (
            "{'a': [3.0, 9007199254740993, 1e+22]}"
        )
    else:
        assert repr(entry.call(v={"day": "2024-01-02", "anything": [3.0]}).anything) == "[3.0]"


# -- more parameters of any name -------------------------------------------------------------------------------------


async def test_keyword_arguments_are_what_their_annotation_says() -> None:
    def take(a: int, **more: int) -> Any:
        return a, more

    async def later(ctx: ToolContext, **days: dt.date) -> Any:
        return type(ctx), days

    async def chunks(**days: dt.date) -> AsyncIterator[Any]:
        yield {name: day.year for name, day in days.items()}

    entry = entry_of(take)
    assert entry.schema.parameters["additionalProperties"] == {"type": "integer"}
    assert entry.validate({"a": 1, "b": "3"}) == ['"3" is not of type "integer" (at /b)']
    assert entry.validate({"a": 1, "b": 3.0}) == []
    assert repr(entry.call(a=1.0, b=3.0)) == "(1, {'b': 3})"

    entry = entry_of(later)
    assert entry.schema.parameters["additionalProperties"] == {"type": "string", "format": "date"}
    [found] = entry.validate({"x": "2024-01-02", "y": "2024-13-01"})
    assert found.startswith("parameter 'y' of tool 'later': Input should be a valid date")
    assert await entry.call(x="2024-01-02", ctx=ToolContext()) == (ToolContext, {"x": dt.date(2024, 1, 2)})
    with pytest.raises(InvalidInput, match="parameter 'x' of tool 'later'"):
        await entry.call(x="no", ctx=ToolContext())

    entry = entry_of(chunks)
    assert await entry.call(x="2024-01-02", **{str(entry.context_param): ToolContext()}) == [{"x": 2024}]


def test_keyword_arguments_share_definitions_with_the_rest() -> None:
    def take(a: Even, **more: Even) -> Any:
        return a, more

    entry = entry_of(take)
    assert entry.schema.parameters["additionalProperties"] == {"$ref": "#/$defs/Even"}
    assert entry.validate({"a": {"n": 2}, "b": {"n": 4}}) == []
    assert entry.call(a={"n": 2}, b={"n": 4}) == (Even(n=2), {"b": Even(n=4)})


def test_keyword_arguments_that_are_unpacked_are_let_pass() -> None:
    class Options(TypedDict, total=False):
        deep: bool

    def take(**options: Unpack[Options]) -> Any:
        return options

    take.__annotations__["options"] = Unpack[Options]  # a class of this function cannot be resolved from its name
    entry = entry_of(take)
    assert "additionalProperties" not in entry.schema.parameters
    assert entry.call(deep=True) == {"deep": True}


@pytest.mark.parametrize(
    ("annotation", "given", "made"),
    [
        (float, 3, 3.0),
        (float, True, True),  # the schema refuses it
        (float, 10**400, 10**400),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (dict[str, float], {"a": 1}, {"a": 1.0}),
        (Annotated[float, Field(gt=0)], 2, 2.0),
        (float | None, 1, 1.0),
        (float | str, 1, 1.0),
        (int | float, 3, 3),
        (int | float, 3.0, 3.0),
        (int | Annotated[float, Field(ge=0)], 3.0, 3.0),
        (list[int] | list[float], [1, 2.0], [1.0, 2.0]),
        (list[int | float], [1, 2.0], [1, 2.0]),
    ],
)
async def test_a_number_is_what_the_annotation_says(annotation: Any, given: Any, made: Any) -> None:
    found = taking(annotation).call(v=given)
    assert repr(found) == repr(made)


def test_a_default_inside_a_field_is_refused() -> None:
    def five(x: Annotated[int, Field(default=5)]) -> int:
        return x

    def six(x: Annotated[int, Field(gt=0)] = 6) -> int:
        return x

    with pytest.raises(InvalidInput, match=r"the default of 'x' stands in its Field; write Annotated"):
        entry_of(five)
    assert entry_of(six).schema.parameters["properties"]["x"]["default"] == 6


def test_a_partial_of_a_tool_is_that_tool() -> None:
    @tool(name="wipe", permission="deny", idempotent=True)
    def remove(path: str, hard: bool = False) -> str:
        return path

    entry = entry_of(functools.partial(remove, hard=True))
    assert (entry.name, entry.permission, entry.schema.idempotent) == ("wipe", "deny", True)
    with pytest.raises(InvalidInput, match="wipe"):
        tool(name="other")(functools.partial(remove, hard=True))
    assert entry_of(functools.partial(functools.partial(remove), hard=True)).permission == "deny"
