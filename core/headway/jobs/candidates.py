"""``plan_and_execute``: several plans for one goal, the best first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from headway.arguments import expect_many
from headway.errors import InvalidInput, InvalidPlan
from headway.jobs import admission
from headway.jobs.replan import step_of
from headway.jobs.submission import Candidates, Submission
from headway.plan.format import ActionProposal
from headway.plan.parse import Compat, as_proposal
from headway.plan.results import ProposalResult, ReplanStep
from headway.plan.verify import Issue, verify

if TYPE_CHECKING:
    from headway.analysis.scoring import PlannerConfig, ToolFeedback
    from headway.jobs.course import Course

Execute = Callable[[ActionProposal], Awaitable[ProposalResult]]
"""Runs a plan, and other ones while it aborts and the replan callback has one."""

STATE_CHECKS = frozenset({"preconditions", "state_dependencies", "assertions"})
"""The checks of ``verify`` that ask the state: admission leaves them to each action's run."""


def ranked(
    plans: Sequence[object],
    config: PlannerConfig | None,
    feedback: ToolFeedback | None,
    session: str | None = None,
    compat: Compat | None = None,
) -> Submission:
    """Return the submission of several plans for one goal; see :meth:`headway.Runtime.plan_and_execute`.

    Raises :class:`InvalidInput` without plans, and the :class:`InvalidPlan` of the first if none can be parsed.
    """
    if not expect_many(plans, "candidates", Sequence):
        raise InvalidInput("plan_and_execute needs at least one candidate")
    parsed = [_parsed(plan, compat) for plan in plans]
    first = next((plan for plan in parsed if isinstance(plan, ActionProposal)), None)
    if first is None:
        assert isinstance(parsed[0], InvalidPlan)
        raise parsed[0]
    return Submission(first, session=session, candidates=Candidates(parsed, config, feedback))


async def run_best(course: Course, candidates: Candidates, execute: Execute) -> ProposalResult:
    """Run the candidates from the best valid one on until one completes.

    All in one turn: what is valid is asked of the state that the candidate will run on. A candidate that aborts has its
    state rolled back by its own run; what it did outside may remain. Invalid is what cannot be parsed, fails
    verification, or is refused by the face's capabilities and permissions.
    """
    left = [plan for plan in candidates.plans if isinstance(plan, ActionProposal)]
    tries: list[ReplanStep] = []
    result: ProposalResult | None = None
    while (best := _best(left, candidates, course)) is not None:
        result = await execute(left.pop(best))
        tries.extend(_steps(result, len(tries)))
        if result.ok or course.token.is_cancelled():
            break
    if result is not None:
        if len(tries) == 1:
            return result
        return msgspec.structs.replace(result, original_proposal_id=tries[0].proposal_id, replan_lineage=tries)
    first = candidates.plans[0]
    if isinstance(first, InvalidPlan):
        raise first
    if course.token.is_cancelled():  # in line, say: nothing of it starts, and the state it would have met is unknown
        return await execute(first)
    return await _rejected(first, course)


def _parsed(candidate: object, compat: Compat | None) -> ActionProposal | InvalidPlan:
    try:
        return as_proposal(candidate, compat=compat)
    except InvalidPlan as error:
        return error


def _best(plans: list[ActionProposal], candidates: Candidates, course: Course) -> int | None:
    """Return the place of the best plan that is valid on the state as it is now; None if none is.

    Asked anew before each: a run that was stopped rather than aborted has left its changes.
    """
    from headway.analysis.scoring import rank_proposals

    state, registry = course.scope.state.raw(), course.env.registry
    scores = rank_proposals(plans, candidates.config, candidates.feedback, state=state, tools=registry)
    return next((score.index for score in scores if score.valid and _refusal(plans[score.index], course) is None), None)


def _refusal(plan: ActionProposal, course: Course, unmet: Sequence[Issue] = ()) -> InvalidPlan | None:
    """Return why admission refuses the plan, with ``unmet`` added; None if it does not.

    ``verify``, by which plans are ranked, does not know the gates: capabilities, and what was granted.
    """
    try:
        reach = course.submission.reach
        admission.check(course.env, plan, course.scope.state.raw(), unmet, reach, remote=course.remote)
    except InvalidPlan as error:
        return error
    return None


async def _rejected(plan: ActionProposal, course: Course) -> ProposalResult:
    """Refuse a plan for all that is against it, the state included, which admission would leave to its run."""
    report = verify(plan, course.scope.state.raw(), course.env.registry)
    unmet = [issue for issue in report.issues if issue.severity == "error" and issue.check in STATE_CHECKS]
    error = _refusal(plan, course, unmet)
    assert error is not None, "verify and admission have nothing against it"
    return await course.rejected(plan, error)


def _steps(result: ProposalResult, generation: int) -> list[ReplanStep]:
    """Return what a candidate adds to the lineage: its own replans, or itself."""
    steps = result.replan_lineage or [step_of(result)]
    return [msgspec.structs.replace(step, generation=generation + i) for i, step in enumerate(steps)]
