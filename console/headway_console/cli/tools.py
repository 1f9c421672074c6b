"""The tools that a configuration gives, for commands that check without opening a home."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.config import Config
    from headway.tools.registry import ToolRegistry


def load_tools(config: Config) -> ToolRegistry:
    """Return the agent basics and the tools of ``[tools] python``; :class:`InvalidConfig` if a file does not load."""
    from headway.tools.basics import register_agent_basics
    from headway.tools.files.workspace import Workspace
    from headway.tools.loader import load_tool_files
    from headway.tools.registry import ToolRegistry

    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(config.workspace))
    load_tool_files(config.tools.python, registry)
    return registry
