"""The schema of a tool: the name that plans call it by, what it takes and returns, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from headway.arguments import expect
from headway.errors import InvalidInput, one_line
from headway.numbers import LONGEST_S, MOST


class _Model(BaseModel):
    # Strict: "5" is no number and 1 is no boolean.
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)


class RateLimit(_Model):
    """A token bucket: ``max_calls`` tokens, refilled evenly over ``interval_secs``."""

    max_calls: int = Field(ge=1, le=MOST)
    interval_secs: float = Field(gt=0, le=LONGEST_S)


class ToolSchema(_Model):
    """What a tool is called, takes and returns. ``parameters`` and ``returns`` are JSON Schemas."""

    name: str = Field(min_length=1, max_length=256)
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    returns: dict[str, Any] | None = None
    idempotent: bool = False
    cache_ttl_secs: int | None = Field(default=None, ge=0, le=int(LONGEST_S))
    rate_limit: RateLimit | None = None


def schema_of(name: object, *, parameters: object = None, **fields: Any) -> ToolSchema:
    """Return the schema; ``InvalidInput`` names the part that does not fit. ``parameters`` None lets anything pass."""
    given = {} if parameters is None else expect(parameters, Mapping, "a tool's parameters")
    try:
        return ToolSchema(name=name, parameters=dict(given), **fields)  # type: ignore[arg-type] # looked at there
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise InvalidInput(f"a tool's {one_line(place, 200)}: {one_line(problem['msg'], 200)}") from None
