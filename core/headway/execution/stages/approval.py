"""Approval: a person, or whoever answers for them, is asked before the first attempt.

Who is asked is behind a port: execution knows of no inbox. The default port lets everything pass and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from headway.execution.stages.stage import Refused, Stage
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction, Wait
    from headway.execution.stages.stage import Flow


class ApprovalRequest(NamedTuple):
    """A call that may need an approval; ``tool`` is empty for a state action."""

    job_id: str
    action_id: str
    tool: str
    parameters: Mapping[str, Any]
    principal: str | None
    compensates: bool


class Decision(NamedTuple):
    """An answer, with the reason of a denial."""

    allowed: bool
    reason: str = ""


class ApprovalPort(Protocol):
    """Answers for those who approve."""

    idle: bool
    """True while nothing needs an approval; with a change of it ``version`` grows."""

    version: int

    def ask(self, request: ApprovalRequest, answered: Callable[[Decision], object]) -> Decision | Wait:
        """Return the decision, or what the action waits on until ``answered`` is called, on the event loop."""


class AllowAll:
    """The port where nobody asks: every action is approved."""

    idle = True
    version = 0

    def ask(self, request: ApprovalRequest, answered: Callable[[Decision], object]) -> Decision:
        """Approve."""
        return Decision(True)


class ApprovalStage(Stage):
    """Asks the port once an action: what is approved is bound to its arguments, the same at each attempt."""

    name = "approval"

    def active(self) -> bool:
        """Return True while anything needs an approval."""
        return not self.env.approvals.idle

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Refuse what is denied; park what waits for an answer."""
        run = self.run

        def answered(decision: Decision) -> None:
            if decision.allowed:
                flow.resume(action)
            else:
                flow.refuse(action, _denied(decision))

        request = ApprovalRequest(
            run.job_id, action.node.id, action.tool, action.parameters, run.principal, action.compensates
        )
        found = self.env.approvals.ask(request, answered)
        if not isinstance(found, Decision):
            flow.park(action, self.name, found)
            return False
        if not found.allowed:
            raise _denied(found)
        return True


def _denied(decision: Decision) -> Refused:
    return Refused(decision.reason or "the approval was denied", ErrorCode.APPROVAL_DENIED)
