"""Reading a store, from any process, while another one writes to it.

A reader opens the file read-only through aiosqlite and never makes one. What it returns is what was committed when it
asked. Caches that lie behind are folded up to date on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiosqlite
import msgspec

from headway.errors import InvalidInput, NotFound, StoreError, StoreUnreadable, one_line
from headway.events import kinds as k
from headway.events.checkpoint import Checkpoint, CheckpointInfo
from headway.events.event import Event
from headway.events.fold.table import VIEWS
from headway.events.snapshot import Snapshot
from headway.events.views import (
    BudgetView,
    InboxView,
    JobRow,
    JobsView,
    LimitsView,
    RunView,
    SchedulesView,
    ThreadsView,
)
from headway.store.checkpoints import decode_checkpoint
from headway.store.protocol import Statistics
from headway.store.sqlite import queries
from headway.store.sqlite.codec import LAZY, is_reference
from headway.store.sqlite.connect import BUSY_MS, check_readable, judge_identity, reader_uri, store_error
from headway.store.sqlite.migrate import LATEST, OLDEST

if TYPE_CHECKING:
    from types import TracebackType

    from headway.store.sqlite.queries import Steps

T = TypeVar("T")

_CHECKPOINT = "id, kind, scope, seq, created_ms, job_id, NULL, name, keys, done, total"


class StoreReader:
    """A read-only view of one store; an async context manager. Used on one event loop, by any number of tasks."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self.path = path
        self._connection = connection
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, path: str | Path) -> StoreReader:
        """Open the store at ``path``.

        Raises :class:`NotFound` if there is none, :class:`headway.errors.StoreTooNew` if a newer Headway wrote it,
        :class:`StoreUnreadable` for anything else that cannot be read; then nothing stays open.
        """
        path = Path(path)
        check_readable(path)
        connection = aiosqlite.connect(reader_uri(path), uri=True, isolation_level=None, cached_statements=256)
        thread: Any = getattr(connection, "_thread", connection)
        thread.daemon = True  # a reader left open must not keep the process alive
        try:
            await _opened(connection)
            reader = cls(path, connection)
            await reader._check()
        except sqlite3.Error as error:
            await _close(connection)
            raise store_error(error, path) from None
        except BaseException:
            await _close(connection)
            raise
        return reader

    async def _check(self) -> None:
        await self._connection.execute_fetchall("PRAGMA busy_timeout = %d" % BUSY_MS)  # noqa: UP031 - takes no parameters
        values = []
        for statement in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master"):
            rows = list(await self._connection.execute_fetchall(statement))
            values.append(int(rows[0][0]))
        application, version, tables = values
        judge_identity(self.path, application, version, tables, empty_ok=False)
        if version < OLDEST:
            raise StoreUnreadable(
                f"the store {self.path} has the older schema {version}, this Headway reads {OLDEST} to {LATEST}:"
                " it is brought up to date when it is next written to"
            )

    async def close(self) -> None:
        """Close the connection. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            await _close(self._connection)

    async def __aenter__(self) -> StoreReader:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- events ------------------------------------------------------------------------------------------------------

    async def last_seq(self) -> int:
        """Return the seq of the last event; 0 when there is none."""
        return await self._ask(queries.last_seq())

    async def data_version(self) -> int:
        """Return a number that differs from the last one returned if somebody has committed meanwhile."""
        rows = await self._rows("PRAGMA data_version")
        return int(rows[0][0])

    async def events(
        self,
        after: int = 0,
        job_id: str | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 1000,
        before: int | None = None,
        resolve: bool = False,
    ) -> list[Event]:
        """Return up to ``limit`` events with ``seq > after``, in order, of one job and some kinds.

        With ``before``, the newest ``limit`` of those with ``seq < before``: a page further back. Large outputs
        and proposals are references unless ``resolve``.
        """
        found = await self._ask(
            queries.events(after, before=before, job_id=job_id, kinds=kinds, limit=limit, newest=before is not None)
        )
        if resolve:
            for event in found:
                event.data = await self._resolved_data(event.data)
        return found

    async def event(self, seq: int) -> Event:
        """Return one event; :class:`NotFound` if there is none of that seq."""
        found = await self._ask(queries.events(seq - 1, before=seq + 1, limit=1))
        if not found:
            raise NotFound(f"there is no event {seq}")
        return found[0]

    async def resolve(self, value: Any) -> Any:
        """Return the large value that ``value`` refers to; an event's data with its references replaced; else itself.

        Raises :class:`NotFound` for a reference to something that is gone.
        """
        if is_reference(value):
            body = await self._ask(queries.blob(value["$blob"]))
            if body is None:
                raise NotFound(f"the store no longer has {value['$blob']}")
            return msgspec.json.decode(body)
        return await self._resolved_data(value) if isinstance(value, dict) else value

    async def _resolved_data(self, data: dict[str, Any]) -> dict[str, Any]:
        found = {key: data[key] for key in LAZY if is_reference(data.get(key))}
        return {**data, **{key: await self.resolve(value) for key, value in found.items()}} if found else data

    # -- jobs --------------------------------------------------------------------------------------------------------

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        """Return jobs, newest first, of one status or of all; ``before`` is the ``first_seq`` of the last one seen."""
        return await self._ask(queries.jobs(status, limit, before))

    async def jobs_as_of(
        self, status: str | None = None, limit: int = 100, before: int | None = None
    ) -> tuple[int, list[JobRow]]:
        """Return a page of jobs and the seq that they are as of: see :meth:`headway.store.Reader.jobs_as_of`."""
        async with self._transaction():
            seq = await self._answer(queries.last_seq())
            return seq, await self._answer(queries.jobs(status, limit, before))

    async def job(self, job_id: str) -> JobRow:
        """Return a job's row; :class:`NotFound` if there is no such job."""
        return await self._ask(queries.job(job_id))

    async def unfinished(self) -> list[JobRow]:
        """Return the jobs that have not reached a terminal status, oldest first."""
        return await self._ask(queries.unfinished())

    async def unfinished_ids(self) -> list[str]:
        """Return the ids of the jobs that have not reached a terminal status, oldest first."""
        return await self._ask(queries.unfinished_ids())

    async def proposal(self, job_id: str) -> dict[str, Any]:
        """Return the proposal that a job was made for; :class:`NotFound` if there is no such job."""
        found = await self.events(job_id=job_id, kinds=[k.JOB_CREATED], limit=1, resolve=True)
        if not found:
            raise NotFound(f"there is no job '{job_id}'")
        proposal: dict[str, Any] = found[0].data.get("proposal") or {}
        return proposal

    # -- views -------------------------------------------------------------------------------------------------------

    async def jobs_view(self) -> JobsView:
        """Return all jobs, oldest first."""
        async with self._transaction():
            return await self._answer(queries.log_view(VIEWS["jobs"]))

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return every view of the table, and one job's run if asked for, all as of one seq.

        Raises :class:`NotFound` if there is no such job.
        """
        async with self._transaction():
            views, complete = await self._answer(queries.snapshot())
            run = await self._answer(queries.run_view(job_id)) if job_id is not None else None
        runs = {run.job.job_id: run} if run is not None else None
        return Snapshot(views["jobs"].last_seq, runs=runs, complete=complete, **views)

    async def complete(self) -> bool:
        """Return whether lists hold every job: not while caches that were lost are being folded anew."""
        return await self._ask(queries.complete())

    async def statistics(self) -> Statistics:
        """Return figures of the store."""
        async with self._transaction():
            return await self._answer(queries.statistics())

    async def limits_view(self) -> LimitsView:
        """Return every token bucket."""
        async with self._transaction():
            return await self._answer(queries.log_view(VIEWS["limits"]))

    async def budget_view(self) -> BudgetView:
        """Return every budget."""
        async with self._transaction():
            return await self._answer(queries.log_view(VIEWS["budgets"]))

    async def inbox_view(self) -> InboxView:
        """Return all that waits for a person."""
        async with self._transaction():
            return await self._answer(queries.log_view(VIEWS["inbox"]))

    async def threads_view(self) -> ThreadsView:
        """Return every thread."""
        async with self._transaction():
            return await self._answer(queries.log_view(VIEWS["threads"]))

    async def schedules_view(self) -> SchedulesView:
        """Return every schedule."""
        async with self._transaction():
            return await self._answer(queries.log_view(VIEWS["schedules"]))

    async def thread_events(self, thread_id: str, kind: str, *, skip: int = 0, limit: int = 1000) -> list[Event]:
        """Return messages or checkpoints of a thread: see :meth:`Reader.thread_events`."""
        async with self._transaction():
            return await self._answer(queries.thread_events(thread_id, kind, skip, limit))

    async def run_view(self, job_id: str, upto: int | None = None, *, resolve: bool = False) -> RunView:
        """Return a run as it is, or as it was at seq ``upto``; :class:`NotFound` if there was no such job.

        Large outputs are references unless ``resolve``.
        """
        view = await self._ask(queries.run_view(job_id, upto))
        if resolve:
            for action in view.actions:
                if is_reference(action.output):
                    action.output = await self.resolve(action.output)
            view.output = await self.resolve(view.output) if is_reference(view.output) else view.output
        return view

    async def scope_state(self, scope: str, upto: int | None = None) -> dict[str, Any]:
        """Return the state of a scope as it is, or as it was at seq ``upto``; empty for one that nobody used."""
        async with self._transaction():
            view = await self._answer(queries.state_view(scope, upto))
        return view.state

    async def scope_events(self, scope: str, limit: int = 1000) -> list[Event]:
        """Return the first events that began a scope's jobs or set its state from outside them."""
        async with self._transaction():
            return await self._answer(queries.scope_events(scope, limit))

    # -- checkpoints -------------------------------------------------------------------------------------------------

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints that were saved (not the ends of levels), of a job, a scope or all, oldest first."""
        sql = (
            f"SELECT {_CHECKPOINT} FROM checkpoints"  # noqa: S608 - constant columns
            " WHERE (? IS NULL OR job_id = ?) AND (? IS NULL OR scope = ?) ORDER BY seq, rowid"
        )
        return [CheckpointInfo(*row) for row in await self._rows(sql, (job_id, job_id, scope, scope))]

    async def checkpoint(self, checkpoint_id: str) -> Checkpoint:
        """Return a saved checkpoint, whole; :class:`NotFound` if there is none of that id."""
        rows = await self._rows("SELECT body FROM checkpoints WHERE id = ?", (checkpoint_id,))
        if not rows:
            raise NotFound(f"there is no checkpoint '{checkpoint_id}'")
        return decode_checkpoint(checkpoint_id, rows[0][0])

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _ask(self, steps: Steps[T]) -> T:
        """Answer a question, other tasks' questions coming in between its steps."""
        try:
            query = next(steps)
            while True:
                query = steps.send(await self._rows(*query))
        except StopIteration as stop:
            answer: T = stop.value
            return answer

    async def _answer(self, steps: Steps[T]) -> T:
        """Answer a question without giving up the turn."""
        try:
            query = next(steps)
            while True:
                query = steps.send(await self._fetch(*query))
        except StopIteration as stop:
            answer: T = stop.value
            return answer

    async def _rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        async with self._turn:
            return await self._fetch(sql, parameters)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        """Show one and the same moment to all that is asked inside."""
        async with self._turn:
            try:
                await self._fetch("BEGIN")
                yield
            finally:
                await self._fetch("COMMIT")

    async def _fetch(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if self._closed:
            raise StoreError(f"the reader of {self.path} is closed")
        try:
            return list(await self._connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]
        except (sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, UnicodeEncodeError) as error:
            if self._closed:
                raise StoreError(f"the reader of {self.path} is closed") from None
            raise InvalidInput(f"the store cannot be asked for that: {one_line(str(error), 200)}") from None
        except sqlite3.Error as error:
            raise store_error(error, self.path) from None
        except ValueError:  # closed while this waited for its turn
            raise StoreError(f"the reader of {self.path} is closed") from None


async def _opened(connection: aiosqlite.Connection) -> None:
    """Open it. A cancellation waits for the thread's answer, which a loop that has ended could not take."""

    async def opening() -> None:
        await connection

    task = asyncio.create_task(opening())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def _close(connection: aiosqlite.Connection) -> None:
    """Close and wait for the thread's last answer, also when the opening failed."""
    with contextlib.suppress(sqlite3.Error, ValueError):  # never opened: its thread has ended by itself
        await connection.close()
