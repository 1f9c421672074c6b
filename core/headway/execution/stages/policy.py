"""Policy: every rule that is registered or read from files is asked, before each attempt (ADR 0011)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.events import kinds
from headway.execution.stages.stage import Refused, Stage
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.stages.stage import Flow


class PolicyStage(Stage):
    """Asks the policies of the runtime and of the run's session."""

    name = "policy"
    each_attempt = True

    def active(self) -> bool:
        """Return True if there is a rule, or was at the job's start, or a session whose rules may have gone with it."""
        return self.run.session is not None or bool(self.run.pinned) or not self.env.gates.policies.idle

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Refuse what a policy denies. An action denied a further attempt keeps the error of its last one."""
        run = self.run
        denied = self.env.gates.ask(
            action.node,
            action.parameters,
            flow.state,
            session=run.session,
            principal=run.principal,
            now=self.env.clock.now(),
            tool=action.tool if action.compensates else None,
            pinned=run.pinned,
        )
        if not denied:
            return True
        run.emit(kinds.POLICY_VIOLATION, {"reasons": denied}, node=action.node)
        raise Refused((action.error or "") if action.again else "; ".join(denied), ErrorCode.POLICY_DENIED)
