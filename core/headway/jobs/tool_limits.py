"""Limits that tools declare of themselves, their rates and times to live, kept in step with the registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headway.events import kinds
from headway.events.event import Event
from headway.limits.bucket import TokenBucket

if TYPE_CHECKING:
    from headway.execution.environment import Environment
    from headway.tools.registry import ToolEntry

Terms = tuple[int, float]
"""The calls of a bucket, and the seconds in which they come back."""


class ToolLimits:
    """Gives each tool the bucket and the cache that it declares, and takes them away with the declaration.

    ``overrides`` are rate limits that are set whatever the tools say. What somebody has set since stays.
    """

    def __init__(self, env: Environment, overrides: Mapping[str, Terms] | None = None) -> None:
        self._env = env
        self._overrides = dict(overrides or {})
        self._limits: dict[str, Terms] = {}  # as they were declared
        self._lives: dict[str, float] = {}
        for tool, terms in self._overrides.items():
            self._limit(tool, terms)
        env.registry.on_change(self.changed)

    def override(self, overrides: Mapping[str, Terms]) -> None:
        """Replace the limits that are set whatever the tools say."""
        before, self._overrides = self._overrides, dict(overrides)
        for tool in {**before, **self._overrides}:
            if before.get(tool) != self._overrides.get(tool):
                self._limit(tool, self._overrides.get(tool) or self._declared(tool))

    def _declared(self, tool: str) -> Terms | None:
        entry = self._env.registry.get(tool)
        limit = entry.schema.rate_limit if entry is not None else None
        return (limit.max_calls, float(limit.interval_secs)) if limit is not None else None

    def changed(self, tool: str, entry: ToolEntry | None) -> None:
        """Take note of a tool that was registered, or removed: its results and prices are not those of the next."""
        env = self._env
        env.results.forget(tool)
        env.reuse.idempotency.forget(tool)
        env.prices.forget(tool)
        schema = entry.schema if entry is not None else None
        limit = schema.rate_limit if schema is not None else None
        if tool not in self._overrides:
            self._limit(tool, (limit.max_calls, float(limit.interval_secs)) if limit is not None else None)
        self._live(tool, float(schema.cache_ttl_secs or 0) if schema is not None else 0.0)

    def _limit(self, tool: str, terms: Terms | None) -> None:
        env, before = self._env, self._limits.pop(tool, None)
        if terms is not None:
            self._limits[tool] = terms
            env.log.append(limit_configured(env.limiter.set_limit(tool, *terms)))
            return
        bucket = env.limiter.get(tool)
        if bucket is not None and before == (bucket.capacity, bucket.interval_s):
            env.limiter.remove(tool)
            env.log.append(limit_removed(tool))

    def _live(self, tool: str, seconds: float) -> None:
        results, before = self._env.results, self._lives.pop(tool, None)
        if seconds:
            self._lives[tool] = seconds
            results.enable(tool, seconds)
        elif before is not None and results.ttl(tool) == before:
            results.disable(tool)


def limit_configured(bucket: TokenBucket) -> Event:
    """Return the event that tells of a new bucket."""
    facts = bucket.statistics()
    del facts["waiters"]
    return Event(kinds.LIMIT_CONFIGURED, facts)


def limit_removed(tool: str) -> Event:
    """Return the event that tells of a removed bucket."""
    return Event(kinds.LIMIT_REMOVED, {"bucket": tool})
