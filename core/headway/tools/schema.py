"""The schema of a tool: the name that plans call it by, what it takes and returns, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from headway.arguments import expect
from headway.model import Model
from headway.numbers import LONGEST_S, MOST


class RateLimit(Model, frozen=True, kw_only=True):
    """A token bucket: ``max_calls`` tokens, refilled evenly over ``interval_secs``."""

    _noun: ClassVar[str] = "a rate limit"

    max_calls: Annotated[int, Meta(ge=1, le=MOST)]
    interval_secs: Annotated[float, Meta(gt=0, le=LONGEST_S)]


class ToolSchema(Model, frozen=True, kw_only=True):
    """The name of a tool, its parameters and what it returns. ``parameters`` and ``returns`` are JSON Schemas."""

    _noun: ClassVar[str] = "a tool's schema"

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    description: str = ""
    parameters: dict[str, Any] = {}
    returns: dict[str, Any] | None = None
    idempotent: bool = False
    cache_ttl_secs: Annotated[int, Meta(ge=0, le=int(LONGEST_S))] | None = None
    rate_limit: RateLimit | None = None


def schema_of(name: object, *, parameters: object = None, **fields: Any) -> ToolSchema:
    """Return the schema; ``InvalidInput`` names the part that does not fit. ``parameters`` None lets anything pass."""
    given = {} if parameters is None else expect(parameters, Mapping, "a tool's parameters")
    return ToolSchema(name=name, parameters=dict(given), **fields)  # type: ignore[arg-type] # checked there
