"""Approval: a person is asked before the first attempt of a call that a tool's permission or a policy puts to them.

An approval is bound to the call as it is: an action whose parameters were edited is validated and judged by the
policies again, and asks no second time; any other change asks anew.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from headway.execution.asking import (
    ABORT,
    ALLOW,
    APPROVAL,
    CHOICES,
    DENY,
    EDIT,
    Answer,
    Answered,
    Question,
    blocked_by,
    digest_of,
)
from headway.execution.stages.policy import decision_on
from headway.execution.stages.stage import Refused, Stage
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import Flow
    from headway.policy.exec.decision import Decision

_OF_COMPENSATION = (ALLOW, DENY)
_OF_STATE = tuple(choice for choice in CHOICES[APPROVAL] if choice != EDIT)


class ApprovalStage(Stage):
    """Asks once an action, and lets pass what was approved."""

    name = APPROVAL

    def active(self) -> bool:
        """Return True if an action of the plan may need an approval."""
        run = self.run
        if run.approval is not None or self.env.before_tool:
            return True
        return self.env.gates.may_ask(run.plan, self.env.registry, run.pinned)

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Refuse what is denied; park what waits for an answer."""
        run, env = self.run, self.env
        decision = decision_on(action, run)
        reasons = env.gates.approval(
            action.node,
            action.parameters,
            flow.state,
            action.entry,
            session=run.session,
            principal=run.principal,
            now=env.clock.now(),
            tool=action.tool if action.compensates else None,
            pinned=run.pinned,
            decision=decision,
        )
        reasons += action.asked
        if not reasons:
            return True
        digest = _digest(action, run)
        if action.approved == digest:
            return True
        if not env.asking.attended:
            raise Refused(f"{'; '.join(reasons)}, and nobody is there to answer", ErrorCode.APPROVAL_DENIED)
        question = self._question(action, digest, reasons, decision)
        found = env.asking.ask(question, partial(self._answered, action, flow))
        if not isinstance(found, Answer):
            flow.park(action, self.name, found)
            return False
        if found.choice == EDIT:
            self._edit(action, found.value)
            flow.park(action, self.name, Answered())
            flow.resume(action)
            return False
        self._take(action, digest, found)
        return True

    def _question(self, action: PendingAction, digest: str, reasons: list[str], decision: Decision | None) -> Question:
        run, entry = self.run, action.entry
        choices = CHOICES[APPROVAL]
        if action.compensates:
            choices = _OF_COMPENSATION
        elif entry is None:
            choices = _OF_STATE
        return Question(
            kind=APPROVAL,
            job_id=run.job_id,
            action_id=action.node.id,
            prompt="; ".join(reasons),
            reference=f"{APPROVAL}:{'undo' if action.compensates else ''}:{action.node.id}:{digest}",
            tool=action.tool,
            parameters=action.parameters,
            choices=choices,
            schema=entry.schema.parameters if entry is not None and EDIT in choices else None,
            digest=digest,
            scope=run.scope,
            principal=run.principal,
            blocking=blocked_by(run.plan, action.node.level),
            detail={"exec": decision.detail()} if decision is not None and decision.verdict == "ask" else {},
            problems=partial(_problems, action) if entry is not None else None,
        )

    def _answered(self, action: PendingAction, flow: Flow, answer: Answer) -> None:
        if answer.choice == EDIT:
            self._edit(action, answer.value)
        else:
            try:
                self._take(action, _digest(action, self.run), answer)
            except Refused as refusal:
                flow.refuse(action, refusal)
                return
        flow.resume(action)

    def _take(self, action: PendingAction, digest: str, answer: Answer) -> None:
        if answer.refuses:
            text = answer.refusal("the approval was denied")
            raise Refused(text, ErrorCode.APPROVAL_DENIED, abort=answer.choice == ABORT)
        action.approved = digest

    def _edit(self, action: PendingAction, parameters: dict[str, Any]) -> None:
        """Give the action other parameters, with which it passes the stages from the first on."""
        action.parameters, action.edited, action.stage = parameters, True, 0
        action.approved = _digest(action, self.run)
        self.run.edited[action.node.index] = parameters


def _digest(action: PendingAction, run: Run) -> str:
    """Return the digest of the call that an action is about to make."""
    return digest_of(action.tool or action.node.type.value, action.parameters, run.env.workspace)


def _problems(action: PendingAction, value: Any) -> list[str]:
    """Return what is wrong with parameters that a person gives an action."""
    entry = action.entry
    if entry is None or not isinstance(value, dict):
        return ["the parameters of a call are an object"]
    return entry.validate(value)
