"""``simulate``: run a plan on paper, with the effects it declares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headway.plan.checks import UNKNOWN
from headway.plan.effects import walk
from headway.plan.given import given_plan, given_state
from headway.plan.graph import compile_plan
from headway.plan.model import ActionProposal


class SimulatedAction(msgspec.Struct, omit_defaults=True):
    """What becomes of one action: ``outcome`` is lands or blocked, ``reasons`` say why it is blocked."""

    action_id: str
    level: int
    outcome: str
    reasons: list[str] = []
    effects: dict[str, Any] = {}


class Simulation(msgspec.Struct):
    """A plan run on paper. ``unknown_keys`` will be written by tools with values that the plan does not have."""

    levels: list[list[str]]
    actions: list[SimulatedAction]
    state: dict[str, Any]
    unknown_keys: list[str]

    @property
    def lands(self) -> bool:
        """Whether every action can run."""
        return all(action.outcome == "lands" for action in self.actions)


def simulate(proposal: ActionProposal, state: Mapping[str, Any] | None = None) -> Simulation:
    """Return what ``proposal`` would do to ``state`` (None: empty) if every tool does what its action declares.

    What is blocked, by a test on state or by a blocked action that it needs, changes nothing. The actions are in list
    order. Raises :class:`headway.errors.InvalidPlan` for a plan without a graph.
    """
    now: dict[str, Any] = dict(given_state(state))
    plan = compile_plan(given_plan(proposal), now)
    actions: dict[int, SimulatedAction] = {}
    for step in walk(plan, now.copy()):
        node = step.node
        reasons = step.problems if step.blocked_by is None else [f"needs action '{step.blocked_by}', which is blocked"]
        known = {key: value for key, value in step.effects.items() if value is not UNKNOWN}
        outcome = "lands" if step.lands else "blocked"
        actions[node.index] = SimulatedAction(node.id, node.level, outcome, reasons, known)
        now.update(step.effects)
    levels = [[plan.nodes[i].id for i in level] for level in plan.levels]
    unknown = sorted(key for key, value in now.items() if value is UNKNOWN)
    known_state = {key: value for key, value in now.items() if value is not UNKNOWN}
    return Simulation(levels, [actions[i] for i in sorted(actions)], known_state, unknown)
