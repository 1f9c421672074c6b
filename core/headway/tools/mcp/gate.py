"""The gate before the SDK: messages of a server are made harmless before anything believes them.

A result counts as a success only if ``isError`` is absent or literally false: what else stands there becomes true.
Regular expressions in the schemas of tools are run by this process over what the server sends: those that could take
for ever are taken out. The server itself still checks by them.
"""

from __future__ import annotations

import re
from typing import Any

REFUSED = -31999
"""The code of the error that takes the place of an answer that is not let through; its message says why."""

MAX_DEPTH = 64
LONGEST_PATTERN = 300
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
