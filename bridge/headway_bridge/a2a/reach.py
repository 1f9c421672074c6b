"""The tools and workflows that a remote agent reaches."""

from __future__ import annotations

from headway.config import Config
from headway_bridge.a2a.engine import Tool, Tools


class Reach:
    """The reach of A2A callers: the tools that ``[a2a] tools`` names, for plans of their own, and the workflows that
    ``[a2a] workflows`` names, with whatever tools those use. What neither names might as well not exist.
    """

    def __init__(self, registry: Tools, config: Config) -> None:
        self._registry = registry
        self.tool_names = frozenset(config.a2a.tools)
        self.workflows = {name: config.workflows[name] for name in sorted(config.a2a.workflows)}

    def tools(self) -> list[Tool]:
        """Return the reachable tools that there are, by name."""
        found = [entry for entry in self._registry.entries() if entry.schema.name in self.tool_names]
        return sorted(found, key=lambda entry: entry.schema.name)

    def missing(self) -> list[str]:
        """Return the tools that are named and that there are not."""
        return sorted(name for name in self.tool_names if self._registry.get(name) is None)
