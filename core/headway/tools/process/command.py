"""Commands: their words, and the environment of the child that runs them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from headway.errors import InvalidInput

ENVIRONMENT = ("PATH", "HOME", "LANG")
"""The variables of our environment that a child gets unless more are named."""


def environment(named: Sequence[str] = ()) -> dict[str, str]:
    """Return a child's environment: PATH, HOME and LANG, and what is ``named``.

    ``"NAME"`` takes our own variable if there is one, ``"NAME=value"`` sets it. Raises ``InvalidInput`` for anything
    else.
    """
    chosen = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    for item in texts_of(named, "an environment"):
        name, sets, value = item.partition("=")
        if not name:
            raise InvalidInput("an environment is a list of NAME and NAME=value")
        if sets:
            chosen[name] = value
        elif name in os.environ:
            chosen[name] = os.environ[name]
    return chosen


def words_of(command: Sequence[str], what: str) -> list[str]:
    """Return the words of ``command``, a program and its arguments; ``InvalidInput`` if that is not what it is."""
    words = texts_of(command, what)
    if not words or not words[0]:
        raise InvalidInput(f"{what} needs a program")
    return words


def texts_of(values: Sequence[str], what: str) -> list[str]:
    """Return ``values`` if it is a list of texts that the system takes; ``InvalidInput`` otherwise."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise InvalidInput(f"{what} is a list of texts, not {type(values).__name__}; it never goes through a shell")
    for value in values:
        if not isinstance(value, str):
            raise InvalidInput(f"{what} is a list of texts, not of {type(value).__name__}")
        if not passes(value):
            raise InvalidInput(f"{what} has a text with a NUL or with half a surrogate pair")
    return list(values)


def passes(text: str) -> bool:
    """Return whether the system takes ``text`` as an argument."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
