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
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from headway.errors import InvalidPlan
from headway.plan.model import Action, ActionProposal, ActionType
from headway.plan.references import Reference, find_references, state_key

CYCLE_SHOWN = 20
"""How many actions of a cycle an error names."""

_TOOL_CALL = ActionType.TOOL_CALL
_STATE_WRITE = ActionType.STATE_WRITE
_STATE_READ = ActionType.STATE_READ
_ASSERTION = ActionType.ASSERTION

_Edges = defaultdict[int, set[int]]


class Node:
    """One action as the executor sees it.

    ``key`` is the one that a state action names, None where it names none that could be ordered or judged by.
    ``reads`` are the state keys that must be there, ``writes`` those that it may set; ``escapes`` are parameters whose
    ``$$`` stands for ``$``.
    """

    __slots__ = (
        "action",
        "after",
        "escapes",
        "id",
        "index",
        "key",
        "level",
        "needs",
        "reads",
        "references",
        "tool",
        "type",
        "writes",
    )

    def __init__(self, index: int, action: Action) -> None:
        self.index = index
        self.action = action
        self.id = action.id
        self.type = action.type
        self.tool = action.tool
        self.level = 0
        self.needs: tuple[int, ...] = ()
        self.after: tuple[int, ...] = ()
        self.reads: tuple[str, ...] = tuple(action.state_dependencies)
        self.key = state_key(action.parameters) if self.type is not _TOOL_CALL else None
        if action.expected_effects or action.write_set:
            self.writes: tuple[str, ...] = tuple(dict.fromkeys(writes(action)))
        else:
            self.writes = (self.key,) if self.type is _STATE_WRITE and self.key is not None else ()
        self.references: tuple[Reference, ...] = ()
        self.escapes: tuple[tuple[str | int, ...], ...] = ()


class Plan:
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


def plan_from_graph(proposal: ActionProposal, graph: dict[str, Any]) -> Plan:
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
    return Plan(proposal, nodes, levels)


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


def compile_plan(proposal: ActionProposal, state_keys: Collection[str] = ()) -> Plan:
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
        named = _explicit_edges(node, index)
        if named:
            needs[node.index] = named
    _state_edges(nodes, state_keys, needs, after)
    for i, hard in needs.items():
        nodes[i].needs = tuple(sorted(hard) if len(hard) > 1 else hard)
    for i, soft in after.items():
        nodes[i].after = tuple(sorted(soft - needs[i] if i in needs else soft))
    return Plan(proposal, nodes, _levels(nodes))


def _by_id(nodes: list[Node]) -> dict[str, int]:
    index: dict[str, int] = {}
    for node in nodes:
        if index.setdefault(node.id, node.index) != node.index:
            raise InvalidPlan(f"duplicate action id '{node.id}'")
    return index


def _explicit_edges(node: Node, index: dict[str, int]) -> set[int]:
    """Set the node's references and escapes; return what it needs by id or by reference."""
    needs: set[int] = set()
    action = node.action
    for name in action.dependencies:
        if name not in index:
            raise InvalidPlan(f"action '{node.id}' depends on '{name}', which the plan does not have")
        needs.add(index[name])
    if action.parameters:
        try:
            node.references, node.escapes = find_references(action.parameters, index)
        except KeyError as error:
            raise InvalidPlan(f"action '{node.id}' refers to '{error.args[0]}', which the plan does not have") from None
        needs.update(reference.source for reference in node.references)
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
        before = node.needs + node.after
        waiting[node.index] = len(before)
        for i in before:
            followers.setdefault(i, []).append(node.index)
        if not before:
            ready.append(node.index)
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
