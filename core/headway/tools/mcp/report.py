"""Reports on MCP servers: what became of their start, and how each is now."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

McpStatus = Literal["starting", "ready", "failed", "cancelled", "lost"]
"""The condition of a server. "cancelled": it is switched off, or was closed while it started. "lost": it was ready, and
its connection is being made anew."""


class McpServerStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """One server now.

    ``tools`` are the names that plans call, ``problems`` what it lists and cannot be used, a line each. ``server`` and
    ``version`` are what it says of itself, ``protocol`` the version that is spoken, ``error`` why it is not ready.
    """

    name: str
    status: McpStatus
    tools: list[str] = []
    problems: list[str] = []
    error: str = ""
    server: str = ""
    version: str = ""
    protocol: str = ""


class McpFailure(msgspec.Struct, frozen=True):
    """A server that did not start, and why, in one line."""

    server_name: str
    error: str


class McpStartup(msgspec.Struct, frozen=True):
    """The end of a start: each configured server is in exactly one of the lists, sorted by name."""

    ready: list[str]
    failed: list[McpFailure]
    cancelled: list[str]

    def data(self) -> dict[str, Any]:
        """Return it as the data of its event."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
