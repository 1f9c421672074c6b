"""Names that tools of MCP servers have here: ``mcp__server__tool``."""

from __future__ import annotations

import re

from headway.errors import one_line

PREFIX = "mcp__"
LONGEST = 256

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")


def tool_name(server: str, tool: str) -> str:
    """Return the name under which plans call ``tool`` of ``server``; what no tool's name should have becomes ``_``."""
    return f"{PREFIX}{server}__{_STRANGE.sub('_', tool)}"


def server_of(name: str) -> str | None:
    """Return the server that a tool's name belongs to; None for a tool that is not an MCP server's."""
    if not name.startswith(PREFIX):
        return None
    server, separator, tool = name.removeprefix(PREFIX).partition("__")
    return server if separator and server and tool else None


def problem_of(server: str, tool: str, taken: dict[str, str]) -> str | None:
    """Return why ``tool`` cannot be listed, in one line; None if it can.

    ``taken`` has the tools of the server that are listed, by the names that plans call.
    """
    shown = one_line(tool, 80)
    if not tool:
        return "a tool without a name was left out"
    name = tool_name(server, tool)
    if len(name) > LONGEST:
        return f"tool '{shown}' was left out: its name is too long"
    if name in taken:
        other = taken[name]
        why = "it is listed twice" if other == tool else f"it would have the name of '{one_line(other, 80)}'"
        return f"tool '{shown}' was left out: {why}"
    return None
