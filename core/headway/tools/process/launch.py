"""Launches: how a child is started, and what holds while a confined one lives."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from headway.errors import ToolError, one_line
from headway.tools.process.bwrap import handed_over
from headway.tools.process.placeholder import Placeholder
from headway.tools.process.survey import Survey, set_aside

SHOWN = 5
"""The most control files that one error names."""

ARGUMENTS, STATUS, FILTER = "{args}", "{status}", "{filter}"
"""The words of a command line, before its ``--``, that become descriptors when it is started."""


class Ground:
    """One writable folder: its survey, and what was there when no child was at work in it.

    What appears meanwhile may be a child's doing. It is not mounted for others: that child could exchange it for a link
    while they start.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.survey = Survey(folder)
        self.at_work = 0
        self.control: set[str] = set()

    def enter(self) -> None:
        now = self.survey.look()
        if self.at_work == 0:
            self.control = now
        self.at_work += 1

    def leave(self) -> None:
        self.at_work -= 1

    def appeared(self) -> list[str]:
        """Return the control files that were not there before."""
        return sorted(self.survey.look() - self.control)


class Confined:
    """The part of a launch that outlasts the start: what must hold while the child lives, and be looked at after it.

    ``options`` are those of bubblewrap, ``filter`` is what it filters system calls by, if it does.
    """

    def __init__(self, tool: str, grounds: Sequence[Ground]) -> None:
        self.options: list[str] = []
        self.filter = b""
        self._tool = tool
        self._grounds = grounds
        self._entered: list[Ground] = []
        self._placeholders: list[Placeholder] = []
        self._closed: dict[Path, tuple[int, int] | None] = {}

    def enter(self, fixed: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        """Return the control files that exist, and the placeholders of those that do not."""
        for ground in self._grounds:
            ground.enter()
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

    async def check(self) -> None:
        """Raise ``ToolError`` if control files were made; they are renamed first."""
        if self._entered:
            await asyncio.to_thread(self._check)

    def leave(self) -> None:
        """Let go of everything, without another look."""
        while self._entered:
            self._entered.pop().leave()
        while self._placeholders:
            self._placeholders.pop().close()

    def _check(self) -> None:
        kept = {str(held.path) for held in self._placeholders}
        refused: list[str] = []
        left: list[str] = []
        for ground in list(self._entered):
            for path in ground.appeared():
                if path in kept or any(path.startswith(f"{place}/") for place in kept):
                    continue
                try:
                    if set_aside(ground.folder, path) is not None:
                        refused.append(str(Path(path).relative_to(ground.folder)))
                except OSError:
                    left.append(str(Path(path).relative_to(ground.folder)))
        tool = f"tool '{one_line(self._tool, 80)}' made control files"
        if left:
            raise ToolError(f"{tool} that cannot be renamed, remove them: {_named(left)}")
        if refused:
            raise ToolError(f"{tool}, now renamed: {_named(refused)}")


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
            self.leave()

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
