"""Finding a path beneath a folder, and never anything else.

A path is walked one component at a time, each opened relative to the open folder before it and never through a symlink
(``O_NOFOLLOW``). Symlinks are read and their targets walked in the same way, so a link that stays inside works and one
that leaves does not. What was checked is what is open: exchanging a component for a symlink in between gains nothing.
``..`` goes back to the folder that was open before. After Go's ``os.Root`` and Linux's ``RESOLVE_BENEATH``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headway.errors import HeadwayError, InvalidInput, NotFound, OutsideWorkspace, ToolError, one_line

if TYPE_CHECKING:
    from headway.tools.files.guard import Guard

MAX_PATH_BYTES = 4096
MAX_LINKS = 40
"""Symlinks followed for one path, as in Linux."""

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

Missing = Literal["refuse", "make", "accept"]


@dataclass(slots=True)
class Spot:
    """A name in an open folder.

    ``parts`` is the real path from the root, without links. ``name`` is its last part; it is "" for a folder that is
    already open as ``folder`` (the root itself, ``a/..``), and when ``missing="accept"`` ran into a missing folder.
    ``folders`` are all that are open, from the root to ``folder``.
    """

    folder: int
    name: str
    parts: tuple[str, ...]
    folders: tuple[int, ...]


def shown(path: str) -> str:
    """Return a path for a message or a result: one line, at most 300 characters, bytes that are no text replaced."""
    return one_line(os.fsencode(path).decode("utf-8", "replace") if not _has_lone_surrogate(path) else repr(path), 300)


def _has_lone_surrogate(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return True
    return False


@contextmanager
def told(path: str) -> Iterator[None]:
    """Turn an ``OSError`` about ``path`` into a one-line error of ours."""
    try:
        yield
    except HeadwayError:
        raise
    except OSError as error:
        raise explain(error, path) from error


def explain(error: OSError, path: str) -> HeadwayError:
    """Return what the system said about ``path`` as an error of ours."""
    name = shown(path)
    match error.errno:
        case errno.ENOENT:
            return NotFound(f"there is no '{name}' in the workspace")
        case errno.ENAMETOOLONG:
            return InvalidInput(f"the name '{name}' is too long")
        case errno.ENOTDIR:
            return InvalidInput(f"'{name}' goes through a file as if it were a folder")
        case errno.EISDIR:
            return InvalidInput(f"'{name}' is a folder")
    return ToolError(f"'{name}': {(os.strerror(error.errno) if error.errno else 'failed').lower()}")


def components(path: str, roots: tuple[Path, ...]) -> list[str]:
    """Return the parts of ``path``, relative to the root; an absolute path must start with one of ``roots``.

    Raises ``InvalidInput`` for a path that no file can have, ``OutsideWorkspace`` for an absolute one elsewhere.
    """
    if not path:
        raise InvalidInput("the path is empty")
    if "\0" in path:
        raise InvalidInput("the path holds a NUL character")
    if _has_lone_surrogate(path):
        raise InvalidInput("the path is not valid text")
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise InvalidInput(f"the path is longer than {MAX_PATH_BYTES} bytes")
    parts = _split(path)
    if not path.startswith("/"):
        return parts
    for root in roots:
        start = list(root.parts[1:])
        if parts[: len(start)] == start:
            return parts[len(start) :]
    raise OutsideWorkspace(f"'{shown(path)}' is outside the workspace")


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


@contextmanager
def locate(roots: tuple[Path, ...], path: str, guard: Guard, missing: Missing = "refuse") -> Iterator[Spot]:
    """Yield where ``path`` is, beneath ``roots[0]``; what is open is closed at the end.

    ``guard`` is asked of each folder before anything in it is looked at, and before one is made.

    The last component need not exist, and is no symlink at the moment of looking: open it with ``O_NOFOLLOW``.
    ``missing`` says what to do about a missing folder before it: refuse, make it, or accept (``name`` is "" then).

    Raises ``OutsideWorkspace``, ``ControlFile``, ``InvalidInput``, ``NotFound``, ``ToolError`` (the system refused).
    """
    walk = _Walk(roots, path, guard, missing)
    try:
        with told(path):
            spot = walk.run()
            guard.look(spot.parts)
        yield spot
    finally:
        walk.close()


class _Walk:
    def __init__(self, roots: tuple[Path, ...], path: str, guard: Guard, missing: Missing) -> None:
        self.roots = roots
        self.path = path
        self.guard = guard
        self.missing = missing
        self.todo = deque(components(path, roots))
        self.names: list[str] = []
        self.links = 0
        self.races = 0
        with told(str(roots[0])):
            self.open = [os.open(roots[0], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]

    def close(self) -> None:
        while self.open:
            os.close(self.open.pop())

    def run(self) -> Spot:
        self.guard.enter(self.open[0], ())
        while self.todo:
            part = self.todo.popleft()
            if part == "..":
                if not self.names:
                    raise self._outside()
                self.names.pop()
                os.close(self.open.pop())
            elif (target := self._link(part)) is not None:
                self._follow(target)
            elif not self.todo:
                return self._spot(part, (*self.names, part))
            elif not self._enter(part):
                return self._accepted(part)
        return self._spot("", tuple(self.names))

    def _spot(self, name: str, parts: tuple[str, ...]) -> Spot:
        return Spot(self.open[-1], name, parts, tuple(self.open))

    def _link(self, part: str) -> str | None:
        try:
            return os.readlink(part, dir_fd=self.open[-1])
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):  # not a link; not there
                return None
            raise

    def _follow(self, target: str) -> None:
        self.links += 1
        if self.links > MAX_LINKS:
            raise InvalidInput(f"'{shown(self.path)}' goes through more than {MAX_LINKS} links")
        if target.startswith("/"):
            try:
                inner = components(target, self.roots)
            except OutsideWorkspace:
                raise self._outside() from None
            while len(self.open) > 1:
                os.close(self.open.pop())
            self.names.clear()
        else:
            inner = _split(target)
        self.todo.extendleft(reversed(inner))

    def _enter(self, part: str) -> bool:
        """Open the folder ``part``; return False if it is missing and that is accepted."""
        try:
            self.open.append(os.open(part, FOLDER_FLAGS, dir_fd=self.open[-1]))
        except FileNotFoundError:
            if self.missing == "accept":
                return False
            if self.missing == "refuse":
                raise
            self._make(part)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP) or self._is_file(part):
                raise
            self._again(part)  # it has just become a link, or was one for a moment
        else:
            self.names.append(part)
            self.races = 0
            self.guard.enter(self.open[-1], self.names)
        return True

    def _is_file(self, part: str) -> bool:
        try:
            mode = os.stat(part, dir_fd=self.open[-1], follow_symlinks=False).st_mode
        except FileNotFoundError:
            return False
        return not stat.S_ISLNK(mode) and not stat.S_ISDIR(mode)

    def _make(self, part: str) -> None:
        # What is not there is no link: the rest means what it says, and nothing is made for a path that is refused.
        rest = () if ".." in self.todo else tuple(self.todo)
        self.guard.change(self.open, (*self.names, part, *rest), "write" if rest else "make")
        with suppress(FileExistsError):  # somebody else made it, as whatever it is: looked at again
            os.mkdir(part, dir_fd=self.open[-1])
        self._again(part)

    def _again(self, part: str) -> None:
        self.races += 1  # so that a race cannot go on for ever
        if self.races > MAX_LINKS:
            raise ToolError(f"'{shown(self.path)}' keeps changing")
        self.todo.appendleft(part)

    def _accepted(self, part: str) -> Spot:
        depth = len(self.names) + 1  # what is not there is no link: the rest means what it says
        for step in self.todo:
            depth += -1 if step == ".." else 1
            if depth < 0:
                raise self._outside()
        if ".." in self.todo:
            raise NotFound(f"there is no '{shown(self.path)}' in the workspace")
        return self._spot("", (*self.names, part, *self.todo))

    def _outside(self) -> OutsideWorkspace:
        return OutsideWorkspace(f"'{shown(self.path)}' is outside the workspace")
