"""Usage that tools report of their calls: in results, events, views and sums, whatever becomes of the run."""

from __future__ import annotations

from typing import Any

import pytest

import headway
from headway import Runtime
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.views import JobRow, RunView
from headway.jobs.closing import closing_events
from tests.unit.execution.kit import call, events_of, runtime


def paid(result: Any) -> Runtime:
    made, _ = runtime()

    @headway.tool
    async def pay() -> headway.ToolResult:
        assert isinstance(result, headway.ToolResult)
        return result

    made.register_tool(pay)
    return made


USED = headway.ToolResult("x", usage={"input_tokens": 800, "output_tokens": 12, "model": "m"}, cost=1_250)


async def test_usage_and_cost_are_told_and_added_up() -> None:
    made = paid(USED)
    result = await made.execute({"actions": [call("a", "pay"), call("b", "pay"), call("c")]})
    assert (result["a"].usage, result["a"].cost) == (USED.usage, 1_250)
    assert (result["c"].usage, result["c"].cost) == ({}, None)
    assert (result.cost.tokens, result.cost.usd_micros) == (1_624, 2_500)
    succeeded = {e.action_id: e.data for e in await events_of(made, kinds.ACTION_SUCCEEDED)}
    assert (succeeded["a"]["usage"], succeeded["a"]["cost"]) == (USED.usage, 1_250)
    assert "usage" not in succeeded["c"]
    view = fold_all(RunView(JobRow(result.job_id)), await made.log.read())
    assert view.result() == result


async def test_a_result_from_a_cache_used_nothing() -> None:
    made = paid(USED)
    made.enable_tool_cache("pay", 60)
    result = await made.execute({"actions": [call("a", "pay"), call("b", "pay", dependencies=["a"])]})
    assert (result["b"].output, result["b"].usage, result["b"].cost) == ("x", {}, None)
    assert (result.cost.tokens, result.cost.tool_calls) == (812, 2)


async def test_a_run_that_is_closed_by_others_counts_the_same() -> None:
    made = paid(USED)
    result = await made.execute({"actions": [call("a", "pay"), call("b", dependencies=["a"])]})
    events = await made.log.read()
    cut = next(i for i, event in enumerate(events) if event.kind == kinds.LEVEL_FINISHED)
    view = fold_all(RunView(JobRow(result.job_id)), events[: cut + 1])
    end: Event = closing_events(view)[-1]
    assert (end.data["cost"]["tokens"], end.data["cost"]["usd_micros"]) == (812, 1_250)


@pytest.mark.parametrize(
    "wrong",
    [
        headway.ToolResult(usage={"tokens": -1}),
        headway.ToolResult(usage={"tokens": "many"}),
        headway.ToolResult(usage={"x": float("nan")}),
        headway.ToolResult(usage=5),  # type: ignore[arg-type]
        headway.ToolResult(cost=1.5),  # type: ignore[arg-type]
        headway.ToolResult(cost=-1),
    ],
    ids=str,
)
async def test_what_cannot_be_counted_is_a_tool_error(wrong: headway.ToolResult) -> None:
    result = await paid(wrong).execute({"actions": [call("a", "pay")]})
    assert str(result["a"].error).startswith("tool 'pay' returned what cannot be recorded")
