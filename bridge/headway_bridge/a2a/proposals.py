"""Plans out of messages: a data part with a whole proposal, or data parts with one tool call each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.errors import InvalidPlan
from headway.plan.format import ActionProposal
from headway.plan.parse import Compat, parse_proposal
from headway_bridge.a2a.fields import bad_field
from headway_bridge.a2a.model import DataPart, Message

SOURCE = "a2a"

_CALL_FIELDS = frozenset({"tool", "parameters", "id"})


def read_proposal(
    message: Message, compat: Compat | None = None, max_actions: int | None = None
) -> ActionProposal | None:
    """Return the plan in the message's data parts; None if it has none, so that its text decides.

    A data part is ``{"actions": […], …}``, a whole proposal and then the only data part, or ``{"tool", "parameters",
    "id"?}``; several of these are one plan of independent actions, in the parts' order. Text beside them is a remark.
    Raises the SDK's InvalidParamsError for any other data part, for what is not a proposal, and for one of more than
    ``max_actions`` actions.
    """
    found = [(i, part.data) for i, part in enumerate(message.parts) if isinstance(part, DataPart)]
    if not found:
        return None
    whole = [(i, data) for i, data in found if isinstance(data, Mapping) and "actions" in data]
    if whole and len(found) > 1:
        raise bad_field(_path(whole[0][0]), "a proposal must be the message's only data part")
    if whole:
        index, data = whole[0]
        return _parse(index, {"source": SOURCE, **data}, compat, max_actions)
    actions = [_action(i, data) for i, data in found]
    return _parse(found[0][0], {"source": SOURCE, "actions": actions}, max_actions=max_actions)


def _action(index: int, data: Any) -> dict[str, Any]:
    if not isinstance(data, Mapping) or not isinstance(data.get("tool"), str):
        raise bad_field(_path(index), 'must be a proposal {"actions": […]} or a tool call {"tool", "parameters"}')
    unknown = sorted(set(map(str, data)) - _CALL_FIELDS)
    if unknown:
        raise bad_field(_path(index), f"a tool call has no field '{unknown[0]}'; send a proposal to say more")
    parameters = data.get("parameters", {})
    return {"type": "tool_call", **data, "parameters": {} if parameters is None else parameters}


def _parse(
    index: int, data: dict[str, Any], compat: Compat | None = None, max_actions: int | None = None
) -> ActionProposal:
    try:
        return parse_proposal(data, compat=compat, max_actions=max_actions)
    except InvalidPlan as error:
        raise bad_field(_path(index), error.message) from None


def _path(index: int) -> str:
    return f"message.parts[{index}].data"
