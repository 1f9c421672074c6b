"""The planner's arithmetic: which of several plans for one goal to try first.

A plan's score is ``validity * (1 - cost_weight) + cost_efficiency * cost_weight``, scaled by how well its tools have
done so far; a plan that ``verify`` refuses scores 0. The weights are CAR's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect, expect_many
from headway.errors import one_line
from headway.numbers import number_between, whole_number
from headway.plan.format import ActionProposal, ActionType
from headway.plan.graph import writes
from headway.plan.parse import PlanLike, as_proposal
from headway.plan.toolset import registry_of
from headway.plan.verify import VerifyReport, verify

if TYPE_CHECKING:
    from headway.tools.registry import ToolRegistry

WARNING_COST = 0.1
"""The part of a plan's validity that one warning costs."""

_NAME = "a tool's name"

UNKNOWN_RATE = 0.5
"""The success rate of a tool that nobody has seen run."""


class PlannerConfig(msgspec.Struct, frozen=True):
    """The weights of a score, from 0 to 1, and its budgets: the most that a plan may use for full marks."""

    cost_weight: float = 0.2
    action_budget: int = 10
    tool_call_budget: int = 5
    conflict_penalty: float = 0.2
    feedback_weight: float = 0.3
    token_budget: int = 2000
    token_weight: float = 0.0
    outcome_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("cost_weight", "conflict_penalty", "feedback_weight", "token_weight", "outcome_weight"):
            number_between(getattr(self, name), name, 0, 1)
        for name in ("action_budget", "tool_call_budget", "token_budget"):
            whole_number(getattr(self, name), name, 1)


class ToolFeedback(msgspec.Struct, frozen=True):
    """The experience with tools: the share of calls that succeeded, by tool, from 0 to 1."""

    tool_success_rates: dict[str, float] = {}

    def __post_init__(self) -> None:
        for tool, rate in expect(self.tool_success_rates, dict, "tool_success_rates").items():
            number_between(rate, f"the success rate of tool '{one_line(expect(tool, str, _NAME), 80)}'", 0, 1)

    def rate(self, tool: str) -> float:
        """Return the success rate of ``tool``; 0.5 for one never seen."""
        return self.tool_success_rates.get(expect(tool, str, _NAME), UNKNOWN_RATE)


class PlanScore(msgspec.Struct):
    """One plan, weighed. ``index`` is its place among the candidates; ``issues`` are ``verify``'s."""

    index: int
    score: float
    valid: bool
    validity: float
    cost_efficiency: float
    historical_confidence: float
    outcome_value: float
    error_count: int
    warning_count: int
    action_count: int
    tool_call_count: int
    parallelism_levels: int
    state_keys_written: int
    has_write_conflicts: bool
    token_estimate: int
    quality_per_token: float


def score_proposal(
    proposal: ActionProposal,
    report: VerifyReport,
    config: PlannerConfig | None = None,
    feedback: ToolFeedback | None = None,
    index: int = 0,
) -> PlanScore:
    """Weigh one plan by its verification ``report``."""
    config = config or PlannerConfig()
    errors = sum(issue.severity == "error" for issue in report.issues)
    warnings = sum(issue.severity == "warning" for issue in report.issues)
    conflicts = any(issue.check == "write_conflicts" for issue in report.issues)
    tools = [a.tool or "" for a in proposal.actions if a.type is ActionType.TOOL_CALL]
    tokens = max(1, len(proposal.to_json()) // 4)
    validity = 0.0
    if report.valid:
        validity = max(0.0, 1.0 - WARNING_COST * warnings - (config.conflict_penalty if conflicts else 0.0))
    efficiency = _efficiency(len(proposal.actions), len(tools), tokens, config)
    rates = [feedback.rate(tool) for tool in tools] if feedback is not None else []
    confidence = sum(rates) / len(rates) if rates else 1.0
    outcome = _outcome(proposal)
    score = 0.0
    if report.valid:
        score = validity * (1 - config.cost_weight) + efficiency * config.cost_weight
        score *= 1 - config.feedback_weight + config.feedback_weight * confidence
        score = score * (1 - config.outcome_weight) + outcome * config.outcome_weight
    return PlanScore(
        index=index,
        score=score,
        valid=report.valid,
        validity=validity,
        cost_efficiency=efficiency,
        historical_confidence=confidence,
        outcome_value=outcome,
        error_count=errors,
        warning_count=warnings,
        action_count=len(proposal.actions),
        tool_call_count=len(tools),
        parallelism_levels=len(report.levels),
        state_keys_written=len({key for action in proposal.actions for key in writes(action)}),
        has_write_conflicts=conflicts,
        token_estimate=tokens,
        quality_per_token=score / tokens,
    )


def rank_proposals(
    candidates: Sequence[PlanLike],
    config: PlannerConfig | None = None,
    feedback: ToolFeedback | None = None,
    *,
    state: Mapping[str, Any] | None = None,
    tools: ToolRegistry | Iterable[str] | None = None,
) -> list[PlanScore]:
    """Return the scores of all candidates, the best first; equals stay in the order given.

    ``valid`` is what ``verify`` says. What a runtime's capabilities and grants refuse besides, only the runtime knows:
    ``plan_and_execute`` passes over that too.
    """
    plans = [as_proposal(candidate) for candidate in expect_many(candidates, "candidates", Sequence)]
    if config is not None:
        expect(config, PlannerConfig, "config")
    if feedback is not None:
        expect(feedback, ToolFeedback, "feedback")
    known = registry_of(tools)
    scores = [
        score_proposal(candidate, verify(candidate, state, known), config, feedback, index)
        for index, candidate in enumerate(plans)
    ]
    return sorted(scores, key=lambda score: -score.score)


def _efficiency(actions: int, calls: int, tokens: int, config: PlannerConfig) -> float:
    """Return 1 for a plan within its budgets, less in proportion for one above."""
    parts = [min(1.0, config.action_budget / max(1, actions)), min(1.0, config.tool_call_budget / max(1, calls))]
    efficiency = sum(parts) / len(parts)
    thrift = min(1.0, config.token_budget / tokens)
    return efficiency * (1 - config.token_weight) + thrift * config.token_weight


def _outcome(proposal: ActionProposal) -> float:
    """Return the value that the plan's own context claims for it (``outcome_value`` from 0 to 1); else 0.5."""
    value = proposal.context.get("outcome_value", 0.5)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return 0.5
    return float(value)
