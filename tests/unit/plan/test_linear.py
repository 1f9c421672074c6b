"""The work of an analysis grows with actions and edges; counted in instructions of the interpreter, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from headway import verify
from headway.analysis import (
    analyze_schedule,
    optimize,
    rank_proposals,
    simulate,
    simulate_monte_carlo,
    transaction_check,
)
from headway.analysis.equivalence import equivalent
from headway.plan.format import ActionProposal
from headway.plan.parse import parse_proposal
from tests.unit.plan.test_graph import call, read, write

SMALL = 30
TIMES = 4
SLACK = 1.1
"""The cost that sorting and the like may have above being linear."""


def instructions(function: Callable[[], Any]) -> int:
    """Return how many instructions the interpreter takes for a call."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def calls(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [call(f"a{i}", parameters={"i": i}, **fields) for i in range(count)]


def chain(count: int) -> list[dict[str, Any]]:
    return [call(f"a{i}", parameters={"i": i}, dependencies=[f"a{i - 1}"] if i else []) for i in range(count)]


def compensated(count: int) -> list[dict[str, Any]]:
    undo = {"type": "tool", "tool": "t", "parameters": {"of": "$a0.output"}}
    return calls(count, reversibility="compensable", compensation=undo)


def streaming(count: int) -> list[dict[str, Any]]:
    return calls(count, invocation_mode="streaming")


def key_chain(count: int) -> list[dict[str, Any]]:
    needs = [{"state_dependencies": [f"k{i - 1}"]} if i else {} for i in range(count)]
    return [{**write(f"a{i}", f"k{i}"), **needs[i]} for i in range(count)]


def one_key(count: int) -> list[dict[str, Any]]:
    return [{**write(f"a{i}", "k"), "dependencies": ["root"]} for i in range(count)] + [call("root")]


def turns(count: int) -> list[dict[str, Any]]:
    """Writers and readers of one key in turn, each writer needing the reader before it."""
    pairs: list[dict[str, Any]] = []
    for i in range(count // 2):
        needs = {"dependencies": [f"r{i - 1}"]} if i else {}
        pairs += [{**write(f"w{i}", "k"), **needs}, read(f"r{i}", "k")]
    return pairs


def fan_in(count: int) -> list[dict[str, Any]]:
    return [*calls(count), call("z", dependencies=[f"a{i}" for i in range(count)])]


def fan_in_of_a_chain(count: int) -> list[dict[str, Any]]:
    return [*chain(count), call("z", dependencies=[f"a{i}" for i in range(count)], state_dependencies=["x"] * count)]


def readers(count: int) -> list[dict[str, Any]]:
    return [write("w", "k"), *calls(count, state_dependencies=["k"]), write("x", "k")]


ANALYSES: dict[str, Callable[[ActionProposal], Any]] = {
    "verify": lambda plan: verify(plan, tools=["t"]),
    "simulate": simulate,
    "simulate_monte_carlo": lambda plan: simulate_monte_carlo(plan, trials=2),
    "equivalent": lambda plan: equivalent(plan, plan, [{}]),
    "optimize": optimize,
    "analyze_schedule": analyze_schedule,
    "transaction_check": transaction_check,
    "rank_proposals": lambda plan: rank_proposals([plan], tools=["t"]),
}
SHAPES = [calls, chain, compensated, streaming, key_chain, one_key, turns, fan_in, fan_in_of_a_chain, readers]


@pytest.mark.parametrize("analysis", ANALYSES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_four_times_the_plan_is_four_times_the_work(
    shape: Callable[[int], list[dict[str, Any]]], analysis: str
) -> None:
    run = ANALYSES[analysis]
    small, large = (parse_proposal({"actions": shape(count)}) for count in (SMALL, SMALL * TIMES))
    run(small)  # what is made once is made now
    assert instructions(lambda: run(large)) <= instructions(lambda: run(small)) * TIMES * SLACK
