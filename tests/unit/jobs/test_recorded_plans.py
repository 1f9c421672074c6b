"""Plans out of checkpoints: read leniently, and not judged again by what their tools say they return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headway import (
    ActionResult,
    ActionStatus,
    Engine,
    InvalidInput,
    InvalidPlan,
    Runtime,
    RuntimeCheckpoint,
    Submission,
)
from headway.config import Config
from headway.home import Home

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


async def test_a_runtime_for_cars_plans_leaves_unknown_fields_out() -> None:
    raw = {"actions": [{"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}, "priority": 3}]}
    runtime = Runtime(compat="car")
    assert (await runtime.execute(raw)).ok
    assert (await Runtime().execute(Submission(raw, compat="car"))).ok
    with pytest.raises(InvalidPlan, match='unknown field "priority"'):
        await Runtime().execute(raw)
    with pytest.raises(InvalidInput, match="compat is 'car' or None, not 'rac'"):
        Runtime(compat="rac")  # type: ignore[arg-type] # on purpose


async def test_an_engine_reads_plans_as_its_configuration_says(tmp_path: Path) -> None:
    raw = {"actions": [{"id": "w", "type": "state_write", "parameters": {"key": "k", "value": 1}, "priority": 3}]}
    config = Config.model_validate({"runtime": {"compat": "car"}})
    engine = await Engine.open(Home(tmp_path), config)
    try:
        [issue] = (await engine.verify(raw)).issues
        assert (issue.severity, issue.action_id, issue.check) == ("warning", "w", "format")
        row = await engine.submit(raw)
        assert (await engine.wait(row.job_id, 30)).job.status == "completed"
    finally:
        await engine.close(grace=0)
