"""In which line of a TOML file each key stands.

``tomllib`` gives values without positions, and an error should name a line. This scanner reads just enough of TOML to
find the keys of a text that ``tomllib`` has accepted: table headers, dotted and quoted keys, values that span lines.
Keys inside an inline table count as standing in that table's line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

Lines = dict[tuple[str, ...], int]

_KEY = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_PATH = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_PATH})[ \t]*\]")
_PAIR = re.compile(rf"[ \t]*({_PATH})[ \t]*=")
# What a value is made of, as far as its end matters: strings and remarks may hold brackets and line ends.
_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")'
    r"|'''.*?'{3,5}(?!')"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[{]|[\]}]|\n|[^\"'\#\[\]{}\n]+|[\"']",
    re.DOTALL,
)


def key_lines(text: str) -> Lines:
    """Return the line (from 1) in which each key and table of ``text`` first stands; ``text`` is valid TOML.

    Tables of an array (``[[name]]``) are found by their index too: ``("name", "0", "key")``.
    """
    found: Lines = {}
    sizes: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    indexed: tuple[str, ...] = ()
    position, line = 0, 1
    while position < len(text):
        header = _HEADER.match(text, position)
        pair = None if header else _PAIR.match(text, position)
        if header:
            table = _split(header.group(2))
            indexed = _indexed(table, sizes, starts_item=header.group(1) == "[[")
            _note(found, (), table, line)
            _note(found, (), indexed, line)
            end = header.end()
        elif pair:
            _note(found, table, _split(pair.group(1)), line)
            _note(found, indexed, _split(pair.group(1)), line)
            end = pair.end()
        else:
            end = position
        end = _statement_end(text, end)
        line += text.count("\n", position, end)
        position = end
    return found


def line_of(lines: Lines, path: Sequence[str | int]) -> int | None:
    """Return the line of ``path``, or of the longest part of it that stands in the file; None if none does."""
    names = tuple(str(part) for part in path)
    for length in range(len(names), 0, -1):
        if names[:length] in lines:
            return lines[names[:length]]
    return None


def _note(found: Lines, table: tuple[str, ...], path: tuple[str, ...], line: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault((*table, *path[:length]), line)


def _indexed(table: tuple[str, ...], sizes: dict[tuple[str, ...], int], *, starts_item: bool) -> tuple[str, ...]:
    """Return the path of a header with the index behind each array in it; a header means the last item there is."""
    place: tuple[str, ...] = ()
    for depth, name in enumerate(table, 1):
        place = (*place, name)
        if starts_item and depth == len(table):
            sizes[place] = sizes.get(place, 0) + 1
        if place in sizes:
            place = (*place, str(sizes[place] - 1))
    return place


def _split(path: str) -> tuple[str, ...]:
    # tomllib knows how to read quotes and escapes in a key; a made-up document asks it.
    names: list[str] = []
    value: object = tomllib.loads(f"{path} = 0")
    while isinstance(value, dict):
        [(name, value)] = value.items()
        names.append(name)
    return tuple(names)


def _statement_end(text: str, start: int) -> int:
    """Return where the next statement starts: behind the first line end that no bracket or string encloses."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        part = token.group()
        if part in "[{":
            depth += 1
        elif part in "]}":
            depth -= 1
        elif part == "\n" and depth <= 0:
            return token.end()
    return len(text)
