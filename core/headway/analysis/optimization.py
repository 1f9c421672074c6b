"""``optimize``: the same plan without what says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from headway.plan.format import Action, ActionProposal
from headway.plan.graph import Graph, Node, compile_plan, indirect
from headway.plan.parse import PlanLike, as_proposal, as_state


class Removal(msgspec.Struct):
    """One thing left out: ``what`` of ``field`` of an action, and why."""

    action_id: str
    field: str
    what: str
    reason: str


class Optimized(msgspec.Struct):
    """The leaner plan; it runs in the same levels and does the same."""

    proposal: ActionProposal
    removed: list[Removal]


def optimize(proposal: PlanLike, state: Mapping[str, Any] | None = None) -> Optimized:
    """Return ``proposal`` without repeated entries and without dependencies that others imply.

    A dependency is implied when another need of the action reaches it through needs alone, whatever the state: then
    its failure would skip the action all the same. ``state`` (None: empty) is what the plan is to run on; some plans
    have a cycle without it. ``proposal`` itself is not changed.
    """
    proposal = as_proposal(proposal)
    plan = compile_plan(proposal, as_state(state))
    lasting = [_lasting_needs(plan, node) for node in plan.nodes]
    named = {node.id: node.index for node in plan.nodes}
    implied = indirect(plan, _named_pairs(plan, named), lasting)
    removed: list[Removal] = []
    actions = [
        _lean(node, {name for name in node.action.dependencies if (node.index, named[name]) in implied}, plan, removed)
        for node in plan.nodes
    ]
    return Optimized(proposal.replace(actions=actions), removed)


def _lasting_needs(plan: Graph, node: Node) -> Sequence[int]:
    """Return the needs that no state takes away: all but reads bound to a later-listed writer."""
    if not node.needs or node.needs[-1] < node.index:
        return node.needs
    stated = {*node.action.dependencies, *(plan.nodes[reference.source].id for reference in node.references)}
    return [need for need in node.needs if need < node.index or plan.nodes[need].id in stated]


def _named_pairs(plan: Graph, named: dict[str, int]) -> Iterator[tuple[int, int]]:
    for node in plan.nodes:
        if len(node.needs) > 1:  # one alone is implied by none
            for name in node.action.dependencies:
                yield node.index, named[name]


def _lean(node: Node, implied: set[str], plan: Graph, removed: list[Removal]) -> Action:
    action = node.action
    changes: dict[str, list[str]] = {}
    for field in ("dependencies", "state_dependencies", "read_set", "write_set"):
        entries: tuple[str, ...] = getattr(action, field)
        times = Counter(entries)
        if len(times) < len(entries):
            repeated = sorted(entry for entry, count in times.items() if count > 1)
            removed.extend(Removal(node.id, field, entry, "said twice") for entry in repeated)
            changes[field] = list(times)
    referred = {plan.nodes[reference.source].id for reference in node.references}
    kept = []
    for name in changes.get("dependencies", action.dependencies):
        if name in referred or name in implied:
            reason = "a reference to its output says it" if name in referred else "another need implies it"
            removed.append(Removal(node.id, "dependencies", name, reason))
        else:
            kept.append(name)
    if len(kept) < len(action.dependencies):
        changes["dependencies"] = kept
    return action.replace(**changes) if changes else action
