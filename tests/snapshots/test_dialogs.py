"""The dialogs that ask, over a live run: run `pytest tests/snapshots --snapshot-update` after a change meant."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from headway.events import kinds
from headway.events.checkpoint import CheckpointInfo
from headway.events.event import Event
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
    "inbox": "7",
    "answer": "7a",
}
"""The keys that lead to each."""


ASKED = {
    "id": f"{JOB}.1",
    "kind": "approval",
    "prompt": "tool 'deploy' asks for permission",
    "tool": "deploy",
    "parameters": {"environment": "production", "version": "1.4.2"},
    "choices": ["allow", "session", "edit", "deny", "abort"],
    "blocking": 2,
    "default": "deny",
    "expires_ms": 1_767_258_000_000 + 3_600_000,
}
"""A question that the run asks."""


def live(*, quiet_s: float = 0, asking: bool = False) -> HeadwayConsole:
    """A console on a run that is half-way; ``asking``: it waits for a person, too."""
    events = recorded("good-run")[:HALF]
    if asking:
        last = events[-1]
        events.append(Event(kinds.ELICITATION_REQUESTED, ASKED, seq=last.seq + 1, ts=last.ts, job_id=JOB, action_id="ship"))
    source = FakeSource(events, commands=FakeCommands(points=POINTS))
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

    assert snap_compare(live(asking="7" in keys), run_before=before, terminal_size=size)


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
