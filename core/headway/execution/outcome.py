"""The outcome of a call that returned: what a tool gave back, as JSON that is nobody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import HeadwayError, describe
from headway.jsonvalue import to_json
from headway.numbers import whole_number
from headway.plan.results import tokens_of
from headway.state import state_key
from headway.tools.context import ToolResult

if TYPE_CHECKING:
    from headway.secrets.redactor import Redactor

_NOTHING: dict[str, Any] = {}


class Unrecordable(HeadwayError):
    """The tool returned what cannot be recorded. ``used`` is what the call used, None if that cannot be told either."""

    used: dict[str, int] | None = None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one call.

    ``effects`` are those the tool confirmed, None if the declared ones stand; ``changes`` what they do to the state.
    ``used`` is what counts against a budget. A ``plain`` one is an output and nothing else.
    """

    output: Any
    effects: Mapping[str, Any] | None = None
    changes: dict[str, Any] = {}
    artifacts: list[Any] = []
    usage: dict[str, Any] = {}
    cost: int | None = None
    used: dict[str, int] = {}
    plain: bool = False


def redacted(outcome: Outcome, redactor: Redactor) -> Outcome:
    """Return the outcome without the secrets that the redactor knows."""
    effects = outcome.effects
    return msgspec.structs.replace(
        outcome,
        output=redactor.clean(outcome.output, numbers=True),
        effects=None if effects is None else redactor.clean(to_json(dict(effects)), numbers=True),
        changes=redactor.clean(outcome.changes, numbers=True),
        artifacts=redactor.clean(outcome.artifacts, numbers=True),
        usage=redactor.clean(outcome.usage),
    )


def read_outcome(tool: str, value: Any, declared: Mapping[str, Any] = _NOTHING) -> Outcome:
    """Return the outcome of a call that returned ``value``; raise :class:`Unrecordable` for what is not JSON.

    ``declared`` are the effects that stand if the tool confirms none.
    """
    used: dict[str, int] | None = _NOTHING
    try:
        if not isinstance(value, ToolResult):
            output = to_json(value)
            return Outcome(output, None, _changes(declared)) if declared else Outcome(output, plain=True)
        used = None  # not known until it is read
        effects = value.effects
        artifacts = to_json(list(value.artifacts))
        usage, cost = to_json(dict(value.usage)), value.cost
        used = amounts_of(usage, cost)
        output = to_json(value.output)
        return Outcome(
            output, effects, _changes(declared if effects is None else effects), artifacts, usage, cost, used
        )
    except Exception as error:  # noqa: BLE001 - a tool may return anything, and what it returns may raise anything
        refused = Unrecordable(f"tool '{tool}' returned what cannot be recorded: {describe(error)}")
        refused.used = used
        raise refused from None


def _changes(effects: Mapping[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = to_json({state_key(key): {"op": "set", "value": new} for key, new in effects.items()})
    return changes


def amounts_of(usage: dict[str, Any], cost: int | None) -> dict[str, int]:
    """Return the amounts that count against a budget; raise ``InvalidInput`` for what cannot be counted."""
    amounts = {}
    for name, amount in usage.items():
        if name.endswith("tokens"):
            whole_number(amount, f"usage {name}", 0)
            amounts["tokens"] = 0
    if amounts:
        amounts["tokens"] = tokens_of(usage)
    if cost is not None:
        amounts["usd_micros"] = whole_number(cost, "cost", 0)
    return amounts
