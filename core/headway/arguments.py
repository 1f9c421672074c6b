"""Arguments that callers hand in: checked where they come in, and refused in one line."""

from __future__ import annotations

import os
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

from headway.errors import InvalidInput, describe, one_line

T = TypeVar("T")

MAX_SHOWN = 10**20
MAX_NAME = 256
"""The longest name taken, in characters, where nothing else is said."""


@overload
def expect(value: object, kind: type[T], what: str) -> T: ...


@overload
def expect(value: object, kind: ABCMeta, what: str) -> Any: ...


def expect(value: object, kind: type, what: str) -> Any:
    """Return ``value`` if it is a ``kind``; else raise ``InvalidInput`` that names both types."""
    if not isinstance(value, kind):
        raise InvalidInput(f"{what} must be of type {kind.__name__}, not {type(value).__name__}")
    return value


def shown_value(value: object) -> str:
    """Return what an error shows of a value that is refused: a short text or number itself, else its type.

    Never its ``repr``, which may be huge, endless or an error of its own.
    """
    if isinstance(value, str):
        return f"'{one_line(value, 60)}'"
    if isinstance(value, float) or (isinstance(value, int) and -MAX_SHOWN < value < MAX_SHOWN):
        return str(value)
    return "None" if value is None else f"a value of type {type(value).__name__}"


def expect_many(value: object, what: str, kind: Any = Iterable) -> Any:
    """Return ``value`` if it is a ``kind`` of collection; a text is none."""
    if isinstance(value, str | bytes) or not isinstance(value, kind):
        raise InvalidInput(f"{what} must be a collection, not {type(value).__name__}")
    return value


def expect_one_of(value: object, names: Collection[str], what: str) -> str:
    """Return ``value`` if it is one of ``names``."""
    if not isinstance(value, str) or value not in names:
        raise InvalidInput(f"{what} is one of {', '.join(names)}, not {shown_value(value)}")
    return value


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of the ``known`` names that ``name`` was most likely meant to be, None if none is like it."""
    from difflib import get_close_matches  # needed once something is wrong

    near = get_close_matches(name, known, 1, cutoff)
    return near[0] if near else None


def expect_call(value: object, what: str) -> Callable[..., Any]:
    """Return ``value`` if it can be called."""
    if not callable(value):
        raise InvalidInput(f"{what} must be a function, not {type(value).__name__}")
    return value


def plain(value: object, what: str, longest: int = MAX_NAME) -> str:
    """Return ``value`` if it is a text of 1 to ``longest`` characters, no lone surrogates; else ``InvalidInput``."""
    if isinstance(value, str) and not 0 < len(value) <= longest:
        raise InvalidInput(f"{what} must have 1 to {longest} characters")
    return plain_or_empty(value, what, longest)


def plain_or_empty(value: object, what: str, longest: int = MAX_NAME) -> str:
    """Return ``value`` if it is a text of at most ``longest`` characters, no lone surrogates; else ``InvalidInput``."""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be a text, not {type(value).__name__}")
    if len(value) > longest:
        raise InvalidInput(f"{what} must have at most {longest} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} is not valid text") from None
    return value


def struct_of(value: object, kind: Any, what: str) -> Any:
    """Return ``value``, a struct of ``kind`` or its JSON, as one whose fields are all of their types.

    A struct that was made in Python has not been checked by itself. Raises ``InvalidInput`` that starts with ``what``.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(value) if isinstance(value, kind) else value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{what}: {one_line(str(error), 300)}") from None
    except Exception as error:  # noqa: BLE001 - too deep, no text, no JSON; and the code of foreign objects
        raise InvalidInput(f"{what}: {one_line(describe(error), 300)}") from None


def path_of(value: object, what: str = "a path") -> Path:
    """Return ``value`` as a path; ``InvalidInput`` for what cannot be one."""
    if not isinstance(value, str | os.PathLike):
        raise InvalidInput(f"{what} is a string or a Path, not {type(value).__name__}")
    text = os.fspath(value)
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInput(f"{what} is text without NUL, and not empty")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} is text that the file system can hold") from None
    return Path(text)
