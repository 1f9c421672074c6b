"""Regular expressions of RE2: a search takes time linear in the text, whatever pattern and text are."""

from __future__ import annotations

from typing import Any

from headway.arguments import plain
from headway.errors import InvalidInput, one_line
from headway.policy.values import MAX_PATTERN

_MEMORY = 2**20  # of a compiled pattern
_MAX_STEPS = 10_000  # of a compiled pattern: what one byte of the text can cost at worst


def compile_expression(pattern: str) -> Any:
    """Return the compiled pattern, which searches bytes of UTF-8; raise ``InvalidInput`` for a bad or huge one."""
    import re2  # type: ignore[import-untyped]

    raw = plain(pattern, "a regular expression", MAX_PATTERN).encode()
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        compiled = re2.compile(raw, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "it cannot be compiled"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise InvalidInput(f"not a regular expression of RE2: {one_line(text, 200)}") from None
    if compiled.programsize > _MAX_STEPS:
        raise InvalidInput("the regular expression is too large: repeat less")
    return compiled
