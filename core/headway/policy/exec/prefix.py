"""Prefixes: the words that a rule names, and the commands that begin with them.

To deny or to ask, a prefix is looked for wherever it may stand: options between its words are passed over, folders and
upper case do not matter, a word that is not known may be any. To allow, the words must be exactly those.
"""

from __future__ import annotations

import re
import shlex
from enum import Enum

from headway.errors import InvalidInput, one_line
from headway.policy.exec.command import SYSTEM, Command, basename
from headway.policy.exec.starters import GIT_VALUED
from headway.policy.exec.words import Word, names

MAX_WORDS = 20

_VALUED = {
    "git": GIT_VALUED,
    "docker": names("-c --config --context -H --host -l --log-level"),
    "kubectl": names("-n --namespace -s --server --context --cluster --kubeconfig --user --token --as"),
    "npm": names("--prefix -C --userconfig --registry -w --workspace"),
    "gh": names("-R --repo"),
    "systemctl": names("-H --host -M --machine -t --type -p --property -n --lines"),
}
"""Options before the subcommand that take the next word."""

_ALIKE = {"R": "r", "recursive": "r", "force": "f", "delete": "d", "all": "a", "yes": "y", "assume-yes": "y"}
_ALIKE_PROGRAMS = names("rm chmod chown chgrp cp git apt apt-get dnf yum ls")


class Match(Enum):
    """A command begins with a prefix: no; perhaps, as some of its words are not known; yes."""

    NO = 0
    MAYBE = 1
    YES = 2


class Prefix:
    """The first words of commands, written as in a shell without anything but words and quotes."""

    __slots__ = ("flags", "positional", "source", "words")

    def __init__(self, source: str, what: str = "a command") -> None:
        if re.search(r"[$`;&|<>()\n]", source):
            raise InvalidInput(f"{what} is one command in plain words, without variables, pipes and operators")
        try:
            words = shlex.split(source)
        except ValueError as error:
            raise InvalidInput(f"{what} cannot be split into words: {error}") from None
        if not words or not words[0] or len(words) > MAX_WORDS:
            raise InvalidInput(f"{what} has 1 to {MAX_WORDS} words")
        if not all(word.isprintable() for word in words):
            raise InvalidInput(f"{what} must be printable: '{one_line(source, 80)}'")
        if words[0].startswith("-") or re.match(r"\w+=", words[0]):
            raise InvalidInput(f"{what} begins with a program, not with '{one_line(words[0], 40)}'")
        self.source = source
        self.words = tuple(words)
        self.flags = tuple(word for word in words[1:] if word.startswith("-") and word != "--")
        self.positional = (basename(words[0]).casefold(), *(w.casefold() for w in words[1:] if not w.startswith("-")))

    def exactly(self, command: Command) -> bool:
        """Return whether the command certainly begins with these words, and its program is the one that they name."""
        words = command.words
        if len(words) < len(self.words) or any(word.splits or word.text is None for word in words[: len(self.words)]):
            return False
        given = words[0].text or ""
        named = self.words[0]
        if given != named:
            folder, _, name = given.rpartition("/")
            if "/" in named or name != named or (folder and folder not in SYSTEM):
                return False
        return all(word.text == expected for word, expected in zip(words[1:], self.words[1:], strict=False))

    def found_in(self, command: Command) -> Match:
        """Return whether the command may begin with these words, options between them or not."""
        words = command.words
        program = words[0]
        likely = basename(program.likely or "").casefold()
        if likely != self.positional[0]:
            if program.text is None and not program.splits and program.may_be(self.positional[0]):
                return Match.MAYBE
            return Match.NO
        worst = Match.YES if program.likely is not None else Match.MAYBE
        rest = words[1:]
        found = _positional(rest, self.positional[1:], _VALUED.get(self.positional[0]))
        for flag in self.flags:
            found = _least(found, _flag(rest, flag, self.positional[0] in _ALIKE_PROGRAMS))
        return _least(found, worst)


def _least(one: Match, other: Match) -> Match:
    return one if one.value <= other.value else other


def _positional(words: tuple[Word, ...], wanted: tuple[str, ...], valued: frozenset[str] | None) -> Match:
    """Return whether the words that are no options begin with ``wanted``.

    An option may take the next word as its value: both are tried, unless it is known whether it does.
    """
    best = Match.NO
    # States: the word, how many are found, whether all were sure, whether options are over.
    stack = [(0, 0, True, False)]
    seen = set()
    while stack:
        state = stack.pop()
        if state in seen:
            continue
        seen.add(state)
        at, done, sure, over = state
        if done == len(wanted):
            if sure:
                return Match.YES
            best = Match.MAYBE
            continue
        if at >= len(words):
            continue
        word = words[at]
        text = word.likely
        if text is not None and text.casefold() == wanted[done]:
            stack.append((at + 1, done + 1, sure, over))
        elif text is None and word.may_be(wanted[done]):
            stack.append((at + 1, done + 1, False, over))
        if word.text is None and word.splits:
            stack.append((at + 1, done, False, over))
            if word.pieces == (None,):
                stack.append((len(words), len(wanted), False, over))  # it may hold all that is left
        if text is None and not over and word.may_be("-x"):
            stack.append((at + 1, done, False, over))
        if text == "--":
            stack.append((at + 1, done, sure, True))
        elif text is not None and text.startswith("-") and len(text) > 1 and not over:
            if valued is None or text not in valued:
                stack.append((at + 1, done, sure, over))
            if "=" not in text and (valued is None or text in valued):
                stack.append((at + 2, done, sure, over))
    return best


def _flag(words: tuple[Word, ...], flag: str, alike: bool) -> Match:
    """Return whether the options of a command hold those of ``flag``: ``-rf`` is ``-r -f`` and ``--recursive -f``."""
    best = Match.YES
    for one in [flag] if flag.startswith("--") else flag[1:]:
        best = _least(best, _one_flag(words, one, alike))
    return best


def _one_flag(words: tuple[Word, ...], flag: str, alike: bool) -> Match:
    best = Match.NO
    name, _, value = flag.lstrip("-").partition("=")
    folded = _ALIKE.get(name, name) if alike else name
    for word in words:
        text = word.likely
        if text is None:
            if (word.splits and word.pieces == (None,)) or any(
                word.may_be(sample) for sample in (f"-{folded}", f"--{name}")
            ):
                best = Match.MAYBE
            continue
        if text == "--":
            break
        if text.startswith("--"):
            given, _, given_value = text[2:].partition("=")
            if given and (
                (len(name) > 1 and name.startswith(given) and (not value or value == given_value))
                or (
                    alike
                    and any(
                        long.startswith(given) for long, short in _ALIKE.items() if short == folded and len(long) > 1
                    )
                )
            ):
                return Match.YES
        elif text.startswith("-"):
            letters = {_ALIKE.get(letter, letter) for letter in text[1:]} if alike else set(text[1:])
            if folded in letters or text[1:] == name:
                return Match.YES
    return best
