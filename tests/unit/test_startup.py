"""Start-up: the modules that a program loads before its first action has run. Modules are counted, not milliseconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIRST_ACTION = """
import asyncio, sys
import headway


@headway.tool
async def greet(name: str) -> str:
    return f"hello {name}"


runtime = headway.Runtime()
runtime.register_tool(greet)
call = {"id": "a", "type": "tool_call", "tool": "greet", "parameters": {"name": "you"}}
result = asyncio.run(runtime.execute({"actions": [call]}))
assert result["a"].output == "hello you"
"""

NOT_NEEDED = {
    "aiosqlite",
    "cel",
    "croniter",
    "difflib",
    "fastapi",
    "httpcore",
    "httpx",
    "httpx2",
    "importlib.metadata",
    "jsonschema",
    "mcp",
    "pydantic",
    "pydantic_core",
    "re2",
    "sqlite3",
    "starlette",
    "tempfile",
    "watchfiles",
}
ROOMS_NOT_NEEDED = (
    "analysis",
    "client",
    "config",
    "engine",
    "inference",
    "learning",
    "store",
    "testing",
    "tools.basics",
    "tools.files",
    "tools.process",
)


RUN_HELLO = """
import headway.watching
from headway_console.cli import cli

headway.watching.SOON = 10**9  # however slow the machine is, the run ends before the file system is asked
cli(["run", "hello"], standalone_mode=False)
"""

NOT_NEEDED_BY_A_RUN = {
    "anyio",
    "cel",
    "croniter",
    "fastapi",
    "headway.jobs.schedules",
    "httpcore",
    "httpx",
    "jsonschema",
    "re2",
    "rich.console",
    "starlette",
    "textual",
    "uvicorn",
    "watchfiles",
}


def loaded_by(code: str, folder: Path | None = None) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after ``code``, run in ``folder``."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True, cwd=folder
    )
    return set(ran.stdout.split())


def test_a_first_action_loads_only_what_it_needs() -> None:
    loaded = loaded_by(FIRST_ACTION)
    rooms = [f"headway.{room}" for room in ROOMS_NOT_NEEDED]
    assert loaded & NOT_NEEDED == set()
    assert {name for name in loaded if any(name == room or name.startswith(f"{room}.") for room in rooms)} == set()


def test_a_first_action_loads_few_modules() -> None:
    """They were 415 at first. Bare asyncio with msgspec has about 150, Python itself about 40."""
    bare = loaded_by("import asyncio, msgspec, inspect, logging")
    loaded = loaded_by(FIRST_ACTION) - bare
    own = {name for name in loaded if name.split(".")[0] == "headway"}
    assert len(own) <= 131, sorted(own)
    assert len(loaded - own) <= 25, sorted(loaded - own)


def test_a_tool_with_a_model_loads_pydantic_and_not_before() -> None:
    script = """
import sys
import headway

runtime = headway.Runtime()


@runtime.register_tool
async def plain(n: int, names: list[str] | None = None) -> dict[str, int]:
    return {}


assert "pydantic" not in sys.modules


@runtime.register_tool
async def dated(day: "datetime.date") -> None: ...
""".replace("import sys\n", "import datetime\nimport sys\n", 1)
    assert "pydantic" in loaded_by(script)


def test_a_run_of_the_hello_plan_loads_no_server_and_no_watcher(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headway_console.cli", "init", str(tmp_path / "project")]
    subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert loaded_by(RUN_HELLO, tmp_path / "project") & NOT_NEEDED_BY_A_RUN == set()


HANDED_OVER = """
import asyncio
from pathlib import Path

from headway.home import Home
from headway.owner import Mark
from headway_console.cli import main, runner

main(["--version"])
home = Home("home")
home.prepare()
mark = Mark(home.alive_file)  # as of a process that holds the home


async def remote(*_):
    import headway.client.operator

    return "remote"


runner._remote = remote
assert asyncio.run(runner.open_runner(home, None)) == "remote"
mark.remove()
"""


def test_a_run_that_is_handed_to_the_daemon_loads_no_engine_and_no_library_for_terminals(tmp_path: Path) -> None:
    loaded = loaded_by(HANDED_OVER, tmp_path)
    assert "httpx" in loaded
    assert loaded & {"headway.engine", "headway.jobs.supervisor", "pygments", "rich.console", "sqlite3"} == set()


def test_the_sdk_of_mcp_is_loaded_where_a_server_is_configured_and_not_before() -> None:
    script = """
import asyncio, tempfile
from headway.engine import Engine


async def main() -> None:
    async with await Engine.open(tempfile.mkdtemp()) as engine:
        assert (await engine.mcp_startup()).ready == []


asyncio.run(main())
"""
    assert loaded_by(script) & {"mcp", "mcp_types", "httpx2"} == set()
