"""car-runtime through its public functions: JSON in, JSON out, a Python callback as the tool.

It ignores ``dependencies``, so chains and layers are told by state keys; a chain is one of state writes, because 0.58
runs no chain of tools. What needs its daemon (in 0.58 the long-lived runtime) is not measured.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

os.environ["CAR_FFI_MODE"] = "embedded"  # before the import: 0.7 runs in this process, 0.58 takes no notice

import car_runtime  # type: ignore[import-not-found]  # in the peer's own environment

from benchmarks import _plans
from benchmarks._pace import PACE
from benchmarks.peers._serve import Cpu, peak_rss_mb, serve

VERSION = version("car-runtime")


def _noop(tool: str, parameters: str) -> str:
    return "1"


def _nap(tool: str, parameters: str) -> str:
    time.sleep(0.01)
    return "1"


def _cost(plan: _plans.Plan) -> float:
    text = json.dumps(plan)
    with Cpu() as cpu:
        result = car_runtime.execute(text, ["noop"], _noop)
    assert all(action["status"] == "succeeded" for action in json.loads(result)["results"])
    return cpu.us(len(plan["actions"]))


def growth(many: int, few: int) -> float:
    """Return what one of many actions costs against one of few."""
    base = PACE.measure(lambda: _cost(_plans.flat(few)), 5)
    return PACE.measure(lambda: _cost(_plans.flat(many)), 1) / base


def aged(events: int, count: int) -> float:
    """Return what a proposal costs on a log of that many events against its cost on a new one."""
    text = json.dumps(_plans.flat(count))

    def new() -> car_runtime.CarRuntime:
        runtime = car_runtime.CarRuntime()
        runtime.register_tool("noop")
        return runtime

    def cost(runtime: car_runtime.CarRuntime) -> float:
        with Cpu() as cpu:
            runtime.execute_proposal(text, _noop)
        return cpu.us(count)

    runtime = new()
    while runtime.event_count() < events:
        runtime.execute_proposal(text, _noop)
    return PACE.ratio(lambda: cost(runtime), lambda: cost(new()), 3)


def nap_sync(count: int) -> float:
    """Return the wall time in ms of that many independent calls that sleep 10 ms."""
    text = json.dumps(_plans.flat(count))
    began = time.perf_counter()
    car_runtime.execute(text, ["noop"], _nap)
    return (time.perf_counter() - began) * 1e3


def _verified(plan: _plans.Plan) -> float:
    text = json.dumps(plan)
    with Cpu() as cpu:
        report = car_runtime.verify(text, None, ["noop"])
    assert json.loads(report)["valid"]
    return cpu.ms()


def memory(count: int) -> float:
    """Return the peak of this process's resident memory in MB once it has run that many flat actions."""
    if count:
        _cost(_plans.flat(count))
    return peak_rss_mb()


CASES: dict[str, Callable[..., Any]] = {
    "flat": lambda count: _cost(_plans.flat(count)),
    "text": lambda count: _cost(_plans.flat(count)),
    "layers": lambda count, width: _cost(_plans.key_layers(count, width)),
    "chain": lambda count: _cost(_plans.key_chain(count)),
    "growth": growth,
    "nap_async": nap_sync,  # it takes no coroutines
    "nap_sync": nap_sync,
    "verify": lambda count: _verified(_plans.distinct(count)),
    "verify_text": lambda count: _verified(_plans.distinct(count)),
    "verify_key_chain": lambda count: _verified(_plans.key_chain(count)),
    "memory": memory,
}
if VERSION.startswith("0.7."):
    CASES["aged"] = aged

if __name__ == "__main__":
    serve(VERSION, CASES, warm=("flat 200", "verify 100"))
