"""``import headway``: its names are complete, sorted, documented and cost nothing until used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import headway
from tests import stub


def test_all_is_sorted_and_complete() -> None:
    listed = headway.__all__
    assert len(set(listed)) == len(listed)
    assert list(listed) == sorted(listed, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert set(listed) == {*headway._HOME, "__version__"}
    assert dir(headway) == sorted(listed)


@pytest.mark.parametrize("name", sorted(headway._HOME))
def test_each_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(headway, name)
    if name != "SYSTEM_CLOCK":
        assert (value.__doc__ or "").strip()


def test_type_checkers_see_each_name() -> None:
    written = stub.STUB.read_text(encoding="utf-8")
    assert written == stub.text(), "write it anew: python -m tests.stub"
    imports = [node for node in ast.parse(written).body if isinstance(node, ast.ImportFrom)]
    imported = {alias.asname: node.module for node in imports for alias in node.names}
    homes = {name: f"headway.{home}" for name, home in headway._HOME.items()}
    assert imported == homes | dict.fromkeys(headway._ROOMS, "headway")
    assert all(getattr(headway, room).__name__ == f"headway.{room}" for room in headway._ROOMS)


def test_each_name_is_written_once() -> None:
    words = Path(headway.__file__).read_text(encoding="utf-8").split('"""')[-1]
    assert [name for name in headway._HOME if words.count(f'"{name}"') != 1] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = headway.nope


def test_import_headway_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import headway; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert set(run.stdout.split()) <= {
        "headway",
        "headway._lazy",
        "headway._version",
        "__future__",
        "typing",
        "collections.abc",
    } | {name for name in run.stdout.split() if name.split(".")[0] in sys.stdlib_module_names}
    assert "asyncio" not in run.stdout.split()
