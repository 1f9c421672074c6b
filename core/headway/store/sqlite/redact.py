"""Taking secrets out of a store that holds some: events, blobs, checkpoints and bases are written anew.

It works on a store at rest, under the writer's lock, in one transaction; the caches are deleted with it, and the file
is made anew afterwards, so that no page of it keeps what was taken out.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headway.errors import Conflict
from headway.events import kinds as k
from headway.events.event import Event
from headway.secrets.names import mask
from headway.secrets.redactor import Redactor
from headway.secrets.secret import Secret
from headway.store.protocol import RedactReport
from headway.store.sqlite.caches import delete_caches
from headway.store.sqlite.codec import is_reference, pack, to_row
from headway.store.sqlite.connect import close_writer, open_for_writing, store_error
from headway.store.sqlite.insert import insert_rows
from headway.store.sqlite.lock import HomeLock

if TYPE_CHECKING:
    from headway.home import Home

Progress = Callable[[int, int], object]
"""Takes the number of events looked at, and of all."""

_PAGE = 500
_MOVE_REFS = "INSERT OR IGNORE INTO blob_refs SELECT seq, ? FROM blob_refs WHERE hash = ?"


def redact_store(
    home: Home,
    values: list[str],
    *,
    names: bool = True,
    dry_run: bool = False,
    now_ms: int = 0,
    by: str = "",
    progress: Progress | None = None,
) -> RedactReport:
    """Replace ``values``, and literals under the names of secrets, in all that the store of ``home`` keeps.

    With ``dry_run`` it only counts. Raises :class:`headway.errors.HomeLocked` while somebody writes to the home,
    :class:`Conflict` while a job is unfinished: it would resume with what is left.
    """
    redactor = Redactor()
    for value in values:
        redactor.add("redacted", Secret(value))
    with HomeLock(home):
        connection = open_for_writing(home.db)
        try:
            work = _Work(connection, redactor, names, progress)
            work.redact(dry_run, now_ms, by)
            return work.report
        except sqlite3.Error as error:
            raise store_error(error, Path(home.db)) from None
        finally:
            close_writer(connection)


class _Work:
    """One redaction under way."""

    def __init__(
        self, connection: sqlite3.Connection, redactor: Redactor, names: bool, progress: Progress | None
    ) -> None:
        self._connection = connection
        self._redactor = redactor
        self._names = names
        self._progress = progress
        self._moved: dict[str, tuple[str, int]] = {}  # blobs: from the old hash to the new one, and its size
        self.report = RedactReport()

    def redact(self, dry_run: bool, now_ms: int, by: str) -> None:
        connection = self._connection
        if not dry_run:
            self._refuse_unfinished()
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("BEGIN IMMEDIATE")
        try:
            trigger = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'events_keep'").fetchone()
            connection.execute("DROP TRIGGER events_keep")  # comes back below, in this transaction
            self._blobs()
            self._events()
            self._bodies("checkpoints", "id")
            self._bodies("bases", "rowid")
            self._labels()
            connection.execute(trigger[0])
            if dry_run:
                connection.execute("ROLLBACK")
                return
            self._record(now_ms, by)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _refuse_unfinished(self) -> None:
        row = self._connection.execute("SELECT count(*), min(job_id) FROM unfinished").fetchone()
        if row[0]:
            raise Conflict(f"{row[0]} unfinished jobs ({row[1]}, …) would resume without their secrets: end them first")

    def _clean(self, value: Any) -> Any:
        cleaned = self._redactor.clean(value, numbers=False)
        return mask(cleaned) if self._names else cleaned

    def _text(self, text: str) -> str:
        cleaned: str = self._redactor.text(text)
        return cleaned

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _blobs(self) -> None:
        """Write each blob that holds a secret anew, under the name of what it holds then."""
        connection = self._connection
        hashes = [row[0] for row in connection.execute("SELECT hash FROM blobs").fetchall()]
        for old in hashes:
            (body,) = connection.execute("SELECT body FROM blobs WHERE hash = ?", (old,)).fetchone()
            value = msgspec.json.decode(body)
            cleaned = self._clean(value)
            if cleaned is value:
                continue
            made = msgspec.json.encode(cleaned)
            new = "sha256:" + hashlib.sha256(made).hexdigest()
            self._moved[old] = (new, len(made))
            connection.execute(
                "INSERT OR IGNORE INTO blobs (hash, size, body) VALUES (?, ?, ?)", (new, len(made), made)
            )
            connection.execute(
                "INSERT OR IGNORE INTO blob_refs SELECT seq, ? FROM blob_refs WHERE hash = ?", (new, old)
            )
            connection.execute("DELETE FROM blob_refs WHERE hash = ?", (old,))
            connection.execute("DELETE FROM blobs WHERE hash = ?", (old,))
            self.report.blobs += 1

    def _events(self) -> None:
        connection = self._connection
        total = int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
        looked_at = 0
        for rows in self._pages():
            for seq, data, *ids in rows:
                value = msgspec.json.decode(data)
                cleaned = self._renamed(self._clean(value))
                texts = [None if text is None else self._text(text) for text in ids]
                if cleaned is value and texts == ids:
                    continue
                connection.execute(
                    "UPDATE events SET data = ?, tenant = ?, job_id = ?, proposal_id = ?, action_id = ?, trace_id = ?"
                    " WHERE seq = ?",
                    (msgspec.json.encode(cleaned).decode(), *texts, seq),
                )
                self.report.events += 1
            looked_at += len(rows)
            if self._progress is not None:
                self._progress(looked_at, total)

    def _pages(self) -> Iterator[list[Any]]:
        after = 0
        sql = "SELECT seq, data, tenant, job_id, proposal_id, action_id, trace_id FROM events WHERE seq > ?"
        while rows := self._connection.execute(f"{sql} ORDER BY seq LIMIT {_PAGE}", (after,)).fetchall():
            yield rows
            after = rows[-1][0]

    def _renamed(self, data: Any) -> Any:
        """Return an event's data, or a checkpoint, with the references to blobs that have other names now."""
        if not self._moved or not isinstance(data, dict | list):
            return data
        if isinstance(data, list):
            items = [self._renamed(item) for item in data]
            return items if any(new is not old for new, old in zip(items, data, strict=True)) else data
        if is_reference(data):
            moved = self._moved.get(data["$blob"])
            return data if moved is None else {"$blob": moved[0], "size": moved[1]}
        made = {key: self._renamed(item) for key, item in data.items()}
        return made if any(made[key] is not item for key, item in data.items()) else data

    def _bodies(self, table: str, key: str) -> None:
        """Redact the bodies of checkpoints or bases."""
        rows = self._connection.execute(f"SELECT {key}, body FROM {table}").fetchall()  # noqa: S608 - names of ours
        for name, body in rows:
            value = msgspec.json.decode(body)
            cleaned = self._renamed(self._clean(value))
            if cleaned is not value:
                made = msgspec.json.encode(cleaned).decode()
                self._connection.execute(f"UPDATE {table} SET body = ? WHERE {key} = ?", (made, name))  # noqa: S608
                self.report.checkpoints += table == "checkpoints"

    def _labels(self) -> None:
        """Redact what checkpoints are called."""
        rows = self._connection.execute("SELECT id, name, scope, job_id FROM checkpoints").fetchall()
        for name, *texts in rows:
            cleaned = [None if text is None else self._text(text) for text in texts]
            if cleaned != texts:
                sql = "UPDATE checkpoints SET name = ?, scope = ?, job_id = ? WHERE id = ?"
                self._connection.execute(sql, (*cleaned, name))

    def _record(self, now_ms: int, by: str) -> None:
        """Delete what was made of the events, and say in the log what was done."""
        connection = self._connection
        delete_caches(connection)
        seq = int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]) + 1
        data = {"who": by, "what": "store redact", "detail": msgspec.to_builtins(self.report)}
        packed = pack(Event(k.OPERATOR_ACTION, data, ts=now_ms))
        packed.event.seq = seq
        insert_rows(connection, [to_row(seq, packed)])
