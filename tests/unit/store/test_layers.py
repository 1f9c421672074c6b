"""SQLite is one implementation: nothing outside its room names it."""

import ast
from pathlib import Path

import headway

CORE = Path(headway.__file__).parent
ROOT = CORE.parent.parent
SQLITE = {"sqlite3", "aiosqlite"}


def _imported(file: Path) -> set[str]:
    """Return the names of the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _sources() -> list[Path]:
    packages = (CORE, ROOT / "bridge" / "headway_bridge", ROOT / "console" / "headway_console")
    return [file for package in packages for file in package.rglob("*.py")]


def test_sqlite_is_imported_under_store_sqlite_only() -> None:
    importing = {file for file in _sources() if any(name.split(".")[0] in SQLITE for name in _imported(file))}
    assert importing  # the search finds what there is
    assert {file.parent for file in importing} == {CORE / "store" / "sqlite"}


def test_nothing_outside_the_store_names_an_implementation() -> None:
    for file in _sources():
        if CORE / "store" not in file.parents:
            named = {
                name for name in _imported(file) if name.startswith(("headway.store.sqlite", "headway.store.memory"))
            }
            assert not named, f"{file.relative_to(ROOT)} imports {sorted(named)}"


def test_only_its_front_imports_the_sqlite_room() -> None:
    for file in (CORE / "store").glob("*.py"):
        if file.name != "__init__.py":
            assert not any(name.startswith("headway.store.sqlite") for name in _imported(file)), file.name
