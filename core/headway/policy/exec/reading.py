"""Reading: all the commands that a shell command runs, as far as that can be known, and what is unclear about it.

The commands of the text itself (:mod:`.syntax`), and of each the ones that it starts (:mod:`.starters`): those behind
``sudo`` and ``xargs``, in ``bash -c`` and ``eval``, in here-documents that a shell reads, in aliases.
"""

from __future__ import annotations

import re
from functools import lru_cache

from headway.policy.exec import inline, shells, starters, starting
from headway.policy.exec.command import Command, Reading, Unfit, basename
from headway.policy.exec.starters import SHELLS, STARTERS
from headway.policy.exec.syntax import MAX_COMMANDS, Simple, parse
from headway.policy.exec.words import UNKNOWN, Word, literal

MAX_COMMAND = 16 * 1024
"""The longest command that is read, in characters."""

MAX_OPENERS = 300
"""The most brackets, backticks and ``<`` in one text: their number bounds how long the grammar takes."""

_SHORT = 1024  # readings of commands up to this length are kept for the next who asks
_MAX_DEPTH = 12
_MAX_TEXTS = 40
_NUMBER = re.compile(r"(?:\w+=)?([+-]?\d+|\$\(\(.*\)\)|\$#)", re.DOTALL)
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]")


def read(text: str) -> Reading:
    """Return what ``text`` runs. The reading is shared: it must not be changed.

    Raises :class:`Unfit` for what is no command that a shell could get, or is too long.
    """
    if len(text) > MAX_COMMAND:
        raise Unfit(f"the command is longer than {MAX_COMMAND:,} characters")
    if not text.strip():
        raise Unfit("the command is empty")
    if "\0" in text or (not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)):
        raise Unfit("the command has a NUL or half a surrogate pair")
    try:
        return _kept(text) if len(text) <= _SHORT else _read(text)
    except RecursionError:  # whoever asks is deep in calls already
        raise Unfit("too much is nested in the command") from None


def _read(text: str) -> Reading:
    reader = Reader()
    reader.text(text, 0)
    return reader.end()


_kept = lru_cache(maxsize=128)(_read)


def read_words(words: tuple[str, ...]) -> Reading:
    """Return what a program with these words runs, that no shell is between. Raises :class:`Unfit`."""
    if not words or not words[0]:
        raise Unfit("the command is empty")
    if sum(map(len, words)) > MAX_COMMAND:
        raise Unfit(f"the command is longer than {MAX_COMMAND:,} characters")
    reader = Reader()
    reader.command([literal(word) for word in words], Simple(), 0)
    return reader.end()


class Reader:
    """Reads one command with all that is nested in it, within bounds."""

    def __init__(self) -> None:
        self.found = Reading()
        self.aliases: dict[str, str] = {}
        self.literals: list[str] = []
        self.done: set[str] = set()
        self.evaluated: set[str] = set()
        self.numbers: dict[str, bool] = {}  # variables that are set, and whether only to numbers
        self.openers = 2 * MAX_OPENERS
        self.size = 4 * MAX_COMMAND

    def note(self, text: str) -> None:
        if text not in self.found.unclear:
            self.found.unclear.append(text)

    def end(self) -> Reading:
        """Return what was read. A variable that arithmetic evaluates must be a number for sure."""
        numbers = {name for name, only in self.numbers.items() if only}
        if self.evaluated - numbers - starters.NUMBERS:
            self.note("arithmetic evaluates what a variable holds, which may run a command")
        return self.found

    # -- texts ---------------------------------------------------------------------------------------------------

    def text(self, text: str, depth: int, outer: Command | None = None) -> None:
        """Read a text as a shell would."""
        if text in self.done:
            return
        self.done.add(text)
        openers = sum(map(text.count, "([{`<"))
        self.openers -= openers
        self.size -= len(text)
        if openers > MAX_OPENERS or self.openers < 0 or self.size < 0 or depth > _MAX_DEPTH:
            self.note("too much is nested in it")
            return
        if len(self.done) > _MAX_TEXTS:
            self.note("too many commands are in it")
            return
        if _ODD.search(text):
            self.note("it has control characters or blanks that only look like one")
        found = parse(text)
        for reason in found.unclear:
            self.note(reason)
        self.evaluated |= set(found.evaluated)
        for name in found.names:
            self.variable(name, UNKNOWN)
        for name, value in found.loose:
            self.variable(name, value, loose=True)
        for simple in found.commands:
            self.printing(simple)
        self.literals += found.documents
        unsets = any(simple.words and simple.words[0].likely == "unset" for simple in found.commands)
        for number, simple in enumerate(found.commands):
            for name, value in simple.assigns:
                if name != "IFS" or not _reads(simple):
                    self.variable(name, value)
            if simple.words:
                made = self.command(simple.words, simple, depth, outer)
                begins = found.functions.get(simple.words[0].text or "")
                if begins is not None and number >= begins and not unsets and not made.void:
                    made.neutral = True  # a function, whose body is among the commands
            elif simple.writes:
                self.add(Command((literal(">"),), outer, void="it writes a file"))
        for nested in found.texts:
            self.text(nested, depth + 1)
        if "\\\n" in text and found.unclear:
            self.text(text.replace("\\\n", ""), depth + 1)
        if found.other is not None:
            self.text(found.other, depth + 1)

    def inputs(self, depth: int) -> None:
        """Read as commands all texts of the command that a shell may get on its stdin."""
        self.note("a shell reads what to run from its input")
        for text in list(self.literals):
            self.text(text, depth + 1)

    def printing(self, simple: Simple) -> None:
        """Keep the texts that a command prints, or gets on its input: a shell may read them."""
        words = simple.words
        if words and words[0].likely in ("echo", "printf", "cat"):
            self.literals.append(" ".join(word.likely or "" for word in words[1:]).replace("\\n", "\n"))
        self.literals += [word.likely for word in simple.stdin if word.likely]

    def alias(self, words: list[Word]) -> None:
        """Keep the aliases that are defined; what they will stand for is not clear."""
        self.note("it defines an alias")
        for word in words[1:]:
            called, _, value = (word.likely or "").partition("=")
            if called and value:
                self.aliases[called] = value

    def variable(self, name: str, value: Word, *, loose: bool = False) -> None:
        """Take note of a variable that is set, above all one that makes programs, or the shell, run something else."""
        self.numbers[name] = self.numbers.get(name, True) and _NUMBER.fullmatch(value.source) is not None
        if starters.TAKES_OVER.fullmatch(name) and not starters.HARMLESS.fullmatch(name):
            self.note(f"it sets {name[:40]}, which may change what runs")
            if value.likely and not loose:
                self.literals.append(value.likely)

    # -- commands ------------------------------------------------------------------------------------------------

    def add(self, command: Command) -> None:
        self.found.commands.append(command)
        if len(self.found.commands) > MAX_COMMANDS:
            raise Unfit("the command runs too many others")

    def command(
        self, words: list[Word], simple: Simple, depth: int, outer: Command | None = None, offset: int = 0
    ) -> Command:
        """Take one command, and those that it starts; return it."""
        if depth > _MAX_DEPTH:
            self.note("too much is nested in it")
            return Command(tuple(words), outer, offset)
        first = words[0]
        if first.text is None or first.splits:
            self.note("the program is not known before it runs")
            if first.likely is None:
                command = Command(tuple(words), outer, offset)
                self.add(command)
                return command
        if first.source in starters.RESERVED:
            self.note("a word of the shell's grammar stands where a program is expected")
        name = basename(first.likely or "")
        command = Command(tuple(words), outer, offset, void=_void(simple) or (outer.void if outer is not None else ""))
        self.add(command)
        folded = name.casefold()
        if first.text in self.aliases:
            rest = " ".join(word.source for word in words[1:])
            self.text(f"{self.aliases[first.text]} {rest}", depth + 1, outer)
        self.start(command, name, folded, words, depth)
        command.neutral = command.neutral and command.genuine
        return command

    def start(self, command: Command, name: str, folded: str, words: list[Word], depth: int) -> None:
        """Take what a command starts."""
        starter = STARTERS.get(folded)
        if starter is None and starters.LOADER.fullmatch(folded):
            starter = starters.LOADED
        if folded in SHELLS:
            shells.shell(self, command, folded, words, depth)
        elif starter is not None:
            starting.starter(self, command, folded, starter, words, depth)
        elif (begin := starting.runs(folded, words)) is not None:
            runner = starters.RUNNERS[folded, words[begin].likely or ""]
            starting.starter(self, command, folded, runner, words, depth, begin=begin + 1)
        elif folded == "find":
            starting.find(self, command, words, depth)
        elif folded == "git":
            inline.git(self, command, words, depth)
        elif folded in ("eval", "trap"):
            shells.evaluate(self, command, folded, words, depth)
        elif name == "alias" and len(words) > 1:
            self.alias(words)
        elif folded in (".", "source"):
            self.note("it runs a script in this shell")
            if any("/dev/" in (word.likely or "/dev/") for word in words[1:]):
                self.inputs(depth)
        elif folded in starters.ELSEWHERE:
            inline.elsewhere(self, command, folded, words, depth)
        else:
            inline.plain(self, command, name, folded, words)


def _void(simple: Simple) -> str:
    """Return why the words of a command do not tell all that it does."""
    if simple.writes:
        return "it writes a file"
    for name, _ in simple.assigns:
        if name == "IFS" and _reads(simple):
            continue
        if not starters.HARMLESS.fullmatch(name) and (not simple.exports or _exports(simple.words)):
            return f"it sets {name[:40]}"
    return ""


def _reads(simple: Simple) -> bool:
    """Return whether it is ``IFS=… read``, which sets that for itself only."""
    return bool(simple.words) and simple.words[0].text == "read" and not simple.exports


def _exports(words: list[Word]) -> bool:
    """Return whether a declaration hands its variables to the programs that follow."""
    return words[0].text == "export" or any(
        word.text is None or (word.text[:1] == "-" and "x" in word.text) for word in words[1:]
    )
