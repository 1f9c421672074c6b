"""From what a function returns to JSON, by its return annotation.

Values of plain types are JSON already, and without an annotation :func:`headway.jsonvalue.to_json` makes what it can.
For the rest pydantic writes the value as the annotation says, which is what the ``returns`` schema was made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from headway.errors import InvalidInput, ToolError, describe
from headway.jsonvalue import refuse_bytes
from headway.tools.annotations import output_adapter, plain_schema, without_result
from headway.tools.context import ToolResult

Writer = Callable[[Any], Any]


def output_writer(annotation: Any, tool: str) -> Writer | None:
    """Return what turns a returned value into JSON data, None if nothing has to be done.

    Raises ``InvalidInput`` for an annotation with bytes in it. The writer raises ``ToolError`` for such a value.
    """
    annotation = without_result(annotation)
    if plain_schema(annotation) is not None:
        return None
    adapter = output_adapter(annotation, tool)
    if adapter is None:
        return None

    def write(value: Any) -> Any:
        if isinstance(value, ToolResult):
            return replace(value, output=_dumped(tool, adapter, value.output))
        return _dumped(tool, adapter, value)

    return write


def _dumped(tool: str, adapter: Any, value: Any) -> Any:
    """Return the value as JSON data. Raises ``ToolError`` where pydantic or the value cannot."""
    try:
        refuse_bytes(value)  # pydantic would take them for text
    except InvalidInput as error:
        raise ToolError(f"tool '{tool}' returned what cannot be recorded: {error.message}") from None
    try:
        return adapter.dump_python(value, mode="json", by_alias=True, warnings=False)
    except Exception as error:  # a computed field or a serializer of the user's may raise anything
        raise ToolError(f"tool '{tool}' returned what cannot be recorded: {describe(error)}") from error
