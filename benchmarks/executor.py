"""The executor: CPU per action from a parsed proposal, verification included, beside asyncio's own TaskGroup."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import headway
from headway import Action, ActionProposal, Runtime
from headway.store.home import Home
from headway.store.log import StoreLog

ROUNDS = 7


@headway.tool
async def noop() -> int:
    """Return at once."""
    return 1


@headway.tool
async def nap() -> int:
    """Sleep 10 ms without a thread."""
    await asyncio.sleep(0.01)
    return 1


@headway.tool
def blocking_nap() -> int:
    """Sleep 10 ms in a thread."""
    time.sleep(0.01)
    return 1


def _runtime(log: Any = None) -> Runtime:
    runtime = Runtime(log=log)
    for function in (noop, nap, blocking_nap):
        runtime.register_tool(function)
    return runtime


def flat(count: int, tool: str = "noop") -> ActionProposal:
    """Return ``count`` independent calls."""
    return ActionProposal(actions=[Action(id=f"a{i}", type="tool_call", tool=tool) for i in range(count)])  # type: ignore[arg-type]


def chain(count: int) -> ActionProposal:
    """Return ``count`` calls, each after the one before."""
    before: list[list[str]] = [[], *([f"a{i}"] for i in range(count - 1))]
    return ActionProposal(
        actions=[Action(id=f"a{i}", type="tool_call", tool="noop", dependencies=before[i]) for i in range(count)]  # type: ignore[arg-type]
    )


def layered(layers: int, width: int) -> ActionProposal:
    """Return layers that each wait for the first action of the one before."""
    actions = []
    for layer in range(layers):
        needs = [f"l{layer - 1}n0"] if layer else []
        actions.extend(
            Action(id=f"l{layer}n{i}", type="tool_call", tool="noop", dependencies=needs)  # type: ignore[arg-type]
            for i in range(width)
        )
    return ActionProposal(actions=actions)


async def _cpu(make: Callable[[], ActionProposal], execute: Callable[[ActionProposal], Awaitable[Any]]) -> float:
    times = []
    for _ in range(ROUNDS):
        proposal = make()
        started = time.process_time()
        result = await execute(proposal)
        times.append((time.process_time() - started) / len(proposal.actions))
        assert result.ok
    return statistics.median(times) * 1e6


async def _task_group(count: int) -> float:
    async def action() -> int:
        await asyncio.sleep(0)
        return 1

    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(action())
        times.append((time.process_time() - started) / count)
    return statistics.median(times) * 1e6


async def _wall(tool: str) -> float:
    runtime = _runtime()
    times = []
    for _ in range(ROUNDS):
        proposal = flat(50, tool)
        started = time.perf_counter()
        await runtime.execute(proposal)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


async def _measure() -> list[tuple[str, float, str]]:
    fresh = _runtime().execute
    rows = [
        ("asyncio.TaskGroup, 1,000 (the floor)", await _task_group(1000), "us CPU/action"),
        ("in memory, 1,000 flat", await _cpu(lambda: flat(1000), lambda p: _runtime().execute(p)), "us CPU/action"),
        ("in memory, 10,000 flat", await _cpu(lambda: flat(10_000), lambda p: _runtime().execute(p)), "us CPU/action"),
        ("in memory, 20 x 50", await _cpu(lambda: layered(20, 50), fresh), "us CPU/action"),
        ("in memory, chain of 100", await _cpu(lambda: chain(100), fresh), "us CPU/action"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        log = await StoreLog.open(home)
        try:
            durable = _runtime(log).execute
            rows.append(("durable, 1,000 flat", await _cpu(lambda: flat(1000), durable), "us CPU/action"))
            rows.append(("durable, 20 x 50", await _cpu(lambda: layered(20, 50), durable), "us CPU/action"))
            rows.append(("durable, chain of 100", await _cpu(lambda: chain(100), durable), "us CPU/action"))
        finally:
            await log.close()
    rows.append(("50 tools x 10 ms, async", await _wall("nap"), "ms wall"))
    rows.append(("50 tools x 10 ms, sync", await _wall("blocking_nap"), "ms wall"))
    return rows


def run() -> list[tuple[str, float, str]]:
    """Measure; the median of some rounds each."""
    return asyncio.run(_measure())
