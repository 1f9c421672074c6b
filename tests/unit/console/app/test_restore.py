"""The dialog of checkpoints: the list, the diff, and what is asked before a fork or a restore."""

import asyncio

import pytest

from headway.errors import Conflict
from headway.events.checkpoint import StateDiff
from headway_console.screens.dialog import ChoiceDialog
from headway_console.screens.main import MainScreen
from headway_console.screens.restore import CheckpointList, RestoreDialog
from tests.unit.console.app.fakes import FakeCommands, painted, points
from tests.unit.console.app.test_console import GOOD, JOB, console, press, settled, toasts

pytestmark = pytest.mark.anyio


async def test_restore_shows_the_list_and_the_diff_then_asks_whether_to_fork() -> None:
    commands = FakeCommands(points=points())
    async with console(GOOD, commands=commands) as (app, pilot, _):
        text = await press(app, pilot, "R")
        assert isinstance(app.screen, RestoreDialog)
        await settled(app, pilot, lambda: ("diff", f"{JOB}@L1") in commands.calls)
        text = painted(app)
        for words in ("after level 0", "after level 1", "+ back = [1]", "~ report", "- gone"):
            assert words in text
        await press(app, pilot, "j")
        await settled(app, pilot, lambda: ("diff", f"{JOB}@L0") in commands.calls)
        text = await press(app, pilot, "enter")
        assert isinstance(app.screen, ChoiceDialog)
        assert f"after level 0 ({JOB}@L0)" in text
        assert "fork" not in [name for name, _ in commands.calls]
        await press(app, pilot, "y")
        assert commands.calls[-1] == ("fork", f"{JOB}@L0")
        assert "Forked" in toasts(app)
        assert isinstance(app.screen, MainScreen)


async def test_checkpoints_that_are_read_after_their_dialog_was_closed_are_dropped() -> None:
    commands = FakeCommands(points=points())
    async with console(GOOD, commands=commands) as (app, pilot, _):
        await press(app, pilot, "R")
        dialog = app.screen
        assert isinstance(dialog, RestoreDialog)
        await settled(app, pilot, lambda: ("diff", f"{JOB}@L1") in commands.calls)
        await press(app, pilot, "escape")
        await settled(app, pilot, lambda: not dialog.is_attached)
        asked = len(commands.calls)
        await dialog._load()
        dialog.reload()
        await pilot.pause()
        assert [name for name, _ in commands.calls[asked:]] == ["checkpoints"]


async def test_restoring_in_place_shows_what_it_overwrites_and_asks() -> None:
    commands = FakeCommands(points=points())
    async with console(GOOD, commands=commands) as (app, pilot, _):
        await press(app, pilot, "R")
        await settled(app, pilot, lambda: ("diff", f"{JOB}@L1") in commands.calls)
        text = await press(app, pilot, "r")
        for words in (f"after level 1 ({JOB}@L1)", "overwrites the state of runtime", "- gone", "+ back = [1]"):
            assert words in text
        await press(app, pilot, "r", "r", "enter")
        assert "restore" not in [name for name, _ in commands.calls]
        await press(app, pilot, "r", "y")
        assert commands.calls[-1] == ("restore", f"{JOB}@L1")
        assert "1 key changed" in toasts(app)


async def test_a_checkpoint_can_be_saved_from_the_list_and_a_conflict_is_told() -> None:
    commands = FakeCommands(points=points())
    async with console(GOOD, commands=commands) as (app, pilot, _):
        await press(app, pilot, "R", "s", "enter")
        assert ("save", JOB) not in commands.calls
        await press(app, pilot, "s", "y")
        await settled(app, pilot, lambda: "ckpt_0123456789ab" in painted(app))
        assert "Saved ckpt_0123456789ab." in toasts(app)
        commands.error = Conflict("a job runs in that scope")
        await press(app, pilot, "r", "y")
        assert "a job runs in that scope" in toasts(app)


async def test_the_cursor_stays_on_its_checkpoint_when_one_is_saved() -> None:
    commands = FakeCommands(points=points())
    async with console(GOOD, commands=commands) as (app, pilot, _):
        await press(app, pilot, "R")
        await settled(app, pilot, lambda: len(app.screen.query_one(CheckpointList).checkpoints) == 2)
        await press(app, pilot, "j", "s", "y")
        await settled(app, pilot, lambda: len(app.screen.query_one(CheckpointList).checkpoints) == 3)
        await press(app, pilot, "f", "y")
        assert commands.calls[-1] == ("fork", f"{JOB}@L0")


async def test_the_diff_that_is_shown_is_that_of_the_checkpoint_that_would_be_forked() -> None:
    class Slow(FakeCommands):
        """Answers for the newest checkpoint last."""

        async def diff(self, checkpoint_id: str) -> StateDiff:
            if checkpoint_id.endswith("@L1"):
                await late.wait()
                return StateDiff(checkpoint_id, "job:x", {"newest": 1}, {}, {})
            return StateDiff(checkpoint_id, "job:x", {"older": 1}, {}, {})

    late = asyncio.Event()
    async with console(GOOD, commands=Slow(points=points())) as (app, pilot, _):
        await press(app, pilot, "R")
        await press(app, pilot, "j")
        await settled(app, pilot, lambda: "older" in painted(app))
        late.set()
        text = await press(app, pilot, "p")  # a key that does nothing here
        assert "+ older" in text
        assert "+ newest" not in text
