"""``simulate_monte_carlo``: how likely a plan lands when tools fail now and then."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec

from headway.analysis.simulation import walk
from headway.arguments import expect
from headway.errors import InvalidInput
from headway.numbers import number_between, whole_number
from headway.plan.format import ActionType, FailureBehavior
from headway.plan.graph import Graph, compile_plan
from headway.plan.parse import PlanLike, as_proposal, as_state

MAX_TRIALS = 1_000_000


class MonteCarlo(msgspec.Struct):
    """The outcome of many runs on paper. Probabilities are shares of the trials.

    ``p_action`` is how likely each action's effects land and stay; ``blast_radius`` how many actions are lost on
    average, itself included, when this one fails.
    """

    trials: int
    seed: int
    p_all_effects_landed: float
    p_completed: float
    p_action: dict[str, float]
    blast_radius: dict[str, float]


def simulate_monte_carlo(
    proposal: PlanLike,
    state: Mapping[str, Any] | None = None,
    *,
    trials: int = 1000,
    seed: int = 0,
    success_rates: Mapping[str, float] | None = None,
    default_rate: float = 0.95,
) -> MonteCarlo:
    """Run ``proposal`` on paper ``trials`` times; the same seed gives the same answer.

    ``success_rates`` gives the chance that one attempt of a tool succeeds, by action id or by tool; ``default_rate``
    stands for the rest. Retries, skips, aborts and roll-backs follow the executor's rules. State actions never fail by
    chance; what :func:`headway.analysis.simulate` finds blocked never lands.
    """
    whole_number(trials, "trials", 1)
    if trials > MAX_TRIALS:
        raise InvalidInput(f"trials must be at most {MAX_TRIALS:,}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InvalidInput("seed must be a whole number")
    start = dict(as_state(state))
    rates = expect({} if success_rates is None else success_rates, Mapping, "success_rates")
    number_between(default_rate, "default_rate", 0, 1)
    plan = compile_plan(as_proposal(proposal), start)
    lands = {step.node.index: step.lands for step in walk(plan, start)}
    chances = [_chance(plan, i, rates, default_rate) if lands[i] else 0.0 for i in range(len(plan.nodes))]
    draw = random.Random(seed).random  # noqa: S311 - a simulation, not a secret
    landed = [0] * len(chances)
    failed = [0] * len(chances)
    lost = [0] * len(chances)
    all_landed = completed = 0
    for _ in range(trials):
        stays, causes, ended_well = _trial(plan, chances, draw)
        count = len(stays)
        for i in stays:
            landed[i] += 1
        for i in causes:
            failed[i] += 1
            lost[i] += len(chances) - count
        all_landed += count == len(chances)
        completed += ended_well
    names = [node.id for node in plan.nodes]
    return MonteCarlo(
        trials=trials,
        seed=seed,
        p_all_effects_landed=all_landed / trials,
        p_completed=completed / trials,
        p_action={name: landed[i] / trials for i, name in enumerate(names)},
        blast_radius={name: lost[i] / failed[i] if failed[i] else 0.0 for i, name in enumerate(names)},
    )


def _chance(plan: Graph, index: int, rates: Mapping[str, float], default: float) -> float:
    """Return how likely the action succeeds within its attempts."""
    node = plan.nodes[index]
    if node.type is not ActionType.TOOL_CALL:
        return 1.0
    given = rates.get(node.id, rates.get(node.tool or "", default))
    rate = number_between(given, f"the success rate of action '{node.id}'", 0, 1)
    retries = node.action.max_retries if node.action.failure_behavior is FailureBehavior.RETRY else 0
    return 1.0 - (1.0 - rate) ** (retries + 1)


def _trial(plan: Graph, chances: list[float], draw: Any) -> tuple[set[int], list[int], bool]:
    """Return (actions whose effects stay, actions that failed themselves, whether the run completed)."""
    stays: set[int] = set()
    causes: list[int] = []
    for level in plan.levels:
        aborts = False
        for i in level:
            node = plan.nodes[i]
            if any(n not in stays for n in node.needs):
                continue
            if draw() < chances[i]:
                stays.add(i)
            else:
                causes.append(i)
                aborts = aborts or node.action.failure_behavior is not FailureBehavior.SKIP
        if aborts:
            return set(), causes, False
    return stays, causes, True
