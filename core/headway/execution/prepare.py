"""What happens to an action before its attempts: the validator, and the values its parameters refer to.

Policies are asked after the validator has passed; approvals are to be asked after them, and refuse in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from headway.errors import InvalidInput
from headway.events import kinds
from headway.jsonvalue import MAX_VALUE_BYTES, copy_json, copy_value, encode_json, to_json
from headway.plan.checks import check_state, failed_assertion
from headway.plan.format import ActionType
from headway.plan.graph import Node
from headway.plan.references import Reference
from headway.plan.results import ActionResult, ErrorCode

if TYPE_CHECKING:
    from headway.execution.run import Run
    from headway.execution.slot import Slot


_NO_VALUE: Any = object()
"""What a reference gives that leads nowhere."""


class Refused(Exception):
    """The action may not run; ``failed`` if it was an assertion that ran and did not hold."""

    def __init__(self, text: str, code: ErrorCode, failed: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.failed = failed


def prepare(slot: Slot, run: Run, state: Mapping[str, Any]) -> None:
    """Fill in the slot's tool and parameters; raise :class:`Refused` if the action may not run in ``state``.

    All that the validator finds is told at once, in CAR's order: tool and parameters, preconditions, state
    dependencies. Policies are asked only of what it passes.
    """
    node = slot.node
    action = node.action
    problems: list[str] = []
    slot.parameters = action.parameters
    if node.type is ActionType.TOOL_CALL:
        slot.entry = run.env.registry.get(node.tool or "")
        if slot.entry is None:
            problems = [f"tool '{node.tool}' is not registered"]
    if node.references or node.escapes:
        problems += _take_values(slot, run)
    code = ErrorCode.VALIDATION if problems else ErrorCode.PRECONDITION
    if node.reads or action.preconditions:
        problems += check_state(node, state)
    if problems:
        raise Refused("; ".join(problems), code)
    if run.session is not None or not run.env.gates.policies.idle:
        denied = ask_policies(run, node, slot.parameters, state)
        if denied:
            raise Refused("; ".join(denied), ErrorCode.POLICY_DENIED)


def _take_values(slot: Slot, run: Run) -> list[str]:
    """Fill in what the slot's parameters refer to; return what is then wrong with them, or what has no value."""
    node = slot.node
    try:
        slot.parameters = fill_in(node.action.parameters, node.references, node.escapes, run)
    except Refused as refusal:
        return [refusal.text]
    return slot.entry.validate(slot.parameters, quote=not node.references) if slot.entry is not None else []


def ask_policies(
    run: Run, node: Node, parameters: Mapping[str, Any], state: Mapping[str, Any], tool: str | None = None
) -> list[str]:
    """Return why the policies deny the action, or the call of ``tool`` that undoes it, and record it."""
    gates, now = run.env.gates, run.env.clock.now()
    denied = gates.ask(node, parameters, state, session=run.session, principal=run.principal, now=now, tool=tool)
    if denied:
        run.emit(kinds.POLICY_VIOLATION, {"reasons": denied}, node=node)
    return denied


def state_operation(slot: Slot, state: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return (output, state changes) of a state action. A failed assertion raises :class:`Refused`."""
    node, parameters = slot.node, slot.parameters
    key = parameters["key"]
    if not isinstance(key, str) or not key:
        raise Refused(f"{node.type.value} requires 'key' to be a string that is not empty", ErrorCode.VALIDATION)
    if node.type is ActionType.STATE_WRITE:
        try:
            value = to_json(parameters["value"])
        except InvalidInput as error:
            raise Refused(error.message, ErrorCode.VALIDATION) from None
        return f"written: {key}", {key: {"op": "set", "value": value}}
    value = copy_value(state.get(key))
    if node.type is ActionType.STATE_READ:
        return value, {}
    text = failed_assertion(key, parameters["expected"], state)
    if text is not None:
        raise Refused(text, ErrorCode.PRECONDITION, failed=True)
    return {"asserted": key, "value": value}, {}


class Past(Protocol):
    """What references are filled in from: a run, on its way or ended."""

    @property
    def results(self) -> Sequence[ActionResult | None]:
        """The results there are, by the index of the action."""

    def id_of(self, index: int) -> str:
        """Return the id of the action at ``index``."""


def fill_in(
    given: dict[str, Any], references: Iterable[Reference], escapes: Iterable[tuple[str | int, ...]], past: Past
) -> dict[str, Any]:
    """Return parameters with what they refer to: shared with its owner, and copied only for the call itself.

    Raises :class:`Refused` that names every reference without a value, or for values that are too large together.
    """
    parameters: dict[str, Any] = copy_json(given)
    values = [(reference, _look_up(reference, past)) for reference in references]
    missing = dict.fromkeys(_name_of(reference, past) for reference, value in values if value is _NO_VALUE)
    if missing:
        raise Refused("; ".join(f"reference '{name}' has no value" for name in missing), ErrorCode.VALIDATION)
    if len(values) > 1:  # one alone is no larger than an output may be
        _refuse_too_large(values)
    for reference, value in values:
        _put(parameters, reference.where, value)
    for where in escapes:
        _put(parameters, where, _at(parameters, where)[1:])
    return parameters


def _refuse_too_large(values: Iterable[tuple[Reference, Any]]) -> None:
    """Refuse values that together are larger than one may be: a short plan can name a large output many times."""
    sizes: dict[tuple[int, tuple[str, ...]], int] = {}
    total = 0
    for reference, value in values:
        what = (reference.source, reference.path)
        if what not in sizes:
            sizes[what] = len(encode_json(value))
        total += sizes[what]
    if total > MAX_VALUE_BYTES:
        text = f"the parameters would be {total:,} bytes with what they refer to; the limit is {MAX_VALUE_BYTES:,}"
        raise Refused(text, ErrorCode.VALIDATION)


def _look_up(reference: Reference, past: Past) -> Any:
    """Return the value that ``reference`` names, ``_NO_VALUE`` if there is none."""
    result = past.results[reference.source]
    value = result.output if result is not None else None
    for step in reference.path:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and len(step) < 10 and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _NO_VALUE
    return value


def _name_of(reference: Reference, past: Past) -> str:
    """Return the reference as the plan writes it."""
    return f"${past.id_of(reference.source)}.output.{'.'.join(reference.path)}"


def _at(parameters: dict[str, Any], where: tuple[str | int, ...]) -> Any:
    value: Any = parameters
    for step in where:
        value = value[step]
    return value


def _put(parameters: dict[str, Any], where: tuple[str | int, ...], value: Any) -> None:
    _at(parameters, where[:-1])[where[-1]] = value
