"""The writer: one thread, one connection, group commit without a timer.

What is appended while a commit is under way forms the next transaction, so the batch grows with the load by itself
and a lone event waits for nobody (a window of 1 ms made every case slower). A commit that fails is rolled back and its
events stay first in line, in order: they are tried again with the next thing handed over or when told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import msgspec

from headway.errors import HeadwayError, StoreError, describe
from headway.events import kinds as k
from headway.events.event import Event
from headway.store.sqlite.caches import BITE, LAG, Caches
from headway.store.sqlite.codec import Packed, Row, to_row
from headway.store.sqlite.connect import close_writer, open_for_writing, store_error
from headway.store.sqlite.insert import insert_rows, one_statement

BATCH = 500
"""The most events in one transaction."""

IDLE_S = 0.05
"""Seconds of the machine's own clock without work after which the writer counts as idle."""

_log = logging.getLogger(__name__)

Connect = Callable[[Path], sqlite3.Connection]


class Listener(Protocol):
    """The owner of a writer. Its methods are called on the loop's thread."""

    def committed(self, events: list[Event], count: int) -> None:
        """``events`` are on disk; with them ``count`` of all that were handed over."""

    def refused(self, error: StoreError, count: int) -> None:
        """The disk refused; the first ``count`` handed over have been tried, those not committed are kept."""


@dataclass(slots=True)
class Task:
    """A function that the writer's thread calls between two transactions, with its answer."""

    run: Callable[[Work], Any]
    done: asyncio.Future[Any]


@dataclass(slots=True)
class Work:
    """The surroundings of a task: the connection (not in a transaction) and the writer's place in the log."""

    connection: sqlite3.Connection
    caches: Caches
    last_seq: int
    events: list[Event] = field(default_factory=list)
    """Events that the task committed itself, with seq; it moves ``last_seq`` on."""


class Close:
    """The last thing handed over."""


_EDGES = frozenset({k.JOB_CREATED}) | k.TERMINAL_JOB

_NOT_HELD = (sqlite3.InterfaceError, sqlite3.ProgrammingError, sqlite3.IntegrityError)
"""The errors that SQLite raises for a value that a column cannot hold."""

RETRY: list[Packed] = []
"""Handing this over makes the writer try again what it kept."""

Item = list[Packed] | Task | Close


class Writer:
    """The thread that writes to one store. ``start`` it, ``put`` work to it, ``put(Close())`` ends it."""

    def __init__(
        self, path: Path, loop: asyncio.AbstractEventLoop, listener: Listener, connect: Connect = open_for_writing
    ) -> None:
        self._path = path
        self._loop = loop
        self._listener = listener
        self._connect = connect
        self._queue: SimpleQueue[Item] = SimpleQueue()
        self.put: Callable[[Item], None] = self._queue.put
        self._backlog: list[Packed] = []
        self._tasks: deque[Task] = deque()
        self._closing = False
        self._taken = 0
        self._committed = 0
        self._paid = 0
        self._last_seq = 0
        self._caches = Caches()
        self._thread = threading.Thread(target=self._run, name="headway-writer", daemon=True)
        self._opened: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        """Done when the thread has closed its connection and is about to end."""

    async def start(self) -> int:
        """Open the store in the new thread; return its last seq. Raises :class:`StoreError` if it cannot be opened."""
        self._thread.start()
        return await asyncio.shield(self._opened)

    def join(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for the thread to end; return whether it has."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def committed(self) -> int:
        """The number of events handed over so far that are on disk."""
        return self._committed

    # -- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            connection = self._connect(self._path)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the opener waits for it
            self._post(_fail, self._opened, error)
            self._post(_settle, self.ended, None)
            return
        try:
            self._open(connection)
            while not (self._closing and not self._backlog and not self._tasks):
                self._take(self._next(connection))
                self._work(connection)
                if self._closing:
                    break
        except BaseException as error:  # noqa: BLE001 - logged, and told to all who wait
            _log.exception("the writer of %s ends", self._path)
            self._die(error)
        finally:
            self._end(connection)

    def _end(self, connection: sqlite3.Connection) -> None:
        try:
            try:
                with contextlib.suppress(sqlite3.Error):  # a disk that refuses them: they are made anew from the log
                    self._caches.close(connection)
            finally:
                close_writer(connection)
        except BaseException:  # noqa: BLE001 - what is committed is safe, and whoever closes the log waits for the end
            _log.exception("closing %s failed", self._path)
        finally:
            self._post(_settle, self.ended, None)

    def _open(self, connection: sqlite3.Connection) -> None:
        try:
            self._last_seq = _last_seq(connection)
            self._caches.load(connection, self._last_seq)
        except sqlite3.Error as error:
            self._post(_fail, self._opened, store_error(error, self._path))
            raise
        except BaseException as error:
            self._post(_fail, self._opened, error)
            raise
        self._post(_settle, self._opened, self._last_seq)

    def _next(self, connection: sqlite3.Connection) -> Item:
        """Return the next thing handed over; fold the caches while there is none."""
        while True:
            try:
                return self._queue.get(timeout=IDLE_S if self._caches.behind else None)
            except Empty:
                self._fold(connection)

    def _fold(self, connection: sqlite3.Connection) -> None:
        """Fold the caches, a bite at a time, until something is handed over."""
        try:
            while self._queue.empty() and self._caches.step(connection):
                pass
        except sqlite3.Error as error:
            _log.warning("the caches of %s were not written: %s", self._path, error)

    def _take(self, item: Item) -> None:
        if isinstance(item, list):
            self._backlog.extend(item)
            self._taken += len(item)
        elif isinstance(item, Task):
            self._tasks.append(item)
        else:
            self._closing = True

    def _take_all(self) -> None:
        try:
            while len(self._backlog) < BATCH or self._queue.qsize():
                self._take(self._queue.get_nowait())
        except Empty:
            pass

    def _work(self, connection: sqlite3.Connection) -> None:
        """Commit what there is, then run tasks; on a failure run tasks all the same (one may make room)."""
        while True:
            self._take_all()
            while self._backlog:
                if not self._commit(connection):
                    break
                if self._caches.lag > LAG:  # no idle moment for long: the writer must not lose its caches for good
                    self._fold_some(connection)
                self._take_all()
            if not self._tasks:
                return
            self._call(connection, self._tasks.popleft())

    def _fold_some(self, connection: sqlite3.Connection) -> None:
        """Fold a bite for each bite's worth of events that was committed, so that the caches fall no further behind."""
        if self._committed - self._paid < BITE:
            return
        self._paid = self._committed
        try:
            self._caches.step(connection)
        except sqlite3.Error as error:
            _log.warning("the caches of %s were not written: %s", self._path, error)

    def _commit(self, connection: sqlite3.Connection) -> bool:
        """Commit the first events in line, in one transaction; return whether that went well."""
        chunk = self._backlog[:BATCH]
        try:
            try:
                self._insert(connection, chunk)
            except (TypeError, ValueError, OverflowError, *_NOT_HELD):
                _undo(connection)
                chunk = [_mended(packed) for packed in chunk]
                self._insert(connection, chunk)
        except sqlite3.Error as error:
            if not self._arrived(connection, chunk):
                self._post(self._listener.refused, store_error(error, self._path), self._taken)
                return False
        del self._backlog[: len(chunk)]
        self._committed += len(chunk)
        self._last_seq += len(chunk)
        events = [packed.event for packed in chunk]
        self._post(self._listener.committed, events, self._committed)
        self._caches.offer(events)
        return True

    def _insert(self, connection: sqlite3.Connection, chunk: list[Packed]) -> None:
        seq = self._last_seq
        rows: list[Row] = []
        edges: list[Event] = []
        plain = True
        for packed in chunk:
            seq += 1
            event = packed.event
            event.seq = seq
            rows.append(to_row(seq, packed))
            if event.kind in _EDGES:
                edges.append(event)
            if packed.blobs is not None or packed.also is not None:
                plain = False
        if plain and not edges and one_statement(len(rows)):  # a statement alone is a transaction
            insert_rows(connection, rows)
            return
        connection.execute("BEGIN IMMEDIATE")
        insert_rows(connection, rows)
        if not plain:
            _insert_more(connection, chunk)
        for event in edges:
            _note_edge(connection, event)
        connection.execute("COMMIT")

    def _arrived(self, connection: sqlite3.Connection, chunk: list[Packed]) -> bool:
        """Clean up after a failed commit; return whether the file has the events all the same."""
        _undo(connection)
        try:
            return bool(chunk) and _last_seq(connection) == self._last_seq + len(chunk)
        except sqlite3.Error:
            return False

    def _call(self, connection: sqlite3.Connection, task: Task) -> None:
        work = Work(connection, self._caches, self._last_seq)
        try:
            answer = task.run(work)
        except sqlite3.Error as error:
            self._caches.reset()
            _undo(connection)
            self._post(_fail, task.done, store_error(error, self._path))
        except Exception as error:  # noqa: BLE001 - the caller gets it; the writer lives on
            self._caches.reset()
            _undo(connection)
            self._post(_fail, task.done, error)
        else:
            self._post(_settle, task.done, answer)
        finally:
            self._last_seq = work.last_seq
            if work.events:
                self._caches.offer(work.events)
                self._post(self._listener.committed, work.events, self._committed)

    def _die(self, error: BaseException) -> None:
        """Tell everybody who waits, now and later, that nothing will be written any more."""
        reason = error if isinstance(error, StoreError) else StoreError(f"the writer ended: {describe(error)}")
        self._post(_fail, self._opened, reason)
        self._post(self._listener.refused, reason, self._taken)
        for task in self._tasks:
            self._post(_fail, task.done, reason)
        self._closing = True

    def _post(self, callback: Callable[..., Any], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to be told
            self._loop.call_soon_threadsafe(callback, *args)


def _last_seq(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def _insert_more(connection: sqlite3.Connection, chunk: list[Packed]) -> None:
    """Write what hangs on events: blobs, with who needs them, and rows such as a checkpoint's."""
    for packed in chunk:
        if packed.source is not None:
            packed.source.seq = packed.event.seq
        for blob in packed.blobs or ():
            connection.execute(
                "INSERT INTO blobs (hash, size, body) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING",
                (blob.hash, len(blob.body), blob.body),
            )
            connection.execute(
                "INSERT INTO blob_refs (seq, hash) VALUES (?, ?) ON CONFLICT DO NOTHING", (packed.event.seq, blob.hash)
            )
        for statement, row in packed.also or ():
            connection.execute(statement, row)


def _note_edge(connection: sqlite3.Connection, event: Event) -> None:
    """Keep the index of unfinished jobs true to the events of this transaction."""
    if event.kind == k.JOB_CREATED:
        if event.job_id is not None:
            sql = "INSERT OR REPLACE INTO unfinished (job_id, seq) VALUES (?, ?)"
            connection.execute(sql, (event.job_id, event.seq))
    else:
        connection.execute("DELETE FROM unfinished WHERE job_id = ?", (event.job_id,))


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            _log.warning("a rollback failed", exc_info=True)


def _mended(packed: Packed) -> Packed:
    """Return ``packed`` with what the file cannot hold of the envelope replaced: one bad event must not stop all."""
    event = packed.event
    changes: dict[str, Any] = {}
    for name in ("kind", "tenant", "job_id", "proposal_id", "action_id", "trace_id"):
        value = getattr(event, name)
        if value is not None:
            changes[name] = _as_text(value)
    for name in ("ts", "level", "attempt"):
        value = getattr(event, name)
        if value is not None and not (isinstance(value, int) and -(1 << 63) <= value < 1 << 63):
            changes[name] = 0 if name == "ts" else None
    return msgspec.structs.replace(packed, event=msgspec.structs.replace(event, **changes))


def _as_text(value: object) -> str:
    try:
        return str(value).encode("utf-8", "replace").decode()
    except Exception:  # noqa: BLE001 - whatever it is, its name will do
        return type(value).__name__


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error if isinstance(error, HeadwayError) else StoreError(describe(error)))
