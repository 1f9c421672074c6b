"""Estimates: what a tool says that one call of it will use, for budgets that must know before the call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from headway.arguments import shown_value
from headway.errors import InvalidInput, describe
from headway.jsonvalue import copy_members
from headway.numbers import whole_number

_log = logging.getLogger("headway.tools")

ESTIMATED = ("duration_ms", "tokens", "usd_micros")
"""The dimensions that an estimate may name."""

Estimate = Mapping[str, int] | Callable[[dict[str, Any]], Mapping[str, int]]
"""The most that a call uses, by dimension: ``{"tokens": 500, "usd_micros": 1000}``; or a function of its parameters."""

NOTHING: Mapping[str, int] = {}
FREE: Mapping[str, int] = {"tokens": 0, "usd_micros": 0}
"""The estimate of a tool that never costs anything."""


def refuse_broken_estimate(tool: str, estimate: object) -> None:
    """Raise ``InvalidInput`` with one line for what is no estimate."""
    if estimate is None or callable(estimate):
        return
    if not isinstance(estimate, Mapping):
        raise InvalidInput(f"tool '{tool}': estimate is an object of whole numbers or a function that returns one")
    _checked(tool, estimate)


def estimate_of(tool: str, estimate: Estimate | None, params: dict[str, Any]) -> Mapping[str, int]:
    """Return what is estimated of a call with ``params``. A function that fails says nothing; that is logged."""
    if not callable(estimate):
        return estimate if estimate is not None else NOTHING
    try:
        return _checked(tool, estimate(copy_members(params)))  # what it does to them changes no action
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the tool's code: it may raise anything
        _log.warning("the estimate of tool '%s' failed: %s", tool, describe(error))
        return NOTHING


def _checked(tool: str, estimate: Mapping[str, int]) -> Mapping[str, int]:
    for name, amount in estimate.items():
        if name not in ESTIMATED:
            names = ", ".join(ESTIMATED)
            raise InvalidInput(f"tool '{tool}': an estimate names {names}, not {shown_value(name)}")
        whole_number(amount, f"tool '{tool}': estimate {name}", 0)
    return estimate
