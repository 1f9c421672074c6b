"""The folder that file tools work in, and the only way they reach files.

Every method takes a path as a tool got it: relative to the root, or absolute and inside it. It holds against ``..``,
symlinks and exchanges of a folder for a symlink while it is being walked (:mod:`headway.tools.files.paths`). Only
regular files are read and replaced; fifos and devices are refused and never opened. The root itself is trusted. Control
files are not changed and the home is not even read (:mod:`headway.trust.control`): every operation has a guard.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headway.errors import Conflict, InvalidInput, NotFound
from headway.tools.files.guard import Guard
from headway.tools.files.paths import FOLDER_FLAGS, Missing, Spot, components, locate, shown, told
from headway.trust.control import ControlFiles

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

MAX_FILE_BYTES = 16 * 2**20
"""No file is read or written past this size (16 MiB)."""

_TEMPORARY = (".headway-", ".tmp")
_TRIES = 8  # a file that is exchanged under our hands is looked at so often
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link",
}


@dataclass(frozen=True, slots=True)
class FileBytes:
    """Bytes of a file: ``data`` from ``offset`` on, of ``size`` at the time; ``path`` is the real one from the root."""

    path: str
    data: bytes
    offset: int
    size: int

    @property
    def truncated(self) -> bool:
        """True if the file continues after ``data``."""
        return self.offset + len(self.data) < self.size


@dataclass(frozen=True, slots=True)
class Found:
    """A file: ``name`` in a folder that is open as ``folder`` for the moment; ``parts`` are its real path."""

    folder: int
    name: str
    parts: tuple[str, ...]
    guard: Guard

    def open(self) -> int | None:
        """Open it for reading, as :func:`open_regular` does. Raises ``ControlFile`` if it is a home's."""
        return open_regular(self.folder, self.name, joined(self.parts), self.guard)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was put in place: its real path from the root, its size, whether there was none before."""

    path: str
    size: int
    created: bool


class Workspace:
    """A folder as the whole world of file tools.

    ``control`` says which files in it govern plans; without it those of all engines in this process count. Whatever it
    says, ``headway.toml``, ``policies`` and ``.git`` are closed at any depth.

    Raises ``InvalidInput`` if ``root`` is not a folder. Paths in results are relative to the root, with ``/``.
    Methods block and may be called from any thread.
    """

    def __init__(self, root: str | os.PathLike[str], control: ControlFiles | None = None) -> None:
        given = Path(os.path.abspath(root))  # noqa: PTH100 - Path.absolute keeps "..", Path.resolve follows links
        try:
            self.root = given.resolve(strict=True)
            is_folder = self.root.is_dir()
        except (OSError, RuntimeError, ValueError) as error:
            raise InvalidInput(f"the workspace '{shown(str(root))}' cannot be found") from error
        if not is_folder:
            raise InvalidInput(f"the workspace '{shown(str(root))}' is not a folder")
        self._roots = (self.root,) if given == self.root else (self.root, given)
        self._locks = tuple(threading.Lock() for _ in range(16))
        self._control = control

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    def resolve(self, path: str) -> Path:
        """Return the real path of ``path``, which need not exist. Raises ``OutsideWorkspace``, ``InvalidInput``.

        For showing and comparing. Opening the answer later is not safe against exchanges: use the other methods.
        """
        with self._locate(path, "accept") as (spot, _):
            return self.root.joinpath(*spot.parts)

    def check_change(self, path: str) -> None:
        """Raise what :meth:`write` would for a path that no tool may write: outside, or a control file."""
        with self._locate(path, "accept") as (spot, guard):
            guard.change(spot.folders, spot.parts, "write")

    def guard(self, path: str) -> Guard:
        """Return a guard for one operation on ``path``, at this moment."""
        return Guard(self._control, self.root, path)

    @contextmanager
    def _locate(self, path: str, missing: Missing = "refuse") -> Iterator[tuple[Spot, Guard]]:
        guard = self.guard(path)
        with locate(self._roots, path, guard, missing) as spot:
            yield spot, guard

    @contextmanager
    def folder(self, path: str) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield an open file descriptor of the folder ``path`` and its real parts. Raises as :meth:`read`."""
        with self._locate(path) as (spot, guard):
            if not spot.name:
                yield spot.folder, spot.parts
                return
            with told(path):
                found = os.stat(spot.name, dir_fd=spot.folder, follow_symlinks=False)
                if not stat.S_ISDIR(found.st_mode):
                    raise InvalidInput(f"'{shown(path)}' is not a folder")
                descriptor = os.open(spot.name, FOLDER_FLAGS, dir_fd=spot.folder)
            try:
                guard.enter(descriptor, spot.parts)
                yield descriptor, spot.parts
            finally:
                os.close(descriptor)

    @contextmanager
    def file(self, path: str) -> Iterator[Found]:
        """Yield where the file ``path`` is. Raises as :meth:`read`."""
        with self._locate(path) as (spot, guard):
            yield Found(spot.folder, spot.name, spot.parts, guard)

    def is_folder(self, path: str) -> bool:
        """Return whether ``path`` is a folder. Raises ``NotFound`` if there is nothing, and as :meth:`read`."""
        with self._locate(path) as (spot, _):
            if not spot.name:
                return True
            with told(path):
                return stat.S_ISDIR(os.stat(spot.name, dir_fd=spot.folder, follow_symlinks=False).st_mode)

    def read(self, path: str, max_bytes: int, offset: int = 0) -> FileBytes:
        """Return at most ``max_bytes`` of the file ``path`` from ``offset`` on.

        Raises ``NotFound``, ``OutsideWorkspace``, ``ControlFile`` (the home), ``InvalidInput`` (not a regular file, not
        a possible path) and ``ToolError`` (the system refused).
        """
        for _ in range(_TRIES):
            with self._locate(path) as (spot, guard), told(path):
                descriptor = open_regular(spot.folder, spot.name, path, guard)
                if descriptor is None:
                    continue
                try:
                    data, size = read_some(descriptor, max_bytes, offset)
                finally:
                    os.close(descriptor)
                return FileBytes(joined(spot.parts), data, offset, size)
        raise Conflict(f"'{shown(path)}' keeps changing")

    def write(self, path: str, data: bytes) -> Written:
        """Put ``data`` in place as the file ``path``, whole or not at all; make the folders before it.

        A temporary file beside it takes its name, so that readers see the old content or the new. A file that was
        there keeps its permissions. Raises ``ControlFile`` for what governs plans, and as :meth:`read`.
        """
        if components(path, self._roots) and path.rpartition("/")[2] in ("", "."):
            raise InvalidInput(f"'{shown(path)}' is the name of a folder")
        if len(data) > MAX_FILE_BYTES:
            raise InvalidInput(f"{len(data)} bytes are more than the {MAX_FILE_BYTES} that a file may have")
        with self._locate(path, "make") as (spot, guard), told(path), self._locked(spot):
            guard.change(spot.folders, spot.parts, "write")
            before = self._replaceable(spot, path)
            _replace(spot, data, before, self.guard(path))
            return Written(joined(spot.parts), len(data), before is None)

    def edit(self, path: str, change: Callable[[bytes], bytes]) -> Written:
        """Replace the content of the file ``path`` by ``change(content)``, whole or not at all.

        Edits of one file through this workspace wait for each other. Raises ``Conflict`` if somebody else changed
        the file meanwhile, whatever ``change`` raises, and as :meth:`write`.
        """
        with self._locate(path) as (spot, guard), told(path), self._locked(spot):
            guard.change(spot.folders, spot.parts, "write")
            before = self._replaceable(spot, path)
            if before is None:
                raise NotFound(f"there is no '{shown(path)}' in the workspace")
            descriptor = open_regular(spot.folder, spot.name, path, guard)
            if descriptor is None:
                raise Conflict(f"'{shown(path)}' was changed meanwhile")
            try:
                data, size = read_some(descriptor, MAX_FILE_BYTES, 0)
            finally:
                os.close(descriptor)
            if size > len(data):
                raise InvalidInput(f"'{shown(path)}' is larger than {MAX_FILE_BYTES} bytes")
            changed = change(data)
            if len(changed) > MAX_FILE_BYTES:
                raise InvalidInput(f"the change would make '{shown(path)}' larger than {MAX_FILE_BYTES} bytes")
            after = self._replaceable(spot, path)
            if after is None or _identity(after) != _identity(before):
                raise Conflict(f"'{shown(path)}' was changed meanwhile")
            _replace(spot, changed, before, self.guard(path))
            return Written(joined(spot.parts), len(changed), created=False)

    @contextmanager
    def _locked(self, spot: Spot) -> Iterator[None]:
        with self._locks[hash(spot.parts) % len(self._locks)]:
            yield

    @staticmethod
    def _replaceable(spot: Spot, path: str) -> os.stat_result | None:
        """Return what is at ``spot``, None if nothing; raise ``InvalidInput`` unless it is a regular file."""
        if not spot.name:
            raise InvalidInput(f"'{shown(path)}' is a folder")
        try:
            found = os.stat(spot.name, dir_fd=spot.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        _refuse_special(found, path)
        return found


def joined(parts: tuple[str, ...]) -> str:
    """Return real parts as a path from the root, "." for the root; bytes that are no text are replaced."""
    return os.fsencode("/".join(parts)).decode("utf-8", "replace") or "."


def is_temporary(name: str) -> bool:
    """Return whether ``name`` is a file of ours that is being written: searches and listings leave it out."""
    return name.startswith(_TEMPORARY[0]) and name.endswith(_TEMPORARY[1])


def open_regular(folder: int, name: str, path: str, guard: Guard) -> int | None:
    """Open the regular file ``name`` in an open folder for reading; None if it has just become a link.

    ``guard`` is asked of the file that was opened: it may be a home's under another name.
    Raises ``InvalidInput`` for anything but a regular file, which is not opened: opening a fifo waits, opening a
    device may act.
    """
    if not name:
        raise InvalidInput(f"'{shown(path)}' is a folder")
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        return None
    _refuse_special(found, path)
    try:
        descriptor = os.open(name, READ_FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    try:
        opened = os.fstat(descriptor)
        _refuse_special(opened, path)
        guard.read(opened)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_some(descriptor: int, max_bytes: int, offset: int) -> tuple[bytes, int]:
    """Return at most ``max_bytes`` from ``offset`` on and the file's size.

    A file that grows meanwhile counts as large as what was read of it at least.
    """
    chunks: list[bytes] = []
    position, end = offset, offset + max_bytes
    while position < end:
        chunk = os.pread(descriptor, min(end - position, 2**20), position)
        if not chunk:
            break
        chunks.append(chunk)
        position += len(chunk)
    if chunks and position == end:  # some files do not know their size: is there more?
        position += len(os.pread(descriptor, 1, position))
    return b"".join(chunks), max(os.fstat(descriptor).st_size, position if chunks else 0)


def _refuse_special(found: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a special file")
        raise InvalidInput(f"'{shown(path)}' is {kind}, not a file")


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _replace(spot: Spot, data: bytes, before: os.stat_result | None, guard: Guard) -> None:
    """Write ``data`` to a temporary file in the same folder and give it the name of ``spot``.

    ``guard`` looks again just before that: folders may have been exchanged or moved while the data was written.
    """
    temporary = f"{_TEMPORARY[0]}{secrets.token_hex(8)}{_TEMPORARY[1]}"
    # A new file gets what the umask leaves; one that replaces another is nobody's to read before it has its mode.
    descriptor = os.open(temporary, CREATE_FLAGS, 0o666 if before is None else 0o600, dir_fd=spot.folder)
    try:
        try:
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & 0o777)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _refuse_moved(spot)
        guard.change(spot.folders, spot.parts, "write")
        os.rename(temporary, spot.name, src_dir_fd=spot.folder, dst_dir_fd=spot.folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=spot.folder)
        raise
    os.fsync(spot.folder)


def _refuse_moved(spot: Spot) -> None:
    """Raise ``Conflict`` unless the open folders are still where their names say."""
    for parent, folder, name in zip(spot.folders, spot.folders[1:], spot.parts, strict=False):
        try:
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(there, os.fstat(folder)):
            raise Conflict(f"'{shown(joined(spot.parts))}' was moved meanwhile")
