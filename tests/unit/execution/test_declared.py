"""Declarations of tools follow the registry, however they come into it and go."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

import headway
from headway import Engine, Runtime
from headway.config import load_config
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import LimitsView
from headway.home import Home
from headway.tools import ToolEntry, ToolRegistry, entry_of
from tests.unit.execution.kit import call, events_of


@headway.tool(name="t", rate_limit=(3, 60.0), cache_ttl_secs=60)
async def limited() -> str:
    return "limited"


@headway.tool(name="t")
async def plain() -> str:
    return "plain"


def terms(made: Runtime) -> tuple[int, float] | None:
    bucket = made.rate_limiter.get("t")
    return (bucket.capacity, bucket.interval_s) if bucket is not None else None


def by_registry(made: Runtime, entry: ToolEntry) -> Runtime:
    made.registry.register(entry)
    return made


def by_constructor(_: Runtime, entry: ToolEntry) -> Runtime:
    registry = ToolRegistry()
    registry.register(entry)
    return Runtime(registry=registry)


def by_runtime(made: Runtime, entry: ToolEntry) -> Runtime:
    made.register_tool_entry(entry)
    return made


@pytest.mark.parametrize("way", [by_registry, by_constructor, by_runtime])
async def test_a_tool_has_its_limit_and_its_cache_whichever_way_it_comes(way: object) -> None:
    assert callable(way)
    made = way(Runtime(), entry_of(limited))
    assert terms(made) == (3, 60.0)
    assert made.result_cache.ttl("t") == 60
    (configured,) = await events_of(made, kinds.LIMIT_CONFIGURED)
    assert (configured.data["bucket"], configured.data["capacity"]) == ("t", 3)


async def test_what_is_no_longer_declared_is_taken_away() -> None:
    made = Runtime()
    made.register_tool(limited)
    assert (await made.execute({"actions": [call("a", "t")]}))["a"].output == "limited"
    made.register_tool(plain)
    assert (terms(made), made.result_cache.enabled("t")) == (None, False)
    assert (await made.execute({"actions": [call("a", "t")]}))["a"].output == "plain"
    assert fold_all(LimitsView(), await made.log.read()).buckets == {}
    made.register_tool(limited)
    assert terms(made) == (3, 60.0)
    assert made.registry.remove("t")
    assert (terms(made), made.result_cache.enabled("t")) == (None, False)
    assert not made.registry.remove("t")


async def test_what_somebody_has_set_stays() -> None:
    made = Runtime()
    made.set_rate_limit("t", 7, 1.0)
    made.enable_tool_cache("t", 5)
    made.register_tool(plain)
    assert (terms(made), made.result_cache.ttl("t")) == ((7, 1.0), 5)
    made.register_tool(limited)
    made.set_rate_limit("t", 9, 1.0)
    made.enable_tool_cache("t", 8)
    made.register_tool(plain)
    assert (terms(made), made.result_cache.ttl("t")) == ((9, 1.0), 8)


async def test_the_results_of_a_tool_are_not_those_of_the_next() -> None:
    made = Runtime()
    made.register_tool(limited)
    made.enable_tool_cache("t", 60)
    await made.execute({"actions": [call("a", "t", idempotent=True)]})
    made.registry.register(entry_of(plain))
    made.enable_tool_cache("t", 60)
    assert (await made.execute({"actions": [call("a", "t", idempotent=True)]}))["a"].output == "plain"


async def test_an_engine_follows_its_registry_too_and_its_configuration_comes_first(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text("[rate_limits.t]\nmax_calls = 8\ninterval_secs = 2.0\n")
    for folder, expected in (("plain", (3, 60.0)), ("configured", (8, 2.0))):
        config = load_config(tmp_path / "headway.toml") if folder == "configured" else None
        engine = await Engine.open(Home(tmp_path / folder), config)
        engine.registry.register(entry_of(limited))
        bucket = engine.env.limiter.get("t")
        assert bucket is not None
        assert (bucket.capacity, bucket.interval_s) == expected
        assert engine.env.results.ttl("t") == 60
        await engine.log.flush()
        engine.registry.register(entry_of(plain))
        assert (engine.env.limiter.get("t") is not None) == (folder == "configured")
        assert not engine.env.results.enabled("t")
        await engine.close()


def test_a_registry_keeps_no_runtime_alive() -> None:
    registry = ToolRegistry()
    made = Runtime(registry=registry)
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
    registry.register(entry_of(limited))
