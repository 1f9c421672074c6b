"""Keys one at a time: what a burst of them does, and that it confirms nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from headway_console.app import HeadwayConsole
from headway_console.context import Press
from headway_console.router import MODES
from headway_console.screens.dialog import ChoiceDialog, Dialog
from headway_console.screens.main import MainScreen
from tests.unit.console.app.fakes import FakeCommands, FakeSource, console_on, keys_done, painted, press_keys, recorded

pytestmark = pytest.mark.anyio

GOOD = recorded("good-run")
HALF = 105
JOB = "900d00000001"


@asynccontextmanager
async def live(
    commands: FakeCommands | None = None, **options: Any
) -> AsyncIterator[tuple[HeadwayConsole, Pilot[Any], FakeCommands]]:
    """A console on a live run, with what takes its commands."""
    commands = commands or FakeCommands()
    app = console_on(FakeSource(GOOD[:HALF], commands=commands), **options)
    async with app.run_test(size=(100, 30)) as pilot:
        while app.model.opening or not app.router.layers:
            await pilot.pause()
        app.paint_now()
        yield app, pilot, commands


def key(name: str, at: float | None = None) -> events.Key:
    """A key that came at that time, or now."""
    character = name if len(name) == 1 else None
    event = events.Key(_character_to_key(name) if len(name) == 1 else name, character)
    if at is not None:
        event.time = at  # type: ignore[misc] # final to all others: here it is the terminal's
    return event


async def burst(app: HeadwayConsole, pilot: Pilot[Any], *keys: str | events.Paste) -> None:
    """Hand all keys over before the first is looked at, as a terminal does that reads them together."""
    for name in keys:
        app.post_message(key(name) if isinstance(name, str) else name)
    await pilot.pause()
    await keys_done(app, pilot)


async def test_a_filter_typed_fast_is_text() -> None:
    async with live() as (app, pilot, commands):
        await burst(app, pilot, "3", "/", "x", "y")
        assert app.main is not None
        assert app.main.panel.expression == "xy"
        assert app.router.mode == "filter"
        assert isinstance(app.screen, MainScreen)
        await burst(app, pilot, "X", "enter", "x", "escape", "1")
        assert app.main.panel is app.main.overview.active
        assert app.main.events.expression == "xyX"
    assert commands.calls == []


@pytest.mark.parametrize("keys", ["xy", "Xy", "xyyyy", "Rfy", "Rry", "Rsy", "xky", "6xy", "2jjxy"])
async def test_what_is_typed_in_one_go_confirms_nothing(keys: str) -> None:
    async with live() as (app, pilot, commands):
        await burst(app, pilot, *keys)
        assert isinstance(app.screen, Dialog)
        assert not {"cancel", "kill", "fork", "restore", "save"} & {name for name, _ in commands.calls}


async def test_a_key_counts_after_the_dialog_was_seen_and_a_quiet_moment() -> None:
    quiet = 3600.0  # longer than this test may ever take: what counts by the times of keys is apart from what is shown
    async with live(quiet_s=quiet) as (app, pilot, commands):
        await press_keys(app, pilot, "x")
        dialog = app.screen
        assert isinstance(dialog, ChoiceDialog)
        seen = dialog.shown_at
        for at in (seen - 10, seen + quiet / 2):
            app.router.take(key("y", at))
            await keys_done(app, pilot)
            assert commands.calls == []
            assert app.screen is dialog
            assert "too fast to be meant: press y again" in painted(app)
        app.router.take(key("j", seen + 10 * quiet))
        app.router.take(key("y", seen + 10.5 * quiet))
        await keys_done(app, pilot)
        assert commands.calls == [], "it came in one go with another key"
        app.router.take(key("y", seen + 20 * quiet))
        await keys_done(app, pilot)
        assert commands.calls == [], "the key was not shown yet"
        app.router.quiet_s = 0
        app.router.take(key("j", seen + 30 * quiet))
        await keys_done(app, pilot)
        assert dialog.ready
        app.router.quiet_s = quiet
        app.router.take(key("y", seen + 40 * quiet))
        await keys_done(app, pilot)
        await pilot.pause()
        assert commands.calls == [("cancel", JOB)]


async def test_the_key_that_confirms_is_shown_when_it_counts() -> None:
    async with live(quiet_s=3600) as (app, pilot, _):
        await press_keys(app, pilot, "x")
        assert isinstance(app.screen, ChoiceDialog)
        assert not app.screen.ready
        assert " · " in painted(app)
        assert " y  Cancel" not in painted(app)
        app.router.quiet_s = 0
        await press_keys(app, pilot, "j")
        assert app.screen.ready
        assert " y  Cancel the run" in painted(app)


async def test_a_command_is_sent_once_for_a_confirmation() -> None:
    async with live() as (app, pilot, commands):
        await press_keys(app, pilot, "x")
        await burst(app, pilot, "y", "y", "y", "enter")
        await pilot.pause()
        assert [name for name, _ in commands.calls] == ["cancel"]
        [command] = app.source.sent  # type: ignore[attr-defined]
        assert not app.steering.send(command)
        await pilot.pause()
        assert [name for name, _ in commands.calls] == ["cancel"]


async def test_each_key_finds_what_the_one_before_has_opened() -> None:
    async with live() as (app, pilot, _):
        await burst(app, pilot, ":", *"budgets", "enter", "c", "escape", "?", "?", ":", *"dag", "enter")
        assert app.main is not None
        assert app.main.view == "dag"
        assert app.router.mode == "list"
        await burst(app, pilot, "1", "tab", "tab")
        assert app.main.overview.active_view == "budgets"
        await burst(app, pilot, "tab", "tab", "shift+tab")
        assert app.main.overview.active_view == "events"


async def test_modes_are_the_routers() -> None:
    async with live() as (app, pilot, _):
        seen = []
        for keys in (("2",), ("/",), ("escape",), (":",), ("escape",), ("x",), ("escape",)):
            await burst(app, pilot, *keys)
            seen.append(app.router.mode)
        assert seen == ["list", "filter", "list", "prompt", "list", "dialog", "list"]
        assert set(seen) == set(MODES)


async def test_pasted_text_is_text_where_one_types_and_nothing_elsewhere() -> None:
    async with live() as (app, pilot, commands):
        await burst(app, pilot, events.Paste("xy\nqq"))
        assert app.router.mode == "list"
        assert "Pasted text is no key" in " ".join(note.message for note in app._notifications)
        await burst(app, pilot, "x", events.Paste("y\ry\n"))
        assert isinstance(app.screen, ChoiceDialog)
        await burst(app, pilot, "escape", "3", "/", events.Paste("a\x1b[2Jb\nsecond line"))
        assert app.main is not None
        assert app.main.panel.expression == "a [2Jb"
        assert app.main.filter_bar.is_open
    assert commands.calls == []


async def test_a_key_with_a_modifier_is_not_its_letter() -> None:
    """Escape and a letter that come together are one key to a terminal."""
    async with live() as (app, pilot, _):
        app.post_message(events.Key("alt+x", "x"))
        app.post_message(events.Key("ctrl+y", "\x19"))
        await pilot.pause()
        await keys_done(app, pilot)
        assert app.router.mode == "list"
        await burst(app, pilot, "3", "/")
        app.post_message(events.Key("alt+x", "x"))
        await pilot.pause()
        await keys_done(app, pilot)
        assert app.main is not None
        assert app.main.panel.expression == ""


async def test_keys_while_it_is_resized_keep_their_order() -> None:
    async with live() as (app, pilot, commands):
        for width, height in ((30, 8), (120, 40), (1, 1), (80, 24)):
            app.post_message(key("3"))
            app.post_message(key("/"))
            await pilot.resize_terminal(width, height)
            await burst(app, pilot, "x", "y", "escape")
            assert app.router.mode == "list"
            await burst(app, pilot, "x")
            await pilot.resize_terminal(height, width)
            await burst(app, pilot, "escape")
    assert commands.calls == []


async def test_keys_that_come_before_it_is_drawn_are_kept() -> None:
    app = console_on(FakeSource(GOOD[:HALF], commands=FakeCommands()))
    app.router.take(key("3"))
    async with app.run_test(size=(80, 24)) as pilot:
        while app.main is None or app.main.view != "events":
            await pilot.pause()
            await asyncio.sleep(0)


def test_a_press_knows_its_text() -> None:
    assert Press("x", "x").text == "x"
    assert Press("plus", "+").text == "+"
    assert Press("alt+x", "x").text == ""
    assert Press("enter", "\r").text == ""
    assert Press("escape", "\x1b").text == ""
