"""The plan as a graph: what must come before what, and the levels that follow.

Two kinds of edge. A *need* is a dependency by id, a ``$id.output`` reference, or the writer that a state read binds
to: when it does not succeed, the action is skipped. An *after* edge only orders: the writers of one key run as
listed, and a reader runs before the next writer of the key. A level holds the actions whose longest path from the
start is equally long.

Everything here is linear in actions and edges: each read adds at most two edges, each write one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

import msgspec

from headway.errors import InvalidInput, InvalidPlan, one_line
from headway.plan.format import Action, ActionProposal, ActionType
from headway.plan.references import NO_REFERENCES, Reference, find_references, state_key

CYCLE_SHOWN = 20
"""The most actions of a cycle that an error names."""

BLOCK = 4096
"""The most actions that one pass over the plan looks for."""

_TOOL_CALL = ActionType.TOOL_CALL
_STATE_WRITE = ActionType.STATE_WRITE
_STATE_READ = ActionType.STATE_READ
_ASSERTION = ActionType.ASSERTION

_Edges = defaultdict[int, set[int]]
_Pair = tuple[int, int]
_Needs = Sequence[Sequence[int]]


# gc=False: a node refers to its action and to texts, never back to a graph, and a daemon with many jobs holds many.
class Node(msgspec.Struct, eq=False, gc=False):
    """One action as the executor sees it.

    ``key`` is the one that a state action names, None where it names none that could be ordered or judged by.
    ``reads`` are the state keys that must be there, ``writes`` those that it may set; ``escapes`` are parameters whose
    ``$$`` stands for ``$``.
    """

    index: int
    action: Action
    id: str = ""
    type: ActionType = _TOOL_CALL
    tool: str | None = None
    level: int = 0
    needs: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()
    key: str | None = None
    writes: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    escapes: tuple[tuple[str | int, ...], ...] = ()

    def __post_init__(self) -> None:
        action = self.action
        self.id = action.id
        self.type = action.type
        self.tool = action.tool
        self.reads = action.state_dependencies
        if self.type is not _TOOL_CALL:
            self.key = state_key(action.parameters)
        if action.expected_effects or action.write_set:
            self.writes = tuple(dict.fromkeys(writes(action)))
        elif self.type is _STATE_WRITE and self.key is not None:
            self.writes = (self.key,)


class Graph:
    """A compiled proposal: ``nodes`` in list order, ``levels`` as lists of node indices in list order."""

    __slots__ = ("levels", "nodes", "proposal")

    def __init__(self, proposal: ActionProposal, nodes: list[Node], levels: list[list[int]]) -> None:
        self.proposal = proposal
        self.nodes = nodes
        self.levels = levels

    def to_json(self) -> dict[str, Any]:
        """Return the graph as ``job_created`` records it."""
        nodes = self.nodes
        actions = []
        for node in nodes:
            entry: dict[str, Any] = {"id": node.id, "type": node.type.value}
            if node.tool is not None:
                entry["tool"] = node.tool
            if node.needs:
                entry["needs"] = [nodes[i].id for i in node.needs]
            if node.after:
                entry["after"] = [nodes[i].id for i in node.after]
            actions.append(entry)
        return {"actions": actions, "levels": self.levels}


def plan_from_graph(proposal: ActionProposal, graph: dict[str, Any]) -> Graph:
    """Return the plan of a recorded graph: the edges and levels of ``job_created``, not computed again."""
    nodes = [Node(i, action) for i, action in enumerate(proposal.actions)]
    index = _by_id(nodes)
    for node, entry in zip(nodes, graph["actions"], strict=True):
        _explicit_edges(node, index)
        node.needs = tuple(index[name] for name in entry.get("needs", ()))
        node.after = tuple(index[name] for name in entry.get("after", ()))
    levels: list[list[int]] = [list(level) for level in graph["levels"]]
    for number, level in enumerate(levels):
        for i in level:
            nodes[i].level = number
    return Graph(proposal, nodes, levels)


def reads(action: Action) -> list[str]:
    """Return the state keys that ``action`` reads, ``not_exists`` preconditions left out (see :func:`compile_plan`)."""
    keys = [*action.state_dependencies, *action.read_set]
    if action.preconditions:
        keys += [precondition.key for precondition in action.preconditions if precondition.operator != "not_exists"]
    if action.assumptions:
        keys += [assumption.key for assumption in action.assumptions]
    if action.type is _STATE_READ or action.type is _ASSERTION:
        key = state_key(action.parameters)
        if key is not None:
            keys.append(key)
    return keys


def writes(action: Action) -> list[str]:
    """Return the state keys that ``action`` writes."""
    keys = [*action.expected_effects, *action.write_set]
    if action.type is _STATE_WRITE:
        key = state_key(action.parameters)
        if key is not None:
            keys.append(key)
    return keys


def compile_plan(proposal: ActionProposal, state_keys: Collection[str] = ()) -> Graph:
    """Return the graph of ``proposal`` against a state that has ``state_keys``.

    A read binds to the nearest earlier-listed writer of its key; failing that, to the state as it is when the key is
    there or the action writes the key itself; failing that, to the first later-listed writer. The read of a
    ``not_exists`` precondition never binds to a later writer: waiting for it could only make the test fail.

    Raises :class:`InvalidPlan` on a duplicate id, an unknown dependency or reference, or a cycle (with its path).
    """
    nodes = [Node(i, action) for i, action in enumerate(proposal.actions)]
    index = _by_id(nodes)
    needs: _Edges = defaultdict(set)
    after: _Edges = defaultdict(set)
    for node in nodes:
        if node.action.parameters or node.action.dependencies:
            named = _explicit_edges(node, index)
            if named:
                needs[node.index] = named
    _state_edges(nodes, state_keys, needs, after)
    for i, hard in needs.items():
        nodes[i].needs = tuple(sorted(hard) if len(hard) > 1 else hard)
    for i, soft in after.items():
        nodes[i].after = tuple(sorted(soft - needs[i] if i in needs else soft))
    return Graph(proposal, nodes, _levels(nodes))


def _by_id(nodes: list[Node]) -> dict[str, int]:
    index: dict[str, int] = {}
    for node in nodes:
        if index.setdefault(node.id, node.index) != node.index:
            raise InvalidPlan(f"duplicate action id '{node.id}'")
    return index


def _explicit_edges(node: Node, index: dict[str, int]) -> set[int] | None:
    """Set the node's references and escapes; return what it needs by id or by reference."""
    action = node.action
    try:
        found = find_references(action.parameters, index)
    except KeyError as error:
        raise InvalidPlan(f"action '{node.id}' refers to '{error.args[0]}', which the plan does not have") from None
    if found is NO_REFERENCES and not action.dependencies:
        return None
    node.references, node.escapes = found
    needs = {reference.source for reference in node.references}
    for name in action.dependencies:
        if name not in index:
            raise InvalidPlan(f"action '{node.id}' depends on '{name}', which the plan does not have")
        needs.add(index[name])
    return needs


def _state_edges(nodes: list[Node], state_keys: Collection[str], needs: _Edges, after: _Edges) -> None:
    writers: dict[str, list[int]] = {}
    for node in nodes:
        for key in node.writes:
            writers.setdefault(key, []).append(node.index)
    if not writers:
        return
    for listed in writers.values():
        if len(listed) > 1:
            for earlier, later in pairwise(listed):
                after[later].add(earlier)
    for node in nodes:
        action = node.action
        keys = reads(action)
        for key in set(keys) if len(keys) > 1 else keys:
            if key in writers:
                _bind(node.index, writers[key], key not in state_keys, needs, after)
        for precondition in action.preconditions:
            if precondition.operator == "not_exists" and precondition.key in writers:
                _bind(node.index, writers[precondition.key], False, needs, after)


def _bind(reader: int, writers: list[int], wait_for_later: bool, needs: _Edges, after: _Edges) -> None:
    """Bind ``reader`` to one of ``writers`` (sorted indices) or to the initial state, and order it before the next."""
    position = bisect_left(writers, reader)
    writes_it = position < len(writers) and writers[position] == reader
    if position > 0:
        needs[reader].add(writers[position - 1])
    elif wait_for_later and not writes_it:
        needs[reader].add(writers[0])
        position = 1
    if not writes_it and position < len(writers):
        after[writers[position]].add(reader)


def _levels(nodes: list[Node]) -> list[list[int]]:
    followers: dict[int, list[int]] = {}
    waiting = [0] * len(nodes)
    ready: list[int] = []
    for node in nodes:
        before = (node.needs + node.after) if node.after else node.needs
        if not before:
            ready.append(node.index)
            continue
        waiting[node.index] = len(before)
        for i in before:
            followers.setdefault(i, []).append(node.index)
    levels: list[list[int]] = []
    placed = 0
    while ready:
        level, ready = (sorted(ready) if len(ready) > 1 else ready), []
        number = len(levels)
        placed += len(level)
        for i in level:
            nodes[i].level = number
            for follower in followers.pop(i, ()):
                waiting[follower] -= 1
                if waiting[follower] == 0:
                    ready.append(follower)
        levels.append(level)
    if placed < len(nodes):
        path = _cycle(nodes, waiting)
        if len(path) > CYCLE_SHOWN:
            path[CYCLE_SHOWN - 2 : -2] = [f"… {len(path) - CYCLE_SHOWN} more …"]
        raise InvalidPlan(f"the plan has a cycle: {' -> '.join(path)}")
    return levels


def _cycle(nodes: list[Node], waiting: list[int]) -> list[str]:
    stuck = {i for i, count in enumerate(waiting) if count}
    sorter = TopologicalSorter({i: [b for b in (*nodes[i].needs, *nodes[i].after) if b in stuck] for i in stuck})
    try:
        sorter.prepare()
    except CycleError as error:
        return [nodes[i].id for i in error.args[1]]
    raise AssertionError("nodes that wait for each other without a cycle")  # pragma: no cover


def check_graph(proposal: ActionProposal, graph: dict[str, Any]) -> None:
    """Raise :class:`InvalidInput` that names why ``graph``, as ``job_created`` records it, is not ``proposal``'s."""
    ids = [action.id for action in proposal.actions]
    index = {name: i for i, name in enumerate(ids)}
    if len(index) != len(ids):
        raise InvalidInput("the plan has an action id twice")
    entries = graph.get("actions")
    if not isinstance(entries, list) or [_id_of(entry) for entry in entries] != ids:
        raise InvalidInput("the graph is not that of the plan: its actions are others")
    level_of = _recorded_levels(graph.get("levels"), len(ids))
    for i, entry in enumerate(entries):
        for name in ("needs", "after"):
            before = entry.get(name, [])
            if not isinstance(before, list):
                raise InvalidInput(f"the graph's '{name}' of action '{one_line(ids[i], 60)}' is no list")
            for other in before:
                j = index.get(other) if isinstance(other, str) else None
                if j is None:
                    raise InvalidInput(f"the graph's action '{one_line(ids[i], 60)}' waits for one that is not there")
                if level_of[j] >= level_of[i]:
                    raise InvalidInput(
                        f"the graph's levels run action '{one_line(ids[i], 60)}' before what it waits for"
                    )


def _id_of(entry: object) -> object:
    return entry.get("id") if isinstance(entry, dict) else None


def _recorded_levels(levels: object, count: int) -> list[int]:
    """Return the level of each action; every action must be in one level exactly, and no level empty."""
    level_of = [-1] * count
    if not isinstance(levels, list):
        raise InvalidInput("the graph has no levels")
    for number, level in enumerate(levels):
        if not isinstance(level, list) or not level:
            raise InvalidInput(f"level {number} of the graph is no list of actions")
        for i in level:
            if type(i) is not int or not 0 <= i < count or level_of[i] >= 0:
                raise InvalidInput(f"level {number} of the graph names an action twice, or one that is not there")
            level_of[i] = number
    if -1 in level_of:
        raise InvalidInput("the graph's levels leave an action out")
    return level_of


def indirect(plan: Graph, pairs: Iterable[_Pair], needs: _Needs | None = None) -> set[_Pair]:
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


def closest_needs(plan: Graph) -> list[Sequence[int]]:
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
