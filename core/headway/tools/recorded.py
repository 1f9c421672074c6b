"""The record of a project's tools in its home: names and schemas, for who checks a plan without loading their code."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from headway.errors import HeadwayError, ToolError
from headway.tools.registry import ToolEntry
from headway.tools.schema import ToolSchema
from headway.trust.ownership import read_owned

VERSION = 1
MAX_BYTES = 16 * 1024 * 1024
"""The largest record that is written or read."""


class _Tool(msgspec.Struct):
    tool: ToolSchema
    permission: str = "allow"
    category: str = "general"
    writes_files: bool = False


class _Record(msgspec.Struct):
    version: int
    tools: list[_Tool]


def record_tools(path: Path, entries: Iterable[ToolEntry]) -> None:
    """Write what is known of ``entries``, whole, if it changed. A record is a help: what cannot be written is left."""
    tools = [_Tool(entry.schema, entry.permission, entry.category, entry.writes_files) for entry in entries]
    data = msgspec.json.encode(_Record(VERSION, tools))
    if len(data) > MAX_BYTES:
        return
    with suppress(OSError):
        if path.exists() and path.read_bytes() == data:
            return
        handle, temporary = tempfile.mkstemp(prefix=".tools-", dir=path.parent)  # with mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)


def recorded_tools(path: Path) -> list[ToolEntry]:
    """Return the tools that were recorded, none of which can be called; nothing where no record can be read."""
    try:
        record = msgspec.json.decode(read_owned(path, MAX_BYTES), type=_Record)
        if record.version != VERSION:
            return []
        return [_entry(tool) for tool in record.tools]
    except (OSError, HeadwayError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _entry(known: _Tool) -> ToolEntry:
    def call(**_: Any) -> Any:
        raise ToolError(f"tool '{known.tool.name}' is known by its schema only")

    return ToolEntry(
        known.tool,
        call,
        is_async=False,
        permission=known.permission,  # type: ignore[arg-type]  # checked there
        category=known.category,
        writes_files=known.writes_files,
    )
