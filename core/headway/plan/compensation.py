"""Compensations: whether an aborted run could undo an action as its plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.plan.graph import Plan
from headway.plan.model import ActionType, Compensation
from headway.plan.references import find_references, unescaped

if TYPE_CHECKING:
    from headway.tools.registry import ToolRegistry


def check_compensation(
    compensation: Compensation, plan: Plan, index: dict[str, int], registry: ToolRegistry | None
) -> list[str]:
    """Return why ``compensation`` could not be called; ``index`` has the plan's actions by id."""
    if compensation.type == "action_ref":
        other = index.get(compensation.action_id or "")
        if other is None or plan.nodes[other].type is not ActionType.TOOL_CALL:
            return [f"compensation names '{compensation.action_id}', which is no tool call of the plan"]
        return []
    if compensation.type != "tool" or not compensation.tool:
        return ["a compensation is {'type': 'tool', 'tool': …} or {'type': 'action_ref', 'action_id': …}"]
    try:
        references, escapes = find_references(compensation.parameters, index)
    except KeyError as error:
        return [f"compensation refers to '{error.args[0]}', which the plan does not have"]
    if registry is None:
        return []
    entry = registry.get(compensation.tool)
    if entry is None:
        return [f"compensation: tool '{compensation.tool}' is not registered"]
    # With references the values are known when it is due.
    problems = [] if references else entry.validate(unescaped(compensation.parameters, escapes))
    return [f"compensation: {text}" for text in problems]
