"""An MCP server: notes that are kept as long as it runs, written with the official SDK.

In a ``headway.toml`` beside it::

    [mcp.servers.notes]
    command = "python"
    args = ["notes.py"]

Plans then call ``mcp__notes__add``, ``mcp__notes__find`` and ``mcp__notes__summarise``.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel, Field

server = MCPServer("notes", version="1.0")
notes: list[str] = []


class Summary(BaseModel):
    """What all notes come to."""

    notes: int
    words: int


@server.tool()
def add(text: Annotated[str, Field(min_length=1, max_length=10_000)]) -> int:
    """Keep a note and return its number."""
    notes.append(text)
    return len(notes)


@server.tool()
def find(word: str) -> list[str]:
    """Return the notes that hold a word, in the order in which they came."""
    return [note for note in notes if word in note]


@server.tool()
async def summarise(context: Context) -> Summary:
    """Count notes and words, and tell on the way how far it is."""
    words = 0
    for number, note in enumerate(notes, 1):
        words += len(note.split())
        await context.report_progress(number, len(notes), f"note {number}")
        await asyncio.sleep(0)
    return Summary(notes=len(notes), words=words)


if __name__ == "__main__":
    server.run("stdio")
