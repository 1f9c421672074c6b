"""The project's own code as it was loaded: whether what lies on disk is still that.

Python is never loaded anew in a live process: what runs keeps what it has. So that edited tools never run as they were
before without a word, each new job asks here first, by a look at the files themselves and not by a message that may be
late.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from headway.errors import Conflict, one_line

SUFFIXES = frozenset({".py", ".pyd", ".so"})
"""The files below a folder of ``[tools] path`` that are code."""

_Stamp = tuple[int, int, int, int, int]


class CodeFiles:
    """Make it before the code is loaded: what changes while that is going on counts as changed."""

    def __init__(self, files: Iterable[Path], folders: Iterable[Path] = ()) -> None:
        self._files = tuple(dict.fromkeys(Path(file) for file in files))
        self._folders = tuple(dict.fromkeys(Path(folder) for folder in folders))
        self._told: list[Path] = []
        self._stamps: dict[Path, _Stamp | None] = {}
        self._hashes: dict[Path, bytes] = {}
        for path in self._all():
            self._stamps[path] = _stamp(path)
            self._hashes[path] = _hash(path)
        self.digest = _digest(self._hashes)

    @property
    def places(self) -> set[Path]:
        """The folders whose changes may be changes of the code."""
        return {path.parent for path in self._files} | {path.parent for path in self._stamps} | set(self._folders)

    def present(self) -> str:
        """Return the digest of what lies on disk now."""
        return _digest({path: _hash(path) for path in self._all()})

    def changed(self) -> list[Path]:
        """Return the files that are not what was loaded, are gone or have come since, in order.

        A file is read only if its stamp differs; one that was touched, or written anew as it was, has not changed.
        """
        now = set(self._all())
        found = list(now ^ self._stamps.keys())
        for path in now & self._stamps.keys():
            stamp = _stamp(path)
            if stamp == self._stamps[path]:
                continue
            if _hash(path) == self._hashes[path]:
                self._stamps[path] = stamp
            else:
                found.append(path)
        return sorted(found)

    def news(self) -> list[str]:
        """Return the names of the files that have changed, if those are others than were last returned; else ``[]``."""
        found = self.changed()
        if found == self._told:
            return []
        self._told = found
        return [path.name for path in found]

    def require_current(self) -> None:
        """Raise :class:`Conflict` if the code has changed since it was loaded."""
        found = self.changed()
        if found:
            names = one_line(", ".join(path.name for path in found), 200)
            raise Conflict(f"tools changed since they were loaded ({names}): headway restart")

    def _all(self) -> Iterator[Path]:
        yield from self._files
        for folder in self._folders:
            for above, folders, names in os.walk(folder, followlinks=False):
                folders[:] = [name for name in folders if name != "__pycache__"]
                yield from (Path(above, name) for name in names if Path(name).suffix in SUFFIXES)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)


def _digest(hashes: dict[Path, bytes]) -> str:
    whole = hashlib.sha256()
    for path in sorted(hashes):
        whole.update(os.fsencode(path) + b"\0" + hashes[path])
    return whole.hexdigest() if hashes else ""


def _hash(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
