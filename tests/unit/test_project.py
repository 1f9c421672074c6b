"""Rules of the project itself: the lock names no host, files and functions stay short, versions agree."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.mutants.__main__ import misfit
from tests.mutants.table import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path for room in ("core", "bridge", "console") for path in sorted((ROOT / room).rglob("*.py")) if path.is_file()
]
TESTS = [path for room in ("tests", "benchmarks") for path in sorted((ROOT / room).rglob("*.py"))]
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60

# What a line of the lock may be: a pin with an optional marker, a hash, a remark on who asked for it.
LOCK_LINE = re.compile(
    r"""
      [a-z0-9-]+==[\w.!+]+(\ ;\ [\w\ .'<>=!()]+)?\ \\
    | \ \ \ \ --hash=sha256:[0-9a-f]{64}(\ \\)?
    | \ \ \ \ \#\ (via|(via|\ )\ [\w.-]+(\[[\w,-]+\])?(\ \(pyproject\.toml(:\w+)?\))?)
    """,
    re.VERBOSE,
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lock_lines() -> list[str]:
    return (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()


def functions(source: str) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of each function, decorators not counted."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def test_lock_holds_pins_hashes_and_remarks_only() -> None:
    strange = [line for line in lock_lines() if not LOCK_LINE.fullmatch(line)]
    assert strange == []


def test_lock_names_no_address() -> None:
    text = "\n".join(lock_lines())
    assert "://" not in text
    assert re.findall(r"(?i)\b(?:https?|file|git\+|index-url|find-links|trusted-host)\b", text) == []


def test_lock_hashes_every_pin() -> None:
    lines = lock_lines()
    pins = [number for number, line in enumerate(lines) if "==" in line.split(" ;")[0] and not line.startswith(" ")]
    assert len(pins) > 15
    assert [lines[number] for number in pins if "--hash=sha256:" not in lines[number + 1]] == []


def test_lock_covers_what_pyproject_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    declared = [*project["project"]["dependencies"], *groups["build"], *groups["dev"]]
    names = {re.split(r"[\[<>=~! ]", line)[0].lower() for line in declared if isinstance(line, str)}
    locked = {line.split("==")[0] for line in lock_lines() if not line.startswith(" ")}
    assert names - locked == set()


def test_dependencies_have_lower_bounds_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bounded = [
        line for line in project["project"]["dependencies"] if not re.fullmatch(r"[\w-]+(\[[\w,-]+\])?>=[\d.]+", line)
    ]
    assert bounded == ["textual>=8.2.8,<9"]


def test_installed_version_is_the_one_in_the_source() -> None:
    source = (ROOT / "core/headway/_version.py").read_text(encoding="utf-8")
    assert f'__version__ = "{version("headway")}"' in source


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in (*SOURCES, *TESTS)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}, "split them by noun"


def test_functions_are_short() -> None:
    long = [
        f"{name_of(path)}:{line} {name} has {length} lines"
        for path in SOURCES
        for name, line, length in functions(path.read_text(encoding="utf-8"))
        if length > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_each_mutant_can_be_made() -> None:
    assert len(MUTANTS) > 180, "CONTRIBUTING says so"
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.name: problem for mutant in MUTANTS if (problem := misfit(mutant)) is not None} == {}


def test_length_counts_the_body_and_nested_functions() -> None:
    source = "@decorated\ndef outer():\n    async def inner():\n        pass\n    return inner\n"
    assert sorted(functions(source)) == [("inner", 3, 2), ("outer", 2, 4)]


@pytest.mark.parametrize("package", ["core/headway", "bridge/headway_bridge", "console/headway_console"])
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_runs_are_made_in_one_place() -> None:
    """The supervisor's courses are the one owner of running: nobody else makes a Run."""
    makers = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "core").rglob("*.py")
        if re.search(r"(?<![\w.`])Run\(", file.read_text(encoding="utf-8"))
    }
    assert makers == {"core/headway/jobs/course.py"}
