"""The plan as a ``job_created`` event carries it: its actions, its levels, and what a fork brings along."""

from __future__ import annotations

from typing import Any

from headway.events.event import Event
from headway.events.fold.values import action_status, integer_or_none, mapping, sequence, text, text_or_none, texts
from headway.events.views import ActionView, LevelView
from headway.plan.results import FINAL


def actions_of(event: Event) -> list[ActionView]:
    """Return the plan's actions in list order; :func:`levels_of` puts them on their levels."""
    graph = mapping(event.data.get("graph"))
    return [_action(index, mapping(entry)) for index, entry in enumerate(sequence(graph.get("actions")))]


def _action(index: int, data: dict[str, Any]) -> ActionView:
    view = ActionView(
        text(data.get("id")), index, 0, text(data.get("type"), "tool_call"), text_or_none(data.get("tool"))
    )
    if "needs" in data:
        view.needs = texts(data["needs"])
    if "after" in data:
        view.after = texts(data["after"])
    return view


def levels_of(event: Event, actions: list[ActionView]) -> list[LevelView]:
    """Return the plan's levels, and tell its actions theirs."""
    levels = []
    for index, entry in enumerate(sequence(mapping(event.data.get("graph")).get("levels"))):
        found = {integer_or_none(place) for place in sequence(entry)}
        places = sorted(place for place in found if place is not None and 0 <= place < len(actions))
        for place in places:
            actions[place].level = index
        levels.append(LevelView(index=index, actions=places))
    return levels


def finish_levels(event: Event, levels: list[LevelView], actions: list[ActionView]) -> None:
    """Count the actions that a fork begins with as settled, and finish the levels that it finished before it began."""
    for level in levels:
        level.settled = sum(actions[place].done for place in level.actions)
    for level in levels[: levels_done_before(event, levels, actions)]:
        level.finished_ms = event.ts
        level.finished_seq = event.seq


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
