"""Placeholders: empty folders that keep a name in a workspace from being taken by a child.

A sandbox can make read-only what exists. For a control file that does not exist an empty folder is made, on which the
child sees an empty, read-only one; it is removed when the last sandbox that needs it has ended. Several processes may
share one: each holds a shared lock on it, and who removes it must get the exclusive one. One that a killed process left
is known by its time stamp.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

MARK_S = 1
"""The time of last change of a placeholder, in seconds since 1970: no folder that people make has it."""

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 8


class Placeholder:
    """One placeholder, held until :meth:`close`. ``made`` is False where there is something else: then nothing is held.

    Raises ``OSError`` where none can be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        for _ in range(_TRIES):
            try:
                path.mkdir(mode=0o700)
                os.utime(path, (MARK_S, MARK_S))
            except FileExistsError:
                if not is_placeholder(path):
                    return
            if self._hold():
                return
        raise OSError(f"{path} comes and goes")

    @property
    def made(self) -> bool:
        """True while the placeholder is held."""
        return self._descriptor is not None

    def close(self) -> None:
        """Let go of it, and remove it if nobody else holds it and nobody put anything into it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return  # the other removes it
        else:
            if is_placeholder(self.path):
                with suppress(OSError):
                    self.path.rmdir()
        finally:
            os.close(descriptor)

    def _hold(self) -> bool:
        try:
            descriptor = os.open(self.path, _OPEN)
        except OSError:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), self.path.lstat()):
                self._descriptor = descriptor
                return True
        os.close(descriptor)  # removed while the lock was waited for
        return False


def is_placeholder(path: Path) -> bool:
    """Return whether ``path`` is an empty folder that a sandbox made."""
    try:
        found = path.lstat()
        return int(found.st_mtime) == MARK_S and path.is_dir() and not path.is_symlink() and not os.listdir(path)  # noqa: PTH208
    except OSError:
        return False
