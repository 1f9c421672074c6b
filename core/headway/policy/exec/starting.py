"""Programs that run a command in their own words: ``sudo``, ``xargs``, ``env``, ``find -exec``."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from headway.policy.exec import starters
from headway.policy.exec.starters import STARTERS, Starter
from headway.policy.exec.syntax import Simple
from headway.policy.exec.words import UNKNOWN, Word, joined, literal

if TYPE_CHECKING:
    from headway.policy.exec.command import Command
    from headway.policy.exec.reading import Reader

_MOST_OPTIONS = 20
_ASSIGNS = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)


def starter(
    reader: Reader, command: Command, folded: str, row: Starter, words: list[Word], depth: int, begin: int = 1
) -> None:
    """Take the command that stands behind the options of a program that starts others, which begin at ``begin``."""
    command.neutral = row.neutral
    texts: list[Word] = []
    if folded == "env":
        end = environment(reader, command, words, depth)
        if end is None:
            return
        position = end
    else:
        position, texts = options(reader, folded, row, words, begin)
    for text in texts:
        given(reader, text, depth, command)
    if folded == "command" and any((word.text or "")[:2] in ("-v", "-V") for word in words[1:2]):
        return
    position += row.skip
    while row.assigns and position < len(words) and (found := _ASSIGNS.fullmatch(words[position].likely or "")):
        reader.variable(found[1], literal(found[2]))
        if not starters.HARMLESS.fullmatch(found[1]):
            command.void = command.void or f"it sets {found[1][:40]}"
        position += 1
    inner = list(words[position:])
    if not inner and not texts:
        command.neutral = row.neutral and not command.void
    if not inner or (texts and folded in ("flock", "npx")):
        return
    if folded == "xargs":
        inner = replaced(words[1:position], inner)
    if row.appends:
        inner.append(UNKNOWN)
    if row.joins:
        given(reader, joined_words(inner), depth, command)
    else:
        reader.command(inner, Simple(), depth + 1, command, position)


def runs(folded: str, words: list[Word]) -> int | None:
    """Return where the subcommand stands by which a tool runs a program (``uv -q run``); None if there is none."""
    before = value = True  # whether the word before is an option, and whether it takes this one as its value
    for position, word in enumerate(words[1 : _MOST_OPTIONS + 1], 1):
        text = word.likely or "-"
        if (before or value) and (folded, text) in starters.RUNNERS:
            return position
        if not text.startswith("-"):
            before, value = False, before and value and position > 1
            if not value:
                return None
        else:
            before, value = True, "=" not in text
    return None


def joined_words(words: list[Word]) -> Word:
    """Return one text of words with blanks between them, as programs make it for a shell."""
    likely = " ".join(word.likely or "" for word in words)
    known = all(word.text is not None for word in words)
    return literal(likely) if known else Word(None, (None,), False, likely, likely)


def given(reader: Reader, text: Word, depth: int, outer: Command) -> None:
    """Read a text that a program hands to a shell."""
    if text.text is None:
        reader.note("the text that a shell runs is not known before it runs")
    if text.likely:
        reader.text(text.likely, depth + 1, outer)


def options(reader: Reader, folded: str, row: Starter, words: list[Word], begin: int = 1) -> tuple[int, list[Word]]:
    """Return where the options of a starter end, and the values of those that are texts for a shell."""
    position = begin
    texts: list[Word] = []
    while position < len(words):
        text = words[position].text
        if text is None or words[position].splits:
            reader.note(f"the options of {folded} are not known before it runs")
            text = words[position].likely
            if text is None:
                break
        if text == "--":
            return position + 1, texts
        if len(text) < 2 or text[0] != "-":
            break
        position += 1
        if text.startswith("--") or (text[1:] in row.plain | row.valued and len(text) > 2):
            option, has_value, value = text.lstrip("-").partition("=")
            if option in row.valued | row.text and not has_value:
                if option in row.text and position < len(words):
                    texts.append(words[position])
                position += 1
            elif option in row.text:
                texts.append(literal(value))
            elif option not in row.plain | row.valued:
                reader.note(f"an option of {folded} that is not known")
            continue
        if folded == "nice" and text[1:].lstrip("-+").isdigit():
            continue
        for at, letter in enumerate(text[1:], 1):
            if letter in row.optional:
                break
            if letter in row.valued | row.text:
                attached = text[at + 1 :]
                if letter in row.text:
                    texts.append(
                        literal(attached) if attached else words[position] if position < len(words) else UNKNOWN
                    )
                position += not attached
                break
            if letter not in row.plain:
                reader.note(f"an option of {folded} that is not known")
    return position, texts


def environment(reader: Reader, command: Command, words: list[Word], depth: int) -> int | None:
    """Return where options of ``env`` end; None if ``-S`` makes it another command, which is taken then."""
    position = 1
    while position < len(words):
        text = words[position].likely
        if words[position].text is None:
            reader.note("the options of env are not known before it runs")
        if text is None or text == "--" or not text.startswith("-") or text == "-":
            return position + (text in ("--", "-"))
        again: str | None = None
        if text.startswith("--s"):
            _, has_value, again = text.partition("=")
            if not has_value:
                position += 1
                again = words[position].likely if position < len(words) else None
        elif not text.startswith("--"):
            letters = text[1:]
            at = next((i for i, letter in enumerate(letters) if letter in "SuC"), None)
            if at is not None:
                value: str | None = letters[at + 1 :]
                if not value:
                    position += 1
                    value = words[position].likely if position < len(words) else None
                if letters[at] == "S":
                    again = value if value is not None else ""
                else:
                    reader.found.moves = reader.found.moves or letters[at] == "C"
            elif set(letters) - set("0iv"):
                reader.note("an option of env that is not known")
        else:
            option = text[2:].partition("=")[0]
            if option in ("unset", "chdir") and "=" not in text:
                position += 1
            elif option not in ("unset", "chdir", "ignore-environment", "null", "debug", "help", "version"):
                reader.note("an option of env that is not known")
        position += 1
        if again is not None:
            split(reader, command, again, words[position:], depth)
            return None
    return position


def split(reader: Reader, command: Command, text: str, rest: list[Word], depth: int) -> None:
    """Take ``env -S TEXT …``: its words are words of env again."""
    if "$" in text or "\\" in text or "#" in text:
        reader.note("the words of env -S are not known before it runs")
    try:
        found = [literal(word) for word in shlex.split(text)]
    except ValueError:
        reader.note("the words of env -S are not clear")
        return
    starter(reader, command, "env", STARTERS["env"], [literal("env"), *found, *rest], depth + 1)
    for inner in reader.found.commands:
        if inner.outer is command:
            inner.offset = 0


def find(reader: Reader, command: Command, words: list[Word], depth: int) -> None:
    """Take ``find … -exec COMMAND ;``."""
    position = 1
    while position < len(words):
        text = words[position].likely
        if text is None or (words[position].text is None and words[position].may_be("-exec")):
            reader.note("the words of find are not known before it runs")
        if text in ("-exec", "-execdir", "-ok", "-okdir"):
            end = next((at for at in range(position + 1, len(words)) if words[at].likely in (";", "+")), len(words))
            inner = replaced([literal("-I{}")], words[position + 1 : end])
            if inner:
                reader.command(inner, Simple(), depth + 1, command, position + 1)
            position = end
        elif text in ("-delete", "-fprint", "-fprint0", "-fprintf", "-fls"):
            command.void = f"find {text} changes files"
        position += 1


def replaced(options: list[Word], inner: list[Word]) -> list[Word]:
    """Return the words of a command with the place for each item marked as unknown."""
    marks = {"{}"} if any((word.likely or "").startswith(("-I", "-i", "--rep", "-J")) for word in options) else set()
    for at, word in enumerate(options):
        text = word.likely or ""
        if text in ("-I", "-J") and at + 1 < len(options):
            marks = {options[at + 1].likely or "{}"}
        elif text[:2] in ("-I", "-J", "-i") and len(text) > 2:
            marks = {text[2:]}
    out: list[Word] = []
    for word in inner:
        given = word.likely
        mark = next((mark for mark in marks if given is not None and mark in given), None)
        if mark is None or given is None:
            out.append(word)
            continue
        pieces: list[str | None] = []
        for piece in given.split(mark):
            pieces += [None, piece]
        out.append(Word(None, joined(pieces[1:]), False, word.source, given.replace(mark, "")))
    return out
