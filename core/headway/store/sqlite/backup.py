"""Backups: a copy of a store as of one moment, made while others read and write it."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from headway.errors import InvalidInput, StoreError, one_line
from headway.store.protocol import BackupReport
from headway.store.sqlite.connect import open_for_reading, store_error


def backup_store(path: Path, target: Path, *, force: bool = False) -> BackupReport:
    """Copy the store at ``path`` to the file ``target``, which is there whole or not at all.

    The copy is a store at rest: one file, private to this user. Raises :class:`InvalidInput` for a target that is there
    already (unless ``force``), that is the store itself or that cannot be made, :class:`headway.errors.NotFound`
    without a store, :class:`StoreError` if it cannot be read or copied.
    """
    with closing(open_for_reading(path)) as source:
        _check_target(path, target, force)
        try:
            handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        except OSError as error:
            raise InvalidInput(f"cannot write {target}: {one_line(error.strerror or str(error))}") from None
        os.close(handle)
        made = Path(name)
        try:
            last_seq = _copy(source, made)
            size = made.stat().st_size
            _put(made, target, force)
        except sqlite3.Error as error:
            raise store_error(error, path) from None
        except OSError as error:
            raise StoreError(f"cannot write {target}: {one_line(error.strerror or str(error))}") from None
        finally:
            for leftover in (made, *(made.with_name(made.name + end) for end in ("-journal", "-wal", "-shm"))):
                leftover.unlink(missing_ok=True)
    return BackupReport(str(target), size, last_seq)


def _check_target(path: Path, target: Path, force: bool) -> None:
    if target.is_dir():
        raise InvalidInput(f"{target} is a folder: name a file")
    for end in ("", "-wal", "-shm", "-journal"):
        store = path.with_name(path.name + end)
        if target.resolve() == store.resolve():
            raise InvalidInput(f"{target} belongs to the store itself")
    if target.exists() and not force:
        raise InvalidInput(f"{target} is there already: name another file, or use --force")


def _copy(source: sqlite3.Connection, made: Path) -> int:
    """Copy all pages in one read transaction; return the last seq of the copy."""
    with closing(sqlite3.connect(made, isolation_level=None)) as copy:
        source.backup(copy)  # all pages in one step: nothing that others write meanwhile gets in between
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        return int(copy.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def _put(made: Path, target: Path, force: bool) -> None:
    """Give the finished copy its name, in one step and on disk."""
    with made.open("rb") as file:
        os.fsync(file.fileno())
    if force:
        made.replace(target)
    else:
        try:
            os.link(made, target)  # unlike a rename it does not replace what came there meanwhile
        except FileExistsError:
            raise InvalidInput(f"{target} is there already: name another file, or use --force") from None
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
