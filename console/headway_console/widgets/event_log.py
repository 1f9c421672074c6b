"""The event log: follows its end, lets go when one scrolls up, filters, and says what it does not show.

Rows are numbers, not widgets: the model keeps the events, this paints those in sight and keeps their strips. A filter
keeps the row numbers of its hits and scans a slice a frame, so that a long log never freezes the keys.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

import msgspec

from headway.clock import rfc3339
from headway.events.event import Event
from headway_console.filters import EVENT_FIELDS, Filter
from headway_console.model import ConsoleModel
from headway_console.summary import is_error, summary, tone
from headway_console.target import Target
from headway_console.text import clean, clock_time, count, fit, json_lines
from headway_console.widgets.painted import Line
from headway_console.widgets.panel import Inspection, Panel, Subject

SCAN = 4000
"""Events that a filter looks at in one frame."""


class EventLog(Panel):
    """Every event, oldest first. ``following`` holds the cursor at the newest one."""

    noun = "events"
    filterable = True
    frozen = True

    def __init__(self, model: ConsoleModel, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(model, id=id)
        self.following = True
        self._epoch = -1
        self._first = 0
        self._end = 0
        self._filter: Filter[Event] | None = None
        self._hits: array[int] = array("Q")
        self._scanned = 0
        self._left_at = 0

    # -- rows: numbers that stay with their event (model.first + index) --------------------------------------------

    def refresh_rows(self) -> None:
        """Take the events that came; forget those that the model let go; scan on for the filter."""
        model = self.model
        if model.epoch != self._epoch:
            self._epoch = model.epoch
            self._first, self._scanned, self._hits = model.first, model.first, array("Q")
            self._strips.clear()
            self.cursor = 0
        gone = self._forget(model.first)
        self._end = model.first + len(model.events)
        if self._filter is not None:
            self._scan()
        if gone and not self.following:
            self.cursor = max(0, self.cursor - gone)
            self._jump(max(0, self.scroll_offset.y - gone))

    def _forget(self, first: int) -> int:
        """Return how many rows are gone from the front."""
        if first == self._first:
            return 0
        if self._filter is None:
            gone = first - self._first
        else:
            gone = bisect_left(self._hits, first)
            del self._hits[:gone]
            self._scanned = max(self._scanned, first)
        self._first = first
        return gone

    def _scan(self) -> None:
        matches, events, first = self._filter.matches if self._filter else bool, self.model.events, self.model.first
        stop = min(self._end, self._scanned + SCAN)
        for number in range(self._scanned, stop):
            if matches(events[number - first]):
                self._hits.append(number)
        self._scanned = stop
        if stop < self._end:
            self.call_later(self.sync)

    @property
    def scanning(self) -> bool:
        """True if the filter has not seen all events yet."""
        return self._filter is not None and self._scanned < self._end

    def total(self) -> int:
        """Return the number of rows shown."""
        return self._end - self._first if self._filter is None else len(self._hits)

    def number_at(self, index: int) -> int:
        """Return the row number at a place in the list."""
        return self._first + index if self._filter is None else self._hits[index]

    def event_at(self, index: int) -> Event | None:
        """Return the event at a place in the list."""
        return self.model.event_at(self.number_at(index)) if 0 <= index < self.total() else None

    def row_key(self, index: int) -> object:
        """Rows never change."""
        return self.number_at(index)

    def sync(self) -> None:
        """Repaint; when following, go to the end."""
        super().sync()
        if self.following:
            self.cursor = max(0, self.total() - 1)
            self._jump(max(0, self.total() - self.page))

    # -- following -----------------------------------------------------------------------------------------------

    def set_following(self, on: bool) -> None:
        """Hold on to the newest event, or let go of it."""
        if on != self.following:
            self.following = on
            self._left_at = self._end
        if on:
            self.sync()

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Move; away from the last row lets go, the last row itself holds on only by ``G``."""
        if index < self.total() - 1:
            self.set_following(False)
        super().move_to(index, tell=tell)

    def bottom(self) -> None:
        """Go to the last row, and follow."""
        self.set_following(True)
        self.post_message(self.Moved(self))

    def on_mouse_scroll_up(self, event: object) -> None:
        """Scrolling up lets go."""
        self.set_following(False)

    def next_error(self, step: int) -> bool:
        """Go to the next or previous error; False if there is none that way."""
        index = self.cursor + step
        while 0 <= index < self.total():
            event = self.event_at(index)
            if event is not None and is_error(event):
                self.set_following(False)
                self.move_to(index)
                return True
            index += step
        return False

    def wants_attention(self, index: int) -> bool:
        """Return whether it is an error."""
        event = self.event_at(index)
        return event is not None and is_error(event)

    # -- filter --------------------------------------------------------------------------------------------------

    def set_filter(self, expression: str) -> None:
        """Show only events that pass; the event under the cursor stays under it if it passes."""
        number = self.number_at(self.cursor) if self.cursor < self.total() else 0
        compiled = Filter(expression, EVENT_FIELDS)
        self._filter = compiled or None
        self._hits, self._scanned = array("Q"), self._first
        self._strips.clear()
        super().set_filter(expression)
        if not self.following:
            place = number - self._first if self._filter is None else bisect_left(self._hits, number)
            self.cursor = min(max(0, place), max(0, self.total() - 1))
            self.show_row(self.cursor)
            self.refresh()

    def hits(self) -> str:
        """Return how many events pass, and how far the scan is."""
        if self._filter is None:
            return ""
        text = f"{len(self._hits):,} of {count(self._end - self._first, 'event')}"
        return f"{text}, scanning" if self.scanning else text

    def note(self) -> Line:
        """Tell whether it follows, what came since it let go, and how many events are not listed."""
        older = f"  {self.model.older:,} older not listed" if self.model.older else ""
        if self.following:
            return [("following", "succeeded"), (older, "dim")]
        came = self._end - self._left_at
        return [("not following", "waiting"), (f" +{came:,}" if came > 0 else "", "waiting"), (older, "dim")]

    # -- painting ------------------------------------------------------------------------------------------------

    def vacant(self, width: int) -> list[Line]:
        """Say why there is nothing."""
        if self._filter is not None:
            return [[("Scanning." if self.scanning else "No event passes the filter; esc clears it.", "dim")]]
        return [[("No events yet.", "dim")]]

    def row(self, index: int, width: int) -> Line:
        """Paint an event: seq, time, kind, where, what."""
        event = self.event_at(index)
        if event is None:
            return []
        where = clean(event.action_id or "")
        if event.level is not None:
            where = f"L{event.level} {where}".rstrip()
        if event.attempt and event.attempt > 1:
            where += f" #{event.attempt}"
        kind_width = 16 if width < 100 else 21
        line: Line = []
        if width >= 60:
            line.append((f"{event.seq:>6} ", "dim"))
        line.append((clock_time(event.ts, millis=width >= 100) + " ", "dim"))
        if width >= 130:
            line.append((fit(clean(event.job_id or ""), 13), "dim"))
        line.append((fit(clean(event.kind), kind_width, self.shapes.more) + " ", tone(event)))
        line.append((fit(where, 12 if width < 80 else 16 if width < 100 else 24, self.shapes.more) + " ", ""))
        name = "failed" if is_error(event) else ""
        line.append((summary(event), name))
        return line

    def inspect(self, width: int) -> Inspection | None:
        """Show all of the event under the cursor."""
        event = self.event_at(self.cursor)
        if event is None:
            return None
        title: Line = [(f"{event.seq:,} ", "dim"), (clean(event.kind), tone(event) or "bold")]
        facts = [
            ("time", rfc3339(event.ts)),
            ("job", event.job_id),
            ("action", event.action_id),
            ("level", event.level),
            ("attempt", event.attempt),
            ("tenant", event.tenant),
            ("trace", event.trace_id),
        ]
        text = "  ".join(f"{name} {clean(str(value))}" for name, value in facts if value is not None)
        lines: list[Line] = [[(text, "dim")]]
        if event.data:
            lines += [[(part, "")] for part in json_lines(event.data)]
        return Inspection(event.seq or index_key(event), title, lines)

    def subject(self) -> Subject | None:
        """The event under the cursor."""
        event = self.event_at(self.cursor)
        if event is None:
            return None
        job = f" --job {event.job_id}" if event.job_id else ""
        command = f"headway events{job} --after {max(0, event.seq - 1)} --limit 1 --json"
        return Subject(_target(event), msgspec.to_builtins(event), command)

    def target(self) -> Target | None:
        """The event under the cursor; none while the newest is followed, since nobody has selected that."""
        event = None if self.following else self.event_at(self.cursor)
        return _target(event) if event is not None else None


def _target(event: Event) -> Target:
    return Target("event", str(event.seq), event.job_id, event.kind)


def index_key(event: Event) -> object:
    """Return what names an event without a seq."""
    return (event.ts, event.kind, event.action_id)
