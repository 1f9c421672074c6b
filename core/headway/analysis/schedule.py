"""``analyze_schedule``: how long a plan takes at best, and what it waits for."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from headway.arguments import expect
from headway.errors import InvalidInput
from headway.numbers import number_between, whole_number
from headway.plan.graph import Graph, compile_plan
from headway.plan.parse import PlanLike, as_proposal, as_state

_ROUNDING = 1e-9
"""Slack that is less than this part of the critical path is what adding up in two directions makes."""


class Schedule(msgspec.Struct):
    """Times of a plan, in ms.

    ``critical_path`` is the longest chain of actions that must follow each other, ``critical_ms`` its length: no
    machine is faster. ``makespan_ms`` is how long the executor needs, whose levels wait for their slowest action;
    ``serial_ms`` is the sum of all. ``slack_ms`` says how much later than possible an action may end without the
    critical path growing.
    """

    critical_path: list[str]
    critical_ms: float
    makespan_ms: float
    serial_ms: float
    max_parallelism: int
    slack_ms: dict[str, float]
    levels: list[list[str]]


def analyze_schedule(
    proposal: PlanLike,
    durations_ms: Mapping[str, float] | None = None,
    *,
    default_ms: float = 1.0,
    max_concurrency: int | None = None,
    state: Mapping[str, Any] | None = None,
) -> Schedule:
    """Return the schedule of ``proposal`` run on ``state`` (None: empty), linear in actions and edges.

    ``durations_ms`` gives times by action id or, failing that, by tool; ``default_ms`` stands for the rest. With
    ``max_concurrency`` a level takes as long as its actions need on so many slots, in list order.
    Raises :class:`InvalidInput` for a duration that is negative or not finite, and if all together are too long for a
    floating-point number.
    """
    if max_concurrency is not None:
        whole_number(max_concurrency, "max_concurrency", 1)
    durations = expect({} if durations_ms is None else durations_ms, Mapping, "durations_ms")
    number_between(default_ms, "default_ms", 0, math.inf)
    plan = compile_plan(as_proposal(proposal), as_state(state))
    times = [_time(node.id, node.tool, durations, default_ms) for node in plan.nodes]
    serial_ms = _total(times)
    order = [i for level in plan.levels for i in level]
    earliest = [0.0] * len(times)  # when an action can end
    via: list[int | None] = [None] * len(times)
    for i in order:
        before = (*plan.nodes[i].needs, *plan.nodes[i].after)
        last = max(before, key=earliest.__getitem__, default=None)
        via[i] = last
        earliest[i] = times[i] + (earliest[last] if last is not None else 0.0)
    critical_ms = max(earliest, default=0.0)
    latest = [critical_ms] * len(times)  # when it must have ended
    for i in reversed(order):
        for before_ in (*plan.nodes[i].needs, *plan.nodes[i].after):
            latest[before_] = min(latest[before_], latest[i] - times[i])
    slack = {node.id: latest[node.index] - earliest[node.index] for node in plan.nodes}
    return Schedule(
        critical_path=_path(plan, via, earliest),
        critical_ms=critical_ms,
        makespan_ms=sum(_level_ms([times[i] for i in level], max_concurrency) for level in plan.levels),
        serial_ms=serial_ms,
        max_parallelism=max(map(len, plan.levels), default=0),
        slack_ms={name: ms if ms > critical_ms * _ROUNDING else 0.0 for name, ms in slack.items()},
        levels=[[plan.nodes[i].id for i in level] for level in plan.levels],
    )


def _time(action_id: str, tool: str | None, durations: Mapping[str, float], default: float) -> float:
    value = durations.get(action_id, durations.get(tool, default) if tool is not None else default)
    return number_between(value, f"the duration of action '{action_id}'", 0, math.inf)


def _total(times: list[float]) -> float:
    try:
        total = math.fsum(times)
    except OverflowError:
        total = math.inf
    if math.isinf(total * (1 + _ROUNDING)):  # other sums of the same times may be rounded up
        raise InvalidInput("the durations add up to more than any floating-point number")
    return total


def _path(plan: Graph, via: list[int | None], earliest: list[float]) -> list[str]:
    path: list[str] = []
    at: int | None = max(range(len(earliest)), key=earliest.__getitem__, default=None)
    while at is not None:
        path.append(plan.nodes[at].id)
        at = via[at]
    return path[::-1]


def _level_ms(times: list[float], slots: int | None) -> float:
    if slots is None or len(times) <= slots:
        return max(times, default=0.0)
    free = [0.0] * slots
    for time in times:
        heapq.heapreplace(free, free[0] + time)
    return max(free)
