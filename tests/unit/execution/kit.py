"""Helpers that the runtime's tests share: plans in one line, and tools that the test steers."""

from __future__ import annotations

import asyncio
from typing import Any

import headway
from headway import Runtime
from headway.events.event import Event
from headway.tools.decorator import entry_of
from headway.tools.registry import ToolEntry


def call(name: str, tool: str = "echo", **fields: Any) -> dict[str, Any]:
    """Return a tool call."""
    return {"id": name, "type": "tool_call", "tool": tool, **fields}


def write(name: str, key: str, value: Any = 1, **fields: Any) -> dict[str, Any]:
    """Return a state_write."""
    return {"id": name, "type": "state_write", "parameters": {"key": key, "value": value}, **fields}


class Gate:
    """A tool whose calls wait until the test lets them go."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[str] = asyncio.Queue()
        self.open = asyncio.Event()

    async def __call__(self, name: str = "") -> str:
        await self.started.put(name)
        await self.open.wait()
        return f"passed {name}"


def runtime(**options: Any) -> tuple[Runtime, Gate]:
    """Return a runtime with the tools echo, boom, terminal, flaky and gate."""
    gate = Gate()
    failures = {"left": 2}

    @headway.tool
    async def echo(x: Any = None) -> Any:
        return x

    @headway.tool
    async def boom(text: str = "boom!") -> None:
        raise ValueError(text)

    @headway.tool
    async def terminal() -> None:
        raise headway.TerminalToolError("fatal")

    @headway.tool
    async def flaky() -> int:
        if failures["left"]:
            failures["left"] -= 1
            raise RuntimeError("not yet")
        return 7

    @headway.tool(name="gate")
    async def gated(name: str = "") -> str:
        return await gate(name)

    made = Runtime(**options)
    for function in (echo, boom, terminal, flaky, gated):
        made.register_tool(function)
    return made, gate


def bookings(calls: list[str]) -> list[ToolEntry]:
    """Return the tools book, cancel and pay, which note their calls; the first payment fails."""

    @headway.tool
    async def book() -> None:
        calls.append("book")

    @headway.tool
    async def cancel() -> None:
        calls.append("cancel")

    @headway.tool
    async def pay() -> None:
        calls.append("pay")
        if calls.count("pay") == 1:
            raise RuntimeError("no money")

    return [entry_of(function) for function in (book, cancel, pay)]


async def events_of(made: Runtime, *kinds: str) -> list[Event]:
    """Return the events of those kinds."""
    return await made.log.read(kinds=kinds, limit=1_000_000)
