"""Validation: the tool is there, references have values, parameters fit, the state is as the action needs it.

All that the validator finds is told together, in CAR's order: tool and parameters, preconditions, state dependencies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.execution.parameters import fill_in
from headway.execution.stages.stage import Refused, Stage
from headway.plan.checks import check_state
from headway.plan.references import value_at
from headway.plan.results import ErrorCode
from headway.secrets.marks import elsewhere, shown, stray_places

if TYPE_CHECKING:
    from headway.execution.pending import PendingAction
    from headway.execution.run import Run
    from headway.execution.stages.stage import Flow
    from headway.tools.registry import ToolEntry


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
        if action.edited:
            problems += action.entry.validate(action.parameters) if action.entry is not None else []
        elif source.references or source.escapes or action.compensates:
            problems += self._fill_in(action)
        if action.entry is not None and action.entry.marks is not None and not problems:
            problems = self._secrets(action, action.entry)
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
        if action.source.references and (strays := self._strays(action)):
            return strays
        return entry.validate(action.parameters, quote=not (action.source.references or action.compensates))

    def _secrets(self, action: PendingAction, entry: ToolEntry) -> list[str]:
        """Return why the secrets that the parameters name are not for this call: rules may have changed meanwhile."""
        assert entry.marks is not None
        found = entry.marks.problems(entry.name, action.parameters)
        vault, remote = self.env.vault, self.run.remote
        named = [name for _, name in entry.marks.names(action.parameters)]
        return found + [text for name in named if (text := vault.problem(name, entry.name, remote=remote)) is not None]

    def _strays(self, action: PendingAction) -> list[str]:
        """Return the places where a reference to a secret came with the output of another action: it means nothing."""
        return [
            elsewhere(shown((*reference.where, *place)))
            for reference in action.source.references
            for place in stray_places(value_at(action.parameters, reference.where))
        ]
