"""Each command's help ends with examples, and each example is a line that the parser takes."""

from __future__ import annotations

import shlex

import click
import pytest

from headway_console.cli.examples import EXAMPLES
from headway_console.cli.root import cli, main
from tests.unit.cli.test_root import COMMANDS


def parse(line: str) -> click.Context:
    """Return the context of the command that a line ends in; nothing is run."""
    words = shlex.split(line.partition(" < ")[0].partition(" > ")[0])
    assert words[0] == "headway"
    context = cli.make_context("headway", words[1:])
    command: click.Command = cli
    while isinstance(command, click.Group):
        _, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, context = found, found.make_context(found.name, rest, parent=context)
    return context


@pytest.mark.parametrize("line", sorted({line for lines in EXAMPLES.values() for line in lines}))
def test_every_example_parses(line: str) -> None:
    assert parse(line).command_path.startswith("headway ")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: " ".join(path) or "headway")
def test_every_help_has_examples(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert EXAMPLES[path]
    assert main([*path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("Examples:") == 1
    for line in EXAMPLES[path]:
        assert f"    {line}\n" in shown
