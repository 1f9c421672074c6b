"""MCP servers as people use them: the one that is shipped as an example, and two of others, in Python and in Node."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.errors import ToolError
from headway.tools.context import ToolContext
from headway.tools.mcp.elicit import McpAnswer, McpQuestion
from headway.tools.mcp.servers import McpServers
from headway.tools.mcp.settings import McpServer
from headway.tools.registry import ToolRegistry
from headway.tools.sandbox import Sandbox
from headway.tools.stream import CONTEXT
from tests.unit.tools.process.confined import need_sandbox

ROOT = Path(__file__).parents[3]
EVERYTHING = ROOT / "tests/node/node_modules/@modelcontextprotocol/server-everything/dist/index.js"


class Used:
    """A started server in a sandbox of its own, and calls of its tools."""

    def __init__(self, server: McpServer, workspace: Path, **options: Any) -> None:
        workspace.mkdir(exist_ok=True)
        self.registry = ToolRegistry()
        self.servers = McpServers([server], self.registry, sandbox=Sandbox(workspace=workspace), **options)

    async def __aenter__(self) -> Used:
        startup = await self.servers.start()
        assert [failure.error for failure in startup.failed] == []
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.servers.aclose()

    async def call(self, tool: str, **params: Any) -> Any:
        entry = self.registry.get(tool)
        assert entry is not None, self.registry.names()
        parameters = {name: value for name, value in params.items() if name != CONTEXT}
        assert entry.validate(parameters) == []
        output = await entry.call(**params)
        assert entry.output_problem(output) is None
        return output


async def test_the_shipped_example(tmp_path: Path) -> None:
    need_sandbox()
    server = McpServer(name="notes", command=[sys.executable, str(ROOT / "examples/mcp/notes.py")], startup_secs=60)
    told: list[Any] = []
    context = ToolContext(progress=lambda _, *report: told.append(report))
    async with Used(server, tmp_path / "workspace") as used:
        assert await used.call("mcp__notes__add", text="one two") == {"result": 1}
        assert await used.call("mcp__notes__add", text="three") == {"result": 2}
        assert await used.call("mcp__notes__find", word="two") == {"result": ["one two"]}
        assert await used.call("mcp__notes__summarise", **{CONTEXT: context}) == {"notes": 2, "words": 3}
        entry = used.registry.get("mcp__notes__add")
        assert entry is not None
        assert entry.validate({"text": 1}) != []
    assert told == [(1, 2, "note 1"), (2, 2, "note 2")]


async def test_one_of_others_in_python(tmp_path: Path) -> None:
    need_sandbox()
    pytest.importorskip("mcp_server_time", reason="mcp-server-time is not installed")
    server = McpServer(name="time", command=[sys.executable, "-m", "mcp_server_time"], startup_secs=60)
    async with Used(server, tmp_path / "workspace") as used:
        assert used.registry.names() == ["mcp__time__convert_time", "mcp__time__get_current_time"]
        converted = await used.call(
            "mcp__time__convert_time", source_timezone="Europe/Berlin", time="12:00", target_timezone="Asia/Tokyo"
        )
        assert converted["target"]["timezone"] == "Asia/Tokyo"
        with pytest.raises(ToolError, match="Invalid timezone"):
            await used.call("mcp__time__get_current_time", timezone="No/Where")


async def test_one_of_others_in_node(tmp_path: Path) -> None:
    need_sandbox()
    node = shutil.which("node")
    if node is None or not EVERYTHING.exists():
        pytest.skip("node is not here" if node is None else "make node installs the server, and was not run")
    asked: list[McpQuestion] = []

    async def answer(question: McpQuestion) -> McpAnswer:
        asked.append(question)
        return McpAnswer("decline")

    server = McpServer(
        name="everything",
        command=[node, str(EVERYTHING), "stdio"],
        readable=[ROOT / "tests/node", _home_of(node)],
        startup_secs=60,
    )
    told: list[Any] = []
    context = ToolContext(progress=lambda _, *report: told.append(report))
    async with Used(server, tmp_path / "workspace", elicit=answer) as used:
        assert await used.call("mcp__everything__echo", message="hello") == "Echo: hello"
        assert "5" in await used.call("mcp__everything__get-sum", a=2, b=3)
        operation = {"duration": 0.2, "steps": 2, CONTEXT: context}
        assert "completed" in await used.call("mcp__everything__trigger-long-running-operation", **operation)
        image = await used.call("mcp__everything__get-tiny-image")
        assert "image" in [block["type"] for block in image["content"]]
        if used.registry.get("mcp__everything__trigger-elicitation-request") is not None:
            assert "decline" in str(await used.call("mcp__everything__trigger-elicitation-request"))
            assert [question.server for question in asked] == ["everything"]
    assert [report[:2] for report in told] == [(1, 2), (2, 2)]


def _home_of(program: str) -> Path:
    """Return the folder that a program was installed in, beside its libraries."""
    return Path(os.path.realpath(program)).parents[1]
