"""Tool files: loaded whole, or refused with a line that says where."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.errors import InvalidConfig
from headway.tools.loader import load_tool_files
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.schema import ToolSchema

GOOD = """
from __future__ import annotations
import dataclasses
import headway

@dataclasses.dataclass
class Point:
    x: int

@headway.tool
def add(a: int, b: int = 1) -> int:
    "Add."
    return a + b

@headway.tool(name="move", idempotent=True)
async def _move(point: Point, ctx: headway.ToolContext) -> int:
    return point.x

again = add

def no_tool(): ...
"""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("headway_tools_"):
            del sys.modules[name]


@pytest.fixture
def registry() -> ToolRegistry:
    registry = ToolRegistry()
    registry.register(ToolEntry(ToolSchema(name="read_file"), print, is_async=False, source="builtin"))
    return registry


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_registers_what_is_decorated(tmp_path: Path, registry: ToolRegistry) -> None:
    file = write(tmp_path / "tools.py", GOOD)
    assert load_tool_files([file], registry) == ["add", "move"]
    assert registry.names() == ["add", "move", "read_file"]
    add, move = registry.get("add"), registry.get("move")
    assert add is not None
    assert move is not None
    assert add.call(a=1) == 2
    assert add.source == "user_defined"
    assert (move.is_async, move.context_param) == (True, "ctx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tools.py"]  # no bytecode left beside it


def test_two_files_of_one_name_and_modules_of_the_project(tmp_path: Path, registry: ToolRegistry) -> None:
    write(tmp_path / "lib/headway_test_neighbour.py", "import headway\n@headway.tool\ndef shared(): ...\nvalue = 3\n")
    one = write(
        tmp_path / "a/tools.py",
        "import headway\nfrom headway_test_neighbour import shared, value\n@headway.tool\ndef one(): return value\n",
    )
    two = write(
        tmp_path / "b/tools.py",
        "import headway\nfrom headway_test_neighbour import shared\n@headway.tool\ndef two(): ...\n",
    )
    with pytest.raises(InvalidConfig, match=r"No module named 'headway_test_neighbour'$"):
        load_tool_files([one, str(two)], registry)
    write(tmp_path / "a/headway_test_neighbour.py", "value = 4\n")
    with pytest.raises(InvalidConfig, match=r"are imported from the folders of \[tools\] path only"):
        load_tool_files([one, str(two)], registry)
    assert load_tool_files([one, str(two)], registry, [tmp_path / "lib"]) == ["shared", "one", "two"]
    found = registry.get("one")
    assert found is not None
    assert found.call() == 3


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = 1\ndef f(:\n", 2, "invalid syntax"),
        ("x = 1\n\nraise ValueError('no\\nway')\n", 3, "ValueError: no way"),
        ("def f():\n    1 / 0\n\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("import nowhere_to_be_found\n", 1, "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("import headway\n\n@headway.tool\ndef f(*args): ...\n", 3, "tool 'f': '*args' cannot be given by a plan"),
        ("import headway\n\n@headway.tool\ndef f(a=Nope): ...\n", 4, "NameError: name 'Nope' is not defined"),
        (
            "from __future__ import annotations\nimport headway\n@headway.tool\ndef f(a: Nope): ...\n",
            3,
            "cannot be resolved",
        ),
        ("import headway\n@headway.tool(parameters={'type': 'x'})\ndef f(): ...\n", 2, "broken schema"),
        ("import headway\n@headway.tool\ndef read_file(): ...\n", 2, "there is already a tool 'read_file'"),
        (
            "import headway\n@headway.tool\ndef f(): ...\n@headway.tool(name='f')\ndef g(): ...\n",
            4,
            "already defined at",
        ),
        ("import headway\n@headway.tool\ndef f(): ...\nclass C: headway.tool(len)\n", 4, "positional-only"),
    ],
)
def test_refused_with_file_and_line(tmp_path: Path, registry: ToolRegistry, text: str, line: int, message: str) -> None:
    good = write(tmp_path / "good.py", GOOD)
    bad = write(tmp_path / "bad.py", text)
    modules = set(sys.modules)
    with pytest.raises(InvalidConfig) as caught:
        load_tool_files([good, bad], registry)
    told = str(caught.value)
    assert told.startswith(f"{bad}:{line}: ")
    assert message in told
    assert "\n" not in told
    assert registry.names() == ["read_file"]  # all or nothing
    assert not [name for name in set(sys.modules) - modules if name.startswith("headway_tools_")]


def test_refused_files(tmp_path: Path, registry: ToolRegistry) -> None:
    for path, message in (
        (tmp_path / "nope.py", "there is no such file"),
        (tmp_path, "cannot be read: is a directory"),
        (Path("a\0b"), "cannot be read"),
        (write(tmp_path / "empty.py", ""), "no function in it is decorated with @tool"),
        (write(tmp_path / "latin.py", b"x = '\xff'\n"), "utf-8"),
        (write(tmp_path / "nul.py", b"x = 1\0\n"), "null bytes"),
    ):
        with pytest.raises(InvalidConfig, match=message) as caught:
            load_tool_files([path], registry)
        assert "\n" not in str(caught.value)


def test_one_file_named_twice(tmp_path: Path, registry: ToolRegistry) -> None:
    file = write(tmp_path / "tools.py", GOOD)
    with pytest.raises(InvalidConfig, match="tool 'add' is already defined at"):
        load_tool_files([file, file], registry)


def test_interrupt_goes_through(tmp_path: Path, registry: ToolRegistry) -> None:
    file = write(tmp_path / "tools.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_tool_files([file], registry)


def test_programs_and_entries_are_tools_too(tmp_path: Path) -> None:
    file = tmp_path / "tools.py"
    file.write_text(
        "import headway.tools\n"
        "from headway.tools import SubprocessTool, Workspace, shell_tool\n"
        "answers = SubprocessTool(['true'], name='answers', network=True)\n"
        "again = answers\n"
        f"commands = shell_tool(Workspace({str(tmp_path)!r}), allow=['ls'])\n"
        "number = 3\n"
    )
    registry = ToolRegistry()
    assert load_tool_files([file], registry) == ["answers", "shell"]
    assert [(entry.name, entry.source) for entry in registry.entries()] == [
        ("answers", "subprocess"),
        ("shell", "builtin"),
    ]
    file.write_text("import headway.tools\nnumber = 3\n")
    with pytest.raises(InvalidConfig, match="no function in it is decorated with @tool, and it makes no other tool"):
        load_tool_files([file], ToolRegistry())
