"""The plan as a ``job_created`` event carries it: its actions, its levels, and what a fork brings along."""

from __future__ import annotations

from typing import Any

from headway.events.event import Event
from headway.events.fold.values import action_status, integer_or_none, mapping, sequence, text, text_or_none, texts
from headway.events.views import ActionView, LevelView
from headway.plan.results import FINAL


def actions_of(event: Event) -> list[ActionView]:
    """Return the plan's actions in list order, each with its level."""
    graph = mapping(event.data.get("graph"))
    views = []
    for index, entry in enumerate(sequence(graph.get("actions"))):
        data = mapping(entry)
        views.append(
            ActionView(
                id=text(data.get("id")),
                index=index,
                level=0,
                type=text(data.get("type"), "tool_call"),
                tool=text_or_none(data.get("tool")),
                needs=texts(data.get("needs")),
                after=texts(data.get("after")),
            )
        )
    for level, indices in enumerate(level_indices(event, len(views))):
        for index in indices:
            views[index].level = level
    return views


def level_indices(event: Event, count: int) -> list[list[int]]:
    """Return for each level the places of its actions in the plan, ascending."""
    levels = sequence(mapping(event.data.get("graph")).get("levels"))
    found = ({integer_or_none(place) for place in sequence(level)} for level in levels)
    return [sorted(place for place in places if place is not None and 0 <= place < count) for places in found]


def levels_of(event: Event, actions: list[ActionView]) -> list[LevelView]:
    """Return the plan's levels; those that a fork finished before it began are finished."""
    levels = [
        LevelView(index=index, actions=places, settled=sum(actions[place].done for place in places))
        for index, places in enumerate(level_indices(event, len(actions)))
    ]
    for level in levels[: levels_done_before(event, levels, actions)]:
        level.finished_ms = event.ts
        level.finished_seq = event.seq
    return levels


def finished_results(event: Event) -> list[dict[str, Any]]:
    """Return the results that a fork starts with: those of settled actions."""
    results = [mapping(entry) for entry in sequence(event.data.get("results"))]
    return [
        result
        for result in results
        if action_status(result.get("status")) in FINAL and text(result.get("action_id")) == result.get("action_id")
    ]


def levels_done_before(event: Event, levels: list[LevelView], actions: list[ActionView]) -> int:
    """Return how many levels, from the first, a fork had finished before it began; 0 without carried results."""
    if not sequence(event.data.get("results")):
        return 0
    last = integer_or_none(mapping(event.data.get("forked_from")).get("level"))
    done = 0
    for level in levels:
        whole = all(actions[place].done for place in level.actions)
        if not whole or (last is not None and level.index > last):
            break
        done += 1
    return done
