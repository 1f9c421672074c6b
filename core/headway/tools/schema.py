"""A tool's schema from the parts that a caller hands in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headway.arguments import expect
from headway.errors import InvalidInput, one_line

if TYPE_CHECKING:
    from headway.plan.model import ToolSchema


def schema_of(name: object, *, parameters: object = None, **fields: Any) -> ToolSchema:
    """Return the schema; ``InvalidInput`` names the part that does not fit. ``parameters`` None lets anything pass."""
    from pydantic import ValidationError

    from headway.plan.model import ToolSchema

    given = {} if parameters is None else expect(parameters, Mapping, "a tool's parameters")
    try:
        return ToolSchema(name=name, parameters=dict(given), **fields)  # type: ignore[arg-type] # looked at there
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise InvalidInput(f"a tool's {one_line(place, 200)}: {one_line(problem['msg'], 200)}") from None
