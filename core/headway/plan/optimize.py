"""``optimize``: the same plan without what says nothing."""

from __future__ import annotations

import msgspec

from headway.plan.graph import Plan, compile_plan
from headway.plan.model import Action, ActionProposal


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


def optimize(proposal: ActionProposal) -> Optimized:
    """Return ``proposal`` without repeated entries and without dependencies that others imply.

    A dependency is implied when another need of the action reaches it through needs alone, whatever the state: then
    its failure would skip the action all the same. ``proposal`` itself is not changed.
    """
    plan = compile_plan(proposal)
    removed: list[Removal] = []
    reached = _reach(plan)
    actions = [_lean(plan, i, reached, removed) for i in range(len(plan.nodes))]
    return Optimized(proposal.model_copy(update={"actions": actions}), removed)


def _reach(plan: Plan) -> list[int]:
    """Return, per action, the set of actions that its needs reach from any state, as bits of an integer."""
    reached = [0] * len(plan.nodes)
    for i in (i for level in plan.levels for i in level):
        bits = 0
        for need in _lasting_needs(plan, i):
            bits |= reached[need] | 1 << need
        reached[i] = bits
    return reached


def _lasting_needs(plan: Plan, index: int) -> list[int]:
    """Return the needs that no state takes away: all but reads bound to a later-listed writer."""
    node = plan.nodes[index]
    stated = {*node.action.dependencies, *(plan.nodes[reference.source].id for reference in node.references)}
    return [need for need in node.needs if need < index or plan.nodes[need].id in stated]


def _lean(plan: Plan, index: int, reached: list[int], removed: list[Removal]) -> Action:
    node = plan.nodes[index]
    action = node.action
    changes: dict[str, list[str]] = {}
    for field in ("dependencies", "state_dependencies", "read_set", "write_set"):
        entries: list[str] = getattr(action, field)
        kept = list(dict.fromkeys(entries))
        if len(kept) < len(entries):
            repeated = sorted({entry for entry in kept if entries.count(entry) > 1})
            removed.extend(Removal(node.id, field, entry, "said twice") for entry in repeated)
            changes[field] = kept
    referred = {plan.nodes[reference.source].id for reference in node.references}
    by_id = {plan.nodes[need].id: need for need in node.needs}
    needs = _lasting_needs(plan, index)
    kept = []
    for name in changes.get("dependencies", action.dependencies):
        need = by_id[name]
        implied = any(reached[other] >> need & 1 for other in needs if other != need)
        if name in referred or implied:
            reason = "a reference to its output says it" if name in referred else "another need implies it"
            removed.append(Removal(node.id, "dependencies", name, reason))
        else:
            kept.append(name)
    if len(kept) < len(action.dependencies):
        changes["dependencies"] = kept
    return action.model_copy(update=changes) if changes else action
