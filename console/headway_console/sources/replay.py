"""Playing a recording.

Time is the recording's: what is painted at a place depends on the file and the place only. Playing moves the place
along recorded time at a chosen speed; stepping and seeking set it. Small steps forward come as events, everything else
as a fresh start from views that the index keeps.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import Conflict
from headway.events.event import Event
from headway.events.views import RunView
from headway_console.commands import Command, Receipt
from headway_console.source import Item, Link
from headway_console.sources.playhead import Playhead
from headway_console.sources.recording import RecordingIndex

BATCH = 500
"""The most events in one batch."""

LISTED = 2000
"""The number of events that a fresh start lists."""

MAX_SPEED = math.inf
"""As fast as they are taken."""

_AT_OPEN = 4000  # events indexed before open() returns
_SLICE = 500  # events indexed in one turn of the loop: a few ms
_TOLERANCE_MS = 1e-3  # what is due that soon is due: sums of fractions may fall short of it for ever


class ReplaySource:
    """A :class:`headway_console.source.Source` and the :class:`headway_console.source.ReplayControls` of it.

    ``playing`` says whether it starts by itself. Places are numbers of events shown, which is what ``seq`` is too
    where the recording has no gaps.
    """

    live = False
    commands = None
    read_only = "a recording cannot be changed"

    def __init__(self, path: Path, *, speed: float = 1.0, playing: bool = True, clock: Clock = SYSTEM_CLOCK) -> None:
        self._path = path
        self._clock = clock
        self._playhead = Playhead(clock, speed)
        self._playhead.set_speed(speed)
        self._play_at_open = playing
        self._index: RecordingIndex | None = None
        self._indexer: asyncio.Task[None] | None = None
        self._indexed = asyncio.Condition()
        self._number = 0
        self._requests: deque[Callable[[], Awaitable[Item | None]]] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    # -- Source ----------------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """The recording's title."""
        return (self._index.header.title if self._index else "") or self._path.stem

    @property
    def replay(self) -> ReplaySource:
        """The controls."""
        return self

    @property
    def link(self) -> Link:
        """Always connected; ``detail`` tells of lines of the file that were left out."""
        index = self._index
        return Link(detail=index.damage, since_ms=index.first_ms) if index else Link()

    def now_ms(self) -> int:
        """Return the recorded time: never past an event that is not shown yet, nor past the last one."""
        return self._index.first_ms + self.position_ms if self._index else 0

    async def send(self, command: Command) -> Receipt:
        """Refuse: :class:`Conflict`."""
        raise Conflict(self.read_only)

    async def open(self) -> None:
        """Read the header and begin to index. Raises :class:`InvalidInput` if it is no recording."""
        if self._index is not None:
            return
        self._index = index = RecordingIndex(self._path)
        if index.advance(_AT_OPEN):
            self._indexer = asyncio.create_task(self._index_on(), name="headway-replay-index")
        if self._play_at_open:
            self.play()

    async def close(self) -> None:
        """Stop, and close the file."""
        self._closed = True
        self._wake.set()
        indexer, self._indexer = self._indexer, None
        if indexer is not None:
            indexer.cancel()
            await asyncio.gather(indexer, return_exceptions=True)
        async with self._indexed:
            self._indexed.notify_all()
        if self._index is not None:
            self._index.close()

    async def run(self, job_id: str) -> RunView | None:
        """Return that run at the present place."""
        return self._opened.run(job_id, self._number)

    async def batches(self) -> AsyncIterator[Item]:
        """Yield what the controls and the time ask for, until :meth:`close`."""
        if self._number:
            yield self._start_at(self._number)
        while not self._closed:
            self._wake.clear()
            item = await self._requests.popleft()() if self._requests else await self._due()
            if item is not None:
                yield item
            elif not self._requests and not self._closed:
                await self._sleep()

    # -- ReplayControls --------------------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """True while time moves."""
        return self._playhead.playing

    @property
    def speed(self) -> float:
        """Recorded seconds a second; ``inf`` = :data:`MAX_SPEED`."""
        return self._playhead.speed

    @property
    def seq(self) -> int:
        """The last event shown."""
        return self._opened.seqs[self._number - 1] if self._number else 0

    @property
    def last_seq(self) -> int:
        """The last event of the recording."""
        return self._opened.last_seq

    @property
    def position_ms(self) -> int:
        """Recorded time since the first event."""
        index, number = self._opened, self._number
        shown = index.times[number - 1] if number else 0
        following = index.duration_ms if index.complete else shown  # the time of what comes next
        if number < index.count:
            following = index.times[number]
        return int(max(shown, min(following, self._playhead.position_ms + _TOLERANCE_MS)))

    @property
    def duration_ms(self) -> int:
        """Recorded time from the first event to the last."""
        return self._opened.duration_ms

    def play(self) -> None:
        """Resume; from the end, begin anew."""
        if self._at_end:
            self.seek(0)
        self._playhead.place(self.position_ms)
        self._playhead.play()
        self._wake.set()

    def pause(self) -> None:
        """Stand still."""
        position = self.position_ms
        self._playhead.pause()
        self._playhead.place(position)
        self._wake.set()

    def seek(self, seq: int) -> None:
        """Show everything up to that event and nothing after it; out of range is clamped."""
        self._ask(partial(self._seek, seq))

    def seek_time(self, position_ms: int) -> None:
        """Show everything up to that recorded time; out of range is clamped."""
        self._ask(partial(self._seek_time, position_ms))

    def seek_percent(self, percent: float) -> None:
        """Go to that part of the recorded time, 0 to 100."""
        self.seek_time(round(self.duration_ms * percent / 100))

    def step(self, count: int = 1) -> None:
        """Pause and go ``count`` events on (back when negative)."""
        self.pause()
        self._ask(partial(self._step, count))

    def step_level(self, count: int = 1) -> None:
        """Pause and go to the ``count``-th next (previous when negative) end of a level; beyond: the end, the start."""
        self.pause()
        self._ask(partial(self._step_level, count))

    def set_speed(self, speed: float) -> None:
        """Set the speed; :class:`ValueError` if it is not positive."""
        position = self.position_ms
        self._playhead.set_speed(speed)
        self._playhead.place(position)
        self._wake.set()

    # -- going there -----------------------------------------------------------------------------------------------

    @property
    def _opened(self) -> RecordingIndex:
        if self._index is None:
            raise RuntimeError("the replay is not open")
        return self._index

    @property
    def _goes_on(self) -> bool:
        return self._playhead.playing and not self._requests and not self._closed

    @property
    def _at_end(self) -> bool:
        return self._opened.complete and self._number >= self._opened.count

    def _ask(self, request: Callable[[], Awaitable[Item | None]]) -> None:
        self._requests.append(request)
        self._wake.set()

    async def _seek(self, seq: int) -> Item | None:
        index = self._opened
        await self._index_until(lambda: bool(index.count) and index.seqs[-1] >= seq)
        return self._go(bisect_right(index.seqs, max(0, seq)))

    async def _seek_time(self, position_ms: int) -> Item | None:
        index = self._opened
        position_ms = max(0, position_ms)
        await self._index_until(lambda: bool(index.count) and index.times[-1] > position_ms)
        item = self._go(bisect_right(index.times, position_ms))
        self._playhead.place(min(position_ms, index.duration_ms))
        return item

    async def _step(self, count: int) -> Item | None:
        target = max(0, self._number + count)
        await self._index_until(lambda: self._opened.count >= target)
        return self._go(target)

    async def _step_level(self, count: int) -> Item | None:
        index, number = self._opened, self._number
        if not count:
            return None
        if count < 0:
            place = bisect_left(index.level_ends, number) + count
            return self._go(index.level_ends[place] if place >= 0 else 0)
        await self._index_until(lambda: len(index.level_ends) - bisect_right(index.level_ends, number) >= count)
        place = bisect_right(index.level_ends, number) + count - 1
        return self._go(index.level_ends[place] if place < len(index.level_ends) else index.count)

    def _go(self, number: int) -> Item | None:
        """Set the place; return what takes a follower there: the events between, or a fresh start."""
        if self._closed:
            return None
        index = self._opened
        number = min(number, index.count)
        before, self._number = self._number, number
        self._playhead.place(index.times[number - 1] if number else 0)
        self._stop_at_end()
        if number == before:
            return None
        if before < number <= before + BATCH:
            return index.read(before, number)
        return self._start_at(number)

    def _start_at(self, number: int) -> Item:
        index = self._opened
        older = max(0, number - LISTED)
        snapshot = index.views(number)
        snapshot.events = index.read(older, number)
        snapshot.older = older
        return snapshot

    def _stop_at_end(self) -> None:
        if self._at_end and self._playhead.playing:
            self._playhead.pause()
            self._playhead.place(self._opened.duration_ms)

    # -- playing ---------------------------------------------------------------------------------------------------

    async def _due(self) -> list[Event] | None:
        """Return the next events whose time has come; None if there are none."""
        index, before = self._opened, self._number
        if not self.playing:
            return None
        if math.isinf(self.speed):
            await asyncio.sleep(0)  # who follows gets a turn to paint
        if before >= index.count and not index.complete:
            position = self.position_ms
            await self._index_until(lambda: index.count > before)
            self._playhead.place(position)  # time stood still meanwhile
        if not self._goes_on:
            return None
        due = index.count
        if not math.isinf(self.speed):
            due = bisect_right(index.times, self._playhead.position_ms + _TOLERANCE_MS)
        due = min(due, before + BATCH)
        if due > before:
            self._number = due
            if math.isinf(self.speed):
                self._playhead.place(index.times[due - 1])
        self._stop_at_end()
        return index.read(before, due) or None

    async def _sleep(self) -> None:
        """Wait for a request, or until the next event is due."""
        index = self._opened
        timer = None
        if self.playing and self._number < index.count:
            seconds = self._playhead.seconds_until(index.times[self._number])
            timer = self._clock.call_later(max(0.0, seconds), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    # -- indexing --------------------------------------------------------------------------------------------------

    async def _index_on(self) -> None:
        """Index the rest of the file, giving way to everything else after each slice."""
        more = True
        while more:
            more = self._opened.advance(_SLICE)
            async with self._indexed:
                self._indexed.notify_all()
            self._wake.set()
            await asyncio.sleep(0)

    async def _index_until(self, reached: Callable[[], bool]) -> None:
        """Wait until that is so, or everything is indexed."""
        async with self._indexed:
            await self._indexed.wait_for(lambda: reached() or self._opened.complete or self._closed)
