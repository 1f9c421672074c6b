"""References: the ``$id.output`` texts of parameters that stand for the output of an action.

An id may hold ``.output`` itself. Of the actions that a reference could mean, it means the one with the longest id.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, NamedTuple

from headway.jsonvalue import copy_json

_REFERENCE = re.compile(r"\$.+?\.output(?:\..+)?", re.DOTALL)
_OUTPUT = ".output"

MAX_ID = 256
"""The longest id of an action, in characters."""

MAX_STEPS = 1000
"""The most parts of a path that are told apart: the last part is the rest of the text."""

_NESTED = (dict, list)
_NUMBERS = frozenset({int, float, bool, type(None)})


NO_REFERENCES: tuple[tuple[Reference, ...], tuple[tuple[str | int, ...], ...]] = ((), ())


class Reference(NamedTuple):
    """A parameter whose value comes from another action: ``where`` it stands, ``source`` index, ``path`` into it."""

    where: tuple[str | int, ...]
    source: int
    path: tuple[str, ...]


def find_references(
    parameters: dict[str, Any], index: dict[str, int]
) -> tuple[tuple[Reference, ...], tuple[tuple[str | int, ...], ...]]:
    """Return the references in ``parameters`` and the places of escaped ones; ``KeyError`` names an unknown action."""
    for child in parameters.values():  # most have none: seen without looking at where things stand
        kind = type(child)
        if not (kind in _NUMBERS or (kind is str and child[:1] != "$")):
            break
    else:
        return NO_REFERENCES
    references: list[Reference] = []
    escapes: list[tuple[str | int, ...]] = []
    stack: list[tuple[tuple[str | int, ...], Any]] = [((), parameters)]
    while stack:
        where, value = stack.pop()
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(child, _NESTED):
                stack.append(((*where, key), child))
            elif not isinstance(child, str) or child[:1] != "$":
                continue
            elif child[1:2] == "$":
                if _REFERENCE.fullmatch(child, 1):
                    escapes.append((*where, key))
            elif readings := readings_of(child):
                name, after = next((reading for reading in readings if reading[0] in index), readings[-1])
                references.append(Reference((*where, key), index[name], _path(child, after)))
    return tuple(references), tuple(escapes)


def readings_of(text: str) -> list[tuple[str, int]]:
    """Return the ids that ``text`` may name as a reference, the longest first, each with the place behind its
    ``.output``; [] if it is none.

    Ids longer than :data:`MAX_ID` are left out, but for the one of a text that has no other.
    """
    readings: list[tuple[str, int]] = []
    if not text.startswith("$"):
        return readings
    at = text.find(_OUTPUT, 2)
    while at > 0 and (at <= MAX_ID + 1 or not readings):
        after = at + len(_OUTPUT)
        if after == len(text) or (text[after] == "." and after + 1 < len(text)):
            readings.append((text[1:at], after))
        at = text.find(_OUTPUT, at + 1)
    return readings[::-1]


def _path(text: str, after: int) -> tuple[str, ...]:
    return tuple(text[after + 1 :].split(".", MAX_STEPS)) if after < len(text) else ()


def value_at(parameters: Any, where: tuple[str | int, ...]) -> Any:
    """Return what stands at a place in parameters."""
    for step in where:
        parameters = parameters[step]
    return parameters


def unescaped(parameters: dict[str, Any], escapes: Collection[tuple[str | int, ...]]) -> dict[str, Any]:
    """Return the parameters as they are when the action runs, the ``$$`` at ``escapes`` undone: copied if there are."""
    if not escapes:
        return parameters
    made: dict[str, Any] = copy_json(parameters)
    for *before, last in escapes:
        place: Any = made
        for step in before:
            place = place[step]
        place[last] = place[last][1:]
    return made


def escaped(text: str) -> str:
    """Return a parameter that means ``text`` itself, even where it looks like a reference."""
    return f"${text}" if text[:1] == "$" and _REFERENCE.fullmatch(text) else text


def is_reference(value: object) -> bool:
    """Return whether a parameter's value is a reference as a whole."""
    return isinstance(value, str) and value.startswith("$") and value[1:2] != "$" and bool(_REFERENCE.fullmatch(value))


def state_key(parameters: dict[str, Any]) -> str | None:
    """Return the key of a state action as it will be when it runs, its ``$$`` undone.

    None if it is no text, or a reference, which admission refuses: nothing could be ordered or judged by it.
    """
    key = parameters.get("key")
    if not isinstance(key, str):
        return None
    if key[:1] != "$":
        return key
    if key.startswith("$$"):
        return key[1:] if _REFERENCE.fullmatch(key, 1) else key
    return None if is_reference(key) else key
