"""Permissions: whether a plan calls tools that nobody may call, or that somebody must have granted.

Only ``verify`` asks here. Admission knows the grant, and judges by it (:class:`headway.policy.gates.Gates`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headway.plan.graph import Node, Plan
from headway.plan.model import ActionType

if TYPE_CHECKING:
    from headway.tools.registry import ToolRegistry


def permissions(plan: Plan, registry: ToolRegistry | None) -> Iterator[tuple[str, str, str]]:
    """Yield (severity, action id, text) for calls and compensations whose tool has a permission other than allow."""
    if registry is None or not registry.restricted:
        return
    for node in plan.nodes:
        for prefix, tool in _called(node):
            entry = registry.get(tool)
            if entry is not None and entry.permission == "deny":
                yield "error", node.id, f"{prefix}tool '{tool}' is denied by its permission"
            elif entry is not None and entry.permission == "ask":
                yield "info", node.id, f"{prefix}tool '{tool}' asks for permission: it needs a grant of full_access"


def _called(node: Node) -> Iterator[tuple[str, str]]:
    if node.type is ActionType.TOOL_CALL and node.tool:
        yield "", node.tool
    undo = node.action.compensation
    if undo is not None and undo.tool:
        yield "compensation: ", undo.tool
