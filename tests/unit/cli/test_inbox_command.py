"""``headway inbox``: what waits, in words and as JSON, and answers where no process runs the job."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import CompletionItem

from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.event import Event
from headway.events.views import Elicitation
from headway.home import Home
from headway.store import StoreLog, StoreReader
from headway_console.cli import main
from headway_console.cli.answering import parse_line
from headway_console.cli.completing import question_ids
from headway_console.cli.options import Place
from headway_console.cli.questions import how_to_answer, top_up_of
from tests.unit.store.runs import created

pytestmark = pytest.mark.anyio

CHOICES = {
    "approval": ["allow", "session", "edit", "deny", "abort"],
    "input": ["answer", "deny", "abort"],
    "budget": ["top_up", "deny"],
}


def asked(job_id: str, number: int = 1, kind: str = "approval", **data: Any) -> Event:
    given = {
        "id": f"{job_id}.{number}",
        "kind": kind,
        "prompt": f"{kind}?",
        "choices": CHOICES[kind],
        "default": "deny",
    }
    return Event(kinds.ELICITATION_REQUESTED, given | {"reference": f"r{number}"} | data, job_id, "act")


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with questions of jobs that nothing runs, and a project to work in."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "headway.toml").write_text("")
    monkeypatch.chdir(project)
    made = Home(tmp_path / "home")
    log = await StoreLog.open(made)
    await log.write(
        created("a"),
        created("b"),
        created("bad"),
        asked("a", tool="deploy", parameters={"env": "x\x1b[2J"}, prompt="may\x1b]0;it\x07?", blocking=1, scope="s"),
        asked("a", 2, "input", schema={"type": "integer"}),
        asked("b", 1, "budget", blocking=5, detail={"limits": {"tool_calls": 1}}),
        Event(kinds.JOB_FAILED, {"error": "no luck", "cost": {}}, "bad"),
    )
    await log.close()
    return made


async def run(home: Home, *arguments: str) -> int:
    return await asyncio.to_thread(main, ["inbox", *arguments, "--home", str(home)])


async def events_of(home: Home, *names: str) -> list[Event]:
    reader = await StoreReader.open(home.db)
    try:
        return await reader.events(kinds=names or kinds.CLOSED_ELICITATION)
    finally:
        await reader.close()


async def test_the_list_has_the_most_blocking_first_and_drives_no_terminal(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(home) == 0
    said = capsys.readouterr()
    lines = [line.split()[0] for line in said.out.splitlines() if line]
    assert lines == ["ID", "b.1", "a.1", "a.2", "FAILED", "bad"]
    assert "\x1b" not in said.out
    assert "no process runs these jobs" in said.err
    assert await run(home, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert ([each["id"] for each in found["waiting"]], found["total"]) == (["b.1", "a.1", "a.2"], 3)
    assert (found["owner_alive"], [each["job_id"] for each in found["failed"]]) == (False, ["bad"])
    assert await run(home, "ls", "--limit", "1") == 0
    assert "and 2 more questions" in capsys.readouterr().out


async def test_a_question_is_shown_whole(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(home, "show", "a.1") == 0
    said = capsys.readouterr().out
    assert "action 'act' of job a" in said
    assert "tool deploy" in said
    assert "headway inbox answer a.1 --allow | --session | --edit JSON | --deny | --abort" in said
    assert "\x1b" not in said
    assert await run(home, "show", "a.2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("arguments", "choice", "value"),
    [
        (["a.1", "--allow"], "allow", None),
        (["a.1", "--session"], "session", None),
        (["a.1", "--deny", "--reason", "no"], "deny", None),
        (["a.1", "--abort"], "abort", None),
        (["a.1", "--edit", '{"env": "y"}'], "edit", {"env": "y"}),
        (["a.2", "--value", "5"], "answer", 5),
        (["b.1", "--top-up", "tool_calls=7"], "top_up", {"tool_calls": 7}),
    ],
)
async def test_an_answer_is_kept_where_nothing_runs_the_job(
    home: Home, capsys: pytest.CaptureFixture[str], arguments: list[str], choice: str, value: Any
) -> None:
    assert await run(home, "answer", *arguments, "--yes") == 0
    said = capsys.readouterr()
    assert (said.out, "no process runs its job" in said.err) == (f"{arguments[0]}: {choice}\n", True)
    (event,) = await events_of(home)
    assert (event.data["choice"], event.data.get("value"), event.data["by"]) == (choice, value, "cli")
    assert await run(home, "answer", *arguments, "--yes") == 1
    assert "was answered already by cli" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["a.1", "--yes"], 2, "Give one answer"),
        (["a.1", "--allow", "--edit", "{}", "--yes"], 2, "Give one answer"),
        (["a.1", "--deny", "--allow", "--yes"], 2, "Give one answer"),
        (["a.1", "--allow", "--abort", "--yes"], 2, "Give one answer"),
        (["a.2", "--value", "", "--yes"], 2, "a value is JSON"),
        (["a.1", "--allow"], 2, "There is nobody to ask: give --yes"),
        (["a.1", "--allow", "--json"], 2, "There is nobody to ask: give --yes"),
        (["nope.1", "--allow", "--yes"], 2, "there is no question 'nope.1'"),
        (["a.1", "--value", "5", "--yes"], 2, "is one of allow, session, edit, deny, abort"),
        (["a.1", "--edit", "{", "--yes"], 2, "a value is JSON"),
        (["a.1", "--edit", "5", "--yes"], 2, "edited parameters are a JSON object"),
        (["a.2", "--value", '"x"', "--yes"], 2, "does not fit its schema"),
        (["b.1", "--top-up", "tool_calls", "--yes"], 2, "a top-up is DIMENSION=AMOUNT"),
        (["b.1", "--top-up", "tokens=5", "--yes"], 2, "a dimension of this budget"),
        (["b.1", "--top-up", "tool_calls=0", "--yes"], 2, "of at least 1"),
        (["a.1", "--deny", "--always", "--yes"], 2, "--always goes with --allow"),
        (["a.2", "--allow", "--always", "--yes"], 2, "a rule can be made of the approval"),
    ],
)
async def test_what_is_no_answer_changes_nothing(
    home: Home, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, error: str
) -> None:
    assert await run(home, "answer", *arguments) == code
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1, "one line"
    assert await events_of(home) == []


async def test_always_writes_a_rule(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(home, "answer", "a.1", "--allow", "--always", "--yes") == 0
    assert "wrote the rule to" in capsys.readouterr().err
    assert await asyncio.to_thread(Path("policies/inbox.toml").read_text) == (
        '[[approve]]\ntool = "deploy"\nparameters = { "env" = "x\\u001b[2J" }\n'
    )
    (event,) = await events_of(home)
    assert event.data["choice"] == "session", "the rules of its start hold for a job that runs"


async def test_a_home_without_a_store_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["show", "a.1"], ["answer", "a.1", "--allow", "--yes"]):
        assert await run(Home(tmp_path / "empty"), *arguments) == 3
    assert "there is no store" in capsys.readouterr().err


async def test_ids_are_completed(home: Home) -> None:
    place = Place()
    place.home_path = home.path
    context = click.Context(click.Command("answer"), obj=place)

    def complete(text: str) -> list[CompletionItem]:
        return question_ids(context, click.Argument(["x"]), text)

    assert [item.value for item in await asyncio.to_thread(complete, "")] == ["b.1", "a.1", "a.2"]
    assert [item.value for item in await asyncio.to_thread(complete, "a")] == ["a.1", "a.2"]


@pytest.mark.parametrize(
    ("kind", "line", "expected"),
    [
        ("approval", "a", ("allow", None)),
        ("approval", "deny", ("deny", None)),
        ("approval", "x", ("abort", None)),
        ("approval", 'e {"env": "y"}', ("edit", {"env": "y"})),
        ("input", "= 5", ("answer", 5)),
        ("input", "answer 5", ("answer", 5)),
        ("input", "d", ("deny", None)),
        ("budget", "+ tool_calls=5 tokens=7", ("top_up", {"tool_calls": 5, "tokens": 7})),
        ("budget", "+tool_calls=5", ("top_up", {"tool_calls": 5})),
    ],
)
def test_a_line_at_the_prompt(kind: str, line: str, expected: tuple[str, Any]) -> None:
    assert parse_line(line, Elicitation("j.1", kind, choices=CHOICES[kind])) == expected


@pytest.mark.parametrize("line", ["y", "yes", "allow it", "e", "e {", "= 5", "\x1b[A"])
def test_a_line_that_is_no_answer(line: str) -> None:
    with pytest.raises(InvalidInput):
        parse_line(line, Elicitation("j.1", "approval", choices=CHOICES["approval"]))


def test_words() -> None:
    question = Elicitation("j.1", "budget", choices=CHOICES["budget"])
    assert how_to_answer(question) == "headway inbox answer j.1 --top-up DIMENSION=AMOUNT | --deny"
    assert top_up_of(["tokens=5"]) == {"tokens": 5}
