"""Programs, shells, streams and handles as actions of a run: killed, timed out, retried, and nothing left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import headway
from headway import CancellationToken, Runtime
from headway.plan.results import ActionStatus, ErrorCode
from headway.testing import VirtualClock
from headway.tools import Poll, SubprocessTool, Workspace, long_running, register_shell
from tests.unit.tools.process.children import alive, descriptors, until

TALKER = [sys.executable, "-IS", str(Path(__file__).parents[1] / "unit" / "tools" / "process" / "talker.py")]


def call(name: str, tool: str, /, **fields: Any) -> dict[str, Any]:
    parameters = fields.pop("parameters", {})
    return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters, **fields}


def talking(**options: Any) -> tuple[Runtime, SubprocessTool]:
    runtime, tool = Runtime(), SubprocessTool(TALKER, name="talker", **options)
    runtime.register_tool_entry(tool.entry())
    return runtime, tool


async def test_a_level_of_calls_shares_one_process_and_leaves_nothing() -> None:
    before = descriptors()
    runtime, tool = talking()
    result = await runtime.execute({"actions": [call(f"a{n}", "talker", parameters={"value": n}) for n in range(200)]})
    assert [one.output for one in result.results] == list(range(200))
    assert tool.statistics().starts == 1
    pid = tool.statistics().pid
    assert pid is not None
    await runtime.registry.aclose()
    await until(lambda: not alive(pid))
    assert descriptors() == before


async def test_a_crash_is_retried_on_a_new_process() -> None:
    runtime, tool = talking()
    crashing = call("a", "talker", parameters={"do": "exit", "code": 9}, failure_behavior="retry", max_retries=1)
    result = await runtime.execute({"actions": [crashing]})
    (one,) = result.results
    assert one.error == "the process of tool 'talker' ended with exit code 9 before it answered"
    assert (one.error_code, one.attempts, tool.statistics().starts) == (ErrorCode.TOOL_ERROR, 2, 2)
    await tool.aclose()


async def test_a_kill_ends_a_program_that_heeds_nothing() -> None:
    runtime, tool = talking()
    token = CancellationToken()
    run = asyncio.create_task(
        runtime.execute_with_cancel({"actions": [call("a", "talker", parameters={"do": "stubborn"})]}, token)
    )
    await until(lambda: tool.statistics().in_flight)
    pid = tool.statistics().pid
    assert pid is not None
    token.kill("enough")
    (one,) = (await run).results
    assert (one.status, one.error_code) == (ActionStatus.FAILED, ErrorCode.KILLED)
    await until(lambda: not alive(pid))
    await tool.aclose()


async def test_a_timeout_of_the_action_ends_a_command_and_what_it_started(tmp_path: Path) -> None:
    clock = VirtualClock()
    runtime = Runtime(clock=clock, sandbox="off")  # the ids of processes are looked at
    register_shell(runtime.registry, Workspace(tmp_path))
    command = {"command": "sleep 600 & echo $! > new; mv new pid; wait"}
    run = asyncio.create_task(runtime.execute({"actions": [call("a", "shell", parameters=command, timeout_ms=300)]}))
    await until((tmp_path / "pid").is_file)
    pid = int((tmp_path / "pid").read_text())
    await clock.advance(0.3)
    (one,) = (await run).results
    assert (one.error_code, one.error) == (ErrorCode.TIMEOUT, "timed out after 300 ms")
    await until(lambda: not alive(pid))


async def test_a_stream_and_a_handle_are_calls_like_any_other() -> None:
    class Work:
        async def start(self, params: dict[str, Any]) -> int:
            return params["n"]  # type: ignore[no-any-return]

        async def poll(self, handle: int) -> Poll:
            return Poll("succeeded", handle * 2)

        async def cancel(self, handle: int) -> None: ...

    @headway.tool
    async def spell(word: str) -> AsyncIterator[str]:
        for letter in word:
            yield f"{letter}-"

    runtime = Runtime()
    runtime.register_tool(spell)
    runtime.register_tool_entry(long_running(Work(), name="work"))
    result = await runtime.execute(
        {
            "actions": [
                call("s", "spell", parameters={"word": "ab"}),
                call("w", "work", parameters={"n": 4}),
                call("t", "spell", parameters={"word": "$s.output"}, dependencies=["s"]),
            ]
        }
    )
    assert [one.output for one in result.results] == ["a-b-", 8, "a---b---"]


async def test_a_killed_stream_is_closed_and_a_killed_handle_cancelled() -> None:
    seen: list[str] = []

    class Work:
        async def start(self, params: dict[str, Any]) -> str:
            return "h"

        async def poll(self, handle: str) -> Poll:
            seen.append("polled")
            return Poll("running")

        async def cancel(self, handle: str) -> None:
            seen.append(f"cancelled {handle}")

    @headway.tool
    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                seen.append("yielded")
        finally:
            seen.append("closed")

    runtime, token = Runtime(), CancellationToken()
    runtime.register_tool(endless)
    runtime.register_tool_entry(long_running(Work(), name="work"))
    run = asyncio.create_task(
        runtime.execute_with_cancel({"actions": [call("s", "endless"), call("w", "work")]}, token)
    )
    await until(lambda: "polled" in seen and "yielded" in seen)
    token.kill("enough")
    assert {one.error_code for one in (await run).results} == {ErrorCode.KILLED}
    assert seen[-2:] in (["closed", "cancelled h"], ["cancelled h", "closed"])
