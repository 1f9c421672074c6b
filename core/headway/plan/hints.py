"""Hints: what looks odd in a plan and may be meant all the same."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from headway.plan.graph import Node, Plan
from headway.plan.model import ActionType
from headway.plan.reach import indirect

_TOOL_CALL = ActionType.TOOL_CALL
_encode = msgspec.json.Encoder(order="sorted").encode


def repetitions(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield (action id, text) for tool calls that stand more than once in the plan, the same to the letter."""
    seen: dict[bytes, Node] = {}
    more: dict[bytes, list[Node]] = {}
    for node in plan.nodes:
        if node.type is _TOOL_CALL and not node.references:
            call = _encode((node.tool, node.action.parameters))
            if seen.setdefault(call, node) is not node:
                more.setdefault(call, []).append(node)
    for nodes in more.values():
        tool, count = nodes[-1].tool, len(nodes) + 1
        if count == 2:
            yield nodes[-1].id, f"duplicate tool call: {tool} (2x)"
        else:
            yield nodes[-1].id, f"repeated identical tool call: {tool} ({count}x) — likely loop"


def write_conflicts(plan: Plan) -> list[list[str]]:
    """Return ``[action, action, key]`` for neighbouring writers of a key where the later does not need the earlier."""
    last: dict[str, int] = {}
    found: list[tuple[int, int, str]] = []
    for node in plan.nodes:
        if not node.writes:
            continue
        needs = frozenset(node.needs)
        for key in node.writes:
            before = last.get(key)
            if before is not None and before not in needs:
                found.append((node.index, before, key))
            last[key] = node.index
    if not found:
        return []
    declared = indirect(plan, ((i, before) for i, before, _ in found))
    ids = [node.id for node in plan.nodes]
    return [[ids[before], ids[i], key] for i, before, key in found if (i, before) not in declared]
