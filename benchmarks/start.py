"""Starting: CPU time of new processes, Python's own start included. A bare Python beside them.

Modules are compiled before, as they are where Headway is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks._figure import Bar, Figure, Rival, at_most
from benchmarks._pace import PACE, Round, loop

SECONDS = 40
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

_COMMAND = ["-m", "headway_console.cli"]

CASES = (
    ("import, make a Runtime, run one action", ["-c", _ONE_ACTION], at_most(0.45)),
    ("headway run hello, in a new project", [*_COMMAND, "run", "hello"], at_most(0.5)),
    ("headway status, of a project without a daemon", [*_COMMAND, "status"], at_most(0.15)),
    ("headway --version", [*_COMMAND, "--version"], at_most(0.12)),
    ("headway --help", [*_COMMAND, "--help"], None),
    ("import headway", ["-c", "import headway"], None),
)
ENDS = {"status": 3}
"""The exit code of a command that does not end with 0 here: no daemon answers."""


def _cost(arguments: list[str], folder: Path, env: Mapping[str, str]) -> float:
    """Return the CPU seconds of a Python with these arguments in ``folder``."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=folder, env=env, stdin=quiet, stdout=quiet, stderr=quiet
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == ENDS.get(arguments[-1], 0)
    return used.ru_utime + used.ru_stime


def _user(folder: Path) -> dict[str, str]:
    """Return the environment of a user with nothing but a new project in ``folder``, who lets Python compile."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HEADWAY_")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        env[name] = str(folder / name.lower())
        Path(env[name]).mkdir(mode=0o700)
    return env


def run() -> Iterator[Figure]:
    """Measure; a bare Python takes its turn in each round."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as made_in:
        root = Path(made_in)
        env, project = _user(root), root / "project"
        _cost([*_COMMAND, "init", str(project)], root, env)
        for what, arguments, bar in CASES:
            yield _figure(what, arguments, bar, project, env)


def _figure(what: str, arguments: list[str], bar: Bar | None, folder: Path, env: Mapping[str, str]) -> Figure:
    _cost(arguments, folder, env)  # compiles what is to be imported
    PACE.case()
    made: list[Round] = []
    bare: list[Round] = []
    while not PACE.enough(made, ROUNDS):
        before = loop()
        floor, value = _cost(["-c", "pass"], folder, env), _cost(arguments, folder, env)
        pace = max(before, loop())
        made.append(PACE.note(Round(value, pace)))
        bare.append(Round(floor, pace))
    rival = Rival("python -c pass", PACE.median(bare))
    return Figure(what, PACE.median(made), "s CPU", bar, (rival,), PACE.slowed(made, ROUNDS))
