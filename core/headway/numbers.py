"""Numbers that callers hand in: checked once, refused in one line."""

from __future__ import annotations

import math

from headway.errors import InvalidInput

MOST = 2**53
"""The largest whole number taken: JSON readers everywhere hold it exactly, and a few thousand add up to 64 bits."""

LONGEST_S = 1e9
"""The longest time taken, in seconds: 31 years, so that no sum or timer overflows."""


def whole_number(value: object, what: str, least: int) -> int:
    """Return ``value`` if it is an integer from ``least`` to 2**53; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidInput(f"{what} must be a whole number of at least {least}")
    if value > MOST:
        raise InvalidInput(f"{what} must be at most 2**53")
    return value


def number_between(value: object, what: str, least: float, most: float) -> float:
    """Return ``value`` as a float if it is a finite number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most or value == math.inf:
        limits = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise InvalidInput(f"{what} must be a number {limits}")
    try:
        return float(value)
    except OverflowError:
        raise InvalidInput(f"{what} is larger than any floating-point number") from None


def positive_seconds(value: object, what: str) -> float:
    """Return ``value`` as a float if it is a number greater than 0 and no more than 31 years."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidInput(f"{what} must be a number greater than 0")
    if value > LONGEST_S:
        raise InvalidInput(f"{what} must be at most {LONGEST_S:.0e}")
    return float(value)


def timeout_s(timeout_ms: int) -> float:
    """Return a time limit in seconds: at most :data:`LONGEST_S`, which no call outlives."""
    return min(timeout_ms / 1000, LONGEST_S)


def is_finite(value: object) -> bool:
    """Return whether ``value`` is a number that a float can hold, neither NaN nor infinite; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
