"""Reuse: an equal call that was made, or is being made, may make this one unnecessary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.execution.stages.stage import Stage
from headway.limits.flight import Hit
from headway.limits.reuse import Asking, Lead

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import End, Flow
    from headway.tools.registry import ToolEntry


class ReuseStage(Stage):
    """Asks the caches; holds the duty to make a call for all who ask for it meanwhile."""

    name = "reuse"

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._idempotent = any(node.action.idempotent for node in run.plan.nodes)
        self._leads: dict[PendingAction, Lead] = {}

    def active(self) -> bool:
        """Return True if an action is idempotent, or a tool has a cache."""
        return self._idempotent or self.env.results.in_use

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Note the result that is there; park the action while another makes its call."""
        idempotent = action.node.action.idempotent
        if action.compensates or not action.calls or not (idempotent or self.env.results.enabled(action.tool)):
            return True

        def answered(found: Hit | Lead, _: float) -> None:
            self._take(action, found)
            flow.resume(action)

        found = self.env.reuse.begin(
            action.tool,
            self.env.call_parameters(action.entry, action.parameters),
            answered,
            idempotent=idempotent,
            principal=self._principal(action.entry),
            since=flow.since,
        )
        if isinstance(found, Asking):
            flow.park(action, self.name, found)
            return False
        self._take(action, found)
        return True

    def leave(self, action: PendingAction, end: End | None) -> None:
        """Share the result of the call; without one, let the next who waits make it."""
        lead = self._leads.get(action)
        if lead is None or (end is not None and not end.final):
            return
        del self._leads[action]
        if end is not None and end.outcome is not None:
            lead.succeed(end.outcome.output, end.outcome.effects, end.outcome.artifacts)
        else:
            lead.fail()

    def _principal(self, entry: ToolEntry | None) -> str | None:
        """Return on whose behalf a call is made; None where its results are the same for everybody."""
        return None if entry is None or entry.shared else self.run.principal

    def _take(self, action: PendingAction, found: Hit | Lead | None) -> None:
        if isinstance(found, Hit):
            action.reused = found
        elif found is not None:
            self._leads[action] = found
