"""Which actions need which others by way of a third.

Sets of actions are bits of integers, at most :data:`BLOCK` at a time: memory stays in proportion to the plan, and the
work to its actions and edges, once for each block of actions that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headway.plan.graph import Plan

BLOCK = 4096
"""How many actions are looked for in one pass over the plan."""

_Pair = tuple[int, int]
_Needs = Sequence[Sequence[int]]


def indirect(plan: Plan, pairs: Iterable[_Pair], needs: _Needs | None = None) -> set[_Pair]:
    """Return those of the ``pairs`` (action, other) where something that the action needs does itself need ``other``.

    ``needs`` names what each action needs, where that is less than all that the graph says. Without pairs whose levels
    leave room for a third between them, nothing is looked at.
    """
    edges = needs if needs is not None else [node.needs for node in plan.nodes]
    level = [node.level for node in plan.nodes]
    asked = [(action, other) for action, other in pairs if level[action] > level[other] + 1 and edges[action]]
    asked.sort(key=lambda pair: level[pair[1]])
    found: set[_Pair] = set()
    for block in _blocks(asked):
        last = max(level[action] for action, _ in block)
        found |= _pass(plan.levels[level[block[0][1]] + 1 : last], block, edges)
    return found


def closest_needs(plan: Plan) -> list[Sequence[int]]:
    """Return, per action, its needs without those that another of them implies."""
    several = (node for node in plan.nodes if len(node.needs) > 1)
    implied = indirect(plan, ((node.index, need) for node in several for need in node.needs))
    if not implied:
        return [node.needs for node in plan.nodes]
    return [[need for need in node.needs if (node.index, need) not in implied] for node in plan.nodes]


def _blocks(pairs: list[_Pair]) -> Iterator[list[_Pair]]:
    """Yield the pairs in turn, as many as have :data:`BLOCK` others among them."""
    block: list[_Pair] = []
    others: set[int] = set()
    for pair in pairs:
        if pair[1] not in others and len(others) == BLOCK:
            yield block
            block, others = [], set()
        others.add(pair[1])
        block.append(pair)
    if block:
        yield block


def _pass(levels: list[list[int]], block: list[_Pair], edges: _Needs) -> set[_Pair]:
    """Return the pairs of ``block`` that hold; ``levels`` are those between the first other and the last action."""
    mark = {other: 1 << bit for bit, other in enumerate(dict.fromkeys(other for _, other in block))}
    reached: dict[int, int] = {}
    for level in levels:
        for i in level:
            bits = 0
            for need in edges[i]:
                bits |= reached.get(need, 0) | mark.get(need, 0)
            if bits:
                reached[i] = bits
    beyond: dict[int, int] = {}
    for action, _ in block:
        if action not in beyond:
            beyond[action] = 0
            for need in edges[action]:
                beyond[action] |= reached.get(need, 0)
    return {(action, other) for action, other in block if beyond[action] & mark[other]}
