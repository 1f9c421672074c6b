"""A path out of the workspace is refused with the plan, before anything of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway import Runtime
from headway.tools.basics import register_agent_basics
from headway.tools.files.workspace import Workspace


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/passwd", "link/x.txt", "gone/../../x", "a\0b", ""])
@pytest.mark.parametrize("tool", ["read_file", "list_dir", "find_files", "grep_files", "write_file"])
async def test_it_is_refused(tmp_path: Path, tool: str, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    runtime = Runtime()
    register_agent_basics(runtime.registry, Workspace(root))
    needed = {"write_file": {"content": "x"}, "find_files": {"pattern": "*"}, "grep_files": {"pattern": "x"}}
    first = {"id": "w", "type": "tool_call", "tool": "write_file", "parameters": {"path": "ok.txt", "content": "x"}}
    second = {"id": "bad", "type": "tool_call", "tool": tool, "parameters": {"path": path, **needed.get(tool, {})}}
    result = await runtime.execute({"actions": [first, second]})
    assert (result.status, result.outcome) == ("failed", "rejected")
    assert result["bad"].status == "rejected"
    assert not (root / "ok.txt").exists()
    assert len(str(result["bad"].error).splitlines()) == 1


@pytest.mark.parametrize("path", ["shut/x", "gone/../ok.txt"])
async def test_what_may_yet_come_to_be_is_left_to_the_run(tmp_path: Path, path: str) -> None:
    (tmp_path / "ok.txt").write_text("x")
    (tmp_path / "shut").mkdir(mode=0)
    runtime = Runtime()
    register_agent_basics(runtime.registry, Workspace(tmp_path))
    read = {"id": "r", "type": "tool_call", "tool": "read_file", "parameters": {"path": path}}
    write = {"id": "w", "type": "tool_call", "tool": "write_file", "parameters": {"path": "gone/y", "content": "y"}}
    result = await runtime.execute({"actions": [write, {**read, "dependencies": ["w"], "failure_behavior": "skip"}]})
    assert (result.status, result["w"].status) == ("completed", "succeeded")
    assert result["r"].status == ("succeeded" if path.startswith("gone") else "skipped")
