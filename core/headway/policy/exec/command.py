"""A command as rules see it, and all commands that a text runs."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from headway.policy.exec.words import Word, names

SYSTEM = names("/bin /usr/bin /usr/local/bin /sbin /usr/sbin")
"""The folders whose programs are those that their names say."""


class Unfit(Exception):
    """A text that is not read at all; its command is refused. The message is one line."""


@dataclass(slots=True, eq=False)
class Command:
    """One program with its words.

    ``outer`` is the command that starts it, if one does, and its words are those of that one from ``offset``, if they
    are. ``neutral``: it does nothing but what other commands here are judged for, so it needs no rule. ``void`` is why
    no rule that allows its words can allow it.
    """

    words: tuple[Word, ...]
    outer: Command | None = None
    offset: int = 0
    neutral: bool = False
    void: str = ""

    @property
    def program(self) -> str:
        """The name of the program, without its folder; empty if nothing is known of it."""
        return basename(self.words[0].likely or "")

    @property
    def genuine(self) -> bool:
        """True if the program is certainly the one that its name says: by PATH, or of the system."""
        folder, slash, name = (self.words[0].text or "").rpartition("/")
        return bool(name) and name == name.casefold() and (not slash or folder in SYSTEM)

    def __str__(self) -> str:
        return " ".join(word.source for word in self.words)


@dataclass(slots=True, eq=False)
class Reading:
    """The commands in a text, in order, outer ones before those that they start.

    ``unclear`` are the reasons why there may be others, or why these may do something else. ``moves`` says that a
    command changes the working folder.
    """

    commands: list[Command] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    moves: bool = False


def basename(path: str) -> str:
    """Return the last part of a path: ``rm`` of ``/bin/rm``."""
    return posixpath.basename(path.rstrip("/"))
