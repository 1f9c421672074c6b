"""Secrets in a plan: references where none may stand, names that nobody may have here, values in clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from headway.plan.format import ActionType
from headway.secrets.marks import elsewhere, shown, stray_places
from headway.secrets.names import secret_texts
from headway.secrets.redactor import encoded_text
from headway.secrets.reference import SCHEME

if TYPE_CHECKING:
    from headway.plan.format import Action, ActionProposal
    from headway.plan.graph import Graph, Node
    from headway.secrets.vault import Vault
    from headway.tools.registry import ToolEntry, ToolRegistry

_TOOL_CALL = ActionType.TOOL_CALL
_HINT = SCHEME.encode()

Finding = tuple[str | None, str]
"""The id of the action, None for the plan as a whole, and the line."""

Given = tuple[str, "ToolEntry | None", dict[str, Any]]
"""The prefix of a place, the tool that takes what stands there, and the parameters."""


def secret_findings(
    plan: Graph, registry: ToolRegistry | None, vault: Vault | None = None, *, remote: bool = False
) -> Iterator[Finding]:
    """Yield what admission refuses about the secrets of a plan.

    References stand in marked parameters only; ``vault``, where there is one, has each name for its tool and, for a
    ``remote`` caller, for those; and no value that it knows stands in the plan.
    """
    encoded = encoded_text(plan.proposal)
    if vault is not None:
        for name in _values_in(vault, plan.proposal, encoded):
            if remote:  # who is not told which names there are
                yield None, "the plan holds the value of a secret: leave it out"
                break
            yield None, f"the plan holds the value of secret '{name}': write {SCHEME}{name} in a marked parameter"
    if _HINT not in encoded:
        if registry is not None and any(entry.marks is not None for entry in registry.entries()):
            for node in plan.nodes:
                yield from ((node.id, text) for text in _unvalidated(node, registry))
        return
    for node in plan.nodes:
        for text in _misplaced(node, registry):
            yield node.id, text
        for _, entry, parameters in _given(node, registry):
            if vault is None or entry is None or entry.marks is None:
                continue
            for _, name in entry.marks.names(parameters):
                problem = vault.problem(name, entry.name, remote=remote)
                if problem is not None:
                    yield node.id, problem


def _values_in(vault: Vault, proposal: ActionProposal, encoded: bytes) -> list[str]:
    redactor = vault.redactor
    if not redactor.active or not redactor.finds(encoded):
        return []
    return redactor.names_in(msgspec.to_builtins(proposal))


def _unvalidated(node: Node, registry: ToolRegistry) -> Iterator[str]:
    """Yield what is wrong with marked parameters of calls whose other parameters are known only when they run."""
    entry = registry.get(node.tool) if node.type is _TOOL_CALL and node.tool and node.references else None
    if entry is not None and entry.marks is not None:
        yield from entry.marks.problems(entry.name, node.action.parameters)


def _misplaced(node: Node, registry: ToolRegistry | None) -> Iterator[str]:
    action = node.action
    if registry is not None:
        yield from _unvalidated(node, registry)
    for prefix, entry, parameters in _given(node, registry):
        # A marked tool has been asked about its own parameters; one that is not known may mark any of them.
        if entry is None or entry.marks is None:
            yield from (elsewhere(f"{prefix}{shown(place)}") for place in stray_places(parameters))
    for name in ("expected_effects", "metadata"):
        yield from (elsewhere(f"{name}.{shown(place)}") for place in stray_places(getattr(action, name)))
    held = [value for test in action.preconditions for value in (test.value,)]
    held += [assumption.expected_value for assumption in action.assumptions]
    if any(True for _ in stray_places(held)):
        yield elsewhere("preconditions")


def _given(node: Node, registry: ToolRegistry | None) -> Iterator[Given]:
    """Yield the parameters of an action and of its compensation; those of unknown tools are left out."""
    action = node.action
    if node.type is not _TOOL_CALL:
        yield "", None, action.parameters
    elif (entry := _tool(action.tool, registry)) is not None:
        yield "", entry, action.parameters
    undo = action.compensation
    if undo is not None and (entry := _tool(undo.tool, registry)) is not None:
        yield "compensation.", entry, undo.parameters


def _tool(name: str | None, registry: ToolRegistry | None) -> ToolEntry | None:
    return registry.get(name) if registry is not None and name else None


def literals(proposal: ActionProposal) -> Iterator[tuple[str, str]]:
    """Yield (action id, text) for places where a secret seems to stand in clear, for ``verify`` to warn of."""
    for action in proposal.actions:
        for place in _literals(action):
            yield action.id, f"{place} looks like a secret in clear: have its tool mark it, and write {SCHEME}NAME"


def _literals(action: Action) -> Iterator[str]:
    yield from secret_texts(action.parameters)
    if action.compensation is not None:
        yield from secret_texts(action.compensation.parameters, "compensation")
    for name in ("expected_effects", "metadata"):
        yield from secret_texts(getattr(action, name), name)
