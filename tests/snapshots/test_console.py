"""The console as it looks, from the recordings: run `pytest tests/snapshots --snapshot-update` after a change meant."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from headway_console.app import HeadwayConsole
from headway_console.resources import recordings
from headway_console.sources import ReplaySource
from tests.sizes import few

SMALL, LARGE = (80, 24), (120, 40)
SIZES = pytest.mark.parametrize("size", few([SMALL, LARGE]), ids=few(["80x24", "120x40"]))

Compare = Callable[..., bool]
Before = Callable[[Pilot[Any]], Awaitable[None]]


def console(name: str, **options: Any) -> HeadwayConsole:
    """A console on a recording that stands still at its start."""
    return HeadwayConsole(ReplaySource(recordings() / f"{name}.jsonl", playing=False), fps=60, **options)


def at(percent: float, *keys: str) -> Before:
    """Go to that part of the recorded time, then press keys."""

    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, HeadwayConsole)
        while not app.opened:
            await pilot.pause()
        controls = app.source.replay
        assert isinstance(controls, ReplaySource)
        version = app.model.version
        if percent < 100:
            controls.seek_percent(percent)
        else:
            controls.seek(controls.last_seq)
        wanted = controls.last_seq if percent >= 100 else 1
        while app.model.version == version or app.model.last_seq < wanted:
            await pilot.pause()
        await pilot.press(*keys)
        app.paint_now()
        await pilot.pause()

    return before


@SIZES
@pytest.mark.parametrize("key", ["1", "2", "3", "4", "5", "6"])
def test_a_good_run_half_way(snap_compare: Compare, key: str, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run"), run_before=at(50, key), terminal_size=size)


@SIZES
def test_why_an_action_waits(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run"), run_before=at(22, "2", "tab"), terminal_size=size)


@SIZES
def test_who_waits_for_a_bucket(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run"), run_before=at(22, "4", "tab"), terminal_size=size)


@SIZES
@pytest.mark.parametrize("name", ["cancelled-run", "failing-run"])
def test_how_a_run_ended(snap_compare: Compare, name: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(name), run_before=at(100, "2", "z", "G"), terminal_size=size)


@SIZES
def test_errors_in_the_log(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("failing-run"), run_before=at(100, "3", "E", "E"), terminal_size=size)


@SIZES
def test_a_filter(snap_compare: Compare, size: tuple[int, int]) -> None:
    keys = ("3", "slash", *"kind:retrying", "enter")
    assert snap_compare(console("good-run"), run_before=at(100, *keys), terminal_size=size)


@SIZES
def test_an_open_inspector(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run"), run_before=at(50, "2", "j", "j", "enter"), terminal_size=size)


@SIZES
def test_help(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run"), run_before=at(50, "2", "question_mark"), terminal_size=size)


@SIZES
def test_the_light_theme(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run", theme="headway-light"), run_before=at(50, "2"), terminal_size=size)


@SIZES
def test_ascii(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(console("good-run", ascii=True), run_before=at(50, "2"), terminal_size=size)


@SIZES
def test_without_colours(snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(console("failing-run"), run_before=at(100, "2"), terminal_size=size)


def test_three_columns(snap_compare: Compare) -> None:
    assert snap_compare(console("good-run"), run_before=at(50, "2"), terminal_size=(200, 50))


def test_one_panel(snap_compare: Compare) -> None:
    assert snap_compare(console("good-run"), run_before=at(50, "2"), terminal_size=(60, 16))


def test_the_same_place_looks_the_same_however_it_was_reached(snap_compare: Compare) -> None:
    async def forwards_and_back(pilot: Pilot[Any]) -> None:
        await at(100)(pilot)
        await at(10)(pilot)
        app = pilot.app
        assert isinstance(app, HeadwayConsole)
        while app.model.last_seq > 100:
            await pilot.pause()
        await at(50, "2")(pilot)

    app = console("good-run")
    assert snap_compare(app, run_before=forwards_and_back, terminal_size=SMALL)
