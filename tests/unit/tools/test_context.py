"""The context that a tool is given, and its progress."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.state import StateSnapshot
from headway.testing import VirtualClock
from headway.tools.context import ToolContext, ToolResult


def test_defaults_suit_a_test_of_a_tool() -> None:
    context = ToolContext()
    assert context.remaining() is None
    assert not context.cancel.is_cancelled()
    assert context.cancel.reason is None
    assert dict(context.state) == {}
    context.report_progress(1, 2, "nobody listens")


async def test_remaining_follows_the_clock() -> None:
    clock = VirtualClock()
    context = ToolContext(clock=clock, deadline=clock.now() + 5)
    assert context.remaining() == 5
    await clock.advance(3)
    assert context.remaining() == pytest.approx(2)
    await clock.advance(30)
    assert context.remaining() == 0


def test_progress_reaches_the_sink_on_one_line() -> None:
    seen: list[tuple[Any, ...]] = []
    context = ToolContext("job", "a", 2, progress=lambda *report: seen.append(report))
    context.report_progress(3, 10, "line\none\x1b[31m" + "x" * 1000)
    context.report_progress(message=None)
    (first, second) = seen
    assert first[:3] == (context, 3, 10)
    assert first[3].startswith("line one")
    assert "\x1b" not in first[3]
    assert len(first[3]) == 500
    assert second == (context, None, None, None)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_progress_must_be_finite(number: float) -> None:
    with pytest.raises(InvalidInput, match="finite"):
        ToolContext().report_progress(number)


def test_repr_shows_no_state() -> None:
    assert "secret" not in repr(ToolContext("j", "a", state={"key": "secret"}))


def test_results_share_nothing() -> None:
    ToolResult(1).artifacts.append("a")
    assert ToolResult(1).artifacts == []
    assert ToolResult(1).effects is None  # the action's declared ones stand


def test_chunks_reach_the_sink_as_json_of_their_own() -> None:
    seen: list[Any] = []
    context = ToolContext("job", "a", chunks=lambda *shown: seen.append(shown))
    chunk = {"rows": [1]}
    context.emit_chunk(chunk)
    chunk["rows"].append(2)
    assert seen == [(context, {"rows": [1]})]
    with pytest.raises(InvalidInput):
        context.emit_chunk(math.nan)


def test_a_view_of_the_state_copies_what_could_be_changed_when_it_is_asked_for() -> None:
    values: dict[str, Any] = {"list": [1, {"deep": [2]}], "object": {"a": 1}, "n": 5, "none": None}
    view = StateSnapshot(values)
    view["list"].append(2)
    view["list"][1]["deep"].append(3)
    view.get("object")["a"] = 2
    assert values == {"list": [1, {"deep": [2]}], "object": {"a": 1}, "n": 5, "none": None}
    assert (view["list"], view["object"]) == ([1, {"deep": [2, 3]}, 2], {"a": 2})  # it stays the tool's own
    assert (view["n"], view["none"], view.get("x"), "n" in view, "x" in view) == (5, None, None, True, False)
    assert (list(view), len(view)) == (["list", "object", "n", "none"], 4)
    assert repr(view) == "StateSnapshot(4 keys)"
    assert StateSnapshot(values)["object"] == {"a": 1}
    with pytest.raises(KeyError):
        view["x"]
    with pytest.raises(TypeError):
        view["n"] = 1  # type: ignore[index]
