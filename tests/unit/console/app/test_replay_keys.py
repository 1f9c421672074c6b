"""A recording in the console: its keys, and that what changes runs is off."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from headway_console.app import HeadwayConsole
from headway_console.resources import recordings
from headway_console.sources import ReplaySource
from tests.unit.console.app.fakes import console_on, painted, press_keys

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def replay(name: str = "good-run") -> AsyncIterator[tuple[HeadwayConsole, Pilot[Any], ReplaySource]]:
    """A recording that stands still at its start."""
    source = ReplaySource(recordings() / f"{name}.jsonl", playing=False)
    app = console_on(source)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.opened)
        yield app, pilot, source


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Wait until that is so."""
    while not holds():
        assert pilot.app.is_running
        await pilot.pause()


async def test_steps_go_by_event_and_by_level_both_ways() -> None:
    async with replay() as (app, pilot, source):
        for keys, seq in ((("]",), 1), (("]", "]"), 3), (("[",), 2)):
            await press_keys(
                app, pilot, *("right_square_bracket" if key == "]" else "left_square_bracket" for key in keys)
            )
            await until(pilot, lambda seq=seq: app.model.last_seq == seq)  # type: ignore[misc]
        await press_keys(app, pilot, "right_curly_bracket")
        await until(pilot, lambda: app.model.events[-1].kind == "level_finished")
        first = app.model.last_seq
        await press_keys(app, pilot, "right_curly_bracket")
        await until(pilot, lambda: app.model.last_seq > first)
        assert app.model.events[-1].kind == "level_finished"
        await press_keys(app, pilot, "left_curly_bracket")
        await until(pilot, lambda: app.model.last_seq == first)
        assert not source.playing


async def test_space_plays_and_pauses_and_speeds_go_up_and_down() -> None:
    async with replay() as (app, pilot, source):
        await press_keys(app, pilot, "space")
        assert source.playing
        await press_keys(app, pilot, "space")
        assert not source.playing
        await press_keys(app, pilot, "greater_than_sign")
        assert source.speed == 2
        await press_keys(app, pilot, "less_than_sign", "less_than_sign")
        assert source.speed == 0.5
        app.paint_now()
        await pilot.pause()
        assert "REPLAY paused 0.5x" in painted(app)


async def test_a_place_is_typed() -> None:
    async with replay() as (app, pilot, source):
        await press_keys(app, pilot, "t", *"#90", "enter")
        await until(pilot, lambda: app.model.last_seq == 90)
        app.paint_now()
        await pilot.pause()
        assert f"seq 90/{source.last_seq}" in painted(app)
        await press_keys(app, pilot, "t", *"nowhere", "enter")
        await until(pilot, lambda: any("is no place" in note.message for note in app._notifications))
        await press_keys(app, pilot, "t", "escape")
        assert app.model.last_seq == 90


async def test_a_seek_back_shows_the_past_as_it_was() -> None:
    async with replay() as (app, pilot, source):
        source.seek(source.last_seq)
        await until(pilot, lambda: app.model.last_seq == source.last_seq)
        await press_keys(app, pilot, "3")
        app.paint_now()
        assert "job_completed" in painted(app)
        source.seek(20)
        await until(pilot, lambda: app.model.last_seq == 20)
        app.paint_now()
        await pilot.pause()
        assert "job_completed" not in painted(app)
        assert app.model.run is not None
        assert app.model.run.job.status == "running"


@pytest.mark.parametrize("key", ["x", "X", "R"])
async def test_what_changes_a_run_is_off_and_says_so(key: str) -> None:
    async with replay() as (app, pilot, source):
        source.seek(60)
        await until(pilot, lambda: app.model.last_seq == 60)
        await press_keys(app, pilot, key)
        assert app.screen is app.main
        assert "a recording cannot be changed" in " ".join(note.message for note in app._notifications)


async def test_replay_keys_do_nothing_elsewhere() -> None:
    from tests.unit.console.app.fakes import FakeSource, console_on, recorded

    app = console_on(FakeSource(recorded("good-run")))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.opened)
        await press_keys(app, pilot, "space", "t", "left_square_bracket", "greater_than_sign")
        assert app.screen is app.main


async def test_leaving_a_recording_never_asks() -> None:
    async with replay() as (app, pilot, source):
        source.seek(60)
        await until(pilot, lambda: app.model.last_seq == 60)
        await press_keys(app, pilot, "q")
        await pilot.pause()
        assert app.return_value == "continue"
