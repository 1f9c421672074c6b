"""State actions: writes, reads and assertions, which need no tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.errors import InvalidInput
from headway.execution.pending import PendingAction
from headway.execution.stages.stage import Refused
from headway.jsonvalue import copy_value, to_json
from headway.plan.checks import failed_assertion
from headway.plan.format import ActionType
from headway.plan.results import ErrorCode


def perform(action: PendingAction, state: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return (output, state changes) of a state action. A failed assertion raises :class:`Refused`."""
    node, parameters = action.node, action.parameters
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
