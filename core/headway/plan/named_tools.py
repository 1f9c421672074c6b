"""Tools for ``verify``: a registry, or names and schemas of tools that nobody has to have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headway.arguments import expect, expect_many, plain
from headway.plan.model import ToolSchema

if TYPE_CHECKING:
    from headway.tools.registry import ToolEntry, ToolRegistry


def registry_of(
    tools: ToolRegistry | Iterable[str] | None, schemas: Iterable[ToolSchema] | None = None
) -> ToolRegistry | None:
    """Return the registry that ``tools`` is, or one of tools that are only names and schemas; None for neither."""
    from headway.tools.registry import ToolEntry, ToolRegistry

    if isinstance(tools, ToolRegistry):
        return tools
    if tools is None and schemas is None:
        return None
    registry = ToolRegistry()
    for name in expect_many(tools, "tools") if tools is not None else ():
        schema = ToolSchema(name=plain(name, "a tool's name"))
        registry.register(ToolEntry(schema, call=_never_called, is_async=False))
    for given in expect_many(schemas, "schemas") if schemas is not None else ():
        registry.register(ToolEntry(expect(given, ToolSchema, "a schema"), call=_never_called, is_async=False))
    return registry


def _never_called(**_: Any) -> None:
    raise AssertionError("verify calls no tools")  # pragma: no cover


def is_tool(entry: ToolEntry) -> bool:
    """Return whether the entry is a tool itself: a name or a schema does not tell how its tool is invoked."""
    return entry.call is not _never_called
