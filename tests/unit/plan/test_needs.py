"""Reachability, against the rule written naively."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from headway.errors import InvalidPlan
from headway.plan import graph as plan_graph
from headway.plan.graph import Graph, closest_needs, indirect
from tests.unit.plan.test_graph import call, compiled, plans


def naive(plan: Graph) -> set[tuple[int, int]]:
    """Return every (action, other) with a path of two or more needs between them."""
    below: dict[int, set[int]] = {}
    for level in plan.levels:
        for i in level:
            below[i] = set().union(*({need} | below[need] for need in plan.nodes[i].needs))
    return {(node.index, other) for node in plan.nodes for need in node.needs for other in below[need]}


@pytest.mark.parametrize("block", [1, 3, plan_graph.BLOCK])
@given(actions=plans())
def test_what_is_needed_through_others(block: int, actions: list[dict[str, Any]]) -> None:
    try:
        plan = compiled(*actions)
    except InvalidPlan:
        return
    expected = naive(plan)
    pairs = [(a, b) for a in range(len(actions)) for b in range(len(actions)) if a != b]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_graph, "BLOCK", block)
        assert indirect(plan, pairs) == expected
        closest = [[need for need in n.needs if (n.index, need) not in expected] for n in plan.nodes]
        assert [list(needs) for needs in closest_needs(plan)] == closest


def test_more_actions_than_one_pass_looks_for() -> None:
    count = plan_graph.BLOCK + 10
    chain = [call(f"a{i}", dependencies=[f"a{i - 1}"] if i else []) for i in range(count)]
    plan = compiled(*chain, call("z", dependencies=[f"a{i}" for i in range(count)]))
    assert closest_needs(plan)[-1] == [count - 1]
