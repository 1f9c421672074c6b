"""Places in a JSON document: the line and column of what an error names, for people who look at the file.

Only errors pay for it: the document is scanned for the one value, by the standard library's own scanners.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

_BYTE = re.compile(r"\(byte (\d+)\)")
_PATH = re.compile(r"((?:[A-Za-z_]\w*|\[\d+\])(?:\.\w+|\[\d+\])*): ")
_STEP = re.compile(r"(\w+)")
_FIELD = re.compile(r'unknown field "([^"]*)"')
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class Place(NamedTuple):
    """A line and a column of a text, both from 1 on."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


def place_of(raw: bytes, message: str) -> Place | None:
    """Return the place in the JSON document ``raw`` that an error's ``message`` speaks of; None if it names none.

    A message names a byte, as the parser's do, ends too early (``truncated``), or begins with a path such as
    ``actions[2].type: ``; a path that is not there gives the innermost of its values that is.
    """
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return _at(raw, error.start)
    found = _BYTE.search(message)
    if found is not None:
        return _at(raw, int(found[1]))
    if "truncated" in message:
        return _at(raw, len(raw.rstrip()))
    path = _PATH.match(message)
    if path is None:
        return None
    steps = _STEP.findall(path[1])
    field = _FIELD.search(message, path.end())
    return place_at(raw, [*steps, field[1]] if field is not None else steps)


def place_of_action(raw: bytes, action_id: str) -> Place | None:
    """Return the place of the first action with that id; None if there is none, or the document is no plan."""
    try:
        actions = json.loads(raw)["actions"]
        index = next(i for i, action in enumerate(actions) if action["id"] == action_id)
    except (ValueError, LookupError, TypeError, StopIteration, RecursionError):
        return None
    return place_at(raw, ["actions", str(index)])


def place_at(raw: bytes, steps: list[str]) -> Place | None:
    """Return the place of the value that ``steps`` (keys and indices) lead to, or of the innermost one on the way."""
    try:
        text = raw.decode()
        offset = start = _skip(text, 0)
        for step in steps:
            found = _member(text, start, step)
            if found is None:
                break
            offset, start = found
    except (ValueError, IndexError, RecursionError):
        return None
    return _at(raw, len(text[:offset].encode()))


def _member(text: str, start: int, step: str) -> tuple[int, int] | None:
    """Return where a member of the object or array at ``start`` begins (in an object, its key), and where its value."""
    if text[start] == "{":
        return _field(text, start, step)
    if text[start] == "[" and step.isdigit():
        return _item(text, start, int(step))
    return None


def _field(text: str, start: int, name: str) -> tuple[int, int] | None:
    position = _skip(text, start + 1)
    while text[position] == '"':
        key, end = _DECODER.raw_decode(text, position)
        value = _skip(text, _skip(text, end) + 1)  # past the colon
        if key == name:
            return position, value
        position = _next(text, value)
    return None


def _item(text: str, start: int, index: int) -> tuple[int, int] | None:
    position = _skip(text, start + 1)
    while index and text[position] != "]":
        position = _next(text, position)
        index -= 1
    return None if text[position] == "]" else (position, position)


def _next(text: str, value: int) -> int:
    """Return the start of what follows the value at ``value``: the next member, or the closing bracket."""
    _, end = _DECODER.raw_decode(text, value)
    end = _skip(text, end)
    return _skip(text, end + 1) if text[end] == "," else end


def _skip(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    assert found is not None
    return found.end()


def _at(raw: bytes, offset: int) -> Place:
    before = raw[:offset]
    line = before.count(b"\n")
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
    return Place(line + 1, column + 1)
