"""The sink ``jsonl``: a line an event at the end of a file, whole or not at all, also beside other writers."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from headway.hooks.sinks.sink import Blocking, NotTaken

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class JsonlSink:
    """Appends to ``path``, under a lock that other writers of this kind heed.

    The file is opened anew each time, so it may be moved away; it is made for this user alone. A link is not followed.
    """

    kind = "jsonl"
    batch = 500

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocking = Blocking()

    async def deliver(self, messages: Sequence[bytes]) -> None:
        """Append; what a full disk took in part is taken back."""
        try:
            await self._blocking.call(_append, self._path, b"".join(messages))
        except OSError as error:
            raise NotTaken(f"{self._path}: {(error.strerror or type(error).__name__).lower()}") from None
        except ValueError as error:
            raise NotTaken(f"{self._path}: {error}", again=False) from None

    async def aclose(self) -> None:
        """End the thread."""
        self._blocking.close()


def _append(path: Path, data: bytes) -> None:
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is no file")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.fstat(descriptor).st_size
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, end)
            raise
    finally:
        os.close(descriptor)
