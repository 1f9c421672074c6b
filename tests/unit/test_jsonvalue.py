"""The door through which foreign objects become JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
from typing import Any, NamedTuple

import msgspec
import pytest

from headway.errors import InvalidInput
from headway.jsonvalue import encode_json, to_json


@dataclasses.dataclass
class Score:
    value: Any
    note: str | None = None


class Reading(msgspec.Struct):
    value: Any


class Pair(NamedTuple):
    a: Any
    b: Any = None


class Limit(enum.Enum):
    NONE = math.inf
    ONE = 1.0


HOLDERS = [Score, Reading, Pair, lambda x: [x], lambda x: {"k": (x,)}, lambda x: Score([Reading({"k": Pair(x)})])]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, Limit.NONE])
@pytest.mark.parametrize("holder", HOLDERS, ids=["dataclass", "struct", "tuple", "list", "dict", "all"])
def test_what_is_no_number_is_refused_wherever_it_is(holder: Any, number: Any) -> None:
    for value in (holder(number), {"x": [None, holder(number)]}):
        with pytest.raises(InvalidInput, match="NaN and infinities are not JSON numbers"):
            to_json(value)
        with pytest.raises(InvalidInput):
            encode_json(value)


def test_null_is_no_odd_number() -> None:
    day = dt.date(2024, 1, 2)
    given = {"a": None, "b": Score(None), "c": Reading([None, Limit.ONE, day]), "d": "null", "e": msgspec.Raw(b"null")}
    assert to_json(given) == {
        "a": None,
        "b": {"value": None, "note": None},
        "c": {"value": [None, 1.0, "2024-01-02"]},
        "d": "null",
        "e": None,
    }
    assert to_json(Score({1.5: Limit.ONE})) == {"value": {"1.5": 1.0}, "note": None}
