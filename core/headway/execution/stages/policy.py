"""Policy: every rule that is registered or read from files is asked, before each attempt (ADR 0011)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.events import kinds
from headway.execution.stages.stage import Refused, Stage
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import Flow
    from headway.policy.exec.decision import Decision


def decision_on(action: PendingAction, run: Run) -> Decision | None:
    """Return what the exec policy says of the call that an action is about to make; None if it has nothing to say."""
    env = run.env
    return env.gates.decision(
        action.tool,
        action.parameters,
        action.entry,
        principal=run.principal,
        workspace=env.workspace,
        confines=env.sandbox.mode != "off",
        pinned=run.pinned,
        approval=run.approval,
    )


class PolicyStage(Stage):
    """Asks the policies of the runtime and of the run's session."""

    name = "policy"
    each_attempt = True

    def active(self) -> bool:
        """Return True if there is a rule or a mode, or was at the job's start, or a session that may have gone."""
        run = self.run
        asked = run.session is not None or bool(run.pinned) or run.approval is not None
        return asked or not self.env.gates.policies.idle

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
        decision = decision_on(action, run)
        if decision is not None and decision.verdict == "deny":
            denied.append(f"exec policy: {decision.reason}")
        if not denied:
            return True
        run.emit(kinds.POLICY_VIOLATION, {"reasons": denied}, node=action.node)
        raise Refused((action.error or "") if action.again else "; ".join(denied), ErrorCode.POLICY_DENIED)
