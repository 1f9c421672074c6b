"""The door for plans: bytes, text or a mapping in, an :class:`ActionProposal` or one clear line out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from pydantic import ValidationError

from headway.arguments import expect
from headway.errors import InvalidPlan, one_line
from headway.jsonvalue import encode_exact, json_problem, too_deep
from headway.plan.format import ActionProposal

MAX_BYTES = 8 * 1024 * 1024
"""The largest plan taken, in bytes of JSON."""

MAX_DEPTH = 64
"""The deepest nesting of arrays and objects taken."""

_NO_STATE: Mapping[str, Any] = MappingProxyType({})


def parse_proposal(raw: bytes | str | Mapping[str, Any]) -> ActionProposal:
    """Return the proposal that ``raw`` holds: JSON as bytes or text, or the mapping it decodes to.

    Raises :class:`InvalidPlan` with one line that names the place (``actions[2].type``) when it is not JSON, over
    8 MiB, nested deeper than 64, or does not have the fields of a proposal. Integers keep their exact value.
    """
    data = _encode(raw)
    if len(data) > MAX_BYTES:
        raise InvalidPlan(f"the plan is {len(data):,} bytes; the limit is {MAX_BYTES:,}")
    value = decode_json(data)
    if not isinstance(value, dict):
        raise InvalidPlan("the plan is not a JSON object with an 'actions' list")
    try:
        return ActionProposal.model_validate(value)
    except ValidationError as error:
        raise InvalidPlan(_explain(error)) from None


def decode_json(data: bytes) -> Any:
    """Return the value of a JSON document that is at most :data:`MAX_DEPTH` deep; :class:`InvalidPlan` if it is not."""
    try:
        value = msgspec.json.decode(data)
    except RecursionError:
        raise InvalidPlan(f"the plan is nested deeper than {MAX_DEPTH} levels") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise InvalidPlan(f"the plan is not valid JSON: {one_line(str(error))}") from None
    if too_deep(value, MAX_DEPTH):
        raise InvalidPlan(f"the plan is nested deeper than {MAX_DEPTH} levels")
    return value


def _encode(raw: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    try:
        if isinstance(raw, str):
            return raw.encode()
        if isinstance(raw, Mapping):
            return encode_exact(dict(raw))
    except RecursionError:
        raise InvalidPlan(f"the plan is nested deeper than {MAX_DEPTH} levels") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidPlan(f"the plan is not JSON: {one_line(str(error), 200)}") from None
    raise InvalidPlan(f"a plan is JSON or a mapping, not {type(raw).__name__}")


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    where = first["loc"]
    of_key = where[-1:] == ("[key]",)  # then the key itself stands before it: it may be anything, and long
    place = ""
    for part in where[:-2] if of_key else where:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    place = f"a key of {place}" if of_key else place or "plan"
    return one_line(f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}{more}", 500)


def as_proposal(plan: object) -> ActionProposal:
    """Return the proposal that ``plan`` is, or holds as JSON (see :func:`parse_proposal`).

    The values of a proposal made in Python must be JSON, nested at most 64 deep. Raises :class:`InvalidPlan` where they
    are not, and for any other type.
    """
    if not isinstance(plan, ActionProposal):
        return parse_proposal(plan)  # type: ignore[arg-type] # refused there
    problem = json_problem(_free_values(plan), MAX_DEPTH)
    if problem is not None:
        raise InvalidPlan(f"the plan is not JSON: {problem}")
    return plan


def _free_values(proposal: ActionProposal) -> list[Any]:
    """Return the values of ``proposal`` that may hold anything."""
    values: list[Any] = [proposal.source, proposal.timestamp, proposal.context]
    for action in proposal.actions:
        values.append(action.tool)
        if action.parameters:
            values.append(action.parameters)
        if action.expected_effects or action.metadata:
            values += (action.expected_effects, action.metadata)
        for precondition in action.preconditions:
            values += (precondition.operator, precondition.value, precondition.description)
        for assumption in action.assumptions:
            values += (assumption.expected_value, assumption.read_version)
        if (undo := action.compensation) is not None:
            values += (undo.type, undo.tool, undo.action_id, undo.parameters)
    return values


def as_state(state: object) -> Mapping[str, Any]:
    """Return a state to look at, empty for None; :class:`InvalidInput` for what is no mapping of texts."""
    if state is None:
        return _NO_STATE
    found: Mapping[str, Any] = expect(state, Mapping, "a state")
    for key in found:
        expect(key, str, "a key of a state")
    return found
