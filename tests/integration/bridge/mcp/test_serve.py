"""``headway mcp serve`` as MCP clients use it: over stdin and stdout of a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import CallToolResult

from headway.trust import TrustedProjects
from headway_console.cli import main
from tests.unit.tools.process.children import until

TOOLS = '''
import asyncio
from pathlib import Path

import headway


@headway.tool
async def shout(text: str) -> str:
    """Say a text louder."""
    print("printed by a tool")
    return text.upper()


@headway.tool
async def fail(why: str) -> str:
    """Fail."""
    raise ValueError(why)


@headway.tool
async def slow(path: str) -> str:
    """Wait for a file."""
    Path(path).with_suffix(".began").touch()
    while not Path(path).exists():
        await asyncio.sleep(0.005)
    return "done"


@headway.tool
async def hidden() -> str:
    """Not for clients."""
    return "secret"
'''
PLAN = {
    "actions": [
        {"id": "a", "type": "tool_call", "tool": "shout", "parameters": {"text": "one"}},
        {"id": "b", "type": "tool_call", "tool": "hidden", "parameters": {}, "dependencies": ["a"]},
    ]
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "tools.py").write_text(TOOLS)
    (folder / "both.json").write_text(json.dumps(PLAN))
    (folder / "headway.toml").write_text(
        """
[tools]
python = ["tools.py"]

[workflows.both]
plan = "both.json"
description = "Both of them."

[mcp]
serve = ["both", "shout", "fail", "slow"]
"""
    )
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    TrustedProjects().add(folder)
    return folder


@asynccontextmanager
async def client() -> AsyncIterator[Client]:
    command = ["-m", "headway_console.cli", "mcp", "serve"]
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))) as connected:
        yield connected


async def headway(*arguments: str) -> str:
    """Run a command in a process of its own; return what it prints."""
    command = [sys.executable, "-m", "headway_console.cli", *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert block.type == "text"
    return block.text


async def test_what_is_named_is_offered_and_works(project: Path) -> None:
    told: list[Any] = []

    async def progress(*report: Any) -> None:
        told.append(report)

    async with client() as served:
        tools = {tool.name: tool for tool in (await served.list_tools()).tools}
        assert list(tools) == ["both", "shout", "fail", "slow", "start_job", "get_job", "cancel_job"]
        assert tools["both"].description == "Both of them."
        assert tools["shout"].input_schema["required"] == ["text"]

        shouted = await served.call_tool("shout", {"text": "$a.output"})
        assert (text_of(shouted), shouted.structured_content) == ("$A.OUTPUT", {"result": "$A.OUTPUT"})

        both = await served.call_tool("both", {}, progress_callback=progress)
        assert both.structured_content["status"] == "completed"
        assert [result["output"] for result in both.structured_content["results"]] == ["ONE", "secret"]
    assert told == [(1, 2, "a succeeded"), (2, 2, "b succeeded")]


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("fail", {"why": "no\nluck"}, "ValueError: no luck"),
        ("hidden", {}, "there is no tool 'hidden'"),
        ("read_file", {"path": "headway.toml"}, "there is no tool 'read_file'"),
        ("shout", {}, "missing required parameter 'text' for tool 'shout'"),
        ("shout", {"text": "secret://hub"}, "an MCP client may name no secret"),
        ("both", {"a": 1}, "workflow 'both' takes no arguments"),
        ("start_job", {"name": "hidden"}, "there is no tool 'hidden'"),
        ("start_job", {"name": "shout", "arguments": "x"}, "the arguments of 'shout' are an object"),
        ("start_job", {}, "'name' must be given, as a text"),
        ("get_job", {"job_id": "../../x"}, "there is no job '../../x'"),
        ("cancel_job", {"job_id": "nope"}, "there is no job 'nope'"),
    ],
)
async def test_what_goes_wrong_is_said_in_one_line(
    project: Path, tool: str, arguments: dict[str, Any], said: str
) -> None:
    async with client() as served:
        result = await served.call_tool(tool, arguments)
        assert result.is_error
        assert text_of(result) == said


async def test_ids_of_jobs_survive_a_restart_and_foreign_jobs_are_unknown(project: Path) -> None:
    foreign = json.loads(await headway("run", "both", "--json"))["job_id"]

    async with client() as served:
        started = await served.call_tool("start_job", {"name": "shout", "arguments": {"text": "later"}})
        job_id = started.structured_content["job_id"]

    async with client() as served:
        looked = (await served.call_tool("get_job", {"job_id": job_id})).structured_content
        assert (looked["status"], looked["tool"], looked["done"]) == ("completed", "shout", 1)
        assert looked["result"]["results"][0]["output"] == "LATER"
        answer = await served.call_tool("cancel_job", {"job_id": job_id})
        assert answer.structured_content == {"job_id": job_id, "answer": "already_finished"}
        unknown = await served.call_tool("get_job", {"job_id": foreign})
        assert text_of(unknown) == f"there is no job '{foreign}'"


async def test_a_started_job_is_cancelled(project: Path) -> None:
    gate = project / "gate"
    async with client() as served:
        started = await served.call_tool("start_job", {"name": "slow", "arguments": {"path": str(gate)}})
        job_id = started.structured_content["job_id"]
        await until((project / "gate.began").exists)
        answer = await served.call_tool("cancel_job", {"job_id": job_id})
        assert answer.structured_content["answer"] == "requested"
        gate.touch()
        status = ""
        while status not in ("cancelled", "completed", "failed"):
            looked = await served.call_tool("get_job", {"job_id": job_id})
            status = looked.structured_content["status"]
        assert status == "cancelled"


async def test_a_client_that_gives_up_cancels_its_job(project: Path) -> None:
    gate = project / "gate"
    async with client() as served:
        call = asyncio.create_task(served.call_tool("slow", {"path": str(gate)}))
        await until((project / "gate.began").exists)
        call.cancel()
        await asyncio.wait([call])
        while "run_cancel_requested" not in await headway("events", "--json"):
            pass
        gate.touch()
    assert [job["status"] for job in json.loads(await headway("jobs", "ls", "--json"))] == ["cancelled"]


@pytest.mark.parametrize(
    ("serve", "said"),
    [
        ([], "nothing is served"),
        (["nope"], "mcp.serve names 'nope', and there is neither a workflow nor a tool of that name"),
        (["start_job"], "mcp.serve names 'start_job', which no MCP client could call"),
        (["a b"], "mcp.serve names 'a b', which no MCP client could call"),
    ],
)
def test_what_cannot_be_served_is_refused(
    project: Path, serve: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / "headway.toml").read_text()
    (project / "headway.toml").write_text(text.replace('["both", "shout", "fail", "slow"]', json.dumps(serve)))
    assert main(["mcp", "serve"]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
