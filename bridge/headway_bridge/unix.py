"""The operator socket: a Unix socket in the home. Making one imports no server."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

from headway.errors import Conflict, StoreError, one_line

if TYPE_CHECKING:
    from headway.home import Home

BACKLOG = 1024
"""Connections that the kernel holds for a listener until it takes them."""


class UnixListener:
    """The operator socket: mode 0600 from its first moment, removed at the end if it is still ours.

    Make one only while holding the lock of ``home``: whatever lies at its place then was left by a dead daemon.
    Raises :class:`Conflict` if something that is not a socket lies there, :class:`StoreError` if it cannot be made.
    """

    def __init__(self, home: Home) -> None:
        self.path = home.socket
        self._file: tuple[int, int] | None = None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._clear()
            before = os.umask(0o177)
            try:
                self.socket.bind(str(self.path))
            finally:
                os.umask(before)
            found = self.path.lstat()
            self._file = (found.st_dev, found.st_ino)
            self.socket.listen(BACKLOG)
            self.socket.setblocking(False)
        except OSError as error:
            self.socket.close()
            raise StoreError(f"cannot listen on {self.path}: {one_line(error.strerror or str(error))}") from None
        except Conflict:
            self.socket.close()
            raise

    def _clear(self) -> None:
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise Conflict(f"{self.path} is not a socket: move it away")
        self.path.unlink()

    def remove(self) -> None:
        """Take the socket's name away, unless a later daemon has put its own there.

        Call it before the socket is closed: until then the kernel cannot give its file's number to another.
        """
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == self._file:
                self.path.unlink()
        self._file = None

    def close(self) -> None:
        """Remove the name and stop listening; doing so twice is harmless."""
        self.remove()
        self.socket.close()
