"""Shells, and commands of a shell that read a text again: ``sh -c``, ``eval``, ``trap``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.policy.exec import starters
from headway.policy.exec.words import Word

if TYPE_CHECKING:
    from headway.policy.exec.command import Command
    from headway.policy.exec.reading import Reader


def shell(reader: Reader, command: Command, folded: str, words: list[Word], depth: int) -> None:
    """Take ``sh -c TEXT``, a script, or a shell that reads its stdin."""
    if folded not in starters.POSIX_SHELLS:
        reader.note(f"{folded} has a language of its own")
    code = False
    position = 1
    while position < len(words):
        text = words[position].text
        if text is None:
            reader.note("the options of a shell are not known before it runs")
            text = words[position].likely or ""
        if text == "--" or text == "-":
            position += 1
            break
        if not text.startswith(("-", "+")):
            break
        if text.startswith("--"):
            if text in ("--rcfile", "--init-file"):
                reader.note("a shell reads a file before it runs")
                position += 1
            code = code or text == "--command"
        else:
            code = code or ("c" in text[1:] and text[0] == "-")
            if "s" in text[1:] and text[0] == "-":
                reader.inputs(depth)
            if "i" in text[1:] or "l" in text[1:]:
                reader.note("a shell reads its profile before it runs")
            position += len(re.findall("[oO]", text[1:]))
        position += 1
    rest = words[position:]
    if not rest:
        reader.inputs(depth)
    elif code:
        inner = rest[0].likely
        command.neutral = bool((inner or "").strip())
        if inner is None:
            reader.note("the text that a shell runs is not known before it runs")
            return
        if rest[0].text is None:
            reader.note("the text that a shell runs is not known before it runs")
        if len(rest) > 1:
            parameters(reader, inner, rest, depth)
        reader.text(inner, depth + 1, command)
    else:
        script = rest[0].likely or "/dev/"
        if script.startswith(("/dev/", "/proc/")):
            reader.inputs(depth)


def parameters(reader: Reader, text: str, rest: list[Word], depth: int) -> None:
    """Read ``sh -c TEXT NAME ARGS`` once more with the arguments put in, to find what they hide."""
    values = [word.likely or "" for word in rest[1:]]
    filled = re.sub(r"\$\{?(\d)\}?", lambda m: values[int(m[1])] if int(m[1]) < len(values) else "", text)
    filled = re.sub(r'"?\$[@*]"?', lambda _: " ".join(values[1:]), filled)
    if filled != text:
        reader.note("a shell runs words that it is given")
        reader.text(filled, depth + 1)


def evaluate(reader: Reader, command: Command, folded: str, words: list[Word], depth: int) -> None:
    """Take ``eval`` and ``trap``, whose words are a text."""
    begin = 2 if len(words) > 1 and words[1].likely == "--" else 1
    given = words[begin:] if folded == "eval" else words[begin : begin + 1]
    if any(word.text is None for word in given):
        reader.note(f"the text of {folded} is not known before it runs")
    text = " ".join(word.likely or "" for word in given)
    command.neutral = bool(text.strip(" -")) or not command.void
    if text.strip(" -"):
        reader.text(text, depth + 1, command)
