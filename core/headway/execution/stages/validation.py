"""Validation: the tool is there, references have values, parameters fit, the state is as the action needs it.

All that the validator finds is told together, in CAR's order: tool and parameters, preconditions, state dependencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.execution.parameters import fill_in
from headway.execution.stages.stage import Refused, Stage
from headway.plan.checks import check_state
from headway.plan.results import ErrorCode

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import Flow


class ValidationStage(Stage):
    """Fills in tool and parameters."""

    name = "validate"

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._tool = run.env.registry.get

    def enter(self, action: PendingAction, flow: Flow) -> bool:
        """Refuse an action that cannot run in the state."""
        node, source = action.node, action.source
        problems: list[str] = []
        if action.calls:
            entry = action.entry = self._tool(action.tool)
            if entry is None:
                problems.append(f"tool '{action.tool}' is not registered")
        if source.references or source.escapes or action.compensates:
            problems += self._fill_in(action)
        code = ErrorCode.VALIDATION if problems else ErrorCode.PRECONDITION
        if (node.reads or node.action.preconditions) and not action.compensates:
            problems += check_state(node, flow.state)
        if problems:
            raise Refused("; ".join(problems), code)
        return True

    def _fill_in(self, action: PendingAction) -> list[str]:
        """Fill in what the parameters refer to; return what is then wrong with them, or what has no value.

        The parameters of a compensation have not been checked before, and may come from the state: no value is quoted.
        """
        try:
            action.parameters = fill_in(action.parameters, action.source.references, action.source.escapes, self.run)
        except Refused as refusal:
            return [refusal.text]
        entry = action.entry
        if entry is None:
            return []
        return entry.validate(action.parameters, quote=not (action.source.references or action.compensates))
