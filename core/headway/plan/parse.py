"""The door for plans: bytes, text or a mapping in, an :class:`ActionProposal` or one clear line out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args

import msgspec

from headway.arguments import expect, shown_value
from headway.errors import InvalidInput, InvalidPlan, one_line
from headway.jsonvalue import encode_plain, json_problem, too_deep
from headway.model import Model, explain, unknown_field
from headway.numbers import whole_number
from headway.plan.format import PARTS, Action, ActionProposal
from headway.secrets.reference import without_secrets

MAX_BYTES = 8 * 1024 * 1024
"""The largest plan taken, in bytes of JSON."""

MAX_ACTIONS = 10_000
"""The most actions of a plan that a home takes unless ``[admission]`` says otherwise; embedded there is no limit."""

LARGE_BYTES = 64 * 1024
"""Plans of more bytes than this are parsed action by action, so that a thread that does it lets others in."""

MAX_DEPTH = 64
"""The deepest nesting of arrays and objects taken."""

_NESTED = frozenset({dict, list})
_NO_STATE: Mapping[str, Any] = MappingProxyType({})


class Draft(Protocol):
    """A plan that is still being made: :class:`headway.Plan`."""

    def proposal(self) -> ActionProposal:
        """Return the plan as it is now."""


PlanLike = ActionProposal | Draft | Mapping[str, Any] | str | bytes
"""A plan in any form that :func:`as_proposal` takes."""

Compat = Literal["car"]
"""The systems whose plans are read by their own rules: CAR ignores fields that it does not know."""


def parse_proposal(
    raw: bytes | str | Mapping[str, Any], *, compat: Compat | None = None, max_actions: int | None = None
) -> ActionProposal:
    """Return the proposal that ``raw`` holds: JSON as bytes or text, or the mapping it decodes to.

    Raises :class:`InvalidPlan` with one line that names the place (``actions[2].type``) when it is not JSON, over
    8 MiB, nested deeper than 64, or does not have the fields of a proposal: one is missing, of another type, or unknown
    to the format (``unknown field "params": did you mean "parameters"?``). With ``compat="car"`` those are left out
    instead, as CAR does, and the proposal's ``ignored`` names them. Integers keep their exact value. A plan of more
    than ``max_actions`` actions is refused before they are looked at.
    """
    expect_compat(compat)
    if max_actions is not None:
        whole_number(max_actions, "max_actions", 0)
    if max_actions is not None and isinstance(raw, Mapping) and isinstance(listed := raw.get("actions"), list):
        refuse_long(len(listed), max_actions)
    data = _encode(raw)
    try:
        proposal = _decode(data) if len(data) <= LARGE_BYTES else _decode_large(data, max_actions)
    except (RecursionError, msgspec.DecodeError, UnicodeDecodeError):
        value = decode_json(data)
        if not isinstance(value, dict):
            raise InvalidPlan("the plan is not a JSON object with an 'actions' list") from None
        unknown = list(_take_unknown(value, ActionProposal))
        if unknown and compat is None:
            more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
            raise InvalidPlan(f"{unknown[0][1]}{more}") from None
        proposal = _convert(value)
        ids = [action.id for action in proposal.actions]
        proposal.__dict__["_ignored"] = tuple((None if i is None else ids[i], line) for i, line in unknown)
    if max_actions is not None:
        refuse_long(len(proposal.actions), max_actions)
    _refuse_depth(proposal)
    return proposal


def refuse_long(actions: int, most: int) -> None:
    """Raise :class:`InvalidPlan` for a plan of more than ``most`` actions."""
    if actions > most:
        raise InvalidPlan(f"the plan has {actions:,} actions; the limit is {most:,} (max_actions under [admission])")


def expect_compat(value: object) -> None:
    """Raise :class:`InvalidInput` unless ``value`` is None or the name of a system in :data:`Compat`."""
    if value is not None and not (isinstance(value, str) and value in get_args(Compat)):
        raise InvalidInput(f"compat is 'car' or None, not {shown_value(value)}")


def recorded_proposal(raw: bytes | str | Mapping[str, Any]) -> ActionProposal:
    """Return a proposal out of a log, a checkpoint or a recording, fields that this version does not know left out."""
    return parse_proposal(raw, compat="car")


_decode = msgspec.json.Decoder(ActionProposal).decode
_decode_action = msgspec.json.Decoder(Action).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_listed = msgspec.json.Decoder(list[msgspec.Raw]).decode


def _decode_large(data: bytes, max_actions: int | None) -> ActionProposal:
    """Return what :func:`_decode` does, by many short calls in place of one long one; raise as it does."""
    fields = _decode_fields(data)
    if "actions" not in fields:
        return _decode(data)
    listed = _decode_listed(fields["actions"])
    if max_actions is not None:
        refuse_long(len(listed), max_actions)
    proposal = _decode(msgspec.json.encode({**fields, "actions": []}))
    proposal.actions.extend([_decode_action(action) for action in listed])
    return proposal


def _convert(value: Any) -> ActionProposal:
    try:
        return msgspec.convert(value, ActionProposal)
    except msgspec.ValidationError as error:
        raise InvalidPlan(explain(error, ActionProposal)) from None


def _take_unknown(
    value: dict[str, Any], kind: type[Model], place: str = "", action: int | None = None
) -> Iterator[tuple[int | None, str]]:
    """Take out of ``value`` the fields that the format does not know; yield each as its action's index and a line."""
    for name in [name for name in value if name not in kind.__struct_fields__]:
        del value[name]
        line = unknown_field(name, kind.__struct_fields__)
        yield action, f"{place}: {line}" if place else line
    for name, part in PARTS[kind].items():
        held = value.get(name)
        inside = f"{place}.{name}" if place else name
        if isinstance(held, list):
            for i, item in enumerate(held):
                if isinstance(item, dict):
                    at = i if kind is ActionProposal else action
                    yield from _take_unknown(item, part, f"{inside}[{i}]", at)
        elif isinstance(held, dict):
            yield from _take_unknown(held, part, inside, action)


def _refuse_depth(proposal: ActionProposal) -> None:
    """Raise :class:`InvalidPlan` for a plan nested deeper than :data:`MAX_DEPTH`."""
    shallow: list[Any] = [value for value in proposal.context.values() if type(value) in _NESTED]
    middle: list[Any] = []
    deep: list[Any] = []
    for action in proposal.actions:
        for held in (action.parameters, action.expected_effects, action.metadata):
            if held:
                middle += [value for value in held.values() if type(value) in _NESTED]
        if action.preconditions:
            deep += [precondition.value for precondition in action.preconditions]
        if action.assumptions:
            deep += [assumption.expected_value for assumption in action.assumptions]
        if action.compensation is not None:
            deep += action.compensation.parameters.values()
    # each list counts as the level that its values stand in
    for values, levels in ((shallow, MAX_DEPTH - 1), (middle, MAX_DEPTH - 3), (deep, MAX_DEPTH - 4)):
        if values and too_deep(values, levels):
            raise InvalidPlan(f"the plan is nested deeper than {MAX_DEPTH} levels")


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
    data = _bytes_of(raw)
    if len(data) > MAX_BYTES:
        raise InvalidPlan(f"the plan is {len(data):,} bytes; the limit is {MAX_BYTES:,}")
    return data


def _bytes_of(raw: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(raw, bytes | bytearray | memoryview):
        return bytes(raw)
    try:
        if isinstance(raw, str):
            return raw.encode()
        if isinstance(raw, Mapping):
            return encode_plain(dict(raw))
    except RecursionError:
        raise InvalidPlan(f"the plan is nested deeper than {MAX_DEPTH} levels") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidPlan(f"the plan is not JSON: {one_line(str(error), 200)}") from None
    raise InvalidPlan(f"a plan is JSON or a mapping, not {type(raw).__name__}")


def as_proposal(plan: object, *, compat: Compat | None = None, max_actions: int | None = None) -> ActionProposal:
    """Return the proposal that ``plan`` is, makes (:class:`headway.Plan`), or holds as JSON (:func:`parse_proposal`).

    The values of a proposal made in Python must be JSON, nested at most 64 deep. Raises :class:`InvalidPlan` where they
    are not, and for any other type.
    """
    if not isinstance(plan, ActionProposal | Mapping | str | bytes):
        from headway.plan.builder import Plan

        plan = plan.proposal() if isinstance(plan, Plan) else plan
    expect_compat(compat)
    if not isinstance(plan, ActionProposal):
        return _parsed(plan, compat, max_actions)
    if max_actions is not None:
        refuse_long(len(plan.actions), max_actions)
    problem = json_problem(_free_values(plan), MAX_DEPTH)
    if problem is not None and (holding := _holding(plan)) is not plan:
        plan = holding
        problem = json_problem(_free_values(plan), MAX_DEPTH)
    if problem is not None:
        raise InvalidPlan(f"the plan is not JSON: {problem}")
    return plan


def _parsed(plan: Any, compat: Compat | None, max_actions: int | None) -> ActionProposal:
    try:
        return parse_proposal(plan, compat=compat, max_actions=max_actions)  # what is no plan is refused there
    except InvalidPlan:
        holding: Any = _held_in(plan)
        if holding is plan:
            raise
        return parse_proposal(holding, compat=compat, max_actions=max_actions)


def _held_in(plan: object) -> object:
    """Return a mapping with each :class:`headway.Secret` in it replaced by its reference; itself if there is none."""
    try:
        return without_secrets(plan)
    except RecursionError:
        return plan


def _holding(proposal: ActionProposal) -> ActionProposal:
    """Return the proposal with each :class:`headway.Secret` in its parameters replaced by its reference."""
    try:
        actions = [_action_holding(action) for action in proposal.actions]
    except RecursionError:
        return proposal
    if all(new is old for new, old in zip(actions, proposal.actions, strict=True)):
        return proposal
    made = msgspec.structs.replace(proposal, actions=actions)
    made.__dict__.update(proposal.__dict__)
    return made


def _action_holding(action: Action) -> Action:
    undo, parameters = action.compensation, action.parameters
    if parameters and (held := without_secrets(parameters)) is not parameters:
        action = msgspec.structs.replace(action, parameters=held)
    if undo is not None and (held := without_secrets(undo.parameters)) is not undo.parameters:
        action = msgspec.structs.replace(action, compensation=msgspec.structs.replace(undo, parameters=held))
    return action


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
