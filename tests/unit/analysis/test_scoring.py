"""The planner's arithmetic."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headway.analysis.scoring import PlannerConfig, ToolFeedback, rank_proposals, score_proposal
from headway.errors import InvalidInput
from headway.plan.parse import parse_proposal
from headway.plan.verify import verify
from tests.unit.execution.kit import call as made
from tests.unit.execution.kit import write


def call(name: str, tool: str = "t", **fields: Any) -> dict[str, Any]:
    return made(name, tool, **fields)


def plan(*actions: dict[str, Any], **context: Any) -> Any:
    return parse_proposal({"actions": list(actions), "context": context})


def test_a_plan_within_its_budgets_scores_one() -> None:
    proposal = plan(call("a"))
    score = score_proposal(proposal, verify(proposal))
    assert (score.score, score.validity, score.cost_efficiency, score.historical_confidence) == (1.0, 1.0, 1.0, 1.0)
    assert (score.action_count, score.tool_call_count, score.parallelism_levels) == (1, 1, 1)


def test_size_costs_by_the_cost_weight() -> None:
    proposal = plan(*(call(f"a{i}", parameters={"n": i}) for i in range(20)))
    score = score_proposal(proposal, verify(proposal))
    assert score.cost_efficiency == pytest.approx((0.5 + 0.25) / 2)
    assert score.score == pytest.approx(0.8 + 0.2 * 0.375)


def test_an_invalid_plan_scores_nothing() -> None:
    proposal = plan(call("a", dependencies=["a"]))
    score = score_proposal(proposal, verify(proposal))
    assert (score.score, score.valid, score.error_count) == (0.0, False, 1)


def test_warnings_and_conflicts_cost_validity() -> None:
    proposal = plan(write("a", "k"), write("b", "k"))
    score = score_proposal(proposal, verify(proposal))
    assert (score.has_write_conflicts, score.warning_count, score.state_keys_written) == (True, 1, 1)
    assert score.validity == pytest.approx(0.7)


def test_what_tools_have_done_so_far_counts() -> None:
    proposal = plan(call("a", "good"), call("b", "new"))
    score = score_proposal(proposal, verify(proposal), None, ToolFeedback({"good": 1.0}))
    assert score.historical_confidence == 0.75
    assert score.score == pytest.approx(0.7 + 0.3 * 0.75)


def test_the_outcome_that_a_plan_claims_counts_by_its_weight() -> None:
    proposal = plan(call("a"), outcome_value=0.2)
    assert score_proposal(proposal, verify(proposal), PlannerConfig(outcome_weight=0.5)).score == pytest.approx(0.6)
    assert score_proposal(plan(call("a"), outcome_value="much"), verify(proposal)).outcome_value == 0.5


def test_ranking_puts_the_best_first_and_keeps_the_order_of_equals() -> None:
    worse, best, same = plan(*(call(f"a{i}", parameters={"n": i}) for i in range(30))), plan(call("a")), plan(call("b"))
    broken = plan(call("x", "nope"))
    ranked = rank_proposals([worse, best, broken, same], tools=["t"])
    assert [score.index for score in ranked] == [1, 3, 0, 2]
    assert ranked[0].quality_per_token == ranked[0].score / ranked[0].token_estimate


@pytest.mark.parametrize("bad", [{"cost_weight": 2}, {"cost_weight": math.nan}, {"action_budget": 0}])
def test_bad_weights_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        PlannerConfig(**bad)
    with pytest.raises(InvalidInput, match="the success rate of tool 't'"):
        ToolFeedback({"t": -1})
