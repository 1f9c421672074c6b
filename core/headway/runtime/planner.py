"""``plan_and_execute``: several plans for one goal, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headway.errors import InvalidInput
from headway.plan.model import ActionProposal
from headway.plan.result import ProposalResult
from headway.plan.score import PlannerConfig, ToolFeedback, rank_proposals
from headway.runtime.cancel import CancellationToken

if TYPE_CHECKING:
    from headway.runtime.facade import Runtime


async def plan_and_execute(
    runtime: Runtime,
    candidates: Sequence[ActionProposal],
    config: PlannerConfig | None,
    feedback: ToolFeedback | None,
    cancel: CancellationToken,
) -> ProposalResult:
    """Run the candidates from the best valid one on until one completes; see :meth:`Runtime.plan_and_execute`.

    A candidate that aborts has its state rolled back by its own run; what it did outside may remain.
    """
    if not candidates:
        raise InvalidInput("plan_and_execute needs at least one candidate")
    ranked = rank_proposals(candidates, config, feedback, state=runtime.state.snapshot(), tools=runtime.registry)
    valid = [candidates[score.index] for score in ranked if score.valid]
    result: ProposalResult | None = None
    for candidate in valid:
        result = await runtime.execute_with_cancel(candidate, cancel)
        if result.ok or cancel.is_cancelled():
            return result
    return result if result is not None else await runtime.execute_with_cancel(candidates[0], cancel)
