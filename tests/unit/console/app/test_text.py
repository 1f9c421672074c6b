"""Text for cells."""

import pytest
from rich.cells import cell_len

from headway_console.glyphs import ASCII, UNICODE, bar
from headway_console.text import (
    ago,
    amount,
    clean,
    clock_time,
    count,
    cut,
    duration,
    fit,
    json_lines,
    minutes,
    moment,
    number,
)

HOSTILE = "a[red]b\x1b[31mc\x00d\u202ee\x9bf\x07\ud800g\u200b"


def test_clean_leaves_nothing_that_a_terminal_would_obey() -> None:
    text = clean(HOSTILE)
    assert text.isprintable()
    assert text.startswith("a[red]b")
    assert len(text) == len(HOSTILE)
    text.encode()
    assert clean("two\nlines\tand tabs") == "two⏎lines and tabs"


@pytest.mark.parametrize(
    "text", ["", "abc", "a much longer text", "漢字かな交じり文", "e\u0301e\u0301", "👩‍👩‍👧 family"]
)
@pytest.mark.parametrize("width", [0, 1, 2, 5, 9, 40])
def test_fit_is_exactly_as_wide_and_cut_at_most(text: str, width: int) -> None:
    assert cell_len(fit(clean(text), width)) == width
    assert cell_len(cut(clean(text), width)) <= width


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0ms"),
        (950, "950ms"),
        (999.9, "1.0s"),
        (12_400, "12.4s"),
        (59_999, "1m00s"),
        (185_000, "3m05s"),
        (7_620_000, "2h07m"),
        (273_600_000, "3d04h"),
        (-5, "0ms"),
        (None, ""),
    ],
)
def test_durations(ms: float | None, text: str) -> None:
    assert duration(ms) == text


def test_ages_change_once_a_second() -> None:
    assert [ago(ms) for ms in (0, 999, 1000, 1999, 61_500)] == ["0s", "0s", "1s", "1s", "1m01s"]


def test_other_forms() -> None:
    assert clock_time(1_767_258_000_123) == "09:00:00.123"
    assert clock_time(1_767_258_000_123, millis=False) == "09:00:00"
    assert moment(1_767_258_000_000, 1_767_259_000_000) == "09:00:00"
    assert moment(1_767_258_000_000, 1_777_259_000_000) == "26-01-01"
    assert minutes(12_400, tenths=True) == "00:12.4"
    assert minutes(190_000) == "03:10"
    assert minutes(3_790_000) == "1:03:10"
    assert count(1, "action") == "1 action"
    assert count(1204, "event") == "1,204 events"
    assert amount("usd_micros", 1_250_000) == "$1.25"
    assert amount("duration_ms", 61_000) == "1m01s"
    assert amount("tokens", 12_000) == "12,000"
    assert [number(value) for value in (10.0, 2.5, 0.25)] == ["10", "2.5", "0.25"]


def test_json_is_shown_line_by_line_and_says_what_it_leaves_out() -> None:
    assert json_lines({"a": "[b]\x1b"}) == ["{", '  "a": "[b]\\u001b"', "}"]
    assert json_lines({"a": ["\ud800"]}) == ["{", '  "a": [', '    "?"', "  ]", "}"]
    lines = json_lines(list(range(100)), limit=10)
    assert len(lines) == 11
    assert "92 more lines" in lines[-1]


@pytest.mark.parametrize("shapes", [UNICODE, ASCII])
def test_a_bar_shows_that_something_began_and_that_something_is_left(shapes: object) -> None:
    full, rest = bar(UNICODE, 10, 0.001)
    assert (len(full), len(rest)) == (1, 9)
    full, rest = bar(UNICODE, 10, 0.999)
    assert (len(full), len(rest)) == (9, 1)
    assert bar(UNICODE, 10, 1.0) == (UNICODE.full * 10, "")
    assert bar(UNICODE, 10, 0.0) == ("", UNICODE.empty * 10)
    assert bar(UNICODE, 0, 0.5) == ("", "")


def test_ascii_shapes_are_ascii() -> None:
    for name in ASCII.__struct_fields__:
        assert getattr(ASCII, name).isascii()
