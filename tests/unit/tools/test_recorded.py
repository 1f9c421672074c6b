"""The record of a project's tools: what it keeps, and what is no record."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.errors import ToolError
from headway.plan.parse import as_proposal
from headway.plan.verify import verify
from headway.tools.decorator import entry_of
from headway.tools.recorded import record_tools, recorded_tools
from headway.tools.registry import ToolRegistry
from tests.unit.execution.kit import call


@headway.tool(permission="deny", writes_files=True, idempotent=True)
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


def test_a_plan_is_checked_by_what_was_recorded_and_nothing_can_be_called(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    own = entry_of(double)
    record_tools(path, [own])
    (known,) = recorded_tools(path)
    assert known.schema == own.schema
    assert (known.permission, known.writes_files) == ("deny", True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ToolError, match="tool 'double' is known by its schema only"):
        known.call(number=1)
    registry = ToolRegistry()
    registry.register(known)
    report = verify(as_proposal({"actions": [call("a", "double", parameters={"number": "x"})]}), tools=registry)
    assert not report.valid


def test_a_record_is_written_only_if_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    record_tools(path, [entry_of(double)])
    before = path.stat().st_ino
    record_tools(path, [entry_of(double)])
    assert path.stat().st_ino == before
    record_tools(path, [])
    assert recorded_tools(path) == []
    assert [found.name for found in tmp_path.iterdir()] == ["tools.json"]
    record_tools(tmp_path / "gone" / "tools.json", [])


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"version": 2, "tools": []}', '{"version": 1, "tools": [{"tool": 1}]}']
)
def test_what_is_no_record_gives_nothing(tmp_path: Path, text: Any) -> None:
    path = tmp_path / "tools.json"
    path.write_text(text)
    assert recorded_tools(path) == []
    assert recorded_tools(tmp_path / "gone") == []


def test_a_record_that_others_could_have_written_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    record_tools(path, [entry_of(double)])
    path.chmod(0o666)
    assert recorded_tools(path) == []
