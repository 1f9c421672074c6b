"""The tools that a configuration gives, for commands that check without opening a home."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.config import Config
    from headway.home import Home
    from headway.secrets.vault import Vault
    from headway.tools.mcp.report import McpStartup
    from headway.tools.registry import ToolRegistry


def load_tools(config: Config) -> ToolRegistry:
    """Return the agent basics and, of a trusted project, the tools of ``[tools] python``; nobody is asked.

    Raises :class:`headway.errors.InvalidConfig` if a file does not load.
    """
    from headway.config import control_files
    from headway.provision import tools_of
    from headway_console.cli.trusting import trusted_part

    return tools_of(trusted_part(config), control_files(config))


def known_tools(config: Config, registry: ToolRegistry, home: Home) -> list[str]:
    """Add to ``registry`` what ``home`` knows of tools that were left out; return their names.

    They are known by their schemas, and cannot be called.
    """
    from headway.errors import HeadwayError
    from headway.project import project_at, recorded
    from headway.tools.recorded import recorded_tools
    from headway_console.cli.trusting import left_out

    if not left_out(config):
        return []
    try:
        record = recorded(home)
    except HeadwayError:
        return []
    if record is None or record.root != project_at(config.project).root:
        return []
    found = []
    for entry in recorded_tools(home.tools_file):
        if entry.name not in registry:
            with suppress(HeadwayError):  # a record of another version may have what is no schema now
                registry.register(entry)
                found.append(entry.name)
    return found


def load_mcp(config: Config, tools: Iterable[str], registry: ToolRegistry, vault: Vault) -> McpStartup | None:
    """Register what those MCP servers list whose tools are among ``tools``; return what became of their start.

    They are started for it, and ended. None if there are none, or the project is not trusted: nobody is asked.
    """
    from headway.tools.mcp.names import server_of
    from headway_console.cli import loop
    from headway_console.cli.trusting import trusted_part

    started = trusted_part(config).mcp.started
    named = {server for tool in tools if (server := server_of(tool)) is not None}
    chosen = {name: server for name, server in started.items() if name in named}
    if not chosen:
        return None
    return loop.run(
        _listed(config.model_copy(update={"mcp": config.mcp.model_copy(update={"servers": chosen})}), registry, vault)
    )


async def _listed(config: Config, registry: ToolRegistry, vault: Vault) -> McpStartup:
    from headway.config import control_files
    from headway.provision import mcp_of, sandbox_of

    sandbox = sandbox_of(config, control_files(config))
    async with mcp_of(config, registry, sandbox, vault) as servers:
        return await servers.start()
