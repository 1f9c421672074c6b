"""Launches: how a child is started, and what holds while a confined one lives."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from headway.errors import ToolError, one_line
from headway.tools.process.bwrap import handed_over
from headway.tools.process.placeholder import Placeholder
from headway.tools.process.survey import Survey, set_aside

SHOWN = 5
"""The most control files that one error names."""

ARGUMENTS, STATUS, FILTER = "{args}", "{status}", "{filter}"
"""The words of a command line, before its ``--``, that become descriptors when it is started."""


class Ground:
    """One writable folder: its survey, who is at work in it, and what was there when nobody was.

    What appears meanwhile may be a child's doing. It is not mounted for others: that child could exchange it for a link
    while they start. A look at each beginning and each end tells who was at work when it appeared.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.survey = Survey(folder)
        self.control: set[str] = set()
        self._lock = threading.Lock()
        self._workers: list[Confined] = []
        self._since: list[Confined] = []  # at work at some time since the last look
        self._seen: set[str] = set()
        self._suspects: dict[str, list[Confined]] = {}

    @property
    def at_work(self) -> int:
        """The number of children at work in it."""
        return len(self._workers)

    def enter(self, child: Confined) -> None:
        """Have ``child`` at work from now on. Raises ``TerminalToolError`` for a folder that is too large."""
        with self._lock:
            if self._workers:
                self._look(bounded=True)
            else:
                self.control = self._seen = self.survey.look()
                self._suspects.clear()
                self._since = []
            self._workers.append(child)
            self._since.append(child)

    def leave(self, child: Confined, *, settled: bool) -> None:
        """Have ``child`` no longer at work. ``settled``: it had ended before the last look that was for it."""
        with self._lock:
            self._workers.remove(child)
            if settled and child in self._since:
                self._since.remove(child)

    def settle(self) -> None:
        """Rename the control files that were not there before; blame those who were at work when they appeared."""
        with self._lock:
            self._look(bounded=False)  # where a child made too many folders, too
            for path in sorted(self._seen - self.control):
                if any(child.keeps(path) for child in self._workers):
                    continue
                suspects = self._suspects.get(path, [])
                try:
                    if set_aside(self.folder, path) is None:
                        continue
                    self._seen.discard(path)
                    renamed = True
                except OSError:
                    renamed = False
                blame = Blame(str(Path(path).relative_to(self.folder)), renamed, len(suspects) == 1)
                for child in suspects:
                    child.blamed.append(blame)

    def _look(self, *, bounded: bool) -> None:
        now = self.survey.look(bounded=bounded)
        for path in now - self._seen:
            self._suspects[path] = list(self._since)
        self._seen = now
        self._since = list(self._workers)


class Blame(NamedTuple):
    """A control file that appeared while a child was at work. ``alone``: nobody else can have made it."""

    path: str
    renamed: bool
    alone: bool


class Confined:
    """The part of a launch that outlasts the start: what must hold while the child lives, and be looked at after it.

    ``options`` are those of bubblewrap, ``filter`` is what it filters system calls by, if it does.
    """

    def __init__(self, tool: str, grounds: Sequence[Ground]) -> None:
        self.options: list[str] = []
        self.filter = b""
        self.blamed: list[Blame] = []
        self._tool = tool
        self._grounds = grounds
        self._entered: list[Ground] = []
        self._placeholders: list[Placeholder] = []
        self._closed: dict[Path, tuple[int, int] | None] = {}

    def enter(self, fixed: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        """Return the control files that exist, and the placeholders of those that do not."""
        for ground in self._grounds:
            ground.enter(self)
            self._entered.append(ground)
        control = {Path(path) for ground in self._grounds for path in ground.control}
        for path in fixed:
            if not path.parent.is_dir():
                continue
            try:
                held = Placeholder(path)
            except OSError as error:
                reason = one_line(error.strerror or str(error), 200)
                raise ToolError(f"the sandbox cannot keep '{path.name}' from being made: {reason}") from None
            if held.made:
                self._placeholders.append(held)
                control.discard(path)
            else:
                control.add(path)
        absent = [held.path for held in self._placeholders]
        for path in control:
            if path.is_symlink():
                raise ToolError(
                    f"'{one_line(str(path), 200)}' is a control file and a link, which a sandbox cannot keep from being"
                    " exchanged: put the file itself there"
                )
        closed = [path for path in control if path not in absent]
        self._closed = {path: _identity(path) for path in closed}
        return closed, absent

    def exchanged(self) -> bool:
        """Return whether a control file was exchanged for another since: the new one is not closed to this child.

        Only somebody outside can do that; editors do when they save.
        """
        return any(_identity(path) != identity for path, identity in self._closed.items())

    def keeps(self, path: str) -> bool:
        """Return whether ``path`` is one of its placeholders, or lies in one."""
        return any(
            path == kept or path.startswith(f"{kept}/") for kept in (str(held.path) for held in self._placeholders)
        )

    async def check(self) -> None:
        """Raise ``ToolError`` if control files were made, which are renamed first, by it or by one of several.

        May be asked after the child's end, too.
        """
        if self._grounds:
            await asyncio.to_thread(self._check)

    def leave(self, *, settled: bool = False) -> None:
        """Let go of everything, without another look; ``settled`` says that there was one after the child's end."""
        while self._entered:
            self._entered.pop().leave(self, settled=settled)
        while self._placeholders:
            self._placeholders.pop().close()

    def _check(self) -> None:
        for ground in self._grounds:
            ground.settle()
        blamed, self.blamed = self.blamed, []
        if not blamed:
            return
        tool = f"tool '{one_line(self._tool, 80)}'"
        alone = any(blame.alone for blame in blamed)
        made = f"{tool} made control files" if alone else f"{tool}, or a program beside it, made control files"
        if left := [blame.path for blame in blamed if not blame.renamed]:
            raise ToolError(f"{made} that cannot be renamed, remove them: {_named(left)}")
        raise ToolError(f"{made}, now renamed: {_named([blame.path for blame in blamed])}")


@dataclass(slots=True)
class Launch:
    """How to start a child: its command line, folder and environment, and what confines it, if anything does."""

    command: list[str]
    cwd: Path | None
    env: Mapping[str, str]
    confined: Confined | None = None
    _descriptors: list[int] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look at what the child left, now that it is gone, and let go of everything. Raises as the check does."""
        if self.confined is None:
            return
        try:
            await self.confined.check()
        except ToolError:
            if error is None:
                raise
        finally:
            self.confined.leave(settled=True)

    def leave(self) -> None:
        """Let go of everything, without another look."""
        if self.confined is not None:
            self.confined.leave()

    def open(self) -> tuple[list[str], tuple[int, ...], int | None]:
        """Return the command line, the descriptors that the child inherits, and the one that tells its state."""
        if self.confined is None:
            return self.command, (), None
        data = b"".join(os.fsencode(option) + b"\0" for option in self.confined.options)
        given = {ARGUMENTS: self._hand_over("headway-sandbox", data)}
        if self.confined.filter:
            given[FILTER] = self._hand_over("headway-filter", self.confined.filter)
        ours, given[STATUS] = os.pipe()
        self._descriptors.append(given[STATUS])
        end = self.command.index("--")
        head = [str(given.get(word, word)) for word in self.command[:end]]
        return head + self.command[end:], tuple(given.values()), ours

    def _hand_over(self, name: str, data: bytes) -> int:
        descriptor = handed_over(name, data)
        self._descriptors.append(descriptor)
        return descriptor

    def close(self) -> None:
        """Close what only the child needs, once it is started or cannot be."""
        while self._descriptors:
            os.close(self._descriptors.pop())


def _named(paths: Sequence[str]) -> str:
    named = ", ".join(one_line(path, 100) for path in paths[:SHOWN])
    return f"{named} and {len(paths) - SHOWN} more" if len(paths) > SHOWN else named


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
