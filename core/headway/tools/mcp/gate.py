"""The gate before the SDK: messages of a server are made harmless before anything believes them.

A result counts as a success only if ``isError`` is absent or literally false: what else stands there becomes true.
Regular expressions in the schemas of tools are run by this process over what the server sends: those that could take
for ever are taken out. The server itself still checks by them. A schema whose references multiply is refused.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

REFUSED = -31999
"""The code of the error that takes the place of an answer that is not let through; its message says why."""

MAX_DEPTH = 64
LONGEST_PATTERN = 300

MOST_PARTS = 10_000
"""The most parts that a schema may have with its references followed: a value is held to each of them."""

_REPEATED_GROUP = re.compile(r"\)\s*[*+{]|\\[1-9]")
_UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d*,\}")


def harmless(result: dict[str, Any]) -> dict[str, Any]:
    """Return the raw result of a request, changed where it could mislead or hang us.

    Raises ``ValueError`` for a schema that is nested too deeply.
    """
    if "isError" in result and result["isError"] is not False:
        result["isError"] = True
    tools = result.get("tools")
    if isinstance(tools, list):
        for tool in tools:
            if isinstance(tool, dict):
                for schema in (tool.get("inputSchema"), tool.get("outputSchema")):
                    _without_traps(schema, 0)
    return result


def is_quick(pattern: object) -> bool:
    """Return whether a regular expression surely ends soon: no repeated groups, few repetitions, not long."""
    return (
        isinstance(pattern, str)
        and len(pattern) <= LONGEST_PATTERN
        and _REPEATED_GROUP.search(pattern) is None
        and len(_UNBOUNDED.findall(pattern)) <= 3
    )


def multiplies(schema: Any) -> bool:
    """Return whether a schema has more than :data:`MOST_PARTS` parts, those it refers to counted at each place.

    A reference back to what is being counted counts as one part: how deep it leads the value says.
    """
    known: dict[int, int] = {}

    def parts(part: Any) -> int:
        if not isinstance(part, dict | list):
            return 1
        if (counted := known.get(id(part))) is not None:
            return counted
        known[id(part)] = 1
        inner = part if isinstance(part, list) else [value for name, value in part.items() if name not in _DEFINING]
        total = 1 + sum(parts(one) for one in inner)
        for name in ("$ref", "$dynamicRef", "$recursiveRef"):
            target = part.get(name) if isinstance(part, dict) else None
            if isinstance(target, str):
                total += parts(_referred(schema, target))
        known[id(part)] = min(total, MOST_PARTS + 1)
        return known[id(part)]

    try:
        return parts(schema) > MOST_PARTS
    except RecursionError:  # a chain of very many references
        return True


_DEFINING = frozenset({"$defs", "definitions"})


def _referred(schema: Any, target: str) -> Any:
    """Return the part of a schema that a reference names, by its path or its anchor; None if it names none."""
    if not target.startswith("#"):
        return None
    path = target[1:]
    if path and not path.startswith("/"):
        defined = [one for name in _DEFINING for one in _values(schema.get(name))] if isinstance(schema, dict) else []
        return next((one for one in defined if isinstance(one, dict) and path in _anchors(one)), None)
    found = schema
    for step in path.split("/")[1:]:
        step = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            found = found[int(step)] if step.isdecimal() and int(step) < len(found) else None
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


def _values(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, dict) else []


def _anchors(part: dict[str, Any]) -> tuple[Any, ...]:
    return part.get("$anchor"), part.get("$dynamicAnchor")


def _without_traps(schema: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError("a schema is nested too deeply")
    if isinstance(schema, list):
        for inner in schema:
            _without_traps(inner, depth + 1)
    elif isinstance(schema, dict):
        if "pattern" in schema and isinstance(schema["pattern"], str) and not is_quick(schema["pattern"]):
            del schema["pattern"]
        patterns = schema.get("patternProperties")
        if isinstance(patterns, dict) and not all(is_quick(pattern) for pattern in patterns):
            del schema["patternProperties"]
        for inner in schema.values():
            _without_traps(inner, depth + 1)
