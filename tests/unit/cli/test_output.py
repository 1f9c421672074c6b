"""What commands print: JSON that shows what it holds."""

import json

import pytest

from headway.testing import VirtualClock
from headway.tools.printing import Prints, capture, printing
from headway_console.cli.output import say, write_json


@pytest.mark.parametrize("lines", [True, False])
def test_json_cannot_drive_a_terminal_nor_turn_text_around(lines: bool, capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": "caf\u00e9 \u6771\u4eac \U0001f600", "bad": "\x1b[2J \x9b2J \u202e\u2066 \x7f \u2028 \U000e0041"}
    write_json(value, lines=lines)
    text = capsys.readouterr().out
    assert json.loads(text) == value
    assert "caf\u00e9 \u6771\u4eac \U0001f600" in text  # what can be read stays as it is
    assert all(character == "\n" or character.isprintable() for character in text)


def test_json_has_no_delete_character(capsys: pytest.CaptureFixture[str]) -> None:
    write_json("a\x7fb", lines=True)
    assert capsys.readouterr().out == '"a\\u007fb"\n'


def test_a_line_cannot_drive_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2J\x9b2J \u202e b")
    line = capsys.readouterr().out
    assert line.endswith(" b\n")
    assert line[:-1].isprintable()


async def test_what_a_command_prints_is_no_tools_print(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[object] = []
    prints = Prints(VirtualClock(), told.append)
    with capture(), printing(prints):
        say("a result")
    prints.close()
    assert capsys.readouterr() == ("a result\n", "")
    assert told == []


def test_plain_json_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"a": [1, 2.5, None, "x\ny"]}, lines=True)
    assert capsys.readouterr().out == '{"a":[1,2.5,null,"x\\ny"]}\n'
