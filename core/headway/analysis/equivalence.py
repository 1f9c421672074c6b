"""``equivalent``: whether two plans do the same, whatever their actions are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from headway.analysis.labels import labels_of, links_of, roles_of
from headway.analysis.likeness import alike
from headway.analysis.simulation import walk
from headway.arguments import expect, expect_many
from headway.plan.checks import UNKNOWN, equal
from headway.plan.format import ActionProposal
from headway.plan.graph import Graph, compile_plan, reads, writes
from headway.plan.parse import PlanLike, as_proposal, as_state


class Equivalence(msgspec.Struct):
    """The answer; ``differences`` holds one line each, and is empty when the plans are equivalent."""

    equivalent: bool
    differences: list[str]


def equivalent(a: PlanLike, b: PlanLike, states: Iterable[Mapping[str, Any]] | None = None) -> Equivalence:
    """Compare what two plans do on paper from each of ``states``.

    Equivalent are plans that run the same actions (type, tool, parameters, compensation, what they need and refer to)
    in the same levels, and leave the same state, from each state; ids play no part. Without ``states``: the empty
    one, and one where every key that either plan reads or writes is 1. Of many actions that do the same it may be too
    long to tell which serves whom: then the answer is no, and the difference that they cannot be told apart.
    """
    a, b = as_proposal(a), as_proposal(b)
    samples = _samples(states) if states is not None else [{}, dict.fromkeys(_keys(a, b), 1)]
    differences: list[str] = []
    for number, state in enumerate(samples):
        where = f"from state {number}"
        one, other = _Run(a, state), _Run(b, state)
        found = _differing(one, other, one.labels, other.labels, "in one plan only")
        if not found and not one.told_apart(one.labels):
            found = _serving(one, other)
        differences += [f"{where}{text}" for text in found]
        differences += [f"{where}: key '{key}' ends differently" for key in _unequal(one.end, other.end)]
    return Equivalence(not differences, differences)


def _samples(states: object) -> list[Mapping[str, Any]]:
    return [as_state(expect(state, Mapping, "a state")) for state in expect_many(states, "states")]


def _keys(*proposals: ActionProposal) -> list[str]:
    keys: dict[str, None] = {}
    for proposal in proposals:
        for action in proposal.actions:
            keys.update(dict.fromkeys((*reads(action), *writes(action))))
    return list(keys)


class _Run:
    """A plan on paper, from one state: its labels, which actions are blocked, and the state it leaves."""

    def __init__(self, proposal: ActionProposal, state: Mapping[str, Any]) -> None:
        self.plan: Graph = compile_plan(proposal, state)
        self.labels = labels_of(self.plan)
        self.blocked: set[int] = set()
        self.end = dict(state)
        for step in walk(self.plan, state):
            self.end.update(step.effects)
            if not step.lands:
                self.blocked.add(step.node.index)

    def told_apart(self, labels: Sequence[str]) -> bool:
        """Return whether each action has a label of its own that tells all; compensations are told too roughly."""
        return len({*labels}) == len(labels) and not any(node.action.compensation for node in self.plan.nodes)

    def places(self, labels: Sequence[str]) -> list[tuple[str, int, bool]]:
        """Return, per action, its label, its level and whether it is blocked."""
        return [(labels[node.index], node.level, node.index in self.blocked) for node in self.plan.nodes]

    def levels(self, labels: Sequence[str]) -> list[Counter[str]]:
        """Return how often each level has each label."""
        return [
            Counter(labels[i] + (" (blocked)" if i in self.blocked else "") for i in level)
            for level in self.plan.levels
        ]


def _serving(one: _Run, other: _Run) -> list[str]:
    """Return in which lines actions that do the same serve others, in two plans with the same labels."""
    roles, others = roles_of(one.plan, one.labels), roles_of(other.plan, other.labels)
    found = _differing(one, other, roles, others, "serve others in one plan")
    if found or one.told_apart(roles):
        return found
    places = one.places(roles), other.places(others)
    answer = alike(places, (links_of(one.plan), links_of(other.plan)))
    if answer:
        return []
    return [": actions that do the same serve others" if answer is False else ": the actions cannot be told apart"]


def _differing(one: _Run, other: _Run, labels: Sequence[str], others: Sequence[str], text: str) -> list[str]:
    """Return a line for each label that a level of one has more often than the other's."""
    return [
        f", level {number}: {label} x{count} {text}"
        for number, (a, b) in enumerate(_aligned(one.levels(labels), other.levels(others)))
        for label, count in sorted(((a - b) + (b - a)).items())
    ]


def _aligned(a: list[Counter[str]], b: list[Counter[str]]) -> Iterable[tuple[Counter[str], Counter[str]]]:
    for i in range(max(len(a), len(b))):
        yield (a[i] if i < len(a) else Counter()), (b[i] if i < len(b) else Counter())


def _unequal(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [
        key
        for key in sorted(a.keys() | b.keys())
        if key not in a
        or key not in b
        or (a[key] is UNKNOWN) != (b[key] is UNKNOWN)
        or (a[key] is not UNKNOWN and not equal(a[key], b[key]))
    ]
