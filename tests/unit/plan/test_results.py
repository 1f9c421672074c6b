"""Results as JSON: complete, of their own, without fields at their default."""

from __future__ import annotations

import json

from headway import ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult, verify
from headway.tools import ToolRegistry


def outcome() -> ProposalResult:
    done = ActionResult("a", ActionStatus.SUCCEEDED, output={"n": [1, 2]}, attempts=1, duration_ms=1.5)
    lost = ActionResult("b", ActionStatus.FAILED, error="boom", error_code=ErrorCode.TOOL_ERROR, attempts=2)
    return ProposalResult("p", "j", "failed", [done, lost], CostSummary(tool_calls=1), outcome="aborted")


def test_a_result_is_json_without_what_is_at_its_default() -> None:
    result = outcome()
    made = result.to_dict()
    assert made == {
        "proposal_id": "p",
        "job_id": "j",
        "status": "failed",
        "outcome": "aborted",
        "results": [
            {"action_id": "a", "status": "succeeded", "output": {"n": [1, 2]}, "attempts": 1, "duration_ms": 1.5},
            {"action_id": "b", "status": "failed", "error": "boom", "error_code": "tool_error", "attempts": 2},
        ],
        "cost": {
            "tool_calls": 1,
            "actions_executed": 0,
            "actions_rejected": 0,
            "actions_skipped": 0,
            "total_duration_ms": 0.0,
            "retries": 0,
            "tokens": 0,
            "usd_micros": 0,
        },
    }
    assert json.loads(result.to_json()) == made
    assert result["b"].to_dict() == made["results"][1]
    assert json.loads(result["a"].to_json()) == made["results"][0]


def test_what_is_returned_is_the_callers_own() -> None:
    result = outcome()
    result["a"].to_dict()["output"]["n"].append(3)
    assert result["a"].output == {"n": [1, 2]}


def test_no_value_is_shown_in_a_repr() -> None:
    result = ActionResult("a", ActionStatus.SUCCEEDED, output="hunter2", state_changes={"k": {"value": "hunter2"}})
    assert repr(result) == "ActionResult(action_id='a', status='succeeded')"
    assert "hunter2" not in repr(ProposalResult("p", "j", "completed", [result], CostSummary()))


def test_a_report_is_json() -> None:
    report = verify({"actions": [{"id": "a", "type": "tool_call", "tool": "t"}]}, {"k": 1}, ToolRegistry())
    made = report.to_dict()
    assert made["valid"] is False
    assert made["issues"] == [
        {
            "message": "tool 't' is not registered",
            "severity": "error",
            "action_id": "a",
            "check": "tool_existence",
            "tier": "structural",
        }
    ]
    assert made["levels"] == [["a"]]
    assert made["simulated_state"] == {"k": 1}
    assert made["evidence"]["checks"][0]["name"] == "format"
    assert json.loads(report.to_json()) == made
    assert report.issues[0].to_dict() == made["issues"][0]
