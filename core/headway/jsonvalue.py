"""JSON values: the one door through which foreign Python objects become data.

Tool outputs, effects and state values pass here once. What comes out is plain, owned by nobody else, and encodes.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from headway.errors import InvalidInput, one_line

MAX_VALUE_BYTES = 16 * 1024 * 1024
"""The largest single value taken, in bytes of JSON."""

_PLAIN = (str, int, float, bool, type(None))
_LONG = 1 << 16


def to_json(value: Any) -> Any:
    """Return ``value`` as plain JSON data, copied; :class:`InvalidInput` with one line if it cannot be.

    Dataclasses, datetimes, tuples and the like become what msgspec makes of them. NaN and infinities, lone
    surrogates and values over 16 MiB are refused.
    """
    kind = type(value)
    if kind is str and len(value) < _LONG and value.isascii():
        return value
    if value is None or kind is bool or (kind is int and -(1 << 63) <= value < 1 << 63):
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise InvalidInput(f"{value} is not a JSON number")
    try:
        encoded = encode_exact(value)
    except InvalidInput:
        raise
    except RecursionError:
        raise InvalidInput("the value is nested too deep") from None
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise InvalidInput(f"the value is not JSON: {one_line(str(error), 200)}") from None
    if len(encoded) > MAX_VALUE_BYTES:
        raise InvalidInput(f"the value is {len(encoded):,} bytes of JSON; the limit is {MAX_VALUE_BYTES:,}")
    try:
        return msgspec.json.decode(encoded)
    except (RecursionError, msgspec.DecodeError):
        raise InvalidInput("the value is nested too deep") from None


def encode_exact(value: Any) -> bytes:
    """Return ``value`` as JSON; :class:`InvalidInput` for a NaN or an infinity, which msgspec would write as null."""
    encoded = msgspec.json.encode(value)
    if b"null" in encoded and _has_odd_float(value):
        raise InvalidInput("NaN and infinities are not JSON numbers")
    return encoded


def copy_json(value: Any) -> Any:
    """Return a copy of JSON data, an order of magnitude faster than ``copy.deepcopy``."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except RecursionError:
        raise InvalidInput("the value is nested too deep") from None


def _has_odd_float(value: Any) -> bool:
    """Return whether a NaN or an infinity (which the encoder writes as null) is somewhere in ``value``."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return True
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            stack.extend(item)
    return False
