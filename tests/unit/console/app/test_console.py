"""The console, driven by keys over a source that the tests steer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from headway.errors import Unavailable
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold_all
from headway.events.snapshot import Snapshot
from headway.events.views import BudgetView, JobsView
from headway_console.app import HeadwayConsole, QuitChoice
from headway_console.screens.dialog import ChoiceDialog
from headway_console.screens.help import HelpScreen
from headway_console.screens.main import MainScreen
from headway_console.source import Link
from tests.sizes import few
from tests.unit.console.app.fakes import (
    JOB,
    FakeCommands,
    FakeSource,
    console_on,
    painted,
    points,
    press_keys,
    recorded,
    run_of,
)

pytestmark = pytest.mark.anyio

GOOD = recorded("good-run")
HALF = next(
    i for i, e in enumerate(GOOD, 1) if (e.kind, e.action_id, e.attempt) == ("action_executing", "parse-apr", 2)
)
"""Events up to the second attempt of an action of level 2."""
RUN = run_of(GOOD[:HALF], JOB)
SPENT = fold_all(BudgetView(), GOOD[:HALF]).budgets[JOB]
RUNNING = [action.id for action in RUN.actions if action.status == "executing"]
WAITING = [action.id for action in RUN.actions if not action.done and action.status != "executing"]


@asynccontextmanager
async def console(
    *items: Any, size: tuple[int, int] = (80, 24), commands: FakeCommands | None = None, **options: Any
) -> AsyncIterator[tuple[HeadwayConsole, Pilot[QuitChoice], FakeSource]]:
    """A console that has taken and painted ``items``."""
    source = FakeSource(*items, commands=commands, **options)
    app = console_on(source)
    async with app.run_test(size=size) as pilot:
        await settled(app, pilot, lambda: source._queue.empty() and app.opened)
        yield app, pilot, source


async def settled(app: HeadwayConsole, pilot: Pilot[QuitChoice], until: Callable[[], bool]) -> None:
    """Wait until that is so and everything is painted."""
    while not until():
        assert app.is_running, "the console broke off"
        await pilot.pause()
    if app._paint_timer is not None:
        app.paint_now()
    await pilot.pause()


async def press(app: HeadwayConsole, pilot: Pilot[QuitChoice], *keys: str) -> str:
    """Press keys, return what is painted then."""
    await press_keys(app, pilot, *keys)
    await settled(app, pilot, lambda: True)
    return painted(app)


def toasts(app: HeadwayConsole) -> str:
    return " | ".join(note.message for note in app._notifications)


# -- views -------------------------------------------------------------------------------------------------------------


async def test_the_overview_shows_levels_limits_budgets_and_events() -> None:
    async with console(GOOD[:HALF]) as (app, _, _source):
        text = painted(app)
    for words in (
        "Yearly report",
        "L2",
        f"{RUN.levels[2].settled}/6",
        f"{len(RUNNING)} running",
        "classify",
        "nobody waits",
        "tool_calls",
        GOOD[HALF - 1].kind,
    ):
        assert words in text


@pytest.mark.parametrize(
    ("key", "view", "words"),
    [
        ("1", "overview", "Levels"),
        ("2", "dag", "fetch-jan"),
        ("3", "events", "following"),
        ("4", "limits", "1.0/1"),
        ("5", "budgets", f"{SPENT.spent['tool_calls']} + {SPENT.reserved['tool_calls']} of 26"),
        ("6", "jobs", "900d00000001"),
        ("7", "inbox", "Nothing waits for you."),
    ],
)
@pytest.mark.parametrize("size", few([(80, 24), (120, 40), (200, 60), (60, 16)]))
async def test_each_digit_shows_its_view(key: str, view: str, words: str, size: tuple[int, int]) -> None:
    async with console(GOOD[:HALF], size=size) as (app, pilot, _):
        text = await press(app, pilot, key)
        assert app.main is not None
        assert app.main.view == view
    assert words in text


@pytest.mark.parametrize("size", few([(1, 1), (20, 5), (30, 8), (400, 100)]))
async def test_no_size_breaks_it(size: tuple[int, int]) -> None:
    async with console(GOOD, size=size) as (app, pilot, _):
        for key in (
            "1",
            "2",
            "enter",
            "escape",
            "3",
            "e",
            "4",
            "5",
            "6",
            "7",
            "question_mark",
            "escape",
            "z",
            "G",
            "k",
        ):
            await press(app, pilot, key)
        await pilot.resize_terminal(80, 24)
        await pilot.resize_terminal(*size)
        await settled(app, pilot, lambda: True)


async def test_the_inspector_tells_why_an_action_waits() -> None:
    waiting = next(i for i, event in enumerate(GOOD) if event.kind == kinds.RATE_LIMIT_WAIT) + 1
    async with console(GOOD[:waiting]) as (app, pilot, _):
        await press(app, pilot, "2")
        text = await press(app, pilot, "tab")
    assert "why" in text
    assert "waits for the rate limit of fetch" in text
    assert "queued" in text


async def test_the_inspector_opens_scrolls_and_closes() -> None:
    async with console(GOOD) as (app, pilot, _):
        text = await press(app, pilot, "2", "j", "j", "d")
        assert "list_archive" in text
        assert "▾ L0" not in text, "at 80 columns it takes the list's place"
        assert '"archive/2025/jan.pdf"' in text
        assert "▾ L0" in await press(app, pilot, "escape")
        assert isinstance(app.screen, MainScreen)


async def test_folding_keeps_failures_in_sight() -> None:
    async with console(recorded("failing-run")) as (app, pilot, _):
        text = await press(app, pilot, "2", "z")
        assert "settled folded" in text
        assert "verify-auth" not in text
        assert "deploy-gateway" in text
        assert "verify-auth" in await press(app, pilot, "z")


async def test_a_filter_narrows_counts_and_is_cleared_by_escape() -> None:
    async with console(GOOD) as (app, pilot, _):
        text = await press(app, pilot, "3", "slash", *"kind:retrying")
        assert f"2 of {len(GOOD)} events" in text
        shown = [line for line in text.splitlines() if "action_" in line]
        assert all("action_retrying" in line for line in shown[:-1])
        text = await press(app, pilot, "enter")
        assert "filter" in text
        text = await press(app, pilot, "escape")
        assert " events  " not in text
        assert app.main is not None
        assert app.main.view == "events"


async def test_scrolling_up_lets_go_of_the_end_and_going_there_holds_on_again() -> None:
    async with console(GOOD[:HALF]) as (app, pilot, source):
        await press(app, pilot, "3")
        assert "not following" in await press(app, pilot, "k")
        source.feed(GOOD[HALF:])
        await settled(app, pilot, lambda: app.model.last_seq == GOOD[-1].seq)
        text = painted(app)
        assert f"+{len(GOOD) - HALF}" in text
        assert "job_completed" not in text
        text = await press(app, pilot, "G")
        assert "job_completed" in text
        assert "not following" not in text


async def test_next_error_goes_to_the_log() -> None:
    async with console(recorded("failing-run")) as (app, pilot, _):
        text = await press(app, pilot, "E")
        assert "job_failed" in text or "state_rollback" in text or "action_failed" in text
        await press(app, pilot, *("E" for _ in range(20)))
        assert "No earlier error." in toasts(app)


async def test_pausing_keeps_the_picture_and_counts_what_comes() -> None:
    async with console(GOOD[:HALF]) as (app, pilot, source):
        before = (await press(app, pilot, "2")).splitlines()[2:-2]
        text = await press(app, pilot, "p")
        assert "PAUSED +0" in text
        source.feed(GOOD[HALF : HALF + 30])
        await settled(app, pilot, lambda: app.held == 30)
        text = painted(app)
        assert "PAUSED +30" in text
        assert text.splitlines()[2:-2] == before
        assert app.model.last_seq == HALF
        text = await press(app, pilot, "p")
        assert "PAUSED" not in text
        assert app.model.last_seq == HALF + 30


async def test_enter_on_a_job_looks_at_it() -> None:
    other = recorded("cancelled-run")
    for seq, event in enumerate(other, len(GOOD) + 1):
        event.seq = seq
    async with console(GOOD, other) as (app, pilot, _):
        assert app.model.current_id == "ca9ce1000001"
        await press(app, pilot, "6", "j", "enter")
        assert app.model.current_id == JOB
        assert app.main is not None
        assert app.main.view == "dag"


async def test_a_job_begun_before_is_asked_of_the_source() -> None:
    jobs = fold_all(JobsView(), GOOD)
    source = FakeSource(Snapshot(seq=len(GOOD), jobs=jobs))
    source.known[JOB] = run_of(GOOD, JOB)
    app = console_on(source)
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(app, pilot, lambda: JOB in app.model.runs)
        assert "fetch-jan" in await press(app, pilot, "2")
    assert source.asked == [JOB]


async def test_hostile_text_is_painted_and_never_obeyed() -> None:
    bad = "[red]x[/] [/] [bold\x1b[31m\x00\u202e漢字\ud800"
    graph = {"actions": [{"id": bad, "type": "tool_call", "tool": bad}], "levels": [[0]]}
    events = [
        Event(kinds.LIMIT_CONFIGURED, {"bucket": bad, "capacity": 1, "interval_s": 1, "tokens": 1, "at_ms": 0}),
        Event(kinds.JOB_CREATED, {"title": bad, "graph": graph, "scope": bad}, job_id=bad),
        Event(kinds.JOB_STARTED, {}, job_id=bad),
        Event(kinds.BUDGET_SET, {"limits": {bad: 3}}, job_id=bad),
        Event(kinds.ACTION_EXECUTING, {}, job_id=bad, action_id=bad, level=0, attempt=1),
        Event(kinds.ACTION_FAILED, {"error": bad, "error_code": "tool_error"}, job_id=bad, action_id=bad, level=0),
        Event("new\x1b[2Jkind", {"a": bad, "b": [None, float("inf")]}, job_id=bad),
        Event(kinds.JOB_FAILED, {"error": bad, "cost": {}}, job_id=bad),
    ]
    for seq, event in enumerate(events, 1):
        event.seq, event.ts = seq, 1000 * seq
    commands = FakeCommands()
    async with console(events, commands=commands, size=(120, 40)) as (app, pilot, source):
        for keys in (("1",), ("2", "j"), ("3", "k"), ("4",), ("5",), ("6",), ("c",), ("escape",), ("R",), ("escape",)):
            text = await press(app, pilot, *keys)
            assert text.replace("\n", "").isprintable()
        source.link = Link(connected=False, detail=bad)
        app._each_second()
        await settled(app, pilot, lambda: True)
        assert painted(app).replace("\n", "").isprintable()
        await press(app, pilot, "colon", *"job")
        assert "[red]x[/]" in await press(app, pilot)


# -- commands ----------------------------------------------------------------------------------------------------------


async def test_cancel_asks_names_what_stops_and_then_does_it() -> None:
    commands = FakeCommands()
    async with console(GOOD[:HALF], commands=commands) as (app, pilot, _):
        text = await press(app, pilot, "x")
        assert isinstance(app.screen, ChoiceDialog)
        assert f"Yearly report ({JOB})" in text
        assert f"{len(RUNNING)} running, continue to their end" in text
        assert "parse-apr" in text
        assert f"{len(WAITING)} not started, will be skipped" in text
        assert f"headway jobs cancel {JOB}" in text
        assert commands.calls == []
        await press(app, pilot, "escape")
        await press(app, pilot, "x", "enter")  # the default is no
        await press(app, pilot, "x", "n")
        assert isinstance(app.screen, MainScreen)
        assert commands.calls == []
        await press(app, pilot, "x", "j", "enter")
        assert commands.calls == [("cancel", JOB)]
        assert "is being cancelled" in toasts(app)


async def test_kill_is_a_second_key_and_its_default_is_no() -> None:
    commands = FakeCommands(says="forced")
    async with console(GOOD[:HALF], commands=commands) as (app, pilot, _):
        await press(app, pilot, "X", "enter")
        assert commands.calls == []
        await press(app, pilot, "X", "y")
        assert commands.calls == [("kill", JOB)]


async def test_a_big_kill_must_be_typed() -> None:
    commands = FakeCommands()
    async with console(GOOD[:5], commands=commands) as (app, pilot, _):
        await press(app, pilot, "X", *"wrong", "enter")
        assert commands.calls == []
        assert isinstance(app.screen, ChoiceDialog)
        await press(app, pilot, *("backspace" for _ in "wrong"), *JOB, "enter")
        assert commands.calls == [("kill", JOB)]


async def test_a_refused_command_is_told() -> None:
    commands = FakeCommands(error=Unavailable("the daemon is going away"))
    async with console(GOOD[:HALF], commands=commands) as (app, pilot, _):
        await press(app, pilot, "x", "y")
        assert "the daemon is going away" in toasts(app)


@pytest.mark.parametrize("key", ["x", "X", "R"])
async def test_without_commands_the_keys_say_why(key: str) -> None:
    async with console(GOOD[:HALF]) as (app, pilot, _):
        await press(app, pilot, key)
        assert isinstance(app.screen, MainScreen)
        assert "this is a test that only shows" in toasts(app)
        text = painted(app)
        assert "cancel" not in text.splitlines()[-1]


async def test_an_ended_run_cannot_be_cancelled_and_says_so() -> None:
    async with console(GOOD, commands=FakeCommands()) as (app, pilot, _):
        await press(app, pilot, "x")
        assert isinstance(app.screen, MainScreen)
        assert f"run {JOB} has ended: completed" in toasts(app)


async def test_copy_offers_id_json_and_command() -> None:
    async with console(GOOD, size=(120, 40)) as (app, pilot, _):
        text = await press(app, pilot, "2", "j", "j", "c")
        assert f"headway jobs show {JOB}" in text
        await press(app, pilot, "i")
        assert app.clipboard == "list"
        await press(app, pilot, "c", "j")
        assert '"archive/2025/jan.pdf"' in app.clipboard
        await press(app, pilot, "c", "c")
        assert app.clipboard == f"headway jobs show {JOB}"
        assert "does not tell whether it took them" in toasts(app)
        assert "Copied" not in toasts(app)


# -- leaving and the rest ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "choice"),
    [(("g",), QuitChoice.CONTINUE), (("enter",), None), (("s",), QuitChoice.STOP), (("escape",), None)],
)
async def test_leaving_live_runs_asks(keys: tuple[str, ...], choice: QuitChoice | None) -> None:
    async with console(GOOD[:HALF], commands=FakeCommands()) as (app, pilot, source):
        text = await press(app, pilot, "q")
        assert "1 run live" in text
        await press_keys(app, pilot, *keys)
        assert app.return_value == choice
    assert source.closed


async def test_leaving_without_live_runs_does_not_ask() -> None:
    async with console(GOOD, commands=FakeCommands()) as (app, pilot, _):
        await press_keys(app, pilot, "q")
        assert app.return_value is QuitChoice.CONTINUE


async def test_escape_and_ctrl_c_never_quit() -> None:
    async with console(GOOD) as (app, pilot, _):
        await press(app, pilot, "escape", "escape", "ctrl+c", "2", "escape", "escape", "escape")
        assert app.is_running
        assert app.return_value is None
        assert "q quits" in toasts(app)


async def test_help_opens_and_closes_with_its_own_key() -> None:
    async with console(GOOD) as (app, pilot, _):
        text = await press(app, pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "Everywhere" in text
        await press(app, pilot, "question_mark")
        assert isinstance(app.screen, MainScreen)


async def test_the_palette_runs_actions_and_finds_jobs() -> None:
    async with console(GOOD) as (app, pilot, _):
        text = await press(app, pilot, "colon", *"budgets")
        assert "Budgets  (5)" in text
        assert "Limits  (4)" not in text
        await press(app, pilot, "enter")
        assert app.main is not None
        assert app.main.view == "budgets"


async def test_themes_change_by_key() -> None:
    async with console(GOOD) as (app, pilot, _):
        first = app.theme
        await press(app, pilot, "T")
        assert app.theme != first
        await press(app, pilot, "T")
        assert app.theme == first == "headway-dark"


async def test_an_unknown_theme_is_told_and_another_taken() -> None:
    app = HeadwayConsole(FakeSource(GOOD), theme="no-such-theme")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "headway-dark"
        assert "no-such-theme" in toasts(app)


async def test_a_theme_of_textual_works_without_our_variables() -> None:
    app = HeadwayConsole(FakeSource(GOOD), theme="textual-light")
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "textual-light"


async def test_ascii_draws_with_ascii_alone() -> None:
    source = FakeSource(GOOD[:HALF], commands=FakeCommands(points=points()))
    app = console_on(source, ascii=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(app, pilot, lambda: source._queue.empty())
        for keys in (
            ("1",),
            ("2",),
            ("enter",),
            ("3",),
            ("4",),
            ("5",),
            ("6",),
            ("x",),
            ("escape",),
            ("question_mark",),
        ):
            text = await press(app, pilot, *keys)
            assert text.isascii(), sorted({c for c in text if not c.isascii()})


async def test_a_broken_link_is_shown_until_it_is_back() -> None:
    async with console(GOOD[:HALF]) as (app, pilot, source):
        source.link = Link(connected=False, detail="connection refused", since_ms=source.time_ms - 5000)
        app._each_second()
        await settled(app, pilot, lambda: True)
        assert "STALE 5s: connection refused, retrying" in painted(app)
        source.link = Link()
        app._each_second()
        await settled(app, pilot, lambda: True)
        assert "STALE" not in painted(app)


async def test_a_source_that_cannot_be_opened_ends_the_app_with_its_error() -> None:
    source = FakeSource()
    source.open_error = Unavailable("no daemon at this home")
    app = console_on(source)
    async with app.run_test():
        pass
    assert app.failure is source.open_error
    assert app.return_code == 1


async def test_nothing_is_painted_when_nothing_happens() -> None:
    async with console(GOOD) as (app, pilot, _):
        paints = 0
        sync: Callable[[], None] = app.main.sync  # type: ignore[union-attr]

        def counted() -> None:
            nonlocal paints
            paints += 1
            sync()

        app.main.sync = counted  # type: ignore[union-attr, method-assign]
        for _ in range(5):
            app._each_second()
        await pilot.pause(0.1)
        assert paints == 0


async def test_a_bucket_fills_before_the_eyes_though_nothing_runs() -> None:
    limit = {"bucket": "fetch", "capacity": 2, "interval_s": 4.0, "tokens": 0.0, "at_ms": 1000}
    async with console([Event(kinds.LIMIT_CONFIGURED, limit, seq=1, ts=1000)]) as (app, pilot, source):
        assert "0.0/2" in await press(app, pilot, "4")
        for time_ms, level in ((3000, "1.0/2"), (4999, "2.0/2"), (9000, "2.0/2")):
            source.time_ms = time_ms
            app._each_second()
            await settled(app, pilot, lambda: True)
            assert level in painted(app)
        app._each_second()
        assert app._paint_timer is None


async def test_many_items_are_one_paint() -> None:
    source = FakeSource()
    app = HeadwayConsole(source, fps=2)
    async with app.run_test() as pilot:
        await settled(app, pilot, lambda: app.opened)
        app.paint_now()
        painted_at = app._painted_at
        for event in GOOD:
            app.take([event])
        assert app._painted_at == painted_at
        await settled(app, pilot, lambda: app._paint_timer is None)
        assert app._painted_at > painted_at
        assert "completed" in painted(app)
