"""Exclusion: a call of an exclusive tool runs alone, whichever run it is of; all others run beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.execution.stages.stage import Stage

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import End, Flow


class ExclusionStage(Stage):
    """Holds the right of a call to run: alone, or beside others."""

    name = "exclusive"
    each_attempt = True

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._held: dict[PendingAction, bool] = {}

    def active(self) -> bool:
        """Return True if a tool is exclusive."""
        return self.env.registry.exclusive

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Let a call begin if nothing is in its way; else park the action in the line."""
        if not action.needs_call:
            return True
        entry = action.entry if action.entry is not None else self.env.registry.get(action.tool)
        alone = entry is not None and entry.exclusive
        if self.env.exclusion.take(alone=alone):
            self._held[action] = alone
            return True

        def granted() -> None:
            self._held[action] = alone
            flow.resume(action)

        flow.park(action, self.name, self.env.exclusion.wait(granted, alone=alone))
        return False

    def leave(self, action: PendingAction, end: End | None) -> None:
        """Let those in line begin."""
        alone = self._held.pop(action, None)
        if alone is not None:
            self.env.exclusion.give_back(alone=alone)
