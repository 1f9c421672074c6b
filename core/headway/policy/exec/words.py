"""Words of a shell command as a shell would take them: quotes removed, and what is not known before it runs, marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

Pieces = tuple[str | None, ...]
"""The known pieces of a word in order; None stands for anything, and for nothing."""


class Word(NamedTuple):
    """One word. ``text`` is its value, None if that is not known; then ``pieces`` are what is known of it.

    ``splits`` says that it may come to several words, or to none. ``source`` is how it is written. ``guess`` is what it
    comes to if its variables still have what the command assigned: enough to deny, not to allow.
    """

    text: str | None
    pieces: Pieces = ()
    splits: bool = False
    source: str = ""
    guess: str | None = None

    @property
    def likely(self) -> str | None:
        """The value, or the guess at it."""
        return self.guess if self.text is None else self.text

    def may_be(self, text: str) -> bool:
        """Return whether it can come to ``text``."""
        if self.text is not None:
            return self.text == text
        return matcher(self.pieces).fullmatch(text) is not None


UNKNOWN = Word(None, (None,), True)
"""A word, several or none, of which nothing is known."""


def names(text: str) -> frozenset[str]:
    """Return the names in ``text``, which has blanks between them."""
    return frozenset(text.split())


def literal(text: str) -> Word:
    """Return a word that is known."""
    return Word(text, (text,), False, text)


def matcher(pieces: Pieces) -> re.Pattern[str]:
    """Return an expression for all that ``pieces`` may come to, upper and lower case alike."""
    parts = (".*" if piece is None else re.escape(piece) for piece in pieces)
    return re.compile("".join(parts), re.DOTALL | re.IGNORECASE)


def joined(pieces: Sequence[str | None]) -> Pieces:
    """Return the pieces with neighbours of a kind put together."""
    out: list[str | None] = []
    for piece in pieces:
        if piece is None:
            if not out or out[-1] is not None:
                out.append(None)
        elif out and isinstance(out[-1], str):
            out[-1] += piece
        elif piece or not out:
            out.append(piece)
    return tuple(out)


_HEX = {"x": 2, "u": 4, "U": 8}
_CONTROL = {"a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ANSI = re.compile(r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|c.|.)", re.DOTALL)


def ansi_c(body: str) -> str | None:
    """Return the value of ``$'body'``; None if it is not clear."""
    bad = False

    def one(match: re.Match[str]) -> str:
        nonlocal bad
        code = match.group(1)
        head = code[0]
        if head in _HEX and len(code) > 1:
            value = int(code[1:], 16)
        elif head in "01234567":
            value = int(code, 8) & 0xFF
        elif head == "c" and len(code) == 2:
            value = ord(code[1]) & 0x1F
        else:
            return _CONTROL.get(head, head if head in "\\'\"?" else "\\" + head)
        if value == 0 or value > 0x10FFFF or 0xD800 <= value < 0xE000 or (head in "x01234567" and value > 0x7F):
            bad = True
            return ""
        return chr(value)

    text = _ANSI.sub(one, body)
    return None if bad else text


def unquoted(text: str) -> tuple[Pieces, bool]:
    """Return the pieces of a word outside of quotes, and whether every character of it is one that a word may have.

    Globs stand for anything; a brace that may expand does too.
    """
    pieces: list[str | None] = []
    clean = True
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            position += 1
            if text[position] != "\n":
                pieces.append(text[position])
            else:
                clean = False
        elif char in "*?[]":
            pieces.append(None)
        elif char in "\\$`\"'();|&<> \t\n":
            clean = False
        else:
            pieces.append(char)
        position += 1
    return joined(pieces), clean


def in_double_quotes(text: str) -> tuple[str, bool]:
    """Return the value of text between double quotes, and whether it is free of expansions."""
    clean = re.search(r"(?<!\\)(?:\\\\)*(`|\$[A-Za-z0-9_@*#?$!({'\"-])", text) is None
    return re.sub(r"\\([$`\"\\\n])", lambda match: "" if match.group(1) == "\n" else match.group(1), text), clean
