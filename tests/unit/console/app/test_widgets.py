"""Widgets by themselves: what they make of numbers and rows."""

import re
from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from headway.events import kinds
from headway.events.event import Event
from headway.events.views import ActionView, BucketView, BudgetRow, LevelView
from headway.plan.results import ActionStatus, ErrorCode
from headway_console.glyphs import ASCII, CANCELLING, UNICODE, Look, action_look
from headway_console.model import ConsoleModel
from headway_console.playback import parse_place
from headway_console.summary import summary
from headway_console.widgets.budgets_list import budget_bar, budget_tone
from headway_console.widgets.colors import with_states
from headway_console.widgets.event_log import SCAN, EventLog
from headway_console.widgets.limits_list import next_grant

PACKAGE = Path(__file__).parents[4] / "console" / "headway_console"


# -- buckets and budgets -----------------------------------------------------------------------------------------------


def test_the_next_grant_is_when_the_level_reaches_one() -> None:
    bucket = BucketView("b", capacity=2, interval_s=4.0, tokens=0.0, at_ms=1000)
    assert next_grant(bucket, 1000) == 2000
    assert next_grant(bucket, 2000) == 1000
    assert next_grant(bucket, 3000) == 0
    assert next_grant(BucketView("b", 2, 4.0, 0.0, 1000, waiters=2, next_ms=3500), 1000) == 2500


@pytest.mark.parametrize(
    ("spent", "reserved", "painted"),
    [
        (0.0, 0.0, "--------|-"),
        (0.5, 0.0, "=====---|-"),
        (0.5, 0.2, "=====~~-|-"),
        (0.9, 0.0, "=========-"),
        (0.999, 0.0, "=========-"),
        (1.0, 0.0, "=========="),
        (1.4, 0.3, "=========="),
        (0.001, 0.001, "=~------|-"),
    ],
)
def test_a_budget_bar_shows_spent_reserved_and_the_mark(spent: float, reserved: float, painted: str) -> None:
    assert "".join(text for text, _ in budget_bar(ASCII, 10, spent, reserved, "succeeded")) == painted


def test_a_budget_warns_from_80_percent_and_fails_at_its_end() -> None:
    def tone(spent: int, **more: object) -> str:
        row = BudgetRow("j", limits={"tool_calls": 10}, spent={"tool_calls": spent})
        for name, value in more.items():
            setattr(row, name, value)
        return budget_tone(row, "tool_calls")

    assert [tone(7), tone(8), tone(10)] == ["succeeded", "waiting", "failed"]
    assert tone(5, warned=["tool_calls"]) == "waiting"
    assert tone(5, exhausted="tool_calls") == "failed"


# -- states ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "pending"),
        ({"status": ActionStatus.EXECUTING}, "running"),
        ({"waiting_for": "rate_limit:fetch"}, "queued"),
        ({"status": ActionStatus.VALIDATED, "waiting_for": "retry"}, "retrying"),
        ({"waiting_for": "approval"}, "waiting"),
        ({"status": ActionStatus.SUCCEEDED}, "succeeded"),
        ({"status": ActionStatus.REJECTED}, "rejected"),
        ({"status": ActionStatus.FAILED}, "failed"),
        ({"status": ActionStatus.FAILED, "error_code": ErrorCode.TOOL_ERROR}, "failed"),
        ({"status": ActionStatus.FAILED, "error_code": ErrorCode.TIMEOUT}, "timed out"),
        ({"status": ActionStatus.FAILED, "error_code": ErrorCode.KILLED}, "killed"),
        ({"status": ActionStatus.FAILED, "error_code": ErrorCode.INTERRUPTED}, "cut off"),
        ({"status": ActionStatus.SKIPPED}, "skipped"),
        ({"status": ActionStatus.SKIPPED, "error_code": ErrorCode.CANCELED}, "cancelled"),
        ({"status": ActionStatus.SKIPPED, "error_code": ErrorCode.BUDGET_EXHAUSTED}, "no budget"),
    ],
)
def test_every_state_has_its_word(fields: dict[str, object], word: str) -> None:
    assert action_look(ActionView("a", 0, 0, **fields)).word == word  # type: ignore[arg-type]


def test_an_action_of_a_level_that_runs_is_ready() -> None:
    running = LevelView(0, [0], started_ms=1)
    assert action_look(ActionView("a", 0, 0), running).word == "ready"


def test_states_differ_without_colour_and_words_fit_their_column() -> None:
    import headway_console.glyphs as module

    looks = {value for value in vars(module).values() if isinstance(value, Look)}
    assert all(len(look.word) <= (10 if look is CANCELLING else 9) for look in looks), "one of jobs alone has ten"
    assert all(look.ascii.isascii() and len(look.ascii) == len(look.glyph) == 1 for look in looks)
    assert all(UNICODE.look(look) == look.glyph and ASCII.look(look) == look.ascii for look in looks)


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(kinds.ALL))
@pytest.mark.parametrize("data", [{}, {"error": 3, "tokens": "x", "spent": [1], "reserved": 2, "duration_ms": "long"}])
def test_a_summary_takes_any_data(kind: str, data: dict[str, object]) -> None:
    assert summary(Event(kind, data)).isprintable()


class LogApp(App[None]):
    def __init__(self, model: ConsoleModel) -> None:
        super().__init__()
        self.model = model

    def get_css_variables(self) -> dict[str, str]:
        return with_states(super().get_css_variables())

    def compose(self) -> ComposeResult:
        yield EventLog(self.model)


def some(first: int, last: int) -> list[Event]:
    return [Event("odd" if seq % 2 else "even", {"n": seq}, seq=seq, ts=seq) for seq in range(first, last + 1)]


@pytest.mark.anyio
async def test_rows_stay_with_their_events_when_old_ones_go() -> None:
    model = ConsoleModel(lambda: 0, max_events=100)
    model.feed(some(1, 105))
    app = LogApp(model)
    async with app.run_test(size=(80, 10)) as pilot:
        log = app.query_one(EventLog)
        log.sync()
        await pilot.pause()
        log.set_following(False)
        log.move_to(90)
        event = log.event_at(log.cursor)
        assert event is not None
        assert event.seq == 91
        model.feed(some(106, 150))
        assert model.first > 0
        log.sync()
        assert log.event_at(log.cursor) is event
        assert "older not listed" in "".join(text for text, _ in log.note())
        log.set_filter("kind:odd")
        assert log.event_at(log.cursor) is event
        model.feed(some(151, 300))
        log.sync()
        assert all(log.event_at(index).kind == "odd" for index in range(log.total()))  # type: ignore[union-attr]


@pytest.mark.anyio
async def test_a_long_log_is_filtered_in_slices() -> None:
    model = ConsoleModel(lambda: 0)
    model.feed(some(1, 3 * SCAN))
    app = LogApp(model)
    async with app.run_test(size=(80, 10)) as pilot:
        log = app.query_one(EventLog)
        log.set_filter("odd")
        assert log.total() <= SCAN
        assert "scanning" in log.hits()
        while log.scanning:
            await pilot.pause()
        assert log.total() == 3 * SCAN // 2
        assert log.hits() == f"{3 * SCAN // 2:,} of {3 * SCAN:,} events"


# -- replay ------------------------------------------------------------------------------------------------------------


class Controls:
    duration_ms = 200_000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0", ("time", 0)),
        ("5", ("time", 100_000)),
        ("45%", ("time", 90_000)),
        ("12.5 %", ("time", 25_000)),
        ("250%", ("time", 200_000)),
        ("90s", ("time", 90_000)),
        ("1:20", ("time", 80_000)),
        ("1:02:03.5", ("time", 3_723_500)),
        ("#812", ("seq", 812)),
        ("812", ("seq", 812)),
        ("#5", ("seq", 5)),
        ("x", None),
        ("", None),
        ("-3", None),
    ],
)
def test_places_of_a_recording(text: str, place: tuple[str, int] | None) -> None:
    assert parse_place(text, Controls()) == place  # type: ignore[arg-type]


# -- house rules -------------------------------------------------------------------------------------------------------


def test_colours_are_the_themes_and_no_data_goes_through_markup() -> None:
    files = [*PACKAGE.glob("*.py"), *PACKAGE.glob("widgets/*.py"), *PACKAGE.glob("screens/*.py")]
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"#[0-9a-fA-F]{6}\b|#[0-9a-fA-F]{3}\b[^-]", text.replace("#812", "")), path
        assert "markup=True" not in text, path
        assert "from_markup" not in text, path
        assert not re.search(r"\bnotify\([^)]*\)", text) or "markup=False" in text, path
