"""``equivalent``: whether two plans do the same, whatever their actions are called."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from headway.plan.checks import UNKNOWN, equal
from headway.plan.effects import walk
from headway.plan.graph import Plan, compile_plan, reads, writes
from headway.plan.model import ActionProposal

_NAMES_ONLY = {"id", "dependencies", "metadata", "state_dependencies", "read_set", "write_set"}


class Equivalence(msgspec.Struct):
    """The answer; ``differences`` holds one line each, and is empty when the plans are equivalent."""

    equivalent: bool
    differences: list[str]


def equivalent(a: ActionProposal, b: ActionProposal, states: Iterable[Mapping[str, Any]] | None = None) -> Equivalence:
    """Compare what two plans do on paper from each of ``states``.

    Equivalent are plans that run the same actions (type, tool, parameters, what they refer to) in the same levels,
    and leave the same state, from each state. Without ``states``: the empty one, and one where every key that either
    plan reads or writes is 1.
    """
    samples = list(states) if states is not None else [{}, dict.fromkeys(_keys(a, b), 1)]
    differences: list[str] = []
    for number, state in enumerate(samples):
        where = f"from state {number}"
        left, right = _run(a, state), _run(b, state)
        for level, (one, other) in enumerate(_aligned(left[0], right[0])):
            for label, count in sorted(((one - other) + (other - one)).items()):
                differences.append(f"{where}, level {level}: {label} x{count} in one plan only")
        differences.extend(f"{where}: key '{key}' ends differently" for key in _unequal(left[1], right[1]))
    return Equivalence(not differences, differences)


def _keys(*proposals: ActionProposal) -> list[str]:
    keys: dict[str, None] = {}
    for proposal in proposals:
        for action in proposal.actions:
            keys.update(dict.fromkeys((*reads(action), *writes(action))))
    return list(keys)


def _run(proposal: ActionProposal, state: Mapping[str, Any]) -> tuple[list[Counter[str]], dict[str, Any]]:
    plan = compile_plan(proposal, state)
    labels = _labels(plan)
    levels: list[Counter[str]] = [Counter() for _ in plan.levels]
    now = dict(state)
    for step in walk(plan, state):
        node = step.node
        levels[node.level][labels[node.index] + ("" if step.lands else " (blocked)")] += 1
        now.update(step.effects)
    return levels, now


def _labels(plan: Plan) -> list[str]:
    """Return a name per action that says what it does: its ids and those it refers to play no part."""
    labels = [""] * len(plan.nodes)
    for i in (i for level in plan.levels for i in level):
        node = plan.nodes[i]
        action = node.action.model_dump(mode="json", exclude=_NAMES_ONLY, exclude_defaults=True)
        action["reads"] = sorted({*reads(node.action)})
        action["writes"] = sorted({*writes(node.action)})
        action["references"] = sorted([list(r.where), labels[r.source], list(r.path)] for r in node.references)
        for reference in node.references:
            _blank(action["parameters"], reference.where)
        digest = hashlib.sha256(msgspec.json.encode(action, order="sorted")).hexdigest()[:8]
        labels[i] = f"{node.tool or node.type.value}#{digest}"
    return labels


def _blank(parameters: dict[str, Any], where: tuple[str | int, ...]) -> None:
    place: Any = parameters
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = "$"


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
