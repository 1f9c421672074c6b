"""The port to whoever answers what an MCP server asks in the middle of a call.

By default it is a question of the call itself, as if the tool had asked: see :meth:`ToolContext.ask`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from headway.errors import HeadwayError, one_line
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


async def ask_person(question: McpQuestion) -> McpAnswer:
    """Ask the person whom the call's job asks; decline where nobody is there, or the question cannot be put.

    What is asked for a secret is declined, too: it would be in the log.
    """
    call = question.context
    if call is None:
        return McpAnswer("decline")
    said = f"MCP server '{question.server}' asks: {one_line(question.message)}"
    try:
        if question.url is not None:
            await call.authorize(said, question.url)
            return McpAnswer("accept")
        answer = await call.ask(question.schema or {"type": "object"}, said)
    except HeadwayError:
        return McpAnswer("decline")
    return McpAnswer("accept", answer) if isinstance(answer, dict) else McpAnswer("decline")
