"""Marks that must be the same after a call that was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headway import CancellationToken, Engine, EventLog, Runtime, StateStore
from headway.learning import Learner, Memgine, SkillStore, TrajectoryStore
from headway.limits import ResultCache
from headway.limits.bucket import RateLimiter
from headway.policy import PolicyEngine
from headway.tools import ToolRegistry


def _state(store: StateStore) -> Any:
    return {key: (value, store.version(key)) for key, value in store.snapshot().items()}


def _log(log: EventLog) -> Any:
    return log.last_seq, log.closed


def _limits(limiter: RateLimiter) -> Any:
    return [(bucket.name, bucket.capacity, bucket.interval_s, bucket.waiters) for bucket in limiter]


def _cache(cache: ResultCache) -> Any:
    return cache.keys(), cache.statistics(), dict(cache._ttl)


def _policies(engine: PolicyEngine) -> Any:
    return engine.names(), {session: len(rules) for session, rules in engine._sessions.items()}, engine.file_rules


def _runtime(runtime: Runtime) -> Any:
    return (
        _state(runtime.state),
        _log(runtime.log),
        runtime.registry.names(),
        _limits(runtime.rate_limiter),
        _cache(runtime.result_cache),
        _policies(runtime.policies),
        _held(runtime),
    )


_PARTS = ("headway.jobs.powers", "headway.jobs.replan", "headway.execution.environment", "headway.policy.gates")


def _held(thing: Any) -> Any:
    """Return what the parts of a runtime hold: objects that are the same as long as nobody exchanges them."""
    parts = {name: value for name, value in vars(thing).items() if type(value).__module__ in _PARTS}
    return dict(vars(thing)), {name: _held(part) for name, part in parts.items() if hasattr(part, "__dict__")}


def _learner(learner: Learner) -> Any:
    return learner.memgine, learner.store, learner.auto_distill


def _token(token: CancellationToken) -> Any:
    return token.reason, token.by, token.kill_reason, token.kill_by, len(token._listeners)


_MARKS: dict[type, Callable[[Any], Any]] = {
    StateStore: _state,
    EventLog: _log,
    RateLimiter: _limits,
    ResultCache: _cache,
    PolicyEngine: _policies,
    Runtime: _runtime,
    Learner: _learner,
    CancellationToken: _token,
    ToolRegistry: ToolRegistry.names,
    SkillStore: list,
    Memgine: list,
    TrajectoryStore: lambda store: [(path.name, path.stat().st_size) for path in store.files()],
    Engine: lambda engine: (
        engine.log.last_seq,
        engine._supervisor.draining,
        len(list(engine._supervisor)),
        engine.registry.names(),
        _limits(engine.rate_limiter),
        _held(engine._powers),
    ),
}


def mark_of(subject: Any) -> Any:
    """Return what must be the same after a call that was refused; None for a subject that holds nothing."""
    mark = next((mark for kind, mark in _MARKS.items() if isinstance(subject, kind)), None)
    return mark(subject) if mark is not None else None
