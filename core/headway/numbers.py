"""Numbers that callers hand in: checked once, refused in one line."""

from __future__ import annotations

import math

from headway.errors import InvalidInput


def whole_number(value: object, what: str, least: int) -> int:
    """Return ``value`` if it is an integer of at least ``least``; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidInput(f"{what} must be a whole number of at least {least}")
    return value


def number_between(value: object, what: str, least: float, most: float) -> float:
    """Return ``value`` as a float if it is a finite number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most or value == math.inf:
        limits = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise InvalidInput(f"{what} must be a number {limits}")
    return float(value)


def positive_seconds(value: object, what: str) -> float:
    """Return ``value`` as a float if it is a finite number greater than 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidInput(f"{what} must be a number greater than 0")
    return float(value)
