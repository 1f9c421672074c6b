"""Questions of MCP servers in the middle of a call: they wait for a person as those of tools do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import headway
from headway.elicitation import Answer
from headway.policy.exec import Reject
from headway.provision import elicitor_of
from headway.tools import McpServer, McpServers, Sandbox

ROGUE = Path(__file__).parents[2] / "unit/tools/mcp/rogue.py"
ASK = {"actions": [{"id": "a", "type": "tool_call", "tool": "mcp__rogue__ask", "parameters": {}}]}


async def ran(approval: object = None, **options: Any) -> Any:
    runtime = headway.Runtime(sandbox="off", **options)
    runtime.policies.exec.ask_for(approval)
    server = McpServer(name="rogue", command=[sys.executable, "-IS", str(ROGUE), "good"])
    async with (
        runtime,
        McpServers([server], runtime.registry, sandbox=Sandbox("off"), elicit=elicitor_of(runtime)) as servers,
    ):
        assert (await servers.start()).ready == ["rogue"]
        result = await runtime.execute(ASK)
    return json.loads(result["a"].output)


async def test_a_person_answers() -> None:
    asked = []

    async def answer(elicitation: Any) -> Answer:
        asked.append(elicitation.prompt)
        return Answer("answer", {"colour": "red"})

    assert await ran(on_elicitation=answer) == {"action": "accept", "content": {"colour": "red"}}
    assert asked == ["MCP server 'rogue' asks: Which colour?"]


async def test_a_no_and_nobody_decline() -> None:
    assert await ran(on_elicitation=lambda elicitation: False) == {"action": "decline"}
    assert await ran() == {"action": "decline"}


async def test_a_mode_that_rejects_such_questions_declines_and_asks_nobody() -> None:
    asked: list[Any] = []

    async def answer(elicitation: Any) -> Answer:
        asked.append(elicitation.prompt)
        return Answer("answer", {"colour": "red"})

    assert await ran(Reject(mcp_elicitations=True), on_elicitation=answer) == {"action": "decline"}
    assert await ran("never", on_elicitation=answer) == {"action": "decline"}
    assert asked == []
    assert (await ran(Reject(rules=True), on_elicitation=answer))["action"] == "accept"
