"""Commands: their words, their receipts, and that the command line knows the line that they give."""

import shlex
from pathlib import Path

import click
import pytest

from headway.errors import Conflict, HeadwayError, Unavailable
from headway.events.log import EventLog
from headway.events.views import Elicitation
from headway_console.cli.commands.inbox import _meant
from headway_console.cli.root import cli
from headway_console.commands import COMMANDS, Command, Receipt, send
from headway_console.resources import recordings
from headway_console.sources import MemorySource, ReplaySource
from headway_console.target import KINDS, Target
from tests.unit.console.app.fakes import FakeCommands

pytestmark = pytest.mark.anyio

JOB = Target("job", "900d00000001", "900d00000001", "Yearly report")
POINT = Target("checkpoint", "900d00000001@L2", "900d00000001", "after level 2")
QUESTION = Target("question", "900d00000001.1", "900d00000001", "May 'deploy' run?")
ANSWERS = {
    "allow": None,
    "session": None,
    "deny": None,
    "abort": None,
    "edit": {},
    "answer": 3,
    "top_up": {"tokens": 1},
}
TARGETS = {"cancel": JOB, "kill": JOB, "save": JOB, "fork": POINT, "restore": POINT} | dict.fromkeys(ANSWERS, QUESTION)


@pytest.mark.parametrize("kind", sorted(COMMANDS))
async def test_each_is_carried_out_with_a_receipt(kind: str) -> None:
    receiver = FakeCommands()
    command = Command(kind, TARGETS[kind], value=ANSWERS.get(kind))
    receipt = await send(receiver, command, "")
    answered = ("answer", (QUESTION.id, kind, ANSWERS.get(kind)))
    assert receiver.calls == [answered if kind in ANSWERS else (kind, TARGETS[kind].id)]
    assert receipt.command is command
    assert receipt.text.endswith(".")
    assert (receipt.made or TARGETS[kind].id) in receipt.text
    assert bool(receipt.made) == (kind in ("fork", "save"))


@pytest.mark.parametrize("kind", sorted(COMMANDS))
def test_the_command_line_knows_the_line_that_does_the_same(kind: str) -> None:
    words = shlex.split(Command(kind, TARGETS[kind], value=ANSWERS.get(kind)).cli)
    assert words.pop(0) == "headway"
    group: click.Command = cli
    while isinstance(group, click.Group):
        name = words.pop(0)
        found = group.get_command(click.Context(group), name)
        assert found is not None, name
        group = found
    context = group.make_context(group.name, words)
    assert TARGETS[kind].id in context.params.values()
    assert context.params.get("now", False) is (kind == "kill")
    if kind in ANSWERS:
        text = context.params["value"] or context.params["edit"] or ""
        question = Elicitation(QUESTION.id)
        assert _meant(kind, text, context.params["amounts"], question) == ANSWERS[kind]
        said = [name for name in ("allow", "session", "deny", "abort") if context.params[name]]
        assert said == ([kind] if ANSWERS[kind] is None else [])


def test_a_line_with_an_odd_id_is_quoted() -> None:
    line = Command("cancel", Target("job", "a b; rm $X '")).cli
    assert shlex.split(line) == ["headway", "jobs", "cancel", "a b; rm $X '"]


def test_the_audit_of_a_command_names_what_and_whom() -> None:
    assert Command("cancel", JOB).audit == "cancel 900d00000001"
    assert Command("restore", POINT).audit == "restore 900d00000001@L2"
    assert Command("save", JOB).audit == "save_checkpoint"


def test_each_confirmation_is_a_command_of_its_own() -> None:
    assert Command("cancel", JOB).token != Command("cancel", JOB).token
    assert Command("kill", JOB).question == "Kill this run?"


@pytest.mark.parametrize("answer", ["forced", "requested", "already_finished", "something\x1b new"])
async def test_a_receipt_says_what_the_daemon_answered(answer: str) -> None:
    texts = {(await send(FakeCommands(says=answer), Command(kind, JOB), "")).text for kind in ("cancel", "kill")}
    assert all(text.isprintable() and JOB.id in text for text in texts)
    assert len(texts) == (1 if answer.startswith("something") else 2)


async def test_without_a_receiver_it_is_refused_in_words() -> None:
    with pytest.raises(Unavailable, match="no daemon runs"):
        await send(None, Command("cancel", JOB), "no daemon runs in this home")


async def test_a_recording_refuses_every_command(tmp_path: Path) -> None:
    source = ReplaySource(recordings() / "good-run.jsonl", playing=False)
    for kind, target in TARGETS.items():
        with pytest.raises(Conflict, match="a recording cannot be changed"):
            await source.send(Command(kind, target))


async def test_a_log_in_this_process_sends_to_whoever_takes_commands() -> None:
    receiver = FakeCommands(says="forced")
    source = MemorySource(EventLog(), commands=receiver)
    receipt: Receipt = await source.send(Command("cancel", JOB))
    assert receipt.answer == "forced"
    assert receiver.calls == [("cancel", JOB.id)]
    with pytest.raises(HeadwayError, match="takes no commands"):
        await MemorySource(EventLog()).send(Command("cancel", JOB))


def test_targets_are_known_by_kind_and_id() -> None:
    assert Target("job", "a", "a", "then") == Target("job", "a", "a", "now")
    assert hash(Target("job", "a", "a", "then")) == hash(Target("job", "a", "a", "now"))
    assert Target("job", "a") != Target("action", "a")
    assert JOB.name == "Yearly report (900d00000001)"
    assert Target("bucket", "fe\x1btch").name.isprintable()
    assert {target.noun for target in TARGETS.values()} <= set(KINDS.values())
