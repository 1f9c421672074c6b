"""The times of schedules: cron expressions and single times, in a time zone, as instants.

A slot of a cron expression is a time on the clock of its zone. One that clocks skip, as they are put forward, is as
much later as they are put forward; one that they show twice is the first of the two. Both are one instant, so each slot
comes once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from headway.errors import InvalidInput, one_line

DAY = timedelta(days=1)
LONGEST = 200
"""The longest expression or time, in characters."""

YEARS = 10
"""An expression that means no day within so many years means none."""

_FIELD = re.compile(r"[0-9a-z*/,\-#?]+", re.IGNORECASE)
_RANDOM = re.compile(r"(?<![a-z])[rh](?![a-z])", re.IGNORECASE)
_NICKNAMES = frozenset({"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"})


class Times(Protocol):
    """The times of a schedule, in ms since 1970."""

    def next_ms(self, after_ms: int) -> int | None:
        """Return the first time after ``after_ms``; None if there is none."""

    def last(self, after_ms: int, until_ms: int, most: int) -> list[int]:
        """Return the newest ``most`` times after ``after_ms`` up to ``until_ms``, oldest first."""


class Once:
    """A single time."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def next_ms(self, after_ms: int) -> int | None:
        """Return the time if it comes after ``after_ms``."""
        return self.at_ms if self.at_ms > after_ms else None

    def last(self, after_ms: int, until_ms: int, most: int) -> list[int]:
        """Return the time if it lies between the two."""
        return [self.at_ms][:most] if after_ms < self.at_ms <= until_ms else []


class Cron:
    """The times of a cron expression on the clocks of ``zone``."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        from croniter import CroniterError

        fields = text.split()
        plain = len(fields) == 5 and all(map(_FIELD.fullmatch, fields)) and not _RANDOM.search(text)
        if not plain and text.lower() not in _NICKNAMES:
            raise _unreadable(text, 'five fields are wanted, as "30 7 * * mon-fri"')
        self._text = text.lower()
        self._zone = zone
        try:
            next(self._slots(self._local(0)), None)
        except (CroniterError, ValueError, KeyError, IndexError, OverflowError) as error:
            raise _unreadable(text, str(error) or type(error).__name__) from None
        if self.next_ms(0) is None:
            raise InvalidInput(f"the cron expression '{one_line(text, 60)}' means no day that there is")

    def next_ms(self, after_ms: int) -> int | None:
        """Return the first slot after ``after_ms``; None if none comes within ten years."""
        found: int | None = None
        limit: datetime | None = None
        for slot in self._slots(self._local(after_ms) - self._put_forward(after_ms)):
            if limit is not None and slot >= limit:
                break
            at = self._instant(slot)
            if at <= after_ms:
                continue
            found = at if found is None else min(found, at)
            if limit is None:
                limit = self._local(at)
                if limit <= slot:
                    break  # clocks show it: no later slot comes before it
        return found

    def last(self, after_ms: int, until_ms: int, most: int) -> list[int]:
        """Return the newest ``most`` slots after ``after_ms`` up to ``until_ms``, oldest first."""
        first = self._local(after_ms) - self._put_forward(after_ms)
        found: set[int] = set()
        start = self._local(until_ms) + self._put_back(until_ms) + timedelta(seconds=1)
        for slot in self._slots(start, back=True):
            if slot < first or len(found) >= most:
                break
            at = self._instant(slot)
            if after_ms < at <= until_ms:
                found.add(at)
        return sorted(found)

    def _slots(self, start: datetime, *, back: bool = False) -> Iterator[datetime]:
        """Yield times that a clock would show, on from ``start`` or back from it."""
        from croniter import CroniterBadDateError, croniter

        times: Any = croniter(self._text, start, ret_type=datetime, max_years_between_matches=YEARS)
        try:
            while True:
                yield times.get_prev() if back else times.get_next()
        except CroniterBadDateError:
            return

    def _local(self, ms: int) -> datetime:
        return datetime.fromtimestamp(ms / 1000, self._zone).replace(tzinfo=None)

    def _instant(self, slot: datetime) -> int:
        return round(slot.replace(tzinfo=self._zone, fold=0).timestamp() * 1000)

    def _shift(self, ms: int) -> timedelta:
        """Return how far clocks were put forward in the day before ``ms``; back: less than nothing."""
        return self._local(ms) - self._local(ms - 86_400_000) - DAY

    def _put_forward(self, ms: int) -> timedelta:
        return max(timedelta(0), self._shift(ms))

    def _put_back(self, ms: int) -> timedelta:
        return max(timedelta(0), -self._shift(ms))


def times_of(cron: str | None, at: str | None, timezone: str) -> Times:
    """Return the times that a schedule means; :class:`InvalidInput` says what cannot be understood."""
    if (cron is None) == (at is None):
        raise InvalidInput("a schedule has either cron or at")
    zone = _zone(timezone)
    text = cron if cron is not None else at
    assert text is not None
    if len(text) > LONGEST:
        raise InvalidInput(f"a schedule's time has at most {LONGEST} characters")
    return Cron(text.strip(), zone) if cron is not None else Once(_single(text.strip(), zone))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # unknown, a folder of zones, or no name at all
        raise InvalidInput(f"there is no time zone '{one_line(name, 60)}': name one as Europe/Berlin") from None


def _single(text: str, zone: ZoneInfo) -> int:
    try:
        found = datetime.fromisoformat(text)
        return round((found if found.tzinfo is not None else found.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise InvalidInput(f"'{one_line(text, 60)}' is no time as 2026-12-24T18:00:00+01:00") from None


def _unreadable(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"'{one_line(text, 60)}' is no cron expression: {one_line(why, 100)}")
