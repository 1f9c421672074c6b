"""Regular expressions of RE2: a search takes time linear in the text, whatever pattern and text are.

Linear is not enough: at worst a search takes a step for each instruction of the pattern at each byte of the text, some
15 ns each. So patterns are limited in size when they are read, and searches in their steps: see :data:`MAX_STEPS`.
"""

from __future__ import annotations

from typing import Any

from headway.arguments import plain
from headway.errors import InvalidInput, one_line
from headway.policy.values import MAX_PATTERN, Unreadable

MAX_PROGRAM = 1000
"""The largest pattern, in RE2's instructions: ``(a{30}){30}`` is about that."""

MAX_STEPS = 32_000_000
"""The most steps of one search, instructions times bytes: half a second if the worst comes to the worst."""

_MEMORY = 2**20  # of a compiled pattern


class Expression:
    """A compiled pattern. Raises ``InvalidInput`` for a bad or huge one."""

    __slots__ = ("_compiled", "size")

    def __init__(self, pattern: str) -> None:
        import re2  # type: ignore[import-untyped]

        raw = plain(pattern, "a regular expression", MAX_PATTERN).encode()
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        try:
            self._compiled: Any = re2.compile(raw, options)
        except re2.error as error:
            reason = error.args[0] if error.args else "it cannot be compiled"
            text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
            raise InvalidInput(f"not a regular expression of RE2: {one_line(text, 200)}") from None
        self.size: int = self._compiled.programsize
        if self.size > MAX_PROGRAM:
            raise InvalidInput("the regular expression is too large: repeat less")

    def found_in(self, text: str, steps: int = MAX_STEPS) -> tuple[bool, int]:
        """Return whether the pattern matches somewhere in ``text``, and how many of the ``steps`` are left.

        Raises :class:`Unreadable` for a text that would take more steps, and for one that is not valid.
        """
        steps -= self.size * len(text)  # before anything is copied; UTF-8 may have more bytes than this, not fewer
        if steps < 0:
            raise Unreadable("a text is too long for the regular expression that looks at it")
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            raise Unreadable("the parameters hold a text that is not valid") from None
        steps -= self.size * (len(raw) - len(text))
        if steps < 0:
            raise Unreadable("a text is too long for the regular expression that looks at it")
        return self._compiled.search(raw) is not None, steps
