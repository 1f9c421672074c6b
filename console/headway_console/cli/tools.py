"""The tools that a configuration gives, for commands that check without opening a home."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.config import Config
    from headway.tools.registry import ToolRegistry


def load_tools(config: Config) -> ToolRegistry:
    """Return the agent basics and, of a trusted project, the tools of ``[tools] python``; nobody is asked.

    Raises :class:`headway.errors.InvalidConfig` if a file does not load.
    """
    from headway.config import control_files
    from headway.provision import tools_of
    from headway_console.cli.trusting import trusted_part

    return tools_of(trusted_part(config), control_files(config))
