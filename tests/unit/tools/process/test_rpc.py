"""Lines out of a pipe, and the messages in them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput, TerminalToolError, ToolError
from headway.tools.process.rpc import HEAD, Cut, Lines, failure, looks_like_an_answer, read, request


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.lists(st.integers(0, 300)))
def test_lines_are_the_same_however_they_come(lines: list[bytes], cuts: list[int]) -> None:
    data = b"".join(line + b"\n" for line in lines)
    reader = Lines(20)
    found = [line for piece in split(data, cuts) for line in reader.feed(piece)]
    assert found == lines
    assert [isinstance(line, Cut) for line in found] == [len(line) > 20 for line in lines]
    assert reader.rest() == b""


def test_what_has_no_end_is_the_rest() -> None:
    reader = Lines(100)
    assert reader.feed(b"a\nb") == [b"a"]
    assert reader.rest() == b"b"
    assert reader.rest() == b""


def test_a_line_that_is_too_long_is_told_as_soon_as_it_is() -> None:
    reader = Lines(1000)
    assert reader.feed(b"a" * 1000) == []
    [cut] = reader.feed(b"b")
    assert (type(cut), cut) == (Cut, b"a" * HEAD)
    assert reader.feed(b"e" * 1000) == []
    assert reader.feed(b"f\ngh\n") == [b"gh"]


def test_of_a_line_that_is_too_long_enough_is_kept_to_tell_what_it_was() -> None:
    reader = Lines(3)
    assert reader.feed(b'{"id"') == []
    [cut, line] = reader.feed(b": 7\nab\n")
    assert (type(cut), cut) == (Cut, b'{"id": 7')
    assert (type(line), line) == (bytes, b"ab")


def test_a_request_is_one_line_and_a_notification_has_no_id() -> None:
    assert read(request("a", {"text": "x\ny"}, 3)) == {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "a",
        "params": {"text": "x\ny"},
    }
    assert request("a", {"text": "x\ny"}, 3).count(b"\n") == 1
    assert read(request("$/cancel", {"id": 3})) == {"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": 3}}
    with pytest.raises(InvalidInput):
        request("a", {"x": math.nan}, 1)


@pytest.mark.parametrize("line", [b"", b"x", b"[1]", b"5", b"null", b'"\\ud800"', b"[" * 100_000, b"\xff", b"{" * 3])
def test_what_is_no_message_is_none(line: bytes) -> None:
    assert read(line) is None


def test_a_broken_answer_is_told_from_a_stray_print() -> None:
    assert looks_like_an_answer(b' {"jsonrpc": "2.0", "id": 1')
    assert looks_like_an_answer(b'{"time": 1, "jsonrpc": "2.0"')
    assert looks_like_an_answer(b' { "result" : "xxx')
    assert looks_like_an_answer(b'{"id":7,"res')
    assert looks_like_an_answer(b'{"error": {"message": "xxx')
    assert not looks_like_an_answer(b"{'debug': 1}")
    assert not looks_like_an_answer(b'{"level": "info", "id": 7')
    assert not looks_like_an_answer(b'log {"id": 7')
    assert not looks_like_an_answer(b'says "jsonrpc"')


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        ({"message": "a\nb"}, ToolError, "a b"),
        ({"message": "a", "data": {"terminal": True}}, TerminalToolError, "a"),
        ({"message": "a", "data": {"terminal": 1}}, ToolError, "a"),
        ("plain", ToolError, "plain"),
        ({"message": 3, "data": [1]}, ToolError, "tool 't' failed and did not say why"),
        (7, ToolError, "tool 't' failed and did not say why"),
    ],
)
def test_an_error_object_is_an_exception(error: Any, kind: type[ToolError], text: str) -> None:
    found = failure(error, "t")
    assert type(found) is kind
    assert found.message == text
