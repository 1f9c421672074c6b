"""``simulate``: run a plan on paper, with the effects it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headway.plan.checks import UNKNOWN, check_assertion, check_state, declared_effects
from headway.plan.format import ActionType, FailureBehavior
from headway.plan.graph import Graph, Node, compile_plan
from headway.plan.parse import PlanLike, as_proposal, as_state

_ASSERTION = ActionType.ASSERTION


class SimulatedAction(msgspec.Struct, omit_defaults=True):
    """The fate of one action; ``reasons`` say why.

    ``outcome`` is lands; blocked, by a test on state or by a blocked action that it needs; or aborted: another action
    aborts the run, and this one does not start or is rolled back. ``effects`` are those that stay.
    """

    action_id: str
    level: int
    outcome: str
    reasons: list[str] = []
    effects: dict[str, Any] = {}


class Simulation(msgspec.Struct):
    """A plan run on paper.

    ``unknown_keys`` will be written by tools with values that the plan does not have. ``aborts_at`` is the action whose
    unmet test aborts the run, None if none does; with one, ``state`` is what it was before.
    """

    levels: list[list[str]]
    actions: list[SimulatedAction]
    state: dict[str, Any]
    unknown_keys: list[str]
    aborts_at: str | None = None

    @property
    def lands(self) -> bool:
        """Return whether every action can run."""
        return all(action.outcome == "lands" for action in self.actions)


def simulate(proposal: PlanLike, state: Mapping[str, Any] | None = None) -> Simulation:
    """Return what ``proposal`` would do to ``state`` (None: empty) if every tool does what its action declares.

    What is blocked changes nothing. As in a run, an action whose own test fails aborts the whole unless its
    ``failure_behavior`` is skip: then nothing stays. The actions are in list order. Raises
    :class:`headway.errors.InvalidPlan` for a plan without a graph.
    """
    start: dict[str, Any] = dict(as_state(state))
    plan = compile_plan(as_proposal(proposal), start)
    steps = list(walk(plan, start))
    aborting = next((step.node for step in steps if step.aborts), None)
    now = start.copy()
    if aborting is None:
        for step in steps:
            now.update(step.effects)
    return Simulation(
        levels=[[plan.nodes[i].id for i in level] for level in plan.levels],
        actions=[_outcome(step, aborting) for step in sorted(steps, key=lambda step: step.node.index)],
        state={key: value for key, value in now.items() if value is not UNKNOWN},
        unknown_keys=sorted(key for key, value in now.items() if value is UNKNOWN),
        aborts_at=aborting.id if aborting is not None else None,
    )


def _outcome(step: Step, aborting: Node | None) -> SimulatedAction:
    node = step.node
    if aborting is not None and (step.lands or node.level > aborting.level):
        return SimulatedAction(node.id, node.level, "aborted", [f"action '{aborting.id}' aborts the run"])
    if step.lands:
        known = {key: value for key, value in step.effects.items() if value is not UNKNOWN}
        return SimulatedAction(node.id, node.level, "lands", effects=known)
    needed = step.blocked_by
    reasons = step.problems if needed is None else [f"needs action '{needed}', which is blocked"]
    return SimulatedAction(node.id, node.level, "blocked", reasons)


def _problems(node: Node, state: Mapping[str, Any]) -> list[str]:
    """Return the tests on state that fail when the action is to run; an assertion is made once the others hold."""
    problems = check_state(node, state)
    if not problems and node.type is _ASSERTION and (text := check_assertion(node, state)):
        problems.append(text)
    return problems


class Step:
    """One action of a walk: ``problems`` are the tests on state that fail before it, ``effects`` what it lands."""

    __slots__ = ("blocked_by", "effects", "node", "problems")

    def __init__(self, node: Node, problems: list[str], blocked_by: str | None, effects: dict[str, Any]) -> None:
        self.node = node
        self.problems = problems
        self.blocked_by = blocked_by
        self.effects = effects

    @property
    def lands(self) -> bool:
        """Return whether nothing keeps the action from running."""
        return not self.problems and self.blocked_by is None

    @property
    def aborts(self) -> bool:
        """Return whether the run ends here: a test fails before an action that is not to be skipped then."""
        return bool(self.problems) and self.node.action.failure_behavior is not FailureBehavior.SKIP


def walk(plan: Graph, state: Mapping[str, Any]) -> Iterator[Step]:
    """Yield a step per action, in order of execution, past aborts too; ``state`` is what the first level sees.

    An action that is blocked lands nothing, and blocks those that need it: by id, by reference or as their writer.
    """
    now = dict(state)
    blocked: set[int] = set()
    for level in plan.levels:
        changes: dict[str, Any] = {}
        for i in level:
            node = plan.nodes[i]
            blocker = next((plan.nodes[n].id for n in node.needs if n in blocked), None)
            problems = _problems(node, now) if blocker is None else []
            step = Step(node, problems, blocker, {})
            if step.lands:
                step.effects = declared_effects(node)
                changes.update(step.effects)
            else:
                blocked.add(i)
            yield step
        now.update(changes)
