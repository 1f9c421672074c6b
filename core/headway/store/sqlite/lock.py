"""The one writer of a home: an advisory lock of the operating system.

The kernel drops it when its holder dies, however it dies. The file's content, the holder's pid, is for people only.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from typing import TYPE_CHECKING

from headway.errors import HomeLocked, StoreUnreadable, one_line
from headway.home import Home
from headway.owner import Mark

if TYPE_CHECKING:
    from types import TracebackType


_held: dict[tuple[int, int], HomeLock] = {}  # this process's, by device and inode of the lock file
_mutex = threading.Lock()


class HomeLock:
    """The right to write to a home; a context manager. Not reentrant, also not within one process.

    ``in_use`` is set while a log writes under this lock: one at a time.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self.in_use = False
        self._fd: int | None = None
        self._file: tuple[int, int] = (0, 0)
        self._mark: Mark | None = None

    @property
    def pid(self) -> int:
        """The process that holds the lock while it is held: this one."""
        return os.getpid()

    @property
    def held(self) -> bool:
        """True while this object holds the lock."""
        return self._fd is not None

    def acquire(self) -> None:
        """Take the lock, making the home if it is not there.

        Raises :class:`HomeLocked`, directly and naming the pid, if another writer has it; :class:`StoreUnreadable`
        if the lock file cannot be opened.
        """
        if self._fd is not None:
            raise HomeLocked(f"{self.home} is already locked by this process", pid=os.getpid())
        self.home.prepare()
        try:
            fd = os.open(self.home.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            reason = one_line(error.strerror or str(error))
            raise StoreUnreadable(f"cannot open {self.home.lock_file}: {reason}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _read_pid(fd)
            os.close(fd)
            who = f"process {pid}" if pid else "another process"
            raise HomeLocked(f"{self.home} is in use: {who} is writing to it", pid=pid) from None
        except OSError as error:  # a file system without locks
            os.close(fd)
            reason = one_line(error.strerror or str(error))
            raise StoreUnreadable(f"cannot lock {self.home.lock_file}: {reason}") from None
        with contextlib.suppress(OSError):  # a full disk: the lock holds without the pid
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        with contextlib.suppress(OSError):  # a file system without record locks: others take the writer for dead
            self._mark = Mark(self.home.alive_file)
        found = os.fstat(fd)
        self._file = (found.st_dev, found.st_ino)
        self._fd = fd
        with _mutex:
            _held[self._file] = self

    def release(self) -> None:
        """Give the lock back; doing so twice is harmless. The file stays: removing it would race with others."""
        fd, self._fd = self._fd, None
        if self._mark is not None:
            self._mark.remove()
            self._mark = None
        if fd is not None:
            with _mutex:
                _held.pop(self._file, None)
            with contextlib.suppress(OSError):
                os.ftruncate(fd, 0)
            os.close(fd)

    def __enter__(self) -> HomeLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def held_here(home: Home) -> HomeLock | None:
    """Return the lock of ``home`` if this process holds it."""
    try:
        found = home.lock_file.stat()
    except OSError:
        return None
    with _mutex:
        return _held.get((found.st_dev, found.st_ino))


def _read_pid(fd: int) -> int:
    try:
        text = os.pread(fd, 32, 0).strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0
