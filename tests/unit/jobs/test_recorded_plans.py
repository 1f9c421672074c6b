"""Plans out of checkpoints: read leniently, and not judged again by what their tools say they return."""

from __future__ import annotations

from typing import Any

import pytest

from headway import ActionResult, ActionStatus, InvalidPlan, Runtime, RuntimeCheckpoint

PLAN: dict[str, Any] = {
    "id": "p",
    "timestamp": "2026-01-02T03:04:05Z",
    "newer": {"field": 1},
    "actions": [
        {"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}, "priority": 3},
        {"id": "a", "type": "tool_call", "tool": "echo", "parameters": {"v": "$w.output.z"}},
    ],
}


def checkpoint() -> RuntimeCheckpoint:
    return RuntimeCheckpoint(
        checkpoint_id="c",
        created_ms=1,
        state={"k": 1},
        version=1,
        tools=["echo"],
        job_id="j",
        proposal=PLAN,
        graph={
            "actions": [{"id": "w", "type": "state_write"}, {"id": "a", "type": "tool_call", "needs": ["w"]}],
            "levels": [[0], [1]],
        },
        results=[ActionResult("w", ActionStatus.SUCCEEDED, output={"z": "edited"})],
        committed=[0],
        spent={},
        session=None,
        buckets=[],
        cache_keys=[],
        metadata={},
    )


async def test_a_recorded_plan_with_fields_of_a_newer_version_resumes() -> None:
    def echo(v: str) -> str:
        return v

    runtime = Runtime()
    runtime.register_tool(echo)
    result = await runtime.continue_from(checkpoint())
    assert result.ok
    assert result["a"].output == "edited"
    with pytest.raises(InvalidPlan, match='unknown field "newer"'):
        await runtime.execute(PLAN)
