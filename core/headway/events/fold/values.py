"""Reading values of unknown shape: each function returns what it was asked for, or the default, and never raises."""

from __future__ import annotations

import math
from typing import Any

from headway.plan.results import ActionStatus, CostSummary, ErrorCode

_LARGEST = 2**53
_CODES = {str(code): code for code in ErrorCode}
_STATUSES = {str(status): status for status in ActionStatus}


def text(value: Any, default: str = "") -> str:
    """Return a string."""
    return value if type(value) is str else default


def text_or_none(value: Any) -> str | None:
    """Return a string or None."""
    return value if type(value) is str else None


def integer(value: Any, default: int = 0) -> int:
    """Return an integer, a float rounded down, within ±2^53."""
    number = int(value) if type(value) is float and math.isfinite(value) else value
    return number if type(number) is int and -_LARGEST <= number <= _LARGEST else default


def integer_or_none(value: Any) -> int | None:
    """Return an integer as :func:`integer` does, or None."""
    number = integer(value, _LARGEST + 1)
    return number if number <= _LARGEST else None


def real_or_none(value: Any) -> float | None:
    """Return a finite number as a float, or None."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return float(value) if type(value) is int and -_LARGEST <= value <= _LARGEST else None


def real(value: Any, default: float = 0.0) -> float:
    """Return a finite number as a float."""
    number = real_or_none(value)
    return default if number is None else number


def mapping(value: Any) -> dict[str, Any]:
    """Return the dict itself, or an empty one."""
    return value if type(value) is dict else {}


def sequence(value: Any) -> list[Any]:
    """Return the list itself, or an empty one."""
    return value if type(value) is list else []


def texts(value: Any) -> list[str]:
    """Return the strings of a list."""
    return [item for item in sequence(value) if type(item) is str]


def amounts(value: Any) -> dict[str, int]:
    """Return the entries of a dict whose values are integers."""
    found = {key: integer_or_none(item) for key, item in mapping(value).items()}
    return {key: item for key, item in found.items() if item is not None}


def error_code(value: Any) -> ErrorCode | None:
    """Return an error code; None for one that this version does not know."""
    return _CODES.get(value) if isinstance(value, str) else None


def action_status(value: Any) -> ActionStatus | None:
    """Return an action status; None for one that this version does not know."""
    return _STATUSES.get(value) if isinstance(value, str) else None


def cost_summary(value: Any) -> CostSummary:
    """Return a cost summary; what is missing is 0."""
    data = mapping(value)
    return CostSummary(
        tool_calls=integer(data.get("tool_calls")),
        actions_executed=integer(data.get("actions_executed")),
        actions_rejected=integer(data.get("actions_rejected")),
        actions_skipped=integer(data.get("actions_skipped")),
        total_duration_ms=real(data.get("total_duration_ms")),
        retries=integer(data.get("retries")),
        tokens=integer(data.get("tokens")),
        usd_micros=integer(data.get("usd_micros")),
    )


def apply_changes(state: dict[str, Any], changes: Any) -> None:
    """Apply ``{key: {"op": "set", "value"} | {"op": "delete"}}`` to a state; other operations are skipped."""
    for key, change in mapping(changes).items():
        if type(change) is dict:
            op = change.get("op")
            if op == "set":
                state[key] = change.get("value")
            elif op == "delete":
                state.pop(key, None)
