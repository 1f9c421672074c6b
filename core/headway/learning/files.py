"""Files of what was learned: read with a bound, replaced whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from headway.errors import InvalidInput, one_line


def refusal(verb: str, path: Path, error: OSError | ValueError) -> InvalidInput:
    """Return the one-line error of a file that cannot be read or written."""
    reason = getattr(error, "strerror", None) or str(error)
    return InvalidInput(f"cannot {verb} {one_line(str(path), 300)}: {one_line(reason, 200)}")


def read_whole(path: Path, limit: int) -> bytes:
    """Return a file's content, at most ``limit`` bytes.

    Raises :class:`InvalidInput` if it is longer, cannot be read or is no regular file: a fifo has no end, and reading
    a device may act.
    """
    try:
        _refuse_special(path.stat())
        with open(path, "rb", opener=_without_waiting) as file:
            _refuse_special(os.fstat(file.fileno()))  # it may have been exchanged
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise refusal("read", path, error) from None
    if len(data) > limit:
        raise InvalidInput(f"cannot read {one_line(str(path), 300)}: it is longer than {limit:,} bytes")
    return data


def _refuse_special(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is a folder" if stat.S_ISDIR(found.st_mode) else "it is not a regular file")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's whole content, flushed to disk; the old one stays where that fails (:class:`InvalidInput`)."""
    name: str | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".headway-", dir=path.parent)  # with mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise refusal("write", path, error) from None
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a file made or renamed in it is there after a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
