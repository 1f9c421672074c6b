"""The event log: append, read, follow.

:class:`EventLog` keeps every event in memory. It is also the base of the durable log, which differs in three places
only: what :meth:`EventLog.append` does with an event, when it calls :meth:`EventLog._publish` (once the events are
committed), and where :meth:`EventLog.read` finds the events that the bounded tail no longer holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from headway.arguments import expect_many
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import StoreError
from headway.events.event import TEXTS, Event, refuse_malformed
from headway.events.kinds import JOB_CREATED, RECORDER_GAP, TERMINAL_JOB
from headway.events.subscription import Subscription
from headway.numbers import MOST, whole_number
from headway.secrets.redactor import Redactor

MAX_EVENTS = 100_000
"""The number of events that a log in memory keeps unless told otherwise: some 50 MB, the events of 40,000 actions."""

_SLACK = 4  # a log sheds when it holds a quarter more than it keeps


class LogStatistics(msgspec.Struct, frozen=True):
    """Figures of a log: events it holds in memory, those it has ``dropped`` from there, the bound, who waits for news.

    ``max_events`` is None where there is no bound. What a durable log drops from memory is on disk.
    """

    events: int
    dropped: int
    last_seq: int
    max_events: int | None
    waiting: int


class EventLog:
    """An append-only, gap-free sequence of events in memory.

    All methods belong to one thread; with subscribers waiting, to the thread of their event loop. ``append`` needs no
    loop otherwise. "Acknowledged" means appended here, committed to disk in the durable log.

    ``max_events`` are kept, and all from the start of the newest job on, or of an older one that has not ended; the
    oldest go first. Who asks for what is gone gets a ``recorder_gap`` event that counts it, :meth:`statistics` and a
    job that is :class:`headway.errors.NotFound` say so too. ``max_events=None`` keeps all.

    ``redactor`` takes the values of secrets out of events before they are kept; without any it costs nothing.

    ``store`` is the log's :class:`headway.store.Store` once :func:`headway.store.store_of` has made one,
    ``supervisor`` runs the jobs that it records, ``desk`` keeps their open questions and ``threads`` its threads.

    For subclasses: ``_tail`` holds the newest committed events, ``_tail_after`` the seq just before its first;
    ``tail_limit`` bounds it (0 = it holds everything), ``last_seq`` is where an existing log continues.
    """

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        last_seq: int = 0,
        tail_limit: int = 0,
        max_events: int | None = MAX_EVENTS,
    ) -> None:
        self.clock = clock_of(clock)
        self._time_ms = clock.time_ms
        self._last_seq = whole_number(last_seq, "last_seq", 0)
        self._tail: list[Event] = []
        self._tail_after = self._began_after = last_seq
        self._tail_limit = whole_number(tail_limit, "tail_limit", 0)
        self._keep = None if max_events is None else whole_number(max_events, "max_events", 1)
        self._shed_at = None if max_events is None else max_events + max_events // _SLACK
        self._shed_ms = 0
        self.store: Any = None
        self.supervisor: Any = None
        self.desk: Any = None
        self.threads: Any = None
        self.on_shed: Callable[[int], None] | None = None
        self.redactor = Redactor()
        self._closed = False
        self._waiting: dict[Subscription, None] = {}
        self._woken_seq = last_seq
        self._wake_scheduled = False

    @property
    def last_seq(self) -> int:
        """The seq of the last committed event; 0 when there is none."""
        return self._last_seq

    @property
    def full(self) -> bool:
        """True while a disk refuses what was appended: never in memory."""
        return False

    @property
    def closed(self) -> bool:
        """True once the log has ended."""
        return self._closed

    def statistics(self) -> LogStatistics:
        """Return how much is held and how much was let go of."""
        dropped = self._tail_after - self._began_after
        return LogStatistics(len(self._tail), dropped, self._last_seq, self._keep, len(self._waiting))

    def append(self, *events: Event) -> None:
        """Put events at the end of the log, in order, and return immediately.

        ``seq`` is assigned, and ``ts`` from the clock where it is 0. The log keeps the events themselves: do not change
        them afterwards. An event that is in a log already is copied. Raises :class:`StoreError` on a closed log, and
        :class:`InvalidInput` for what is no event; then none is taken.
        """
        if self._closed:
            raise StoreError("the event log is closed")
        if self.redactor.active:
            events = tuple(map(self._redacted, events))
        append = self._tail.append
        seq = self._last_seq
        try:
            for event in events:
                if event.seq:
                    event = msgspec.structs.replace(event)
                seq += 1
                event.seq = seq
                if not event.ts:
                    event.ts = self._time_ms()
                append(event)
        except (AttributeError, TypeError):
            self._give_back(events)
            raise
        self._last_seq = seq
        if self._shed_at is not None and len(self._tail) > self._shed_at:
            self._shed()
        if self._waiting and not self._wake_scheduled:
            self._schedule_wake()

    def pack(self, event: Event) -> tuple[Event, int]:
        """Return an event made ready for :meth:`write`, by any thread, and the bytes it may take; here none are known.

        What :meth:`write` then does on the loop is little, however large the event is.
        """
        return event, 0

    async def write(self, *events: Event) -> int:
        """Append events, wait until they are committed and return the seq of the last one.

        Raises :class:`headway.errors.LogFull` or another :class:`StoreError` if they could not be committed.
        """
        self.append(*events)
        return await self.flush()

    async def flush(self) -> int:
        """Wait until everything appended so far is committed; return the last seq."""
        return self._last_seq

    def sync(self) -> None:
        """Block until everything appended so far is committed, for code that cannot wait."""

    async def read(
        self, after: int = 0, *, job_id: str | None = None, kinds: Collection[str] | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return up to ``limit`` committed events with ``seq > after``, oldest first, of one job and some kinds."""
        check_question(after, kinds, limit)
        start = max(0, after - self._tail_after)
        found: list[Event] = []
        if after < self._tail_after and self._tail_after > self._began_after and kinds is None and limit:
            gone = {"dropped": self._tail_after - after}
            found.append(Event(RECORDER_GAP, gone, seq=self._tail_after, ts=self._shed_ms))
        if job_id is None and kinds is None:
            return found + self._tail[start : start + limit - len(found)]
        for index in range(start, len(self._tail)):
            if len(found) >= limit:
                break
            event = self._tail[index]
            if (job_id is None or event.job_id == job_id) and (kinds is None or event.kind in kinds):
                found.append(event)
        return found

    def subscribe(self, after: int = 0, *, job_id: str | None = None) -> Subscription:
        """Follow the log from just after seq ``after``: first what is there, then what comes, of one job or of all."""
        return Subscription(self, after, job_id)

    async def close(self) -> None:
        """End the log. Subscriptions get what is committed, then end. Closing twice is harmless."""
        self._end()

    def _redacted(self, event: Event) -> Event:
        """Return an event without the values of secrets: itself, changed, if it is in no log yet."""
        refuse_malformed(event)
        redactor = self.redactor
        data = redactor.clean(event.data)
        texts = {name: text for name in TEXTS if (text := getattr(event, name)) is not None}
        ids = " ".join(texts.values())
        if redactor.text(ids) != ids:
            texts = {name: redactor.text(text) for name, text in texts.items()}
        elif data is event.data:
            return event
        if event.seq:
            return msgspec.structs.replace(event, data=data, seq=0, **texts)
        event.data = data
        for name, text in texts.items():
            setattr(event, name, text)
        return event

    def _give_back(self, events: Sequence[object]) -> None:
        """Take back what :meth:`append` took before it met something that is no event, and say what that is."""
        start = self._last_seq - self._tail_after
        for taken in self._tail[start:]:
            taken.seq = 0
        del self._tail[start:]
        for event in events:
            refuse_malformed(event)

    # -- for subclasses ------------------------------------------------------------------------------------------

    def _publish(self, events: Sequence[Event]) -> None:
        """Make committed events (in order, with seq) visible; call it on the loop's thread, once a commit."""
        if not events:
            return
        tail = self._tail
        tail.extend(events)
        self._last_seq = events[-1].seq
        limit = self._tail_limit
        if limit and len(tail) > 2 * limit:
            surplus = len(tail) - limit
            if self.on_shed is not None:
                self.on_shed(self._tail_after + surplus)
            del tail[:surplus]
            self._tail_after += surplus
        if self._waiting and not self._wake_scheduled:
            self._schedule_wake()

    def _shed(self) -> None:
        """Let go of the oldest events, down to ``max_events``, but of none from the start of an unfinished job on.

        Nor of the newest job's: who waited for its end may yet read how it came about.
        """
        assert self._keep is not None
        unfinished: dict[str | None, int] = {}
        newest = len(self._tail)
        for index, event in enumerate(self._tail):
            if event.kind == JOB_CREATED:
                unfinished[event.job_id] = newest = index
            elif event.kind in TERMINAL_JOB:
                unfinished.pop(event.job_id, None)
        surplus = min([len(self._tail) - self._keep, newest, *unfinished.values()])
        self.shed(self._tail_after + surplus)
        self._shed_at = len(self._tail) + max(1, self._keep // _SLACK)

    def shed(self, upto: int) -> int:
        """Let go of the events up to seq ``upto``, and return how many; :attr:`on_shed` is told first."""
        surplus = min(whole_number(upto, "upto", 0), self._last_seq) - self._tail_after
        if surplus <= 0:
            return 0
        if self.on_shed is not None:
            self.on_shed(self._tail_after + surplus)
        del self._tail[:surplus]
        self._tail_after += surplus
        self._shed_ms = self._time_ms()
        return surplus

    def _end(self) -> None:
        """Mark the log closed and wake every subscription, so that each can come to its end."""
        self._closed = True
        for subscription in list(self._waiting):
            subscription._wake()

    # -- for subscriptions ---------------------------------------------------------------------------------------

    def _add_waiting(self, subscription: Subscription) -> None:
        """Note that a subscription, which has read everything, waits for more."""
        if not self._waiting:  # whatever was scheduled was for others, perhaps on a loop that has ended
            self._woken_seq = self._last_seq
            self._wake_scheduled = False
        self._waiting[subscription] = None

    def _schedule_wake(self) -> None:
        """Wake the waiting subscriptions in the loop's next turn: once for all events of this turn."""
        for subscription in list(self._waiting):
            if subscription.loop.is_closed():  # its task was left behind unfinished
                del self._waiting[subscription]
                continue
            self._wake_scheduled = True
            subscription.loop.call_soon(self._wake_waiting)
            return

    def _wake_waiting(self) -> None:
        """Wake who has something to read; move on the cursor of who follows a job that has no news.

        A waiting subscription has read everything up to ``_woken_seq`` at least, so the events after it decide.
        """
        self._wake_scheduled = False
        start = self._woken_seq - self._tail_after
        self._woken_seq = self._last_seq
        jobs: set[str | None] | None = None
        for subscription in list(self._waiting):
            if subscription.job_id is not None and start >= 0:
                if jobs is None:
                    jobs = {event.job_id for event in self._tail[start:]}
                if subscription.job_id not in jobs:
                    subscription.cursor = max(subscription.cursor, self._last_seq)
                    continue
            subscription._wake()


def check_question(after: object, kinds: object, limit: object) -> None:
    """Refuse what :meth:`EventLog.read` cannot be asked."""
    whole_number(after, "after", -MOST)
    whole_number(limit, "limit", 0)
    if kinds is not None:
        expect_many(kinds, "kinds", Collection)
