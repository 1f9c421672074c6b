"""Digests of values and errors that must not be kept themselves."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

_CLASS = re.compile(r"[A-Z][A-Za-z0-9_]{0,80}(?:Error|Exception|Warning|Timeout|Exit|Interrupt|Expired|Refused)(?=:|$)")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,63}")


def digest(value: Any) -> str:
    """Return 16 hexadecimal digits that equal values share; the order of keys does not count.

    It is no protection for values that can be guessed, such as a four-digit number.
    """
    try:
        data = msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        data = type(value).__name__.encode("utf-8", "backslashreplace")  # nothing else of it is sure to be the same
    return hashlib.sha256(data).hexdigest()[:16]


def size_of(value: Any) -> int:
    """Return the length of a value's JSON in bytes; 0 for one that has none."""
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError, OverflowError, msgspec.MsgspecError):
        return 0


def error_class(error: str | None, code: str | None) -> str:
    """Return the class that an error's text starts with (``ConnectionError: …``), else its code, else ``error``.

    The rest of the text is not kept: it may quote a parameter.
    """
    found = _CLASS.match(error) if error else None
    return found.group() if found else code or "error"


def label(value: Any) -> str | None:
    """Return ``value`` if it is a short name (at most 64 letters, digits and ``_ . : / @ -``), else None."""
    return value if isinstance(value, str) and _LABEL.fullmatch(value) else None
