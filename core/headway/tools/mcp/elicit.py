"""The port to whoever answers what an MCP server asks in the middle of a call.

The tools know of no inbox: who has one hands in an :data:`Elicitor`. Without one every question is declined.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from headway.tools.context import ToolContext


@dataclass(frozen=True, slots=True)
class McpQuestion:
    """A question of ``server``.

    ``message`` is its text, ``schema`` the JSON Schema of the answer, ``url`` where it wants the person to go instead.
    ``context`` is that of the call it came in, None where that cannot be told.

    All of it is the server's word: it may lie, and must never be taken for Headway's.
    """

    server: str
    message: str
    schema: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    context: ToolContext | None = None


@dataclass(frozen=True, slots=True)
class McpAnswer:
    """The answer: ``content`` goes with "accept" only."""

    action: Literal["accept", "decline", "cancel"]
    content: dict[str, Any] | None = None


Elicitor = Callable[[McpQuestion], Awaitable[McpAnswer]]
"""Answers a question; whatever it raises declines."""


async def decline(question: McpQuestion) -> McpAnswer:
    """Decline: nobody is there to ask."""
    return McpAnswer("decline")
