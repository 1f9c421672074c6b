"""Starting: CPU time of new processes, Python's own start included. A bare Python beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from benchmarks._figure import Figure, Rival, at_most
from benchmarks._pace import PACE, Round, loop

SECONDS = 25
ROUNDS = 5

_ONE_ACTION = """
import asyncio, headway

@headway.tool
async def noop() -> int:
    return 1

async def main():
    runtime = headway.Runtime()
    runtime.register_tool(noop)
    result = await runtime.execute({"actions": [{"id": "a", "type": "tool_call", "tool": "noop"}]})
    assert result.ok

asyncio.run(main())
"""

CASES = (
    ("import, make a Runtime, run one action", ["-c", _ONE_ACTION], at_most(0.45)),
    ("headway --version", ["-m", "headway_console.cli", "--version"], at_most(0.12)),
    ("headway --help", ["-m", "headway_console.cli", "--help"], None),
    ("import headway", ["-c", "import headway"], None),
)


def _cost(arguments: list[str]) -> float:
    """Return the CPU seconds of a Python with these arguments."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def run() -> Iterator[Figure]:
    """Measure; a bare Python takes its turn in each round."""
    for what, arguments, bar in CASES:
        _cost(arguments)  # compiles what is to be imported
        PACE.case()
        made: list[Round] = []
        bare: list[Round] = []
        while not PACE.enough(made, ROUNDS):
            before = loop()
            floor, value = _cost(["-c", "pass"]), _cost(arguments)
            pace = max(before, loop())
            made.append(PACE.note(Round(value, pace)))
            bare.append(Round(floor, pace))
        rival = Rival("python -c pass", PACE.median(bare))
        yield Figure(what, PACE.median(made), "s CPU", bar, (rival,), PACE.slowed(made, ROUNDS))
