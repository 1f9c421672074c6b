"""The answers of a lane: a line with a case and its numbers on stdin, a line of JSON on stdout. Standard library alone.

A lane is a process that stays, so that rounds of several lanes can take turns. It imports and warms up before it says
hello; what it answers is measured inside it, by its own clocks.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks._pace import loop

Cases = Mapping[str, Callable[..., Any]]
"""Case name → function of the case's numbers, plain or async, that returns the figure."""


WALL = frozenset({"nap_async", "nap_sync", "scopes"})
"""The cases in wall time, which suffer from whoever else wants the CPU."""


class Cpu:
    """The CPU time of a ``with`` block: all of this process's threads together."""

    def __enter__(self) -> Cpu:
        self._began = time.process_time()
        self._taken = 0.0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._taken = time.process_time() - self._began

    def us(self, per: int = 1) -> float:
        """Return µs for each of ``per`` pieces."""
        return self._taken / per * 1e6

    def ms(self) -> float:
        """Return ms."""
        return self._taken * 1e3


def peak_rss_mb() -> float:
    """Return the most memory that this process has had resident, in MB."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # a system without /proc
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def serve(version: str, cases: Cases, warm: tuple[str, ...] = ()) -> None:
    """Answer until stdin ends. ``warm`` lists requests that are made once, unmeasured, before the hello."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers
    with asyncio.Runner() as runner:
        for request in warm:
            _call(runner, cases, request)
        print(json.dumps({"version": version}), file=answers)
        for request in sys.stdin:
            print(json.dumps(_answer(runner, cases, request)), file=answers)


def _answer(runner: asyncio.Runner, cases: Cases, request: str) -> dict[str, Any]:
    case = request.split()[0]
    if case not in cases:
        return {"why": "has no such case"}
    clock = time.perf_counter if case in WALL else time.process_time
    try:
        before = loop(clock)
        value = _call(runner, cases, request)
        return {"value": value, "pace": max(before, loop(clock))}
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is its answer
        return {"why": f"failed: {type(error).__name__}: {str(error)[:150]}"}


def _call(runner: asyncio.Runner, cases: Cases, request: str) -> float:
    name, *numbers = request.split()
    gc.collect()  # the last case's garbage is not this one's
    value = cases[name](*map(int, numbers))
    return float(runner.run(value) if inspect.iscoroutine(value) else value)
