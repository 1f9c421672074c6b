"""Tools in a child process at the edges of their life: options that make no sense, loops that end, the exit."""

from __future__ import annotations

import asyncio
import gc
import math
import subprocess
import sys
from typing import Any

import pytest

from headway.errors import InvalidInput
from headway.tools.process.subprocess import SubprocessTool
from tests.unit.tools.process.children import alive, until
from tests.unit.tools.process.test_subprocess import TALKER


def test_a_process_left_to_a_closed_loop_is_killed_by_the_next_and_the_tool_goes_on() -> None:
    tool = SubprocessTool(TALKER, name="talker")
    first = asyncio.run(tool.call(pid=True))
    assert alive(first)

    async def again() -> int:
        second = await tool.call(pid=True)
        await until(lambda: not alive(first))
        await tool.aclose()
        assert isinstance(second, int)
        return second

    assert asyncio.run(again()) != first


def test_a_tool_that_is_dropped_takes_its_process_along() -> None:
    tool = SubprocessTool(TALKER, name="talker")
    pid = asyncio.run(tool.call(pid=True))
    del tool
    gc.collect()
    asyncio.run(until(lambda: not alive(pid)))


EXITS = """
import asyncio, sys
from headway.tools.process.subprocess import SubprocessTool
from headway.tools.context import ToolContext
from headway.tools.stream import CONTEXT

tool = SubprocessTool(sys.argv[1:], name="talker")

async def main():
    asyncio.get_running_loop().slow_callback_duration = 3600  # dev mode tells of a slow machine too
    print(await tool.call(pid=True), await tool.call(do="heir", then="answer"), flush=True)
    told = asyncio.Event()
    context = ToolContext(progress=lambda *_: told.set())
    waiting = asyncio.ensure_future(tool.call(do="stubborn", **{CONTEXT: context}))
    await told.wait()
    if END == "leave":
        return
    if END == "raise":
        sys.exit(3)

END = sys.argv.pop(1)
tool._command = sys.argv[1:]
asyncio.run(main())
"""


@pytest.mark.parametrize("end", ["leave", "raise"])
def test_the_interpreter_exits_at_once_and_its_children_with_it(end: str) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", EXITS, end, *TALKER],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == (3 if end == "raise" else 0), run.stderr
    assert run.stderr == ""
    for pid in map(int, run.stdout.split()):
        asyncio.run(until(lambda pid=pid: not alive(pid)))  # type: ignore[misc]


# -- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"command": "echo hello"},
        {"command": b"echo"},
        {"command": []},
        {"command": [""]},
        {"command": ["a", 3]},
        {"command": ["a\0b"]},
        {"command": ["a\ud800"]},
        {"command": None},
        {"command": {"a"}},
        {"name": ""},
        {"name": "x" * 300},
        {"name": 3},
        {"schema": []},
        {"schema": "x"},
        {"cwd": 3},
        {"env": "PATH"},
        {"env": ["=x"]},
        {"env": [""]},
        {"env": [3]},
        {"env": ["A=\0"]},
        {"timeout": 0},
        {"timeout": math.nan},
        {"timeout": "5"},
        {"max_output_bytes": 0},
        {"max_output_bytes": 1.5},
        {"max_output_bytes": 2**60},
        {"restart": 3},
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options: dict[str, Any]) -> None:
    given: dict[str, Any] = {"command": ["true"], "name": "a", **options}
    with pytest.raises(InvalidInput) as caught:
        SubprocessTool(given.pop("command"), **given)
    assert "\n" not in str(caught.value)
