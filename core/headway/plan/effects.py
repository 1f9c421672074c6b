"""What a plan says it will do to the state, walked level by level as the executor would.

A tool's write that the plan declares without a value is :data:`headway.plan.checks.UNKNOWN`: later tests of that key
can neither be shown to hold nor to fail.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headway.plan.checks import UNKNOWN, check_assertion, check_state
from headway.plan.graph import Node, Plan
from headway.plan.model import ActionType, FailureBehavior

_ASSERTION = ActionType.ASSERTION
_STATE_WRITE = ActionType.STATE_WRITE
_TOOL_CALL = ActionType.TOOL_CALL


def declared_effects(node: Node) -> dict[str, Any]:
    """Return the state keys that the action says it will set, with their values where the plan has them."""
    if not node.writes:
        return {}
    action = node.action
    if node.type is _STATE_WRITE:
        key = node.key
        filled_in = (node.references or node.escapes) and any(where[0] == "value" for where in _places(node))
        return {key: UNKNOWN if filled_in else action.parameters.get("value")} if key is not None else {}
    if node.type is not _TOOL_CALL:
        return {}
    return {**dict.fromkeys(action.write_set, UNKNOWN), **action.expected_effects}


def _places(node: Node) -> Iterator[tuple[str | int, ...]]:
    """Yield the places in the parameters that are filled in when the action runs."""
    for reference in node.references:
        yield reference.where
    yield from node.escapes


def _problems(node: Node, state: Mapping[str, Any]) -> list[str]:
    """Return the tests on state that fail when the action is to run; an assertion is made once the others hold."""
    problems = check_state(node, state)
    if not problems and node.type is _ASSERTION and (text := check_assertion(node, state)):
        problems.append(text)
    return problems


class Step:
    """One action of a walk: ``problems`` are the tests on state that fail before it, ``effects`` what it lands."""

    __slots__ = ("blocked_by", "effects", "node", "problems")

    def __init__(self, node: Node, problems: list[str], blocked_by: str | None, effects: dict[str, Any]) -> None:
        self.node = node
        self.problems = problems
        self.blocked_by = blocked_by
        self.effects = effects

    @property
    def lands(self) -> bool:
        """Whether nothing keeps the action from running."""
        return not self.problems and self.blocked_by is None

    @property
    def aborts(self) -> bool:
        """Whether the run ends here: a test fails before an action that is not to be skipped then."""
        return bool(self.problems) and self.node.action.failure_behavior is not FailureBehavior.SKIP


def walk(plan: Plan, state: Mapping[str, Any]) -> Iterator[Step]:
    """Yield a step per action, in order of execution, past aborts too; ``state`` is what the first level sees.

    An action that is blocked lands nothing, and blocks those that need it: by id, by reference or as their writer.
    """
    now = dict(state)
    blocked: set[int] = set()
    for level in plan.levels:
        changes: dict[str, Any] = {}
        for i in level:
            node = plan.nodes[i]
            blocker = next((plan.nodes[n].id for n in node.needs if n in blocked), None)
            problems = _problems(node, now) if blocker is None else []
            step = Step(node, problems, blocker, {})
            if step.lands:
                step.effects = declared_effects(node)
                changes.update(step.effects)
            else:
                blocked.add(i)
            yield step
        now.update(changes)
