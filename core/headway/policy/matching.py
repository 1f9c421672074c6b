"""``matches`` in conditions, by RE2 instead of CEL's own engine, which repeats ``(a{100}){100}`` without an end.

Patterns stand in the condition's text, so they are compiled and measured when that is read. In the expression that CEL
gets, ``text.matches("…")`` is a call of a function of ours with the number of the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from headway.errors import InvalidInput, one_line
from headway.policy.regex import Expression
from headway.policy.values import Unreadable

MAX_TEXT = 64 * 1024
"""The longest text that a condition's ``matches`` looks at, in characters; a longer one denies the action."""

FUNCTION = "headway_matches"
"""The name of the function that stands for ``matches`` in the expression that is evaluated."""

_MAX_STEPS = 16_000_000  # of all searches of one evaluation


def take_patterns(
    source: str, tokens: Sequence[re.Match[str]], value_of: Callable[[str], object]
) -> tuple[str, list[Expression]]:
    """Return ``source`` with its calls of ``matches`` replaced, and their patterns.

    ``tokens`` are the pieces of the source without gaps; ``value_of`` evaluates a literal. Raises
    :class:`InvalidInput` for a pattern that is no literal, no regular expression, or too large.
    """
    made: list[str] = []
    patterns: list[Expression] = []
    done = 0
    for index, token in enumerate(tokens):
        if token.group() != "matches" or _text(tokens, index + 1) != "(":
            continue
        literal = tokens[index + 2] if index + 2 < len(tokens) else None
        if _text(tokens, index - 1) != "." or literal is None or _text(tokens, index + 3) != ")":
            raise InvalidInput('the condition must give matches one pattern: text.matches("…")')
        pattern = value_of(literal.group()) if literal.lastgroup == "text" else None
        if not isinstance(pattern, str):
            raise InvalidInput("the condition has a pattern of matches that does not stand there as a text")
        try:
            patterns.append(Expression(pattern))
        except InvalidInput as error:
            shown = one_line(literal.group(), 100)
            raise InvalidInput(f"the condition has a bad regular expression {shown}: {error.message}") from None
        made += (source[done : token.start()], f"{FUNCTION}({len(patterns) - 1}")
        done = literal.end()
    return "".join([*made, source[done:]]), patterns


def _text(tokens: Sequence[re.Match[str]], index: int) -> str:
    return tokens[index].group() if 0 <= index < len(tokens) else ""


class Matcher:
    """The function :data:`FUNCTION` of one evaluation. It never raises, as CEL would print that; see :meth:`settle`."""

    __slots__ = ("_patterns", "_problem", "_steps")

    def __init__(self, patterns: Sequence[Expression]) -> None:
        self._patterns = patterns
        self._steps = _MAX_STEPS
        self._problem: str | None = None

    def __call__(self, text: object, number: int) -> bool:
        """Return whether pattern ``number`` matches somewhere in ``text``; False once something went wrong."""
        if self._problem is not None:
            return False
        if not isinstance(text, str):
            self._problem = "its condition cannot be evaluated: a value is not of the type that it expects"
            return False
        if len(text) > MAX_TEXT:
            self._problem = f"its condition cannot be evaluated: matches takes at most {MAX_TEXT:,} characters"
            return False
        try:
            found, self._steps = self._patterns[number].found_in(text, self._steps)
        except Unreadable as error:
            self._problem = f"its condition cannot be evaluated: {error}"
            return False
        return found

    def settle(self) -> None:
        """Raise :class:`Unreadable` if any of the calls could not be answered."""
        if self._problem is not None:
            raise Unreadable(self._problem)
