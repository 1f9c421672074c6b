"""Schema migrations: numbered SQL files, each applied once, in its own transaction."""

from __future__ import annotations

import sqlite3
from functools import cache
from importlib.resources import files


@cache
def migrations() -> tuple[str, ...]:
    """Return the SQL of every migration; the first one (index 0) brings the schema from version 0 to 1."""
    folder = files("headway.store.sqlite") / "schema"
    named = sorted((f.name, f) for f in folder.iterdir() if f.name.endswith(".sql"))
    numbers = [int(name.partition("_")[0]) for name, _ in named]
    if numbers != list(range(1, len(named) + 1)):
        raise RuntimeError(f"the schema's migrations are not numbered 1, 2, 3 …: {[name for name, _ in named]}")
    return tuple(f.read_text("utf-8") for _, f in named)


LATEST = len(migrations())
"""The schema version of this Headway."""

OLDEST = 2
"""The oldest schema version that readers, who never change a file, understand."""


def migrate(connection: sqlite3.Connection, to: int = LATEST) -> int:
    """Bring the schema up to version ``to``; return the version it had.

    Each step is one transaction that also sets ``user_version``, so a kill in between leaves the old version, whole.
    ``connection`` is in autocommit mode. Raises ``sqlite3.Error`` with nothing of the failed step done.
    """
    had = int(connection.execute("PRAGMA user_version").fetchone()[0])
    for number in range(had + 1, to + 1):
        try:
            # A pragma takes no parameters; number is an int of ours.
            script = "BEGIN IMMEDIATE;\n" + migrations()[number - 1] + "\nPRAGMA user_version = %d;\n" % number  # noqa: UP031
            connection.executescript(script)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return had
