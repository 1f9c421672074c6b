"""Labels: what an action does, in a text that does not tell what it or others are called."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from headway.plan.format import Compensation
from headway.plan.graph import Graph, Node, closest_needs, reads, writes
from headway.plan.references import find_references

_NAMES_ONLY = {"id", "dependencies", "metadata", "state_dependencies", "read_set", "write_set"}
_SHOWN = 16  # hexadecimal digits

_Where = tuple[str | int, ...]
_Link = tuple[_Where, int, tuple[str, ...]]


def labels_of(plan: Graph) -> list[str]:
    """Return a label per action: equal for actions that do the same with what the same actions made.

    What an action needs counts by its label, unless another need of it implies that one; so do the actions that its
    compensation refers to.
    """
    needs = closest_needs(plan)
    index = {node.id: node.index for node in plan.nodes}
    links = {node.index: _links(node.action.compensation, index) for node in plan.nodes if node.action.compensation}
    labels = [""] * len(plan.nodes)
    for i in (i for level in plan.levels for i in level):
        node = plan.nodes[i]
        content = _content(node, links.get(i, []))
        content["needs"] = sorted(labels[need] for need in needs[i])
        content["references"] = sorted([list(r.where), labels[r.source], list(r.path)] for r in node.references)
        labels[i] = _label(node, content)
    whole = labels.copy()
    for i, linked in links.items():
        if linked:  # only now: a compensation may refer to its own action, or to one that runs later
            told = [[list(where), "" if other == i else labels[other], list(path)] for where, other, path in linked]
            whole[i] = _label(plan.nodes[i], [labels[i], sorted(told)])
    return whole


def roles_of(plan: Graph, labels: Sequence[str]) -> list[str]:
    """Return a label per action that also tells who uses it: it keeps apart actions that do the same for others."""
    users: list[list[Any]] = [[] for _ in plan.nodes]
    index = {node.id: node.index for node in plan.nodes}
    for node in plan.nodes:
        if node.action.compensation is not None:
            for where, other, path in _links(node.action.compensation, index):
                users[other].append([labels[node.index], "undo", list(where), list(path)])
    roles = list(labels)
    needs = closest_needs(plan)
    for i in (i for level in reversed(plan.levels) for i in level):
        node = plan.nodes[i]
        if users[i]:
            roles[i] = _label(node, [labels[i], sorted(users[i])])
        for need in needs[i]:
            users[need].append([roles[i], "", [], []])
        for reference in node.references:
            users[reference.source].append([roles[i], "of", list(reference.where), list(reference.path)])
    return roles


def links_of(plan: Graph) -> list[list[tuple[str, int]]]:
    """Return, per action, what it uses of which others: it needs them, refers to their output, or undoes by them."""
    needs = closest_needs(plan)
    index = {node.id: node.index for node in plan.nodes}
    links: list[list[tuple[str, int]]] = []
    for node in plan.nodes:
        found = [("need", need) for need in needs[node.index]]
        found += [(_kind("of", r.where, r.path), r.source) for r in node.references]
        undone = _links(node.action.compensation, index)
        found += [(_kind("undo", where, path), other) for where, other, path in undone]
        links.append(found)
    return links


def _kind(*parts: Any) -> str:
    return msgspec.json.encode(parts).decode()


def _content(node: Node, links: list[_Link]) -> dict[str, Any]:
    """Return what the action does, everything blank that names another action."""
    content: dict[str, Any] = {name: value for name, value in node.action.to_dict().items() if name not in _NAMES_ONLY}
    content["reads"] = sorted({*reads(node.action)})
    content["required"] = sorted({*node.reads})  # of what it reads, the keys that must be there
    content["writes"] = sorted({*writes(node.action)})
    for reference in node.references:
        _blank(content["parameters"], reference.where)
    compensation = content.get("compensation", {})
    if compensation.get("type") == "action_ref":
        compensation.pop("parameters", None)
    else:
        compensation.pop("action_id", None)
    for where, _, _ in links:
        _blank(compensation, where)
    return content


def _links(compensation: Compensation | None, index: dict[str, int]) -> list[_Link]:
    """Return the actions that a compensation refers to, each with the place in it and the path into the output."""
    if compensation is None:
        return []
    if compensation.type == "action_ref":
        other = index.get(compensation.action_id or "")
        return [(("action_id",), other, ())] if other is not None else []
    try:
        references, _ = find_references(compensation.parameters, index)
    except KeyError:  # verify refuses it
        return []
    return [(("parameters", *reference.where), reference.source, reference.path) for reference in references]


def _blank(place: Any, where: _Where) -> None:
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = "$"


def _label(node: Node, content: Any) -> str:
    digest = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
    return f"{node.tool or node.type.value}#{digest[:_SHOWN]}"
