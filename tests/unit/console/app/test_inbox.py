"""The inbox of the console: what waits for a person, and the answers."""

from typing import Any

import pytest

from headway.events import kinds
from headway.events.event import Event
from headway_console.screens.dialog import ChoiceDialog
from headway_console.screens.main import MainScreen
from tests.unit.console.app.fakes import FakeCommands, painted
from tests.unit.console.app.test_console import GOOD, HALF, JOB, console, press, settled, toasts

pytestmark = pytest.mark.anyio

ASKED = {
    "id": f"{JOB}.1",
    "kind": "approval",
    "prompt": "May 'deploy' run?",
    "tool": "deploy",
    "parameters": {"env": "prod", "note": "[red]\x1b[31m"},
    "choices": ["allow", "session", "edit", "deny", "abort"],
    "digest": "d",
    "blocking": 2,
    "default": "deny",
}
QUESTION = f"{JOB}.1"


def asking(**data: Any) -> list[Event]:
    """The run, with a question open."""
    seq, ts = GOOD[HALF - 1].seq, GOOD[HALF - 1].ts
    return [
        *GOOD[:HALF],
        Event(kinds.ELICITATION_REQUESTED, ASKED | data, seq=seq + 1, ts=ts, job_id=JOB, action_id="ship"),
    ]


def closing(seq: int) -> Event:
    return Event(kinds.ELICITATION_ANSWERED, {"id": QUESTION, "choice": "deny", "by": "mia"}, seq=seq, job_id=JOB)


async def test_the_inbox_names_what_waits_and_the_tab_counts_it() -> None:
    async with console(asking(), commands=FakeCommands()) as (app, pilot, _):
        assert "7 Inbox 1" in painted(app)
        text = await press(app, pilot, "7")
        for words in ("approve", "blocks 2", "Yearly", "ship", "May 'deploy' run?", "prod", "1 question for you"):
            assert words in text
        assert "\x1b[31m" not in text


@pytest.mark.parametrize(
    ("key", "choice"), [("y", "allow"), ("s", "session"), ("d", "deny"), ("b", "abort")], ids=lambda value: value
)
async def test_a_question_is_answered_after_it_was_shown(key: str, choice: str) -> None:
    commands = FakeCommands()
    async with console(asking(), commands=commands) as (app, pilot, _):
        text = await press(app, pilot, "7", "a")
        assert isinstance(app.screen, ChoiceDialog)
        for words in (f"May 'deploy' run? ({QUESTION})", "deploy", "prod", "Leave it open"):
            assert words in text
        await press(app, pilot, "enter")
        assert commands.calls == [], "the default is no"
        await press(app, pilot, "a", key)
        assert commands.calls == [("answer", (QUESTION, choice, None))]
        assert f"Question {QUESTION} is answered" in toasts(app)


async def test_an_answer_with_a_value_is_typed_and_confirmed() -> None:
    commands = FakeCommands()
    async with console(asking(), commands=commands) as (app, pilot, _):
        await press(app, pilot, "7", "a", "e", *"nonsense", "enter")
        assert "That is not JSON" in toasts(app)
        keys = {"{": "left_curly_bracket", "}": "right_curly_bracket", '"': "quotation_mark", ":": "colon"}
        text = await press(app, pilot, "a", "e", *(keys.get(c, c) for c in '{"env":"test"}'), "enter")
        assert commands.calls == []
        assert '{"env":"test"}' in text
        assert "Allow with changes" in text
        await press(app, pilot, "y")
        assert commands.calls == [("answer", (QUESTION, "edit", {"env": "test"}))]


async def test_a_question_that_closes_under_its_dialog_takes_no_answer() -> None:
    commands = FakeCommands()
    async with console(asking(), commands=commands) as (app, pilot, _):
        await press(app, pilot, "7", "a")
        app.take([closing(GOOD[HALF - 1].seq + 2)])
        await settled(app, pilot, lambda: True)
        assert "It is closed meanwhile." in painted(app)
        await press(app, pilot, "y", "escape")
        assert commands.calls == []
        assert "Nothing waits for you." in painted(app)


async def test_without_a_receiver_nothing_is_answered() -> None:
    async with console(asking()) as (app, pilot, source):
        await press(app, pilot, "7", "a")
        assert isinstance(app.screen, MainScreen)
        assert source.commands is None


async def test_a_failed_job_in_the_inbox_is_no_question() -> None:
    failed = [
        *GOOD[:HALF],
        Event(kinds.JOB_FAILED, {"error": "disk full", "outcome": "aborted"}, seq=GOOD[HALF - 1].seq + 1, job_id=JOB),
    ]
    commands = FakeCommands()
    async with console(failed, commands=commands) as (app, pilot, _):
        text = await press(app, pilot, "7", "a")
        assert "disk full" in text
        assert "no question is selected" in toasts(app)
        assert isinstance(app.screen, MainScreen)
