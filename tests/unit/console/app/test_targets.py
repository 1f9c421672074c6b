"""What an act is done to: the selected row, named by its dialog and followed while that is open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from headway.errors import Unavailable
from headway.events import kinds
from headway.events.checkpoint import CheckpointInfo
from headway.events.event import Event
from headway.events.snapshot import Snapshot
from headway_console.app import HeadwayConsole
from headway_console.clipboard import LARGEST, copied, without_clipboard
from headway_console.screens.dialog import ChoiceDialog
from headway_console.source import Link
from tests.unit.console.app.fakes import FakeCommands, FakeSource, console_on, painted, press_keys

pytestmark = pytest.mark.anyio


def job(job_id: str, title: str, seq: int, *, actions: int = 3) -> list[Event]:
    """A job that runs its first action; the others wait."""
    names = [f"{title}-{number}" for number in range(actions)]
    graph = {
        "actions": [{"id": name, "type": "tool_call", "tool": "fetch"} for name in names],
        "levels": [[number] for number in range(actions)],
    }
    events = [
        Event(kinds.JOB_CREATED, {"title": title, "graph": graph, "scope": f"job:{job_id}"}, job_id=job_id),
        Event(kinds.JOB_STARTED, {"pid": 1}, job_id=job_id),
        Event(kinds.LEVEL_STARTED, {"actions": 1}, job_id=job_id, level=0),
        Event(kinds.ACTION_EXECUTING, {}, job_id=job_id, action_id=names[0], level=0, attempt=1),
    ]
    return numbered(events, seq)


def numbered(events: list[Event], seq: int) -> list[Event]:
    for number, event in enumerate(events, seq):
        event.seq, event.ts = number, 1_000_000 + 1000 * number
    return events


def end(job_id: str, kind: str, seq: int) -> list[Event]:
    return numbered([Event(kind, {"cost": {}}, job_id=job_id)], seq)


def asked(job_id: str, seq: int) -> list[Event]:
    """A cancel that is in the log."""
    return numbered([Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": "x"}, job_id=job_id)], seq)


OLD, NEW = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


@asynccontextmanager
async def two_runs(
    commands: FakeCommands | None = None,
) -> AsyncIterator[tuple[HeadwayConsole, Pilot[Any], FakeSource]]:
    """A console on two live runs; the newer is in sight."""
    source = FakeSource(Snapshot(), job(OLD, "old", 1), job(NEW, "new", 5), commands=commands or FakeCommands())
    app = console_on(source)
    async with app.run_test(size=(110, 30)) as pilot:
        await fed(app, pilot, source)
        yield app, pilot, source


async def fed(app: HeadwayConsole, pilot: Pilot[Any], source: FakeSource, *items: list[Event]) -> str:
    """Feed items, and return what is painted then."""
    for item in items:
        source.feed(item)
    while not (source._queue.empty() and app.opened and not app.model.opening):
        await pilot.pause()
    await pilot.pause()
    app.paint_now()
    await pilot.pause()
    return painted(app)


def toasts(app: HeadwayConsole) -> str:
    return " | ".join(note.message for note in app._notifications)


async def test_x_in_jobs_is_about_the_job_that_is_selected_and_no_other() -> None:
    commands = FakeCommands()
    async with two_runs(commands) as (app, pilot, _):
        await press_keys(app, pilot, "6", "j", "x")
        assert app.model.current_id == NEW
        text = painted(app)
        assert f"old ({OLD})" in text
        assert "old-0" in text
        assert NEW not in text.split("Cancel this run?")[1].split("╰")[0].replace(f"╯{NEW}", "")
        await press_keys(app, pilot, "y")
        await pilot.pause()
        assert commands.calls == [("cancel", OLD)]


async def test_in_the_log_the_selected_event_says_which_run_once_one_is_selected() -> None:
    async with two_runs() as (app, pilot, _):
        await press_keys(app, pilot, "3", "x")
        assert f"new ({NEW})" in painted(app), "nothing is selected while the newest event is followed"
        await press_keys(app, pilot, "escape", "g", "x")
        assert f"old ({OLD})" in painted(app)


async def test_the_dialog_follows_its_target_while_it_is_open() -> None:
    async with two_runs() as (app, pilot, source):
        await press_keys(app, pilot, "x")
        assert "2 not started, will be skipped" in painted(app)
        more = [
            Event(kinds.ACTION_SUCCEEDED, {"output": 1}, job_id=NEW, action_id="new-0", level=0, attempt=1),
            Event(kinds.ACTION_EXECUTING, {}, job_id=NEW, action_id="new-1", level=1, attempt=1),
        ]
        text = await fed(app, pilot, source, numbered(more, 9))
        assert "1 of 3 settled" in text
        assert "1 not started, will be skipped" in text
        source.time_ms += 65_000
        app.paint_now()
        await pilot.pause()
        assert "for 1m" in painted(app)


@pytest.mark.parametrize("size", [(60, 12), (40, 8), (40, 5)])
async def test_the_answers_are_in_sight_however_small_the_terminal(size: tuple[int, int]) -> None:
    async with two_runs() as (app, pilot, _):
        await press_keys(app, pilot, "x")
        await pilot.resize_terminal(*size)
        app.paint_now()
        await pilot.pause()
        text = painted(app)
        for words in ("new (bbbb", " n  Do nothing", " y  Cancel the run"):
            assert words in text


async def test_a_dialog_that_cannot_follow_its_target_says_so() -> None:
    async with two_runs() as (app, pilot, source):
        await press_keys(app, pilot, "p")
        source.time_ms += 12_000
        await press_keys(app, pilot, "x")
        assert "The view is paused: this is how things stood 12s ago." in painted(app)
        await press_keys(app, pilot, "escape", "p")
        source.link = Link(connected=False, detail="gone", since_ms=source.time_ms - 5000)
        await press_keys(app, pilot, "x")
        assert "The link is lost: this is how things stood 5s ago." in painted(app)


async def test_a_target_that_ends_meanwhile_is_told_and_the_key_does_nothing() -> None:
    commands = FakeCommands()
    async with two_runs(commands) as (app, pilot, source):
        await press_keys(app, pilot, "x", "j")
        text = await fed(app, pilot, source, end(NEW, kinds.JOB_COMPLETED, 9))
        assert "This run has ended meanwhile: completed" in text
        assert " y  Cancel" not in text
        await press_keys(app, pilot, "y")
        assert isinstance(app.screen, ChoiceDialog)
        await press_keys(app, pilot, "enter")
        assert app.screen is app.main
    assert commands.calls == []


async def test_an_end_that_comes_with_the_key_wins() -> None:
    commands = FakeCommands()
    async with two_runs(commands) as (app, pilot, _):
        await press_keys(app, pilot, "x")
        app.model.feed(end(NEW, kinds.JOB_COMPLETED, 9))  # not painted yet
        await press_keys(app, pilot, "y")
    assert commands.calls == []


async def test_cancelling_is_seen_and_a_second_x_says_so() -> None:
    commands = FakeCommands()
    async with two_runs(commands) as (app, pilot, source):
        await press_keys(app, pilot, "x", "y")
        await pilot.pause()
        await press_keys(app, pilot, "x")
        assert app.screen is app.main
        assert f"a cancel of run {NEW} was sent already" in toasts(app)
        text = await fed(app, pilot, source, asked(NEW, 9))
        assert "⊘ cancelling" in text.splitlines()[0]
        await press_keys(app, pilot, "x")
        assert app.screen is app.main
        assert f"run {NEW} is being cancelled already" in toasts(app)
        text = await fed(app, pilot, source, end(NEW, kinds.JOB_CANCELLED, 10))
        assert "⊘ cancelled" in text.splitlines()[0], "the other run has not taken its place"
        await press_keys(app, pilot, "x", "y")
        assert commands.calls == [("cancel", NEW)]
        await press_keys(app, pilot, "6")
        assert "⊘ cancelled" in painted(app)
        assert "● running" in painted(app)


async def test_a_cancel_by_somebody_else_takes_the_question_back() -> None:
    commands = FakeCommands()
    async with two_runs(commands) as (app, pilot, source):
        await press_keys(app, pilot, "x")
        text = await fed(app, pilot, source, asked(NEW, 9))
        assert "This run is being cancelled already." in text
        await press_keys(app, pilot, "y", "escape", "X")
        assert "Kill this run?" in painted(app), "the second step is open"
    assert commands.calls == []


async def test_a_refused_command_may_be_tried_again() -> None:
    commands = FakeCommands(error=Unavailable("the daemon is going away"))
    async with two_runs(commands) as (app, pilot, _):
        await press_keys(app, pilot, "x", "y")
        await pilot.pause()
        assert "Cancel the run: the daemon is going away" in toasts(app)
        commands.error = None
        await press_keys(app, pilot, "x", "y")
        await pilot.pause()
    assert commands.calls == [("cancel", NEW)]


async def test_the_title_says_pinned_or_newest_and_a_key_leads_back() -> None:
    async with two_runs() as (app, pilot, source):
        assert " newest " in painted(app).splitlines()[0]
        await press_keys(app, pilot, "6", "j", "enter")
        text = painted(app)
        assert app.model.current_id == OLD
        assert "pinned, 1 newer" in text.splitlines()[0]
        assert "0 newest" in text.splitlines()[-1]
        await fed(app, pilot, source, job("cccccccccccc", "third", 20))
        assert app.model.current_id == OLD
        await press_keys(app, pilot, "0")
        assert app.model.current_id == "cccccccccccc"
        assert " newest " in painted(app).splitlines()[0]


async def test_a_run_that_is_worked_on_is_not_replaced_under_the_cursor() -> None:
    async with two_runs() as (app, pilot, source):
        await press_keys(app, pilot, "2", "j")
        assert app.model.pinned
        await fed(app, pilot, source, job("cccccccccccc", "third", 20))
        assert app.model.current_id == NEW


async def test_a_fork_tells_what_runs_again_and_what_it_used() -> None:
    points = [CheckpointInfo(f"{NEW}@L0", "level", f"job:{NEW}", 10, 1_000_000, NEW, 0, done=1, total=3)]
    commands = FakeCommands(points=points)
    more = [
        Event(kinds.ACTION_SUCCEEDED, {"output": 1}, job_id=NEW, action_id="new-0", level=0, attempt=1),
        Event(kinds.LEVEL_FINISHED, {"succeeded": 1}, job_id=NEW, level=0),
        Event(kinds.ACTION_EXECUTING, {}, job_id=NEW, action_id="new-1", level=1, attempt=2),
        Event(
            kinds.ACTION_SUCCEEDED,
            {"output": 1, "usage": {"total_tokens": 812}, "cost": 3000},
            job_id=NEW,
            action_id="new-1",
            level=1,
            attempt=2,
        ),
    ]
    async with two_runs(commands) as (app, pilot, source):
        await fed(app, pilot, source, numbered(more, 9))
        await press_keys(app, pilot, "R")
        await pilot.pause()
        await press_keys(app, pilot, "f")
        text = painted(app)
        for words in (
            f"after level 0 ({NEW}@L0)",
            f"new ({NEW})",
            "2 actions run again, 2 real tool calls among them.",
            "fetch 2x",
            "last time 2 calls, 812 tokens, $0.0030; 1 never ran, so has no known cost",
            f"headway checkpoints fork {NEW}@L0",
        ):
            assert words in text
        await press_keys(app, pilot, "enter")
        assert "fork" not in [name for name, _ in commands.calls]


async def test_stale_keeps_title_and_progress_and_stops_the_clocks() -> None:
    async with two_runs() as (app, pilot, source):
        lost = source.time_ms + 2000
        source.link = Link(connected=False, detail="connection refused", since_ms=lost)
        source.time_ms += 60_000
        app._each_second()
        await pilot.pause()
        app.paint_now()
        await pilot.pause()
        title = painted(app).splitlines()[0]
        for words in ("STALE 58s: connection refused", "● running", "0/3", "new"):
            assert words in title
        assert app.now_ms() == lost
        source.link = Link()
        assert app.now_ms() == source.time_ms


async def test_opening_is_not_no_run_yet() -> None:
    source = FakeSource()
    app = console_on(source)
    async with app.run_test(size=(110, 30)) as pilot:
        while not app.opened:
            await pilot.pause()
        app.paint_now()
        await pilot.pause()
        for key in ("1", "2", "3", "4", "5", "6"):
            await press_keys(app, pilot, key)
            text = painted(app)
            assert "Opening." in text
            assert "yet" not in text
        assert "opening" in text.splitlines()[0]
        text = await fed(app, pilot, source, Snapshot())  # type: ignore[arg-type]
        assert "No jobs yet" in text


def test_terminals_without_a_clipboard_are_known() -> None:
    assert without_clipboard({"TERM": "linux"}) == "linux"
    assert without_clipboard({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}) == "Apple_Terminal"
    assert without_clipboard({"TERM": "xterm-256color"}) == ""


async def test_a_copy_that_did_not_happen_is_not_called_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERM_PROGRAM", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    async with two_runs() as (app, _pilot, _):
        words, sent = copied(app, "x" * (LARGEST + 1))
        assert not sent
        assert words.startswith("Not copied: 74,001 bytes")
        assert app.clipboard == ""
        monkeypatch.setenv("TERM", "linux")
        words, sent = copied(app, "x")
        assert not sent
        assert "linux" in words
        monkeypatch.setenv("TERM", "xterm")
        assert copied(app, "x")[1]
        assert app.clipboard == "x"
