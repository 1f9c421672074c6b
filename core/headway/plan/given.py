"""The other door for plans: proposals built in Python, of whose values nobody knows yet whether they are JSON."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from headway.arguments import expect
from headway.errors import InvalidInput, InvalidPlan
from headway.jsonvalue import json_problem
from headway.plan.model import ActionProposal
from headway.plan.parse import MAX_DEPTH, parse_proposal

_NO_STATE: Mapping[str, Any] = MappingProxyType({})


def given_plan(proposal: object) -> ActionProposal:
    """Return ``proposal`` if it is one whose parameters, effects and so on are JSON, nested at most 64 deep.

    Raises :class:`InvalidInput` for another type, :class:`InvalidPlan` for such values.
    """
    if not isinstance(proposal, ActionProposal):
        raise InvalidInput(f"a plan must be an ActionProposal, not {type(proposal).__name__}: parse_proposal makes one")
    values: list[Any] = [proposal.source, proposal.timestamp, proposal.context]
    for action in proposal.actions:
        values.append(action.tool)
        if action.parameters:
            values.append(action.parameters)
        if action.expected_effects or action.metadata:
            values += (action.expected_effects, action.metadata)
        for precondition in action.preconditions:
            values += (precondition.operator, precondition.value, precondition.description)
        for assumption in action.assumptions:
            values += (assumption.expected_value, assumption.read_version)
        if (undo := action.compensation) is not None:
            values += (undo.type, undo.tool, undo.action_id, undo.parameters)
    problem = json_problem(values, MAX_DEPTH)
    if problem is not None:
        raise InvalidPlan(f"the plan is not JSON: {problem}")
    return proposal


def plan_given(proposal: object) -> ActionProposal:
    """Return the proposal that ``proposal`` is, or holds as JSON: see :func:`given_plan` and ``parse_proposal``."""
    return given_plan(proposal) if isinstance(proposal, ActionProposal) else parse_proposal(proposal)  # type: ignore[arg-type] # refused there


def given_state(state: object) -> Mapping[str, Any]:
    """Return a state to look at, empty for None; :class:`InvalidInput` for what is no mapping of texts."""
    if state is None:
        return _NO_STATE
    found: Mapping[str, Any] = expect(state, Mapping, "a state")
    for key in found:
        expect(key, str, "a key of a state")
    return found
