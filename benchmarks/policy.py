"""Policies: CPU time of one check, by how many rules there are and of which kind."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks._figure import Figure
from benchmarks._pace import PACE
from headway.policy import CapabilitySet, PermissionGrant, PolicyCall, PolicyEngine, load_policies

SECONDS = 20

_ROUNDS = 7
_CALLS = 2000

_CALL = PolicyCall(
    "a1",
    "tool_call",
    "fetch",
    {"url": "https://example.org/a/page", "headers": {"accept": "text/html"}, "depth": 2},
    {f"key{n}": {"value": n} for n in range(100)},
    reads=("key1",),
    now=1.0,
)


def _best_us(work: Callable[[], object]) -> float:
    """Return the CPU time of one call in the fastest round, in µs."""

    def once() -> float:
        began = time.process_time()
        for _ in range(_CALLS):
            work()
        return time.process_time() - began

    return PACE.best_of(once, rounds=_ROUNDS, seconds=1.0) / _CALLS * 1e6


def _from_files(text: str) -> PolicyEngine:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench.toml").write_text(text)
        engine = PolicyEngine()
        engine.use_files(load_policies(folder))
    return engine


def _registered() -> PolicyEngine:
    engine = PolicyEngine()
    for n in range(4):
        engine.deny_tool(f"t{n}", f"tool{n}")
        engine.deny_tool_param(f"p{n}", "fetch", "url", f"://host{n}")
    engine.require_state("s", "key1", {"value": 1})
    engine.register("f", lambda call: None)
    return engine


def _tools() -> PolicyEngine:
    engine = PolicyEngine()
    for n in range(10):
        engine.deny_tool(f"t{n}", f"tool{n}")
    return engine


def _engines() -> dict[str, PolicyEngine]:
    param = '[[{}]]\ntool = "fetch"\nparam = "url"\n{}\n'
    return {
        "0 rules": PolicyEngine(),
        "10 registered rules of all kinds": _registered(),
        "10 x deny_tool": _tools(),
        "10 x deny_tool_param": _from_files(
            "".join(param.format("deny_tool_param", f'contains = "host{n}"') for n in range(10))
        ),
        "10 x deny_tool_param_matching": _from_files(
            "".join(param.format("deny_tool_param_matching", f"matches = '^ftp{n}:'") for n in range(10))
        ),
        "1 x deny_keyword": _from_files('deny_keyword = ["rm -rf"]\n'),
        "1 x rate_limit_tool": _from_files('[[rate_limit_tool]]\ntool="fetch"\nmax_calls=100000\ninterval_secs=0.5\n'),
        "10 x when, of the tool": _from_files(
            "".join(f"[[rule]]\nname = 'r{n}'\nwhen = 'tool == \"t{n}\"'\ndeny = true\n" for n in range(10))
        ),
        "10 x when, of tool, parameter and state": _from_files(
            "".join(
                f"[[rule]]\nname = 'r{n}'\ndeny = true\n"
                f'when = \'tool == "fetch" && params.url.startsWith("ftp") && state.key{n}.value > 1\'\n'
                for n in range(10)
            )
        ),
    }


def run() -> Iterator[Figure]:
    """Measure; return the figures."""
    for what, engine in _engines().items():
        assert engine.check(_CALL) == []
        yield Figure(f"check, {what}", _best_us(partial(engine.check, _CALL)), "µs/action")
    capabilities = CapabilitySet(allowed_tools=frozenset({"fetch"}), allowed_state_keys=frozenset({"key1"}))
    grant = PermissionGrant("full_access")
    yield Figure("capabilities.check", _best_us(lambda: capabilities.check(_CALL)), "µs/action")
    yield Figure("grant.check", _best_us(lambda: grant.check(_CALL, None)), "µs/action")
