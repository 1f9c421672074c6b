"""Valid calls of what reads plans, scores them, and of the models and records that they are made of."""

from __future__ import annotations

from typing import Any

import headway
from headway import Action, ActionProposal, Precondition, ToolSchema
from headway.plan.format import Assumption, Compensation
from headway.tools import ToolRegistry
from tests.unit.bad_input.kit import Made, New

ACTION: dict[str, Any] = {
    "id": "a",
    "type": "tool_call",
    "tool": "echo",
    "parameters": {"x": {"y": ["$w.output"]}},
    "dependencies": ["w"],
    "preconditions": [{"key": "k", "operator": "eq", "value": 1, "description": "d"}],
    "expected_effects": {"e": 1},
    "state_dependencies": ["k"],
    "read_set": ["k"],
    "write_set": ["m"],
    "assumptions": [{"key": "k", "expected_value": 1, "read_version": 1}],
    "invocation_mode": "one_shot",
    "reversibility": "compensable",
    "compensation": {"type": "tool", "tool": "echo", "parameters": {"x": 1}, "action_id": None},
    "idempotent": False,
    "max_retries": 0,
    "failure_behavior": "skip",
    "timeout_ms": 1000,
    "metadata": {"n": 1},
}
WRITE: dict[str, Any] = {"id": "w", "type": "state_write", "parameters": {"key": "w", "value": {"z": 1}}}
PLAN: dict[str, Any] = {
    "id": "p",
    "source": "s",
    "timestamp": "2026-01-02T03:04:05Z",
    "actions": [WRITE, ACTION],
    "context": {"goal": "g", "outcome_value": 0.5},
}
"""A plan as JSON, every field of it given."""

MODELS = {
    **ACTION,
    "preconditions": [Made(Precondition, **ACTION["preconditions"][0])],
    "assumptions": [Made(Assumption, **ACTION["assumptions"][0])],
    "compensation": Made(Compensation, **ACTION["compensation"]),
}
PROPOSAL = Made(ActionProposal, **{**PLAN, "actions": [Made(Action, **WRITE), Made(Action, **MODELS)]})
"""The same plan as models."""

SMALL = Made(
    ActionProposal,
    id="p",
    actions=[
        Made(Action, id="a", type="tool_call", tool="echo", parameters={"x": [1]}, expected_effects={"e": 1}),
        Made(Action, id="b", type="state_write", parameters={"key": "b", "value": 1}, metadata={"n": 1}),
    ],
    context={"goal": "g"},
)
STATE: dict[str, Any] = {"k": 1, "n": {"m": [1]}}
FEEDBACK = Made(headway.analysis.ToolFeedback, tool_success_rates={"echo": 0.5})
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def registry(_: Any) -> ToolRegistry:
    """Return a registry with the tool echo."""
    made = ToolRegistry()
    made.register(headway.tools.ToolEntry(ToolSchema(name="echo"), call=dict, is_async=False))
    return made


CALLS: dict[str, dict[str, Any]] = {
    "Secret": {"value": "a value"},
    "Secret.reveal": {},
    "parse_proposal": {"raw": PLAN, "compat": "car", "max_actions": 10},
    "verify": {
        "compat": "car",
        "proposal": PROPOSAL,
        "state": STATE,
        "tools": New(registry),
        "max_actions": 5,
        "schemas": None,
        "secrets": New(lambda _: headway.secrets.Vault()),
    },
    "simulate": {"proposal": PROPOSAL, "state": STATE},
    "simulate_monte_carlo": {
        "proposal": SMALL,
        "state": STATE,
        "trials": 2,
        "seed": 1,
        "success_rates": {"a": 0.5},
        "default_rate": 0.9,
    },
    "equivalent": {"a": PROPOSAL, "b": SMALL, "states": [STATE]},
    "optimize": {"proposal": PROPOSAL, "state": STATE},
    "transaction_check": {"proposal": PROPOSAL, "state": STATE},
    "analyze_schedule": {
        "proposal": SMALL,
        "durations_ms": {"a": 1.0, "echo": 2.0},
        "default_ms": 1.0,
        "max_concurrency": 2,
        "state": STATE,
    },
    "rank_proposals": {
        "candidates": [PROPOSAL],
        "config": Made(headway.analysis.PlannerConfig),
        "feedback": FEEDBACK,
        "state": STATE,
        "tools": ["echo"],
    },
    "PlannerConfig": {
        "cost_weight": 0.2,
        "action_budget": 10,
        "tool_call_budget": 5,
        "conflict_penalty": 0.2,
        "feedback_weight": 0.3,
        "token_budget": 2000,
        "token_weight": 0.0,
        "outcome_weight": 0.0,
    },
    "ToolFeedback": {"tool_success_rates": {"a": 0.5}},
    "ToolFeedback.rate": {"tool": "echo"},
    "Action": MODELS,
    "Plan": {"goal": "g", "source": "s", "id": "p", "timestamp": "2026-01-02T03:04:05Z", "context": {"x": 1}},
    "Plan.call": {"*tool": "echo", "x": {"y": [1]}},
    "Plan.write": {"key": "k", "value": {"y": [1]}},
    "Plan.read": {"key": "k", "kind": int},
    "Plan.check": {"key": "k", "expected": [1]},
    "Plan.verify": {"state": STATE, "tools": ["echo"], "max_actions": 5, "schemas": None},
    **{f"Plan.{method}": {} for method in ("proposal", "to_dict", "to_json")},
    "ActionProposal": {**PLAN, "actions": [Made(Action, **WRITE)]},
    "ActionProposal.rollback_contract": {},
    **{
        f"{name}.{method}": {}
        for name in ("Action", "ActionProposal", "Precondition", "ToolSchema")
        for method in ("to_dict", "to_json", "replace")
    },
    "ActionResult.apart": {},
    **{
        f"{name}.{method}": {}
        for name in ("ActionResult", "Issue", "ProposalResult", "VerifyReport")
        for method in ("to_dict", "to_json")
    },
    "VerifyReport.shortened": {},
    "Precondition": ACTION["preconditions"][0],
    "ToolSchema": {
        "name": "t",
        "description": "d",
        "parameters": SCHEMA,
        "returns": {},
        "idempotent": True,
        "cache_ttl_secs": 1,
        "rate_limit": None,
    },
}
"""By name: the arguments of a call that is valid."""

MORE: list[tuple[str, dict[str, Any]]] = [
    ("parse_proposal", {"raw": New(lambda _: b'{"actions": []}')}),
    ("verify", {"proposal": SMALL, "tools": ["echo"], "schemas": [Made(ToolSchema, name="t", parameters=SCHEMA)]}),
    ("transaction_check", {"proposal": SMALL, "state": New(lambda _: headway.StateStore({"k": 1}))}),
]
"""Further valid calls of the same."""

SUBJECTS: dict[str, Any] = {
    "Plan": lambda _: headway.Plan(),
    "Secret": lambda _: headway.Secret("a value"),
    "ToolFeedback": lambda _: headway.analysis.ToolFeedback({"echo": 0.5}),
    "Action": lambda _: Action(id="a", type="tool_call", tool="echo", parameters={"x": [1]}),
    "ActionProposal": lambda _: headway.parse_proposal(PLAN),
    "Precondition": lambda _: Precondition(key="k", value=[1]),
    "ToolSchema": lambda _: ToolSchema(name="t", parameters=SCHEMA),
    "Issue": lambda _: headway.Issue("a finding"),
    "ProposalResult": lambda _: headway.ProposalResult("p", "j", "completed", [], headway.CostSummary()),
    "VerifyReport": lambda _: headway.VerifyReport(True),
    "ActionResult": lambda _: headway.ActionResult("a", headway.ActionStatus.SUCCEEDED, output=[1]),
}
