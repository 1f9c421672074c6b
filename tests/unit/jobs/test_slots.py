"""The times of schedules: each slot once, whatever clocks do, and one line for what is no time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from headway.errors import InvalidInput
from headway.jobs.slots import Once, times_of
from tests.seeds import chance

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def shown(at_ms: int, zone: str = BERLIN) -> str:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).isoformat(timespec="minutes")


def following(cron: str, start: str, count: int, zone: str = BERLIN) -> list[str]:
    """Return the next ``count`` slots, and hold the look back to the look forward."""
    times, at, found = times_of(cron, None, zone), ms(start), []
    for _ in range(count):
        after = times.next_ms(at)
        assert after is not None
        assert after > at
        at = after
        found.append(at)
    assert times.last(ms(start), at, count + 5) == found
    assert times.last(ms(start), at, 1) == found[-1:]
    return [shown(one, zone) for one in found]


def test_a_slot_that_clocks_skip_comes_once() -> None:
    assert following("30 2 * * *", "2026-03-28T12:00+01:00", 3) == [
        "2026-03-29T03:30+02:00",
        "2026-03-30T02:30+02:00",
        "2026-03-31T02:30+02:00",
    ]


def test_a_slot_that_clocks_show_twice_comes_once() -> None:
    assert following("30 2 * * *", "2026-10-24T12:00+02:00", 3) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
        "2026-10-27T02:30+01:00",
    ]
    assert (
        times_of("30 2 * * *", None, BERLIN).last(ms("2026-10-25T02:30+02:00"), ms("2026-10-25T23:00+01:00"), 9) == []
    )


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-03-29T01:00+01:00", ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
        ("2026-10-25T02:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-25T03:00+01:00", "2026-10-25T03:30+01:00"]),
    ],
)
def test_slots_that_come_often_keep_their_order_at_both_changes(start: str, expected: list[str]) -> None:
    assert following("*/30 * * * *", start, 3) == expected


def test_skipped_slots_and_those_of_the_hour_after_come_in_order_and_once() -> None:
    found = following("15,45 2,3 * * *", "2026-03-29T00:00+01:00", 3)
    assert found == ["2026-03-29T03:15+02:00", "2026-03-29T03:45+02:00", "2026-03-30T02:15+02:00"]
    assert following("45 2 * * *", "2026-03-29T03:00+02:00", 1) == ["2026-03-29T03:45+02:00"]


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
def test_looks_forward_and_back_agree_at_any_time(zone: str) -> None:
    draw = chance()
    for _ in range(10):
        start = ms("2011-01-01T00:00+00:00") + draw.randrange(86_400_000 * 365)
        cron = f"{draw.randrange(60)} {draw.choice(('*', '*/3', '2', '1,2,3'))} * * *"
        following(cron, datetime.fromtimestamp(start / 1000, UTC).isoformat(), 30, zone)


def test_a_single_time_comes_once() -> None:
    once = times_of(None, "2026-12-24T18:00:00+01:00", "UTC")
    assert isinstance(once, Once)
    at = ms("2026-12-24T17:00+00:00")
    assert (once.next_ms(at - 1), once.next_ms(at)) == (at, None)
    assert (once.last(at - 1, at, 5), once.last(at, at + 1, 5)) == ([at], [])
    assert times_of(None, "2026-12-24T18:00", BERLIN).next_ms(0) == at


@pytest.mark.parametrize(
    ("cron", "at", "zone", "says"),
    [
        ("61 * * * *", None, "UTC", "no cron expression"),
        ("* * * *", None, "UTC", "five fields"),
        ("* * * * * *", None, "UTC", "five fields"),
        ("", None, "UTC", "five fields"),
        ("r * * * *", None, "UTC", "five fields"),
        ("h h * * *", None, "UTC", "five fields"),
        ("@reboot", None, "UTC", "five fields"),
        ("a b c d e", None, "UTC", "no cron expression"),
        ("*/0 * * * *", None, "UTC", "no cron expression"),
        ("0 0 30 2 *", None, "UTC", "no day"),
        ("1" * 300, None, "UTC", "at most 200"),
        (None, "tomorrow", "UTC", "no time"),
        (None, "9999-12-31T23:59:59-23:00", "UTC", ""),
        ("@daily", None, "Mars/Olympus", "no time zone"),
        ("@daily", None, "../../etc/passwd", "no time zone"),
        ("@daily", None, "Europe", "no time zone"),
        ("@daily", None, "", "no time zone"),
        ("@daily", "2026-12-24T18:00", "UTC", "either cron or at"),
        (None, None, "UTC", "either cron or at"),
    ],
)
def test_what_is_no_time_is_told_in_one_line(cron: str | None, at: str | None, zone: str, says: str) -> None:
    if not says:
        assert times_of(cron, at, zone).next_ms(0)
        return
    with pytest.raises(InvalidInput, match=says) as caught:
        times_of(cron, at, zone)
    assert "\n" not in caught.value.message
    assert caught.value.code
    assert caught.value.remedy
