"""The tools that a remote agent reaches."""

from __future__ import annotations

from collections.abc import Iterator

from headway.plan.format import ActionProposal, ActionType
from headway.plan.verify import Issue
from headway_bridge.a2a.engine import Tool, Tools


class Reach:
    """The tools that A2A callers may use: those that ``[a2a] tools`` names, or, where it names none, all registered
    tools that need no permission and do not write files.
    """

    def __init__(self, registry: Tools, named: list[str] | None) -> None:
        self._registry = registry
        self._named = None if named is None else frozenset(named)

    def tools(self) -> list[Tool]:
        """Return the reachable tools, by name."""
        found = [entry for entry in self._registry.entries() if self._open(entry)]
        return sorted(found, key=lambda entry: entry.schema.name)

    def refusals(self, proposal: ActionProposal) -> list[Issue]:
        """Return a finding for each action that names a tool which exists but is not open to remote agents."""
        issues = []
        for action_id, name in _named_tools(proposal):
            entry = self._registry.get(name)
            if entry is not None and not self._open(entry):
                text = f"tool '{name}' is not open to remote agents (see tools under [a2a] in headway.toml)"
                issues.append(Issue(text, action_id=action_id, check="a2a_tools"))
        return issues

    def _open(self, entry: Tool) -> bool:
        if self._named is not None:
            return entry.schema.name in self._named
        return entry.permission == "allow" and not entry.writes_files


def _named_tools(proposal: ActionProposal) -> Iterator[tuple[str, str]]:
    for action in proposal.actions:
        if action.type is ActionType.TOOL_CALL and action.tool:
            yield action.id, action.tool
        if action.compensation is not None and action.compensation.tool:
            yield action.id, action.compensation.tool
