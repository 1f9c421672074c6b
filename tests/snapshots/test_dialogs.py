"""The dialogs that ask, over a live run: run `pytest tests/snapshots --snapshot-update` after a change meant."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from headway.events.checkpoint import CheckpointInfo
from headway_console.app import HeadwayConsole
from tests.snapshots.test_console import SIZES, Compare
from tests.unit.console.app.fakes import FakeCommands, FakeSource, console_on, press_keys, recorded

JOB = "900d00000001"
HALF = 105
POINTS = [
    CheckpointInfo(f"{JOB}@L{level}", "level", "runtime", seq, 1_767_258_000_000 + 10 * seq, JOB, level, None, None, done, 23)
    for level, seq, done in ((0, 8, 2), (1, 80, 8))
]


DIALOGS = {
    "cancel": "x",
    "kill": "X",
    "checkpoints": "R",
    "fork": "Rf",
    "restore": "Rr",
    "leave": "q",
    "palette": ":can",
    "copy": "c",
}
"""The keys that lead to each."""


def live(*, quiet_s: float = 0) -> HeadwayConsole:
    """A console on a run that is half-way."""
    source = FakeSource(recorded("good-run")[:HALF], commands=FakeCommands(points=POINTS))
    return console_on(source, quiet_s=quiet_s)


@SIZES
@pytest.mark.parametrize("keys", DIALOGS.values(), ids=DIALOGS)
def test_a_dialog(snap_compare: Compare, keys: str, size: tuple[int, int]) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, HeadwayConsole)
        while app.model.opening or not app.router.layers:
            await pilot.pause()
        for key in keys:
            await press_keys(app, pilot, key)
            while app.workers and any(worker.group in ("checkpoints", "diff") for worker in app.workers):
                await pilot.pause()
        app.paint_now()
        await pilot.pause()

    assert snap_compare(live(), run_before=before, terminal_size=size)


def test_an_answer_shows_no_key_before_it_counts(snap_compare: Compare) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, HeadwayConsole)
        while app.model.opening or not app.router.layers:
            await pilot.pause()
        await press_keys(app, pilot, "x", "y")
        app.paint_now()
        await pilot.pause()

    assert snap_compare(live(quiet_s=3600), run_before=before, terminal_size=(80, 24))
