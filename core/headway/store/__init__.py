"""The store: where a log's events are kept, and how they are read back.

:class:`~headway.store.protocol.Store` is what the rest of Headway uses; :func:`store_of` gives the one of a log,
:func:`open_store` and :func:`open_reader` that of a home. Which implementation it is, memory or ``sqlite``, nobody
outside this package names. Implementations are imported on first use: a log in memory needs no SQLite.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway._lazy import attach
from headway.store.memory import MemoryStore
from headway.store.protocol import (
    BackupReport,
    CheckReport,
    Claim,
    Problem,
    Reader,
    RedactReport,
    SchemaVersion,
    Statistics,
    Store,
)

if TYPE_CHECKING:
    from headway.clock import Clock
    from headway.events.log import EventLog
    from headway.home import Home
    from headway.store.sqlite.codec import is_reference
    from headway.store.sqlite.header import engine_version, schema_version
    from headway.store.sqlite.lock import HomeLock
    from headway.store.sqlite.log import StoreLog
    from headway.store.sqlite.reader import StoreReader

_HOME = {
    "HomeLock": "sqlite.lock",
    "StoreLog": "sqlite.log",
    "StoreReader": "sqlite.reader",
    "is_reference": "sqlite.codec",
    "engine_version": "sqlite.header",
    "schema_version": "sqlite.header",
}

__all__ = [
    "BackupReport",
    "CheckReport",
    "Claim",
    "HomeLock",
    "MemoryStore",
    "Problem",
    "Reader",
    "RedactReport",
    "SchemaVersion",
    "Statistics",
    "Store",
    "StoreLog",
    "StoreReader",
    "backup",
    "check",
    "engine_version",
    "is_reference",
    "open_reader",
    "open_store",
    "redact",
    "schema_version",
    "store_of",
]


def store_of(log: EventLog) -> Store:
    """Return the store of a log, in memory or durable: always the same object for the same log."""
    if log.store is None:
        log.store = MemoryStore(log)
    store: Store = log.store
    return store


async def open_store(home: Home, *, clock: Clock | None = None, lock: HomeLock | None = None) -> Store:
    """Open the store of ``home`` for writing, making it if it is not there; its ``close`` gives the home back.

    Raises :class:`headway.errors.HomeLocked`, :class:`headway.errors.StoreTooNew`,
    :class:`headway.errors.StoreUnreadable` or another :class:`headway.errors.StoreError`; then nothing stays open.
    """
    from headway.clock import SYSTEM_CLOCK
    from headway.store.sqlite.log import StoreLog as Log

    return store_of(await Log.open(home, clock=clock or SYSTEM_CLOCK, lock=lock))


async def open_reader(home: Home) -> Reader:
    """Open the store of ``home`` read-only, from any process, while another one may write to it.

    Raises :class:`headway.errors.NotFound` if there is none, else as :func:`open_store`.
    """
    from headway.store.sqlite.reader import StoreReader as Opened

    return await Opened.open(home.db)


async def check(home: Home) -> CheckReport:
    """Check the store of ``home``: the file, the log, blobs, and that the caches are what the log folds to.

    It may be written to meanwhile. Raises :class:`headway.errors.NotFound` if there is none.
    """
    from headway.store.sqlite.check import check_store

    return await asyncio.to_thread(check_store, home.db)


async def backup(home: Home, target: str | os.PathLike[str], *, force: bool = False) -> BackupReport:
    """Copy the store of ``home``, as of one moment, to a file; it may be written to meanwhile.

    Raises :class:`headway.errors.InvalidInput` for a file that is there already, unless ``force``.
    """
    from headway.store.sqlite.backup import backup_store

    return await asyncio.to_thread(backup_store, home.db, Path(target), force=force)


async def redact(
    home: Home,
    values: list[str],
    *,
    names: bool = True,
    dry_run: bool = False,
    now_ms: int = 0,
    by: str = "",
    progress: Callable[[int, int], object] | None = None,
) -> RedactReport:
    """Take ``values``, and literals under the names of secrets unless not ``names``, out of the store of ``home``.

    Nobody may write to the home meanwhile. With ``dry_run`` it only counts. Raises
    :class:`headway.errors.HomeLocked`, and :class:`headway.errors.Conflict` while a job is unfinished.
    """
    from headway.store.sqlite.redact import redact_store

    options: dict[str, Any] = {"names": names, "dry_run": dry_run, "now_ms": now_ms, "by": by, "progress": progress}
    return await asyncio.to_thread(redact_store, home, values, **options)


__getattr__, __dir__ = attach(__name__, _HOME)
