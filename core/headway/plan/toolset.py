"""Tools for ``verify``: a registry, or names and schemas of tools that nobody has to have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headway.arguments import expect, expect_many, plain
from headway.tools.schema import ToolSchema

if TYPE_CHECKING:
    from headway.tools.registry import ToolEntry, ToolRegistry


def registry_of(
    tools: ToolRegistry | Iterable[str] | None, schemas: Iterable[ToolSchema] | None = None
) -> ToolRegistry | None:
    """Return a registry of ``tools``, which are one themselves or only names, with ``schemas``; None for neither.

    A schema replaces the parameters of the tool of its name, or adds that name. A registry that is given is not
    changed: with schemas, a copy is returned.
    """
    from headway.tools.registry import ToolRegistry

    if isinstance(tools, ToolRegistry):
        return tools if schemas is None else _overlaid(tools, schemas)
    if tools is None and schemas is None:
        return None
    registry = ToolRegistry()
    for name in expect_many(tools, "tools") if tools is not None else ():
        registry.register(_named(ToolSchema(name=plain(name, "a tool's name"))))
    return registry if schemas is None else _overlaid(registry, schemas)


def _overlaid(tools: ToolRegistry, schemas: Iterable[ToolSchema]) -> ToolRegistry:
    """Return a copy of ``tools`` in which ``schemas`` say what parameters are."""
    from headway.tools.registry import ToolRegistry

    copied = ToolRegistry()
    for entry in tools.entries():
        copied.register(replace(entry))
    for given in expect_many(schemas, "schemas"):
        known = copied.get(expect(given, ToolSchema, "a schema").name)
        if known is None:
            copied.register(_named(given))
        else:
            copied.register(replace(known, schema=known.schema.replace(parameters=given.parameters)))
    return copied


def _named(schema: ToolSchema) -> ToolEntry:
    """Return the entry of a tool that nobody has."""
    from headway.tools.registry import ToolEntry

    return ToolEntry(schema, call=_never_called, is_async=False)


def _never_called(**_: Any) -> None:
    raise AssertionError("verify calls no tools")  # pragma: no cover


def is_tool(entry: ToolEntry) -> bool:
    """Return whether the entry is a tool itself: a name or a schema does not tell how its tool is invoked."""
    return entry.call is not _never_called
