"""The owner of a home, seen from outside: whether a process writes there, asked without taking its lock.

The writer's own lock (:class:`headway.store.HomeLock`) cannot be looked at without taking it, and whoever takes it to
look may turn a writer away that starts at that moment. So the writer holds a record lock on a file beside it as well:
the kernel says who holds one (``F_GETLK``), and drops it when its holder dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import sys
import threading
from pathlib import Path
from typing import Any

# Locks of an open file rather than of a process where there are any: closing another descriptor does not drop those.
_SET: int = getattr(fcntl, "F_OFD_SETLK", fcntl.F_SETLK)
_GET: int = getattr(fcntl, "F_OFD_GETLK", fcntl.F_GETLK)
_LINUX = sys.platform == "linux"
_FORMAT = "hhqqi4x" if _LINUX else "qqihhi"  # struct flock: Linux; macOS and the BSDs

_marked: dict[tuple[int, int], int] = {}  # this process's marks, by device and inode, and how often
_mutex = threading.Lock()


class Mark:
    """The sign of a living writer at ``path``; whoever makes one holds the home's lock. The file stays."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.fcntl(self._fd, _SET, _record(fcntl.F_WRLCK))
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(self._fd)
            raise
        found = os.fstat(self._fd)
        self._file = (found.st_dev, found.st_ino)
        with _mutex:
            _marked[self._file] = os.getpid()

    def remove(self) -> None:
        """Take the sign away; doing so twice is harmless."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with _mutex:
                _marked.pop(self._file, None)
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            os.close(fd)


def owner_of(path: Path) -> int | None:
    """Return the pid of the process whose :class:`Mark` is at ``path``, 0 if it lives but cannot be named; else None.

    Nothing is locked or changed by asking.
    """
    try:
        found = path.stat()
        with _mutex:  # a process does not see its own locks, and would drop them by closing the file
            if _marked.get((found.st_dev, found.st_ino)) == os.getpid():
                return os.getpid()
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        kind, pid = _holder(fcntl.fcntl(fd, _GET, _record(fcntl.F_WRLCK)))
        if kind == fcntl.F_UNLCK:
            return None
        return pid if pid > 0 else _written(fd)
    except OSError:  # a file system without such locks: nobody could have one
        return None
    finally:
        os.close(fd)


def _record(kind: int) -> bytes:
    """Return the ``struct flock`` of a lock on the whole file."""
    if _LINUX:
        return struct.pack(_FORMAT, kind, os.SEEK_SET, 0, 0, 0)
    return struct.pack(_FORMAT, 0, 0, 0, kind, os.SEEK_SET, 0)


def _holder(answer: Any) -> tuple[int, int]:
    """Return the kind of lock in the kernel's answer and its holder, who for a lock of an open file has no number."""
    fields = struct.unpack(_FORMAT, answer)
    return (fields[0], fields[4]) if _LINUX else (fields[3], fields[2])


def _written(fd: int) -> int:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else 0
