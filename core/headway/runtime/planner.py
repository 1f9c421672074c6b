"""``plan_and_execute``: several plans for one goal, the best first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect_many
from headway.errors import InvalidInput, InvalidPlan
from headway.plan.given import plan_given
from headway.plan.model import ActionProposal
from headway.plan.result import ProposalResult, ReplanStep
from headway.plan.score import PlannerConfig, ToolFeedback, rank_proposals
from headway.plan.verify import refuse, verify

if TYPE_CHECKING:
    from headway.runtime.cancel import CancellationToken
    from headway.runtime.runs import Execute, Runs

Candidate = ActionProposal | Mapping[str, Any] | str | bytes


async def plan_and_execute(
    runs: Runs,
    candidates: Sequence[Candidate],
    config: PlannerConfig | None,
    feedback: ToolFeedback | None,
    cancel: CancellationToken,
    session: str | None,
) -> ProposalResult:
    """Run the candidates from the best valid one on until one completes; see :meth:`Runtime.plan_and_execute`.

    All in one turn: what is valid is asked of the state that the candidate will run on. A candidate that aborts has its
    state rolled back by its own run; what it did outside may remain. One that cannot be parsed is invalid, as one that
    fails verification.
    """
    if not expect_many(candidates, "candidates", Sequence):
        raise InvalidInput("plan_and_execute needs at least one candidate")
    parsed = [_parsed(candidate) for candidate in candidates]

    async def best_first(execute: Execute) -> ProposalResult:
        left = [plan for plan in parsed if isinstance(plan, ActionProposal)]
        tries: list[ReplanStep] = []
        result: ProposalResult | None = None
        while (best := _best(left, config, feedback, runs)) is not None:
            result = await execute(left.pop(best))
            tries.extend(_steps(result, len(tries)))
            if result.ok or cancel.is_cancelled():
                break
        if result is not None:
            return msgspec.structs.replace(result, replan_lineage=tries) if len(tries) > 1 else result
        first = parsed[0]
        if isinstance(first, InvalidPlan):
            raise first
        if cancel.is_cancelled():  # in line, say: nothing of it starts, and the state it would have met is not known
            return await execute(first)
        return await _rejected(first, session, runs)

    return await runs.in_turn(best_first, cancel, session)


def _parsed(candidate: Candidate) -> ActionProposal | InvalidPlan:
    try:
        return plan_given(candidate)
    except InvalidPlan as error:
        return error


def _best(
    plans: list[ActionProposal], config: PlannerConfig | None, feedback: ToolFeedback | None, runs: Runs
) -> int | None:
    """Return the place of the best plan that is valid on the state as it is now; None if none is.

    Asked anew before each: a run that was stopped rather than aborted has left its changes.
    """
    ranked = rank_proposals(plans, config, feedback, state=runs.state.snapshot(), tools=runs.env.registry)
    return next((score.index for score in ranked if score.valid), None)


async def _rejected(plan: ActionProposal, session: str | None, runs: Runs) -> ProposalResult:
    """Refuse a plan for what ``verify`` has against it, the state included, which admission would leave to its run."""
    report = verify(plan, runs.state.snapshot(), runs.env.registry)
    error = refuse([issue for issue in report.issues if issue.severity == "error"])
    return await runs.rejected(plan, session, error)


def _steps(result: ProposalResult, generation: int) -> list[ReplanStep]:
    """Return what a candidate adds to the lineage: its own replans, or itself."""
    steps = result.replan_lineage or [ReplanStep(0, result.proposal_id, result.job_id, result.status)]
    return [msgspec.structs.replace(step, generation=generation + i) for i, step in enumerate(steps)]
