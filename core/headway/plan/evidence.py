"""The evidence of a verification: the checks that ran, what each can and cannot show, and what stays open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from headway.plan.format import ActionType, Reversibility
from headway.plan.graph import Graph

_TOOL_CALL = ActionType.TOOL_CALL
_IRREVERSIBLE = Reversibility.IRREVERSIBLE

CHECKS: dict[str, tuple[str, str, str]] = {
    "format": ("structural", "the format knows every field", "what an ignored field was to say"),
    "graph": ("structural", "ids, dependencies and references resolve, there is no cycle", "that the order is meant"),
    "shape": ("structural", "state actions have their parameters, tool calls name a tool", "what the values mean"),
    "resource_bounds": ("structural", "the number of actions is within the limit", "time, tokens and money"),
    "loop_detection": ("heuristic", "identical tool calls are pointed out", "whether a repetition is a wanted poll"),
    "tool_existence": ("structural", "every tool is registered now", "that it still is when the plan runs"),
    "param_schema": ("structural", "parameters meet the tools' schemas", "those that references fill in"),
    "references": ("structural", "references fit what tools say they return", "what tools return and do not declare"),
    "secrets": (
        "structural",
        "secrets are named in marked parameters only, and may be had by their tools",
        "that each has a value when the plan runs",
    ),
    "secret_literals": (
        "heuristic",
        "literals under the names of secrets are pointed out",
        "secrets under other names",
    ),
    "invocation_mode": ("structural", "each tool can be run the way the action asks", "how long it runs"),
    "permission": ("structural", "no tool is denied to all", "what will have been granted when the plan runs"),
    "compensation_resolution": ("structural", "every compensation can be called", "that it undoes what was done"),
    "preconditions": (
        "simulated",
        "tests on state hold if all declared effects land",
        "what tools do not declare",
    ),
    "state_dependencies": ("simulated", "the state keys needed are there by then", "their values"),
    "assertions": ("simulated", "assertions hold if all declared effects land", "what tools do not declare"),
    "write_conflicts": (
        "heuristic",
        "undeclared orders of writers are pointed out",
        "which order is meant",
    ),
}
"""Each check: its tier, what it verifies, what it cannot."""


class Check(msgspec.Struct):
    """One check of a verification; ``findings`` counts its issues."""

    name: str
    tier: str
    ran: bool
    verifies: str
    cannot_verify: str
    findings: int


class Evidence(msgspec.Struct):
    """``confidence``, from 0 to 1, is the share of the checks that ran.

    It is halved where all actions take parameters from others, which nothing can see, and less so where some do.
    """

    checks: list[Check]
    assumptions: list[str]
    untested_regions: list[str]
    residual_risks: list[str]
    confidence: float


def evidence_of(plan: Graph | None, found: Iterable[str], not_run: Collection[str]) -> Evidence:
    """Return the evidence of a verification that ``found`` issues (by check) and left out the checks ``not_run``.

    ``plan`` is None without a graph: then nothing else ran.
    """
    counts = Counter(found)
    if plan is None:
        not_run = CHECKS.keys() - {"format", "graph"}
    checks = [
        Check(name, tier, name not in not_run or counts[name] > 0, verifies, cannot, counts[name])
        for name, (tier, verifies, cannot) in CHECKS.items()
    ]
    nodes = plan.nodes if plan is not None else []
    dynamic = [node.id for node in nodes if node.references]
    calls = [node for node in nodes if node.type is _TOOL_CALL]
    undeclared = [node.id for node in calls if not node.action.expected_effects]
    final = [node.id for node in calls if node.action.reversibility is _IRREVERSIBLE]
    seen = 1.0 - (len(dynamic) / len(nodes) if nodes else 0.0) / 2
    return Evidence(
        checks=checks,
        assumptions=[
            f"action '{node.id}' assumes state key '{assumption.key}'"
            for node in nodes
            for assumption in node.action.assumptions
        ],
        untested_regions=_regions("parameters of {} come from other actions", dynamic)
        + _regions("effects on state of {} are not declared", undeclared),
        residual_risks=_regions("{} cannot be undone", final),
        confidence=round(seen * sum(check.ran for check in checks) / len(checks), 3),
    )


def _regions(text: str, ids: list[str]) -> list[str]:
    if not ids:
        return []
    shown = ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
    return [text.format(shown)]
