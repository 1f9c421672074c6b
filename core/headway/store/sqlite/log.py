"""The durable log: what is acknowledged is on disk.

:class:`StoreLog` is an :class:`~headway.events.log.EventLog` whose events a writer's thread commits. The loop's side
encodes, hands over at most once a turn of the loop, and wakes readers once a commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle
from headway.errors import HomeLocked, InvalidInput, LogFull, StoreError
from headway.events.event import Event, refuse_malformed
from headway.events.log import EventLog, check_question
from headway.store.checkpoints import checkpoint_saved
from headway.store.sqlite import prune as retention
from headway.store.sqlite.caches import wipe
from headway.store.sqlite.codec import Packed, Ready, pack, ready, weight_of
from headway.store.sqlite.connect import open_for_writing
from headway.store.sqlite.lock import HomeLock, held_here
from headway.store.sqlite.reader import StoreReader
from headway.store.sqlite.store import SqliteStore
from headway.store.sqlite.writer import RETRY, Close, Connect, Task, Writer

if TYPE_CHECKING:
    from headway.events.checkpoint import Checkpoint
    from headway.home import Home

TAIL = 10_000
"""The number of committed events kept in memory, at least, for those who follow."""

BACKLOG = 100_000
"""The number of events kept in memory, at most, while the disk refuses them."""

RETRY_S = 1.0
"""Seconds that a refused commit waits for its next try, if nothing else is appended meanwhile."""

CLOSE_S = 15.0
"""Seconds of the machine's own clock that :meth:`StoreLog.close` waits for the last commit."""

_PENDING = -1  # the seq of an event that waits for its own

_SAVE_CHECKPOINT = (
    "INSERT INTO checkpoints (id, kind, scope, job_id, name, seq, created_ms, keys, done, total, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class StoreLog(EventLog):
    """The log of one home, and its only writer. Made by :meth:`open`; used on one event loop.

    When the disk refuses a commit, everything appended is kept, in order, and tried again with the next append or
    flush, and each second; those who wait get :class:`LogFull` or :class:`StoreError` though their events may yet be
    committed. Until then :attr:`full` is true, and new work should be refused.
    """

    def __init__(self, home: Home, lock: HomeLock, own_lock: bool, *, clock: Clock, backlog: int) -> None:
        super().__init__(clock=clock, tail_limit=TAIL, max_events=None)
        self.home = home
        self._lock = lock
        self._own_lock = own_lock
        self._loop = asyncio.get_running_loop()
        self._backlog = backlog
        self._line: list[Packed] = []
        self._scheduled = False
        self._appended = 0
        self._committed = 0
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._problem: StoreError | None = None
        self._dead = False
        self._timer: TimerHandle | None = None
        self._reader: StoreReader | None = None
        self._opening = asyncio.Lock()
        self._closing: asyncio.Future[None] | None = None
        self._writer: Writer

    @classmethod
    async def open(
        cls,
        home: Home,
        *,
        clock: Clock = SYSTEM_CLOCK,
        lock: HomeLock | None = None,
        backlog: int = BACKLOG,
        connect: Connect = open_for_writing,
    ) -> StoreLog:
        """Open the store of ``home``, making it if it is not there or bringing its schema up to date.

        The home's lock is taken, and given back by :meth:`close`, unless this process holds it already (``lock``, or
        one found by itself). Raises :class:`HomeLocked`, :class:`headway.errors.StoreTooNew`,
        :class:`headway.errors.StoreUnreadable` or another :class:`StoreError`; then nothing stays open or locked.
        """
        lock = lock or held_here(home)
        own = lock is None or not lock.held
        lock = lock or HomeLock(home)
        if own:
            lock.acquire()
        elif lock.in_use:
            raise HomeLocked(f"{home} is in use: this process is writing to it", pid=lock.pid)
        lock.in_use = True
        log = cls(home, lock, own, clock=clock, backlog=backlog)
        log._writer = Writer(home.db, log._loop, log, connect)
        try:
            log._last_seq = log._tail_after = log._began_after = log._woken_seq = await log._writer.start()
            log.store = SqliteStore(log)
        except BaseException:
            log._writer.put(Close())  # for a cancelled opening: the thread may just have come up
            log._writer.ended.add_done_callback(lambda _: log._unlock())
            await asyncio.shield(log._writer.ended)
            log._unlock()
            raise
        log._writer.ended.add_done_callback(log._writer_ended)
        return log

    # -- the log ---------------------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """True while the disk refuses what was appended."""
        return self._problem is not None

    @property
    def problem(self) -> StoreError | None:
        """Why the last commit failed; None when it did not."""
        return self._problem

    @property
    def pending(self) -> int:
        """The number of appended events that are not committed yet."""
        return self._appended - self._committed

    def append(self, *events: Event) -> None:
        """Put events at the end of the log, in order, and return immediately; they are committed soon.

        Either all are taken or, with an error, none: :class:`headway.errors.InvalidInput` for data that is not JSON or
        a value over 16 MiB, :class:`LogFull` when too much waits for a full disk, :class:`StoreError` on a closed log.
        """
        self._take(events)

    def pack(self, event: Event) -> tuple[Event, int]:
        """Return the event with its JSON made, and the bytes that it may take in memory.

        Raises :class:`headway.errors.InvalidInput`.
        """
        made = ready(event)
        assert made.packed is not None
        return made, weight_of(made.packed)

    async def write(self, *events: Event) -> int:
        """Append events, wait until they are on disk and return the seq of the last one.

        Raises what :meth:`append` raises, and :class:`LogFull` or :class:`StoreError` if the disk refuses them; they
        are kept then and committed when it takes them again.
        """
        packed = self._take(events)  # handed over at the turn's end, with what others append in it
        if not packed:
            return await self.flush()
        await self._until(self._appended)
        return packed[-1].event.seq

    async def flush(self) -> int:
        """Wait until everything appended so far is on disk; return the last seq. Raises as :meth:`write` does."""
        if self._committed < self._appended:
            self._hand_over()
            if self._problem is not None:
                self._writer.put(RETRY)
            await self._until(self._appended)
        return self._last_seq

    def sync(self) -> None:
        """Block this thread, so the event loop too, until everything appended so far is on disk.

        For code that cannot wait, such as a checkpoint's. Raises as :meth:`write` does.
        """
        wanted = self._appended
        if self._committed >= wanted:
            return
        if self._closing is not None or self._dead:
            raise StoreError("the event log is closed")
        self._hand_over()
        reached = threading.Event()
        done: asyncio.Future[Any] = self._loop.create_future()
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._writer.put(Task(lambda work: reached.set(), done))
        if not reached.wait(CLOSE_S):
            raise StoreError(f"the writer of {self.home.db} did not answer within {CLOSE_S:g} s")
        if self._writer.committed < wanted:
            raise _again(self._problem or LogFull())

    async def read(
        self, after: int = 0, *, job_id: str | None = None, kinds: Collection[str] | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return up to ``limit`` committed events with ``seq > after``, oldest first, of one job and some kinds.

        Large outputs and proposals are references; :meth:`StoreReader.resolve` gets them.
        """
        check_question(after, kinds, limit)
        if after >= self._tail_after:
            return await super().read(after, job_id=job_id, kinds=kinds, limit=limit)
        if not self._closed:
            try:
                reader = await self.reader()
                return await reader.events(after, job_id=job_id, kinds=kinds, limit=limit)
            except StoreError:
                if not self._closed:
                    raise
        async with await StoreReader.open(self.home.db) as reader:  # who follows an ended log reads it to its end
            return await reader.events(after, job_id=job_id, kinds=kinds, limit=limit)

    async def reader(self) -> StoreReader:
        """Return this log's own reader of the store; :meth:`close` closes it."""
        async with self._opening:
            if self._reader is None:
                self._reader = await StoreReader.open(self.home.db)
            return self._reader

    async def close(self) -> None:
        """Commit what was appended, end the log and the writer's thread, give the lock back. Twice is harmless.

        Raises :class:`StoreError` if something appended could not be committed, with everything closed all the same.
        """
        if self._closing is not None:
            await asyncio.shield(self._closing)
            return
        self._closing = self._loop.create_future()
        self._cancel_timer()
        self._hand_over()
        self._writer.put(Close())
        try:
            await asyncio.wait_for(asyncio.shield(self._writer.ended), CLOSE_S)
        except TimeoutError:  # the lock stays taken: that thread may write yet
            raise StoreError(f"the writer of {self.home.db} did not end within {CLOSE_S:g} s") from None
        finally:
            self._end()
            if self._reader is not None:
                await self._reader.close()
            self._closing.set_result(None)
        self._writer.join(1.0)
        if self.pending:
            raise _again(self._problem or StoreError(), f"{self.pending} events could not be written: ")

    # -- administration, in the writer's thread ----------------------------------------------------------------------

    async def save_checkpoint(self, checkpoint: Checkpoint, by: str = "") -> int:
        """Keep a checkpoint, whole, and record it; return the seq of its ``checkpoint_saved`` event."""
        info, keys = checkpoint.info, len(checkpoint.state)
        body = self.redactor.encoded(msgspec.json.encode(checkpoint)).decode()
        row = (info.checkpoint_id, info.kind, info.scope, info.job_id, info.name, info.seq, info.created_ms)
        also = [(_SAVE_CHECKPOINT, (*row, keys, info.done, info.total, body))]
        packed = self._take([checkpoint_saved(checkpoint, by)], also)
        self._hand_over()
        await self._until(self._appended)
        return packed[-1].event.seq

    async def prune(self, *, keep_days: float | None = None, max_bytes: int | None = None) -> dict[str, Any]:
        """Delete finished jobs that ended over ``keep_days`` ago, and the oldest while the store is over ``max_bytes``.

        Returns ``{"jobs": [ids], "events": count, "bytes": size of the store now}``.
        """
        prune = retention.Prune(retention.Limits(keep_days, max_bytes), self.clock.time_ms())
        while await self.in_writer(prune.step):  # a bite at a time, so that appended events get their turn
            pass
        report = prune.report
        self.store.live.forget(report.jobs)
        return report.as_dict()

    async def rebuild_caches(self) -> None:
        """Delete every cache and fold the log anew, in small bites: appended events get their turn."""
        await self.in_writer(wipe)
        await self.settle_caches()

    async def settle_caches(self) -> None:
        """Fold and write the caches now, up to the last event that is committed, as an idle writer would."""
        target = self._last_seq
        while await self.in_writer(lambda work: work.caches.step(work.connection) and work.caches.lacks(target)):
            pass

    async def in_writer(self, function: Any) -> Any:
        """Call ``function(work)`` in the writer's thread, between two transactions, and return its answer."""
        if self._closing is not None or self._dead:
            raise StoreError("the event log is closed")
        self._hand_over()
        done: asyncio.Future[Any] = self._loop.create_future()
        self._writer.put(Task(function, done))
        return await done

    # -- from here to the writer -------------------------------------------------------------------------------------

    def _take(self, events: Collection[Event], also: list[tuple[str, tuple[Any, ...]]] | None = None) -> list[Packed]:
        if self._closing is not None:
            raise StoreError("the event log is closed")
        if self._problem is not None and (self._dead or self.pending + len(events) > self._backlog):
            raise _again(self._problem)
        taken: list[Packed] = []
        active = self.redactor.active
        try:
            for event in events:
                if event.seq:  # it is in a log already, or on its way into this one
                    event = msgspec.structs.replace(event, seq=0)
                    if isinstance(event, Ready):
                        event.packed = None
                if not event.ts:
                    event.ts = self._time_ms()
                packed = _made(event, active)
                if packed is None:
                    packed = pack(self._redacted(event) if active else event)
                event.seq = packed.event.seq = _PENDING
                taken.append(packed)
        except (InvalidInput, AttributeError, TypeError):
            for packed in taken:
                packed.event.seq = 0
            for event in events:
                refuse_malformed(event)
            raise
        if also is not None:
            taken[-1].also = also
        self._line.extend(taken)
        self._appended += len(taken)
        if not self._scheduled and taken:
            self._scheduled = True
            self._loop.call_soon(self._turn_ended)
        return taken

    def _turn_ended(self) -> None:
        self._scheduled = False
        self._hand_over()

    def _hand_over(self) -> None:
        if self._line:
            line, self._line = self._line, []
            self._writer.put(line)

    async def _until(self, count: int) -> None:
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((count, done))
        await done

    # -- from the writer ---------------------------------------------------------------------------------------------

    def committed(self, events: list[Event], count: int) -> None:
        """Take in a commit: ``count`` of all that were handed over are on disk. For the writer."""
        self._committed = count
        if self._problem is not None:
            self._problem = None
            self._cancel_timer()
        self._publish(events)
        waiters = self._waiters
        while waiters and waiters[0][0] <= count:
            _, done = waiters.popleft()
            if not done.done():
                done.set_result(None)

    def refused(self, error: StoreError, count: int) -> None:
        """Take in that a commit failed: the first ``count`` handed over were tried, none is lost. For the writer."""
        self._problem = error
        waiters = self._waiters
        while waiters and waiters[0][0] <= count:
            _, done = waiters.popleft()
            if not done.done():
                done.set_exception(_again(error))
        if self._timer is None and self._closing is None and not self._dead:
            self._timer = self.clock.call_later(RETRY_S, self._retry)

    def _retry(self) -> None:
        self._timer = None
        if self._closing is None and not self._dead:
            self._writer.put(RETRY)

    def _cancel_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _writer_ended(self, _: asyncio.Future[None]) -> None:
        """The thread is gone: as asked by :meth:`close`, or by an error that leaves the log unusable."""
        self._dead = True
        self._cancel_timer()
        if self._closing is None and self._problem is None:
            self._problem = StoreError("the writer has ended")
        if self._waiters:
            self.refused(self._problem or StoreError("the event log is closed"), self._appended)
        self._unlock()

    def _unlock(self) -> None:
        self._lock.in_use = False
        if self._own_lock:
            with contextlib.suppress(OSError):
                self._lock.release()


def _made(event: Event, redacting: bool) -> Packed | None:
    """Return what :meth:`StoreLog.pack` has made of an event, with the time that the log has given it since.

    Where secrets are known nothing of it is used: the redactor belongs to the loop's thread, and knows the latest then.
    """
    if not isinstance(event, Ready):
        return None
    packed = event.packed
    if redacting:
        event.packed = None
        return None
    if packed is not None:
        packed.event.ts = event.ts
    return packed


def _again(error: StoreError, prefix: str = "") -> StoreError:
    """Return a new error like ``error``: each one who waits raises their own."""
    message = prefix + error.message
    return type(error)(message) if isinstance(error, LogFull) else StoreError(message)
