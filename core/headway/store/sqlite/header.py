"""The header of a store's file, read as bytes: nothing is opened, locked or made beside it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from headway.errors import NotFound, StoreUnreadable, one_line
from headway.store.protocol import SchemaVersion
from headway.store.sqlite.migrate import LATEST, OLDEST

_MAGIC = b"SQLite format 3\0"
_VERSION = slice(60, 64)  # PRAGMA user_version, big-endian


def schema_version(path: Path) -> SchemaVersion:
    """Return the schema version of the store at ``path`` as of its last checkpoint, and those that this Headway knows.

    Raises :class:`NotFound` if there is none, :class:`StoreUnreadable` for what is not one.
    """
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except FileNotFoundError:
        raise NotFound(f"there is no store at {path}") from None
    except OSError as error:
        raise StoreUnreadable(f"cannot read {path}: {one_line(error.strerror or str(error))}") from None
    if not head.startswith(_MAGIC) or len(head) < 100:
        raise StoreUnreadable(f"{path} is not a store")
    return SchemaVersion(int.from_bytes(head[_VERSION], "big"), OLDEST, LATEST)


def engine_version() -> str:
    """Return the version of the SQLite that this Python has."""
    return sqlite3.sqlite_version
