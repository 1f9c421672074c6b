"""Opening store files: connection settings, and SQLite's errors as ours, one clear line each."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

from headway.errors import LogFull, NotFound, StoreError, StoreTooNew, StoreUnreadable, one_line
from headway.store.sqlite.migrate import LATEST, OLDEST, migrate

APPLICATION_ID = int.from_bytes(b"HDWY", "big")
"""The kind that the file's header says it is (set by the first migration)."""

BUSY_MS = 5000
"""The time that a statement waits for somebody else's lock."""

_REASONS: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (LogFull, "has no room left"),
    sqlite3.SQLITE_NOTADB: (StoreUnreadable, "is not a Headway store: it is no SQLite database"),
    sqlite3.SQLITE_CORRUPT: (StoreUnreadable, "is damaged"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnreadable, "cannot be opened"),
    sqlite3.SQLITE_PERM: (StoreUnreadable, "may not be opened by this user"),
    sqlite3.SQLITE_READONLY: (StoreUnreadable, "may not be written by this user"),
    sqlite3.SQLITE_BUSY: (StoreError, "is locked by another program"),
    sqlite3.SQLITE_IOERR: (StoreError, "had an input/output error"),
}


def store_error(error: sqlite3.Error, path: Path) -> StoreError:
    """Return SQLite's ``error`` on the file at ``path`` as one of ours."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    kind, what = _REASONS.get(code & 0xFF, (StoreError, "failed"))
    text = one_line(str(error), 200)
    return kind(f"the store {path} {what} ({text})")


def check_file(path: Path, *, writing: bool) -> bool:
    """Look at ``path`` before SQLite does; return whether there is a file with something in it.

    Raises :class:`StoreUnreadable` for what is no file, or not permitted.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        reason = one_line(error.strerror or str(error))
        raise StoreUnreadable(f"the store {path} cannot be read: {reason}") from None
    if not stat.S_ISREG(found.st_mode):
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a file"
        raise StoreUnreadable(f"the store {path} is {what}")
    if not os.access(path, os.R_OK):
        raise StoreUnreadable(f"the store {path} may not be read by this user")
    if writing and not os.access(path, os.W_OK):
        raise StoreUnreadable(f"the store {path} may not be written by this user")
    return found.st_size > 0


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the store at ``path``, making it or bringing its schema up to date; the caller holds the home's lock.

    The connection belongs to the calling thread. Commits are on disk when they return: WAL, ``synchronous=FULL``.
    Raises :class:`StoreTooNew`, :class:`StoreUnreadable` or another :class:`StoreError`; then nothing stays open.
    """
    if not check_file(path, writing=True):
        _make_private(path)
    connection = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        connection.execute("PRAGMA busy_timeout = %d" % BUSY_MS)  # noqa: UP031 - a pragma takes no parameters
        check_identity(connection, path, empty_ok=True)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table: pruning gives pages back
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA recursive_triggers = ON")  # so that REPLACE cannot step round "append-only"
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -16384")  # KiB
        migrate(connection)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise store_error(error, path) from None
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the store at ``path`` read-only, for the calling thread; it may be written to meanwhile.

    Raises :class:`NotFound` if there is none, :class:`StoreTooNew`, :class:`StoreUnreadable` or another
    :class:`StoreError`; then nothing stays open.
    """
    check_readable(path)
    connection = None
    try:
        connection = sqlite3.connect(reader_uri(path), uri=True, isolation_level=None)
        connection.execute("PRAGMA busy_timeout = %d" % BUSY_MS)  # noqa: UP031 - a pragma takes no parameters
        check_identity(connection, path, empty_ok=False)
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version < OLDEST:
            raise StoreUnreadable(f"the store {path} has the older schema {version}: write to it first")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise store_error(error, path) from None
    except BaseException:
        if connection is not None:
            connection.close()
        raise
    return connection


def close_writer(connection: sqlite3.Connection) -> None:
    """Close the writer's connection, with everything moved into the one file if nobody reads it just now.

    A store at rest is then not in WAL mode, so that a reader of it makes no files beside it.
    """
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.Error:
        pass  # a reader is at it, or the disk is full: the WAL stays and is as good
    finally:
        connection.close()


def reader_uri(path: Path) -> str:
    """Return the address under which readers open ``path``: it never makes the file and never writes to it."""
    return f"file:{quote(str(path))}?mode=ro"


def check_readable(path: Path) -> None:
    """Raise :class:`NotFound` without a store at ``path``, :class:`StoreUnreadable` for what cannot be one."""
    if not check_file(path, writing=False):
        if path.exists():
            raise StoreUnreadable(f"the store {path} is empty")
        raise NotFound(f"there is no store at {path}")


def check_identity(connection: sqlite3.Connection, path: Path, *, empty_ok: bool) -> None:
    """Raise :class:`StoreUnreadable` for another program's database, :class:`StoreTooNew` for a newer Headway's."""
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    judge_identity(path, application, version, tables, empty_ok=empty_ok)


def judge_identity(path: Path, application: int, version: int, tables: int, *, empty_ok: bool) -> None:
    """Do what :func:`check_identity` does, from the values of the two pragmas and the number of schema objects."""
    if application == 0 and version == 0 and tables == 0:
        if not empty_ok:
            raise StoreUnreadable(f"the store {path} is empty")
    elif application != APPLICATION_ID:
        raise StoreUnreadable(f"the store {path} is not a Headway store: it is another program's database")
    elif version > LATEST:
        raise StoreTooNew(
            f"the store {path} was written by a newer Headway (schema {version}, this one knows {LATEST}): upgrade"
        )


def _make_private(path: Path) -> None:
    """Make the file before SQLite does, for its mode: events may hold what is not for others."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        reason = one_line(error.strerror or str(error))
        raise StoreUnreadable(f"the store {path} cannot be made: {reason}") from None
