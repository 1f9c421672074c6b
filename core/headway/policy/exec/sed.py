"""Scripts of sed: those that surely run no command. GNU sed has ``e``, and ``s///e``."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ADDRESS = r"(?:\d+(?:~\d+)?|\$|/(?:\\.|[^/\\\n])*/[IM]*)"
_BEFORE = re.compile(rf"[\s;]*(?:{_ADDRESS}(?:\s*,\s*[+~]?(?:{_ADDRESS}))?)?\s*!?\s*")
_COMMAND = re.compile(r"[dDgGhHnNpPxz={}]|[lqQ]\s*\d*|[btT]\s*\w*|:\s*\w+|[aic](?:\\\n)?[^\n]*")
_FLAGS = re.compile(r"[gpiImM0-9]*")
_END = re.compile(r"\s*(?:[;\n}]|$)")


def runs_nothing(words: Sequence[str | None]) -> bool:
    """Return whether sed with these arguments surely runs no command; a word that is not known is None."""
    scripts: list[str | None] = []
    files: list[str | None] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word is None or not word.startswith("-") or word == "-":
            files.append(word)
        elif word == "--":
            files += words[position:]
            break
        elif word.startswith("--"):
            option, has_value, value = word[2:].partition("=")
            if option == "expression" and has_value:
                scripts.append(value)
            elif option not in ("quiet", "silent", "regexp-extended", "in-place", "separate", "posix", "null-data"):
                return False
        else:
            for at, letter in enumerate(word[1:], 2):
                if letter == "i":
                    break  # what follows is a suffix
                if letter == "e":
                    scripts.append(word[at:] or (words[position] if position < len(words) else None))
                    position += not word[at:]
                    break
                if letter not in "nErsuz":
                    return False
    if not scripts:
        scripts = files[:1]
    return bool(scripts) and all(script is not None and _is_plain(script) for script in scripts)


def _is_plain(script: str) -> bool:
    position = 0
    while position < len(script):
        before = _BEFORE.match(script, position)
        if before and not _closed(before.group()):
            return False
        position = before.end() if before else position
        if position >= len(script):
            return True
        if script[position] in "sy":
            end = _replacement(script, position)
        else:
            found = _COMMAND.match(script, position)
            end = found.end() if found else None
        if end is None or (script[position] not in "{}" and not _END.match(script, end)):
            return False
        position = end
    return True


def _replacement(script: str, position: int) -> int | None:
    """Return where ``s/…/…/flags`` ends; None if it does not, or has other flags."""
    mark = script[position + 1 : position + 2]
    if not mark or mark.isalnum() or mark in "\\\n ":
        return None
    part = rf"(?:\\.|[^\\\n{re.escape(mark)}])*"
    found = re.compile(f"({part}){re.escape(mark)}{part}{re.escape(mark)}").match(script, position + 2)
    if found is None or (script[position] == "s" and not _closed(found.group(1))):
        return None
    flags = _FLAGS.match(script, found.end())
    return flags.end() if flags else found.end()


def _closed(expression: str) -> bool:
    """Return whether each bracket of an expression surely ends in it: a mark inside of one may not end anything."""
    text = re.sub(r"\[[:.=]\w+[:.=]\]", "x", re.sub(r"\\.", "x", expression))
    return "[]" not in text and "[^]" not in text and "[" not in re.sub(r"\[[^\]]*\]", "", text)
