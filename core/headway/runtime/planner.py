"""``plan_and_execute``: several plans for one goal, the best first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect_many
from headway.errors import InvalidInput, InvalidPlan
from headway.plan.given import plan_given
from headway.plan.model import ActionProposal
from headway.plan.result import ProposalResult, ReplanStep
from headway.plan.score import PlannerConfig, ToolFeedback, rank_proposals

if TYPE_CHECKING:
    from headway.runtime.cancel import CancellationToken
    from headway.tools.registry import ToolRegistry

Candidate = ActionProposal | Mapping[str, Any] | str | bytes


async def plan_and_execute(
    execute: Callable[[ActionProposal], Awaitable[ProposalResult]],
    candidates: Sequence[Candidate],
    config: PlannerConfig | None,
    feedback: ToolFeedback | None,
    cancel: CancellationToken,
    state: Mapping[str, Any],
    tools: ToolRegistry,
) -> ProposalResult:
    """Run the candidates from the best valid one on until one completes; see :meth:`Runtime.plan_and_execute`.

    A candidate that aborts has its state rolled back by its own run; what it did outside may remain. One that cannot
    be parsed is invalid, as one that fails verification.
    """
    if not expect_many(candidates, "candidates", Sequence):
        raise InvalidInput("plan_and_execute needs at least one candidate")
    parsed = [_parsed(candidate) for candidate in candidates]
    proposals = [plan for plan in parsed if isinstance(plan, ActionProposal)]
    ranked = rank_proposals(proposals, config, feedback, state=state, tools=tools) if proposals else []
    tries: list[ReplanStep] = []
    result: ProposalResult | None = None
    for candidate in (proposals[score.index] for score in ranked if score.valid):
        result = await execute(candidate)
        tries.extend(_steps(result, len(tries)))
        if result.ok or cancel.is_cancelled():
            break
    if result is None:
        if isinstance(parsed[0], InvalidPlan):
            raise parsed[0]
        return await execute(parsed[0])
    if len(tries) > 1:
        result = msgspec.structs.replace(result, replan_lineage=tries)
    return result


def _parsed(candidate: Candidate) -> ActionProposal | InvalidPlan:
    try:
        return plan_given(candidate)
    except InvalidPlan as error:
        return error


def _steps(result: ProposalResult, generation: int) -> list[ReplanStep]:
    """Return what a candidate adds to the lineage: its own replans, or itself."""
    steps = result.replan_lineage or [ReplanStep(0, result.proposal_id, result.job_id, result.status)]
    return [msgspec.structs.replace(step, generation=generation + i) for i, step in enumerate(steps)]
