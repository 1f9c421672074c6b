"""A submission: what somebody asks to be run, with all that goes with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect, expect_many, plain, plain_or_empty
from headway.errors import InvalidInput, InvalidPlan
from headway.jobs.replan import Replan, ReplanCallback, ReplanConfig
from headway.jobs.scope import PRIVATE, scope_name
from headway.jobs.terms import Terms
from headway.jsonvalue import to_json
from headway.limits.budget import CostBudget
from headway.plan.format import ActionProposal
from headway.plan.parse import Compat, PlanLike, as_proposal
from headway.plan.verify import Issue

if TYPE_CHECKING:
    from headway.analysis.scoring import PlannerConfig, ToolFeedback

MAX_ID = 1024
"""The longest id that a caller may choose, in characters."""
MAX_TEXT = 64 * 1024
"""The longest title, reason and so on."""

Proposal = PlanLike
"""A plan: the model, or JSON that :func:`headway.parse_proposal` takes."""


class Candidates(msgspec.Struct, frozen=True):
    """Several plans for one goal, of which the best valid one is run first, and how to rank them."""

    plans: Sequence[ActionProposal | InvalidPlan]
    config: PlannerConfig | None = None
    feedback: ToolFeedback | None = None


class _Plan(msgspec.Struct, frozen=True):
    plan: Proposal


class Submission(_Plan, frozen=True, kw_only=True):
    """One plan to run, and all that a caller may say of it.

    ``context_id`` names the thread whose state it works on; without one the face decides (an :class:`headway.Engine`
    gives each job a state of its own). With a ``principal``, or a ``tenant``, on whose behalf it runs, it is a thread
    of theirs: nobody else's of that name. ``reach`` are the tools that its plans may call, those of a replan too; None:
    any. ``origin`` is the caller's own data, kept with the job. ``session`` is a policy
    session. ``budget`` and ``replan`` replace the face's own. ``job_id`` names the job, a new id by default.
    ``refused`` are the caller's own findings against the plan: with any, it is not admitted. With ``record_rejected``
    a plan that is not admitted is recorded as a failed job; else the caller is told, and nothing is recorded.
    ``candidates`` are plans for the same goal, the one given among them, to be ranked. ``compat="car"`` leaves out
    fields that the format does not know. ``remote`` says that a caller elsewhere asks: the job, and what comes of it,
    gets only secrets that are declared for those. ``terms`` are its priority, retries and limits of time.

    Raises :class:`headway.errors.InvalidPlan` or :class:`InvalidInput` for what cannot be run so.
    """

    context_id: str | None = None
    title: str | None = None
    source: str | None = None
    principal: str | None = None
    tenant: str | None = None
    reach: Collection[str] | None = None
    origin: Mapping[str, Any] | None = None
    job_id: str | None = None
    session: str | None = None
    budget: CostBudget | None = None
    replan: Replan | ReplanCallback | None = None
    record_rejected: bool = False
    refused: Sequence[Issue] = ()
    candidates: Candidates | None = None
    compat: Compat | None = None
    remote: bool = False
    terms: Terms = Terms()

    def __post_init__(self) -> None:
        adopt = msgspec.structs.force_setattr
        adopt(self, "plan", as_proposal(self.plan, compat=self.compat))
        for what, text in (("a context id", self.context_id), ("a job id", self.job_id)):
            if text is not None:
                plain_or_empty(text, what, MAX_ID)
        texts = {"a title": self.title, "a source": self.source, "a principal": self.principal, "a tenant": self.tenant}
        for what, text in texts.items():
            if text is not None:
                plain_or_empty(text, what, MAX_TEXT)
        if self.reach is not None:
            adopt(self, "reach", frozenset(plain(name, "a tool's name") for name in expect_many(self.reach, "reach")))
        if self.session is not None:
            plain(self.session, "a policy session's id")
        if self.context_id is not None and self.context_id.startswith(PRIVATE):
            raise InvalidInput(f"a context id does not start with '{PRIVATE}': such scopes belong to one job")
        if not (self.budget is None or isinstance(self.budget, CostBudget)):
            raise InvalidInput(f"a budget is a CostBudget, not {type(self.budget).__name__}")
        if not (self.replan is None or isinstance(self.replan, Replan)):
            adopt(self, "replan", Replan(self.replan, ReplanConfig(max_replans=1)))
        if self.candidates is not None:
            expect(self.candidates, Candidates, "candidates")
        expect(self.record_rejected, bool, "record_rejected")
        expect(self.remote, bool, "remote")
        expect(self.terms, Terms, "terms")
        for issue in expect_many(self.refused, "refused"):
            expect(issue, Issue, "a finding")
        adopt(self, "origin", to_json(expect(self.origin, Mapping, "origin")) if self.origin else {})

    @property
    def proposal(self) -> ActionProposal:
        """The plan, parsed."""
        assert isinstance(self.plan, ActionProposal)
        return self.plan

    @property
    def scope(self) -> str | None:
        """The name of the scope that its thread is; None where it has no thread."""
        return scope_name(self.context_id, self.principal, self.tenant) if self.context_id is not None else None

    @property
    def replanning(self) -> Replan | None:
        """The replanning of this submission; None: the face's."""
        assert self.replan is None or isinstance(self.replan, Replan)
        return self.replan
