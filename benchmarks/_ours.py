"""Headway's own lane: the cases of the executor and of ``verify``, in a process that does nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec

import headway
from benchmarks import _plans
from benchmarks._pace import PACE
from benchmarks.peers._serve import Cpu, peak_rss_mb, serve
from headway import ActionProposal, EventLog, Runtime, parse_proposal, verify
from headway.home import Home
from headway.store import StoreLog


@headway.tool
async def noop() -> int:
    """Return at once."""
    return 1


@headway.tool
async def nap_async() -> int:
    """Sleep 10 ms without a thread."""
    await asyncio.sleep(0.01)
    return 1


@headway.tool
async def nap_long() -> int:
    """Sleep 100 ms without a thread."""
    await asyncio.sleep(0.1)
    return 1


@headway.tool
def nap_sync() -> int:
    """Sleep 10 ms in a thread."""
    time.sleep(0.01)
    return 1


def runtime(log: EventLog | None = None) -> Runtime:
    """Return a runtime with the tools of the cases."""
    made = Runtime(log=log)
    for function in (noop, nap_async, nap_long, nap_sync):
        made.register_tool(function)
    return made


@contextlib.asynccontextmanager
async def store() -> AsyncIterator[StoreLog]:
    """Open the durable log of a new home."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.prepare()
        log = await StoreLog.open(home)
        try:
            yield log
        finally:
            await log.close()


async def _cost(made: Runtime, proposal: ActionProposal) -> float:
    """Run a proposal; return µs of CPU an action."""
    with Cpu() as cpu:
        result = await made.execute(proposal)
    assert result.status == "completed"
    return cpu.us(len(proposal.actions))


async def _in_memory(plan: _plans.Plan) -> float:
    return await _cost(runtime(), parse_proposal(plan))


async def _durable(plan: _plans.Plan) -> float:
    async with store() as log:
        made = runtime(log)
        await _cost(made, parse_proposal(_plans.flat(10)))  # opens what is opened once
        return await _cost(made, parse_proposal(plan))


async def text(count: int) -> float:
    """Return µs of CPU an action, from the plan's JSON to the result's."""
    plan = json.dumps(_plans.flat(count))
    with Cpu() as cpu:
        result = await runtime().execute(plan)
        msgspec.json.encode(result)
    assert result.status == "completed"
    return cpu.us(count)


async def growth(many: int, few: int) -> float:
    """Return what one of many actions costs against one of few."""
    base = await PACE.measure_async(lambda: _in_memory(_plans.flat(few)), 5)
    return await PACE.measure_async(lambda: _in_memory(_plans.flat(many)), 1) / base


Opened = Callable[[], contextlib.AbstractAsyncContextManager[EventLog]]


@contextlib.asynccontextmanager
async def memory_log() -> AsyncIterator[EventLog]:
    """Open a new log in memory."""
    yield EventLog()


async def _aged(new: Opened, events: int, count: int) -> float:
    """Return what a proposal costs on a log of that many events against its cost on a new one."""
    plan = _plans.flat(count)

    async def first() -> float:
        async with new() as log:
            await _cost(runtime(log), parse_proposal(_plans.flat(10)))
            return await _cost(runtime(log), parse_proposal(plan))

    async with new() as log:
        made = runtime(log)
        while log.last_seq < events:
            await made.execute(parse_proposal(plan))
        return await PACE.ratio_async(lambda: _cost(made, parse_proposal(plan)), first, 3)


async def _wall(tool: str, count: int) -> float:
    proposal = parse_proposal(_plans.flat(count, tool))
    made = runtime()
    began = time.perf_counter()
    await made.execute(proposal)
    return (time.perf_counter() - began) * 1e3


async def scopes(count: int) -> float:
    """Return what runs of a 100 ms tool take, each in a scope of its own on one runtime, against one such run."""
    made, proposal = runtime(), parse_proposal(_plans.flat(1, "nap_long"))
    began = time.perf_counter()
    await made.execute(proposal)
    middle = time.perf_counter()
    for run in [made.start(proposal, scope=headway.Scope.new()) for _ in range(count)]:
        assert (await run).ok
    return (time.perf_counter() - middle) / (middle - began)


def _verified(plan: _plans.Plan) -> float:
    proposal = parse_proposal(plan)
    with Cpu() as cpu:
        report = verify(proposal, tools=["noop"])
    assert report.valid
    return cpu.ms()


def verify_text(count: int) -> float:
    """Return ms of CPU to verify flat calls, from the plan's JSON."""
    plan = json.dumps(_plans.distinct(count))
    with Cpu() as cpu:
        report = verify(parse_proposal(plan), tools=["noop"])
    assert report.valid
    return cpu.ms()


async def memory(count: int) -> float:
    """Return the peak of this process's resident memory in MB once it has run that many flat actions."""
    if count:
        await runtime().execute(parse_proposal(_plans.flat(count)))
    return peak_rss_mb()


CASES: dict[str, Callable[..., Any]] = {
    "flat": lambda count: _in_memory(_plans.flat(count)),
    "text": text,
    "layers": lambda count, width: _in_memory(_plans.layers(count, width)),
    "chain": lambda count: _in_memory(_plans.chain(count)),
    "growth": growth,
    "durable_flat": lambda count: _durable(_plans.flat(count)),
    "durable_layers": lambda count, width: _durable(_plans.layers(count, width)),
    "durable_chain": lambda count: _durable(_plans.chain(count)),
    "aged": lambda events, count: _aged(memory_log, events, count),
    "aged_durable": lambda events, count: _aged(store, events, count),
    "nap_async": lambda count: _wall("nap_async", count),
    "nap_sync": lambda count: _wall("nap_sync", count),
    "scopes": scopes,
    "verify": lambda count: _verified(_plans.distinct(count)),
    "verify_text": verify_text,
    "verify_chain": lambda count: _verified(_plans.chain(count)),
    "verify_key_chain": lambda count: _verified(_plans.key_chain(count)),
    "memory": memory,
}

if __name__ == "__main__":
    serve("headway", CASES, warm=("flat 200", "chain 20", "verify 100"))
