"""Graphs that come out of a file: whether they are a plan's at all, looked at before they are used."""

from __future__ import annotations

from typing import Any

from headway.errors import InvalidInput, one_line
from headway.plan.model import ActionProposal


def check_graph(proposal: ActionProposal, graph: dict[str, Any]) -> None:
    """Raise :class:`InvalidInput` that names why ``graph``, as ``job_created`` records it, is not ``proposal``'s."""
    ids = [action.id for action in proposal.actions]
    index = {name: i for i, name in enumerate(ids)}
    if len(index) != len(ids):
        raise InvalidInput("the plan has an action id twice")
    entries = graph.get("actions")
    if not isinstance(entries, list) or [_id_of(entry) for entry in entries] != ids:
        raise InvalidInput("the graph is not that of the plan: its actions are others")
    level_of = _levels(graph.get("levels"), len(ids))
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


def _levels(levels: object, count: int) -> list[int]:
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
