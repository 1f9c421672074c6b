"""The ends of commands: exit codes, one line, no traceback, a reader who has gone."""

import subprocess
import sys

import click
import pytest

from headway import errors
from headway_console.cli import exits
from headway_console.cli.output import say
from headway_console.cli.root import cli


def ending(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidPlan("bad"), 2),
        (errors.InvalidConfig("bad"), 2),
        (errors.OutsideWorkspace("bad"), 2),
        (errors.NotFound("bad"), 2),
        (errors.HomeLocked("bad"), 2),
        (errors.StoreUnreadable("bad"), 2),
        (errors.StoreTooNew("bad"), 2),
        (errors.Unavailable("bad"), 3),
        (errors.Conflict("bad"), 1),
        (errors.LogFull("bad"), 1),
        (errors.HeadwayError("bad"), 1),
    ],
)
def test_errors_are_one_line_and_a_code(
    error: errors.HeadwayError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exits.run(ending(error), []) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "headway: error: bad\n"


def test_no_message_drives_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.run(ending(errors.InvalidPlan("a\nb\x1b[2J")), []) == 2
    assert capsys.readouterr().err == "headway: error: a b\N{REPLACEMENT CHARACTER}[2J\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            "serve --port 99999",
            "Invalid value for '--port': 99999 is not in the range 0<=x<=65535 (see headway serve --help)",
        ),
        ("run", "Missing argument 'PLAN' (see headway run --help)"),
        ("statu", "No such command 'statu'. Did you mean 'status'? (see headway --help)"),
        ("zzz", "No such command 'zzz' (see headway --help)"),
        ("jobs lst", "No such command 'lst'. Did you mean 'ls'? (see headway jobs --help)"),
        ("run --jsn", "No such option '--jsn'. Did you mean '--json'? (see headway run --help)"),
        ("checkpoints save", "Give either --job or --scope (see headway checkpoints save --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.run(cli, arguments.split()) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"headway: error: {line}\n")


def test_a_group_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.run(cli, ["jobs"]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_issues_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    issues = [
        {"action_id": "a", "message": "tool 'x' is not registered"},
        {"action_id": "b", "message": "the same"},
        {"message": "cycle: a -> b -> a"},
    ]
    assert exits.run(ending(errors.InvalidPlan("three", issues)), []) == 2
    assert capsys.readouterr().err.splitlines() == [
        "headway: error: action a: tool 'x' is not registered",
        "headway: error: action b: the same",
        "headway: error: cycle: a -> b -> a",
    ]


def test_issues_of_a_configuration_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.run(ending(errors.InvalidConfig("one", issues=["one", "two"])), []) == 2
    assert capsys.readouterr().err == "headway: error: one\nheadway: error: two\n"


def test_a_bug_is_one_line_and_a_hint(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADWAY_DEBUG", raising=False)
    assert exits.run(ending(ZeroDivisionError("division by zero")), []) == 1
    text = "headway: error: ZeroDivisionError: division by zero (a bug: HEADWAY_DEBUG=1 shows where)\n"
    assert capsys.readouterr().err == text


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), errors.InvalidPlan("x")])
def test_debug_shows_where(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_DEBUG", "1")
    with pytest.raises(type(error)):
        exits.run(ending(error), [])


def test_ctrl_c_and_abort(capsys: pytest.CaptureFixture[str]) -> None:
    assert exits.run(ending(KeyboardInterrupt()), []) == 130
    assert exits.run(ending(click.Abort()), []) == 130
    assert capsys.readouterr().err.split() == ["headway:", "cancelled"] * 2


def test_what_a_command_returns_is_its_code() -> None:
    @click.command()
    def fails() -> int:
        return 1

    @click.command()
    def nothing() -> None:
        say("done")

    assert exits.run(fails, []) == 1
    assert exits.run(nothing, []) == 0


CHATTY = """
import sys
import click
from headway_console.cli import exits
from headway_console.cli.output import say

@click.command()
def command():
    for number in range(100_000):
        say(f"line {number}")

sys.exit(exits.run(command, []))
"""


def test_a_reader_who_leaves_is_no_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", CHATTY], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdout, process.stderr:
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


def test_a_small_answer_to_a_closed_pipe_is_no_error_either() -> None:
    code = CHATTY.replace("100_000", "1")
    done = subprocess.run(
        ["bash", "-c", f'exec {sys.executable} -c "$0" | true; exit ${{PIPESTATUS[0]}}', code],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""
    assert done.returncode == 0
