"""``plan_and_execute``: several plans for one goal, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from headway.arguments import expect_many
from headway.errors import InvalidInput, InvalidPlan
from headway.jobs import admission
from headway.jobs.replan import step_of
from headway.plan.format import ActionProposal
from headway.plan.parse import PlanLike, as_proposal
from headway.plan.results import ProposalResult, ReplanStep
from headway.plan.verify import Issue, verify

if TYPE_CHECKING:
    from headway.analysis.scoring import PlannerConfig, ToolFeedback
    from headway.cancellation import CancellationToken
    from headway.jobs.runs import Execute, Runs

STATE_CHECKS = frozenset({"preconditions", "state_dependencies", "assertions"})
"""The checks of ``verify`` that ask the state: admission leaves them to each action's run."""

Candidate = PlanLike


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
    state rolled back by its own run; what it did outside may remain. Invalid is what cannot be parsed, fails
    verification, or is refused by the runtime's capabilities and permissions.
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
            if len(tries) == 1:
                return result
            return msgspec.structs.replace(result, original_proposal_id=tries[0].proposal_id, replan_lineage=tries)
        first = parsed[0]
        if isinstance(first, InvalidPlan):
            raise first
        if cancel.is_cancelled():  # in line, say: nothing of it starts, and the state it would have met is not known
            return await execute(first)
        return await _rejected(first, session, runs)

    return await runs.in_turn(best_first, cancel, session)


def _parsed(candidate: Candidate) -> ActionProposal | InvalidPlan:
    try:
        return as_proposal(candidate)
    except InvalidPlan as error:
        return error


def _best(
    plans: list[ActionProposal], config: PlannerConfig | None, feedback: ToolFeedback | None, runs: Runs
) -> int | None:
    """Return the place of the best plan that is valid on the state as it is now; None if none is.

    Asked anew before each: a run that was stopped rather than aborted has left its changes.
    """
    from headway.analysis.scoring import rank_proposals

    ranked = rank_proposals(plans, config, feedback, state=runs.state.raw(), tools=runs.env.registry)
    return next((score.index for score in ranked if score.valid and _refusal(plans[score.index], runs) is None), None)


def _refusal(plan: ActionProposal, runs: Runs, unmet: Sequence[Issue] = ()) -> InvalidPlan | None:
    """Return why admission refuses the plan, with ``unmet`` added; None if it does not.

    ``verify``, by which plans are ranked, does not know the gates: capabilities, and what was granted.
    """
    try:
        admission.check(runs.env, plan, runs.state.raw(), unmet)
    except InvalidPlan as error:
        return error
    return None


async def _rejected(plan: ActionProposal, session: str | None, runs: Runs) -> ProposalResult:
    """Refuse a plan for all that is against it, the state included, which admission would leave to its run."""
    report = verify(plan, runs.state.raw(), runs.env.registry)
    unmet = [issue for issue in report.issues if issue.severity == "error" and issue.check in STATE_CHECKS]
    error = _refusal(plan, runs, unmet)
    assert error is not None, "verify and admission have nothing against it"
    return await runs.rejected(plan, session, error)


def _steps(result: ProposalResult, generation: int) -> list[ReplanStep]:
    """Return what a candidate adds to the lineage: its own replans, or itself."""
    steps = result.replan_lineage or [step_of(result)]
    return [msgspec.structs.replace(step, generation=generation + i) for i, step in enumerate(steps)]
