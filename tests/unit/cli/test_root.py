"""The list of commands, what help costs, and that every command keeps the common rules."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from headway._version import __version__
from headway_console.cli.root import SECTIONS, cli, main

HEAVY = {
    "a2a",
    "asyncio",
    "fastapi",
    "headway.config",
    "headway_bridge",
    "httpx",
    "msgspec",
    "pydantic",
    "rich",
    "sqlite3",
    "starlette",
    "textual",
    "uvicorn",
}


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has imported after ``code``."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('\\n'.join(sys.modules), file=sys.stderr)"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return set(done.stderr.split())


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, (*path, name))


COMMANDS = dict(commands(cli))
LEAVES = {path: command for path, command in COMMANDS.items() if not isinstance(command, click.Group)}


def test_importing_headway_loads_next_to_nothing() -> None:
    loaded = loaded_by("import headway")
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("headway.")} <= {"headway._lazy", "headway._version"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["-h"], []])
def test_help_and_version_load_no_command(arguments: list[str]) -> None:
    loaded = loaded_by(f"from headway_console.cli import main\nmain({arguments})")
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("headway_console.cli.commands.")} == set()
    assert "click" in loaded


def test_completing_a_command_name_loads_no_command() -> None:
    code = (
        "import os\n"
        "os.environ.update(_HEADWAY_COMPLETE='bash_complete', COMP_WORDS='headway che', COMP_CWORD='1')\n"
        "from headway_console.cli import main\n"
        "main([])"
    )
    loaded = loaded_by(code)
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("headway_console.cli.commands.")} == set()


def test_the_list_says_what_each_command_says_of_itself() -> None:
    for section in SECTIONS.values():
        for name, summary in section:
            command = COMMANDS[name,]
            assert command.name == name
            assert command.get_short_help_str(limit=100).rstrip(".") == summary.rstrip(".")


def test_the_list_is_what_there_is() -> None:
    assert [path[0] for path in COMMANDS if len(path) == 1] == [
        *("init", "trust", "up", "doctor", "completion", "run", "verify", "jobs", "inbox"),
        *("schedule", "checkpoints"),
        *(
            "threads",
            "events",
            "serve",
            "status",
            "stop",
            "restart",
            "projects",
            "send",
            "token",
            "console",
            "replay",
            "recordings",
        ),
        *("mcp", "config", "models", "store", "policies"),
    ]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_keeps_the_common_rules(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    options = {option: parameter for parameter in command.params for option in parameter.opts}
    assert command.help
    assert command.help.split("\n")[0].endswith(".")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith((".", ").")), parameter.help
    if path != ("completion",):
        assert "--json" in options
    if path not in {
        ("init",),
        ("completion",),
        ("config", "schema"),
        ("recordings", "check"),
        ("recordings", "ls"),
        ("trust", "ls"),
    }:
        assert {"--home", "--config"} <= set(options)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"headway {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["run"], "Missing argument 'PLAN'"),
        (["run", "--nonsense", "x"], "No such option"),
        (["jobs", "ls", "--status", "happy"], "'happy' is not one of"),
        (["jobs", "ls", "--limit", "0"], "0 is not in the range"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["run", "x.json", "--plain", "--json"], "--plain and --json exclude each other"),
        (["checkpoints", "save"], "Give either --job or --scope"),
        (["checkpoints", "restore", "x", "--json"], "give --yes"),
    ],
)
def test_usage_errors(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert "Traceback" not in captured.err
