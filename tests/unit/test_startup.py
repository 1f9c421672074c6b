"""Start-up: the modules that a program loads before its first action has run. Modules are counted, not milliseconds."""

from __future__ import annotations

import subprocess
import sys

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
    "difflib",
    "fastapi",
    "httpcore",
    "httpx",
    "importlib.metadata",
    "jsonschema",
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


def loaded_by(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after ``code``."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
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
    assert len(own) <= 125, sorted(own)
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
