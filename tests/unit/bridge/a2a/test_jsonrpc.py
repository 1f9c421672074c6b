"""JSON-RPC out of raw bytes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from a2a.utils.errors import InvalidParamsError, InvalidRequestError, JSONParseError
from hypothesis import given
from hypothesis import strategies as st

from headway_bridge.a2a.jsonrpc import MAX_DEPTH, decode, read_call, request_id, too_deep

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.sampled_from('ab[]{}"\\')),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(['a"', "[", "b"]), inner, max_size=3),
)


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max((depth(item) for item in (value.values() if isinstance(value, dict) else value)), default=0)
    return 0


@given(VALUES, st.integers(0, 90))
def test_depth_is_measured_without_parsing(value: Any, wrap: int) -> None:
    for i in range(wrap):
        value = [value, "]}"] if i % 2 else {'k"[': value}
    assert too_deep(json.dumps(value).encode()) == (depth(value) > MAX_DEPTH)


def test_depth_limit_is_exact() -> None:
    assert not too_deep(b"[" * 64 + b"]" * 64)
    assert too_deep(b"[" * 65 + b"]" * 65)
    assert not too_deep(b"[" + b",".join([b"[]"] * 1000) + b"]")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 5000, b"[" * 5000 + b"]" * 5000, b'{"a":[' * 40 + b"1" + b"]}" * 40]
)
def test_deep_bodies_are_refused_before_they_are_parsed(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="deeper than 64"):
        decode(body)


@pytest.mark.parametrize("unit", [b'"\\', b'\\"', b'["\\"', b'"a', b'"\\"[', b"[]"])
def test_hostile_strings_cost_linear_time(unit: bytes) -> None:
    body = b"[" * 65 + b'"' + unit * 500_000 + b"\\"
    began = time.process_time()
    too_deep(body)
    assert time.process_time() - began < 5  # quadratic would be hours


@pytest.mark.parametrize("body", [b"", b"{", b"nope", b'{"a": NaN}', b"\xff\xfe", b'"\\ud800"', b"[1,]", b"{} x"])
def test_what_is_not_json_is_a_parse_error(body: bytes) -> None:
    with pytest.raises(JSONParseError):
        decode(body)


def test_integers_keep_their_value() -> None:
    assert decode(b"[3, 9007199254740993, 3.0]") == [3, 2**53 + 1, 3.0]
    assert [type(n) for n in decode(b"[3, 9007199254740993, 3.0]")] == [int, int, float]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "batch"),
        ([{"jsonrpc": "2.0", "id": 1, "method": "GetTask"}], "batch"),
        ("x", "object"),
        ({"id": 1, "method": "m"}, "jsonrpc"),
        ({"jsonrpc": "1.0", "id": 1, "method": "m"}, "jsonrpc"),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "m"}, "'id'"),
        ({"jsonrpc": "2.0", "id": True, "method": "m"}, "'id'"),
        ({"jsonrpc": "2.0", "id": {}, "method": "m"}, "'id'"),
        ({"jsonrpc": "2.0", "id": "x" * 257, "method": "m"}, "'id'"),
        ({"jsonrpc": "2.0", "id": 10**400, "method": "m"}, "'id'"),
        ({"jsonrpc": "2.0", "id": 1}, "method"),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, "method"),
        ({"jsonrpc": "2.0", "id": 1, "method": ""}, "method"),
    ],
)
def test_what_is_not_a_request_is_refused(value: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem):
        read_call(value)


def test_params_must_be_an_object() -> None:
    with pytest.raises(InvalidParamsError):
        read_call({"jsonrpc": "2.0", "id": 1, "method": "m", "params": [1]})


@pytest.mark.parametrize("given_id", ["x", 0, -7, 2**53 + 1, None, "x" * 256])
def test_ids_come_back_as_they_were(given_id: Any) -> None:
    call = read_call({"jsonrpc": "2.0", "id": given_id, "method": "m", "params": None})
    assert (call.request_id, call.params, call.notification) == (given_id, {}, False)


def test_a_request_without_id_is_a_notification() -> None:
    assert read_call({"jsonrpc": "2.0", "method": "m"}).notification


def test_the_id_of_a_broken_request() -> None:
    assert request_id({"id": 7}) == 7
    assert request_id({"id": []}) is None
    assert request_id([]) is None
