"""The validator: what must hold before an action runs. ``verify`` and the executor both ask here and nowhere else.

Texts are CAR's where it has one. They name keys, never values: a value may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from headway.arguments import nearest
from headway.plan.format import ActionType, Compensation, Precondition
from headway.plan.graph import Graph, Node
from headway.plan.references import Reference, find_references, is_reference, unescaped, value_at
from headway.plan.schemas import ANYTHING, Part, Undeclared, kinds_of, may_fit, parts_at, union

if TYPE_CHECKING:
    from headway.tools.registry import ToolEntry, ToolRegistry

    Tools = ToolRegistry | None

UNKNOWN: Any = object()
"""The value of a key that a tool will write; only ``verify`` meets it, and no test of it fails."""

MISSING: Any = object()

_TOOL_CALL = ActionType.TOOL_CALL
_STATE_WRITE = ActionType.STATE_WRITE
_PARAMETERS = {"state_write": ("key", "value"), "state_read": ("key",), "assertion": ("key", "expected")}


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
    pairs = [(a, b)]  # not by recursion: a tool's output may be nested deeper than the stack goes
    while pairs:
        a, b = pairs.pop()
        if a is b:
            continue
        if isinstance(a, bool) or isinstance(b, bool):
            return False
        if isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            pairs += [(a[k], b[k]) for k in a]
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                return False
            pairs += zip(a, b, strict=True)
        elif not a == b:  # noqa: SIM201 - a NaN is not equal to itself
            return False
    return True


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


def failed_assertion(key: str, expected: Any, state: Mapping[str, Any]) -> str | None:
    """Return why the assertion that ``key`` is ``expected`` fails in ``state``, or None if it holds."""
    value = state.get(key, MISSING)
    if value is UNKNOWN or (value is not MISSING and equal(value, expected)):
        return None
    return f"assertion failed: state['{key}'] is not the expected value"


def check_assertion(node: Node, state: Mapping[str, Any]) -> str | None:
    """Return why the assertion ``node`` fails in ``state``; None if it holds, or if that is known only when it runs."""
    parameters = node.action.parameters
    if node.key is None or "expected" not in parameters:
        return None  # check_shape tells
    if any(reference.where[0] == "expected" for reference in node.references):
        return None
    return failed_assertion(node.key, unescaped(parameters, node.escapes)["expected"], state)


def check_shape(node: Node) -> list[str]:
    """Return what is wrong with the parameters of a state action, or that a tool call names no tool."""
    if node.type is _TOOL_CALL:
        return [] if node.tool else ["tool_call has no tool"]
    parameters = node.action.parameters
    wanted = _PARAMETERS[node.type.value]
    if node.key and all(map(parameters.__contains__, wanted)):
        return []
    problems = [f"{node.type.value} requires '{name}' parameter" for name in wanted if name not in parameters]
    if is_reference(parameters.get("key")):
        # Nothing could order the action by it, or judge whether it may touch it.
        problems.append(f"the key of a {node.type.value} must be plain text, not a reference")
    elif not problems and not (isinstance(parameters["key"], str) and parameters["key"]):
        problems.append(f"{node.type.value} requires 'key' to be a string that is not empty")
    return problems


def check_tool(node: Node, entry: ToolEntry | None) -> list[str]:
    """Return why the tool call cannot be made: no such tool, or parameters that its schema refuses.

    Parameters with references are known at dispatch only: :func:`check_references` looks at what schemas say of them,
    and what the tool says of the values then rejects this action.
    """
    if entry is None:
        return [f"tool '{node.tool}' is not registered"]
    if node.references:
        return []
    parameters = node.action.parameters
    return entry.validate(unescaped(parameters, node.escapes) if node.escapes else parameters)


def check_references(
    references: Iterable[Reference], parameters: dict[str, Any], tool: ToolEntry | None, plan: Graph, known: Tools
) -> Iterator[tuple[str, str]]:
    """Yield (severity, text) for references in ``parameters`` that cannot have a value, or one that ``tool`` takes.

    An error is what the schemas rule out: a part that the source does not return, or a kind of JSON that does not fit
    the parameter. A part that the source leaves open beside those that it declares is a warning.
    """
    for reference in references:
        source = plan.nodes[reference.source]
        undeclared: list[Undeclared] = []
        given = parts_at(_output_of(source, known), reference.path, undeclared)
        text = f"reference '{value_at(parameters, reference.where)}'"
        if not given:
            yield "error", f"{text}: {source.tool or source.type.value} does not return '{'.'.join(reference.path)}'"
            continue
        if undeclared and given == [ANYTHING]:
            yield "warning", f"{text}: {_no_such_part(source, undeclared[0])}"
        if tool is None:
            continue
        place = ".".join(map(str, reference.where))
        taken = parts_at(Part(tool.schema.parameters, tool.schema.parameters), reference.where)
        if not taken:
            yield "error", f"{text}: tool '{tool.name}' does not take '{place}'"
            continue
        is_, takes = union(map(kinds_of, given)), union(map(kinds_of, taken))
        if not may_fit(is_, takes):
            yield "error", f"{text} is {_any_of(is_)}, '{place}' of tool '{tool.name}' takes {_any_of(takes)}"


_WRITTEN: dict[str, Any] = {"type": "string"}
_ASSERTED: dict[str, Any] = {"type": "object", "properties": {"asserted": _WRITTEN, "value": True}}


def _output_of(source: Node, known: Tools) -> Part:
    """Return what is known of the output of ``source``."""
    schema: Any = None
    if source.type is _TOOL_CALL:
        entry = known.get(source.tool or "") if known is not None else None
        schema = entry.schema.returns if entry is not None else None
    elif source.type is _STATE_WRITE:
        schema = _WRITTEN
    elif source.type is ActionType.ASSERTION:
        schema = {**_ASSERTED, "additionalProperties": False}
    return ANYTHING if schema is None else Part(schema, schema)


def _no_such_part(source: Node, part: Undeclared) -> str:
    near = nearest(part.name, part.declared)
    text = f"tool '{source.tool}' does not say that it returns '{part.name}'"
    return f"{text}: did you mean '{near}'?" if near else text


def _any_of(kinds: Iterable[str] | None) -> str:
    return " or ".join(sorted(kinds or ()))


def check_compensation(
    compensation: Compensation, plan: Graph, index: dict[str, int], registry: ToolRegistry | None
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
    if references:  # their values are known when it is due
        found = check_references(references, compensation.parameters, entry, plan, registry)
        problems = [text for severity, text in found if severity == "error"]
    else:
        problems = entry.validate(unescaped(compensation.parameters, escapes))
    return [f"compensation: {text}" for text in problems]


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
