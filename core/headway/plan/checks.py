"""The validator: what must hold before an action runs. ``verify`` and the executor both ask here and nowhere else.

Texts are CAR's where it has one. They name keys, never values: a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headway.plan.graph import Node
from headway.plan.model import ActionType, Precondition

if TYPE_CHECKING:
    from headway.tools.registry import ToolRegistry

UNKNOWN: Any = object()
"""The value of a key that a tool will write; only ``verify`` meets it, and no test of it fails."""

MISSING: Any = object()


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _compare(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def check(actual: Any, wanted: Any) -> bool:
        a, b = _number(actual), _number(wanted)
        return a is not None and b is not None and test(a, b)

    return check


def equal(a: Any, b: Any) -> bool:
    """Return whether two JSON values are equal; true and 1 are not, 1 and 1.0 are."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _contains(actual: Any, wanted: Any) -> bool:
    if isinstance(actual, str):
        return isinstance(wanted, str) and wanted in actual
    return isinstance(actual, list) and any(equal(item, wanted) for item in actual)


_OPERATORS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "eq": (equal, "does not equal the expected value"),
    "neq": (lambda a, b: not equal(a, b), "equals the excluded value"),
    "gt": (_compare(lambda a, b: a > b), "is not greater than the expected value"),
    "lt": (_compare(lambda a, b: a < b), "is not less than the expected value"),
    "gte": (_compare(lambda a, b: a >= b), "is less than the expected value"),
    "lte": (_compare(lambda a, b: a <= b), "is greater than the expected value"),
    "contains": (_contains, "does not contain the expected value"),
}


def check_precondition(precondition: Precondition, state: Mapping[str, Any]) -> str | None:
    """Return why ``precondition`` does not hold in ``state``, or None if it does."""
    key, operator = precondition.key, precondition.operator
    value = state.get(key, MISSING)
    if value is UNKNOWN:
        return f"key '{key}' exists" if operator == "not_exists" else None
    if operator == "exists":
        return f"key '{key}' does not exist" if value is MISSING else None
    if operator == "not_exists":
        return None if value is MISSING else f"key '{key}' exists"
    if operator not in _OPERATORS:
        return f"unknown operator '{operator}'"
    if value is MISSING:
        return f"key '{key}' has no value"
    test, text = _OPERATORS[operator]
    return None if test(value, precondition.value) else f"key '{key}' {text}"


def check_state(node: Node, state: Mapping[str, Any]) -> list[str]:
    """Return the unmet preconditions and missing state dependencies of ``node``, in that order."""
    problems = [text for precondition in node.action.preconditions if (text := check_precondition(precondition, state))]
    problems.extend(f"state dependency '{key}' not found" for key in node.reads if key not in state)
    return problems


def check_shape(node: Node) -> list[str]:
    """Return what the parameters of a state action lack, or that a tool call names no tool."""
    if node.type is ActionType.TOOL_CALL:
        return [] if node.tool else ["tool_call has no tool"]
    parameters = node.action.parameters
    wanted = {"state_write": ("key", "value"), "state_read": ("key",), "assertion": ("key", "expected")}[
        node.type.value
    ]
    problems = [f"{node.type.value} requires '{name}' parameter" for name in wanted if name not in parameters]
    if not problems and not (isinstance(parameters["key"], str) and parameters["key"]):
        problems.append(f"{node.type.value} requires 'key' to be a string that is not empty")
    return problems


def check_tool(node: Node, registry: ToolRegistry, parameters: dict[str, Any]) -> list[str]:
    """Return why the tool call cannot be made: no such tool, or parameters that its schema refuses."""
    entry = registry.get(node.tool or "")
    if entry is None:
        return [f"tool '{node.tool}' is not registered"]
    return entry.validate(parameters)
