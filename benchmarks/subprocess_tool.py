"""Tools in child processes: what a call costs, one after the other and many at once, beside a process a call.

µs are wall time where they say so, for half of a call's life is the child's; CPU is this process's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks._figure import Figure
from headway.tools.context import ToolContext
from headway.tools.files.workspace import Workspace
from headway.tools.process.shell import shell_tool
from headway.tools.process.subprocess import SubprocessTool
from headway.tools.sandbox import Sandbox

SECONDS = 20

_CHILD = """
import sys, json
for line in sys.stdin:
    m = json.loads(line)
    sys.stdout.write('{"jsonrpc":"2.0","id":%d,"result":%s}\\n' % (m["id"], json.dumps(m["params"])))
    sys.stdout.flush()
"""
_PARAMS = {"query": "select * from orders", "limit": 10}


async def _measure(call: Callable[[], Awaitable[object]], calls: int, at_once: int) -> tuple[float, float]:
    """Make ``calls`` calls, ``at_once`` of them in flight; return wall and CPU in µs a call."""

    async def some() -> None:
        for _ in range(calls // at_once):
            await call()

    await call()
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(some() for _ in range(at_once)))
    made = calls // at_once * at_once
    return (time.perf_counter() - wall) / made * 1e6, (time.process_time() - cpu) / made * 1e6


async def _all() -> AsyncIterator[Figure]:
    tool = SubprocessTool([sys.executable, "-IS", "-c", _CHILD], name="bench")
    large = "x" * 100_000
    for name, calls, at_once, params in (
        ("subprocess: one after the other", 2000, 1, _PARAMS),
        ("subprocess: 64 in flight", 10_000, 64, _PARAMS),
        ("subprocess: 100 kB there and back", 300, 1, {"text": large}),
    ):
        wall, cpu = await _measure(lambda params=params: tool.call(**params), calls, at_once)  # type: ignore[misc]
        yield Figure(name, wall, "µs/call")
        yield Figure(name, cpu, "µs CPU/call")
    await tool.aclose()
    with tempfile.TemporaryDirectory() as folder:
        shell = shell_tool(Workspace(folder), allow=["true"])
        wall, cpu = await _measure(lambda: shell.call(command="true", ctx=ToolContext()), 200, 1)
        sandbox = Sandbox(workspace=Path(folder))
        if (await asyncio.to_thread(sandbox.state)).working:
            context = ToolContext(sandbox=sandbox)
            confined, confined_cpu = await _measure(lambda: shell.call(command="true", ctx=context), 200, 1)
            yield Figure("shell: a process a call in the sandbox (true)", confined, "µs/call")
            yield Figure("shell: a process a call in the sandbox", confined_cpu, "µs CPU/call")
    yield Figure("shell: a process a call (true)", wall, "µs/call")
    yield Figure("shell: a process a call", cpu, "µs CPU/call")

    async def peer() -> None:
        child = await asyncio.create_subprocess_exec("true", stdout=-1, stderr=-1)
        await child.communicate()

    wall, cpu = await _measure(peer, 200, 1)
    yield Figure("peer: asyncio.create_subprocess_exec (true)", wall, "µs/call")
    yield Figure("peer: asyncio.create_subprocess_exec", cpu, "µs CPU/call")


def run() -> Iterator[Figure]:
    """Yield the figures as they come."""
    with asyncio.Runner() as runner:
        figures = _all()
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield runner.run(anext(figures))
