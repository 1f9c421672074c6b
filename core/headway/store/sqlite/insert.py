"""Putting events into the table with as few statements as possible.

Every call into SQLite gives the interpreter lock away and has to win it back; beside a busy event loop that can take
milliseconds. One statement with many rows does it once, where ``executemany`` does it once a row: decision 0005 in
``docs/adr`` has the figures.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from itertools import chain

from headway.store.sqlite.codec import COLUMNS, Row

_EXACT = 32
_SIZES = (256, 128, 64, _EXACT)
_WIDTH = len(COLUMNS.split(","))


@cache
def _statement(rows: int) -> str:
    """Return an INSERT of that many rows. It holds placeholders only."""
    places = "(" + ", ".join("?" * _WIDTH) + ")"
    return f"INSERT INTO events ({COLUMNS}) VALUES " + ", ".join([places] * rows)  # noqa: S608 - no data in it


def one_statement(count: int) -> bool:
    """Return whether :func:`insert_rows` needs only one statement (hence no transaction) for ``count`` rows."""
    return count <= _EXACT or count in _SIZES


def insert_rows(connection: sqlite3.Connection, rows: list[Row]) -> None:
    """Insert rows of ``events``: up to 32 with one statement, more with one for each power of two in their number."""
    start, left = 0, len(rows)
    for size in _SIZES:
        while left >= size:
            connection.execute(_statement(size), tuple(chain.from_iterable(rows[start : start + size])))
            start += size
            left -= size
    if left:
        connection.execute(_statement(left), tuple(chain.from_iterable(rows[start:])))
