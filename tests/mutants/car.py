"""Run the tests that docs/car-compat.md names against runtimes that lack what they are named for.

``python -m tests.mutants.car``: for each row, the method does nothing (one that builds: also nothing but return the
runtime), or the field is one that nobody else knows, and the test is run; prints one line of JSON per row, ``[name,
killed]``. A mutant that no test kills is a promise untested.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headway import EventLog, Runtime, StateStore
from headway.limits import ResultCache
from headway.limits.bucket import RateLimiter
from headway.policy import PolicyEngine
from headway.tools import ToolRegistry
from tests.unit.test_car_compat import FIELDS, rows

LONGEST_S = 60
"""The time that a test may take without a mutant, on the busiest machine."""
LONGEST_OF_A_MUTANT_S = 5
"""The time that a test may take with one, which may wait for ever: that it waits is as good as a failure."""

STRANGERS: dict[str, Callable[[], Any]] = {
    "state": StateStore,
    "tools": dict,
    "policies": PolicyEngine,
    "log": EventLog,
    "rate_limiter": RateLimiter,
    "result_cache": ResultCache,
    "registry": ToolRegistry,
}
"""The value that a field's mutant gives at each access: one of the same kind that the runtime does not use."""


def nothing_instead_of(original: Any) -> Any:
    """Return what a method would be if its body were ``pass``."""

    def nothing(*args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    async def nothing_awaited(*args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    stub = nothing_awaited if inspect.iscoroutinefunction(original) else nothing
    return classmethod(stub) if inspect.ismethod(original) else stub


def only_a_runtime(original: Any) -> Any:
    """Return what a builder would be if its body were ``return self``, or of a class method ``return cls()``."""
    if inspect.ismethod(original):
        return classmethod(lambda cls, *args, **kwargs: cls())
    return lambda self, *args, **kwargs: self


def mutants_of(name: str) -> list[tuple[str, Any]]:
    """Return what may stand for the method or field of CAR's that ``name`` is: pairs of attribute and value."""
    if name in FIELDS:
        stranger = STRANGERS[name]
        return [(name, property(lambda self: stranger(), lambda self, value: None))]
    name = {"new": "__init__", "default": "__init__"}.get(name, name)
    original = getattr(Runtime, name)
    builder = [(name, only_a_runtime(original))] if name.startswith("with_") else []
    return [(name, nothing_instead_of(original)), *builder]


@contextmanager
def mutated(name: str, replaced: Any) -> Iterator[None]:
    """Have ``replaced`` in the place of what ``Runtime`` has under ``name``."""
    missing = object()
    before = vars(Runtime).get(name, missing)
    setattr(Runtime, name, replaced)
    try:
        yield
    finally:
        if before is missing:
            delattr(Runtime, name)
        else:
            setattr(Runtime, name, before)


def passes(*tests: str, seconds: int) -> bool:
    """Run tests, each of at most so many seconds, and return whether all passed; what they print is thrown away."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-W", "ignore", f"--timeout={seconds}"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return pytest.main([*options, *tests]) == pytest.ExitCode.OK


def main() -> int:
    """Print the fate of every mutant; return 1 if the tests fail without one."""
    table = {name: test.strip("`") for name, (_, test) in rows().items() if test != "none"}
    if not passes(*dict.fromkeys(table.values()), seconds=LONGEST_S):
        print("the named tests fail as it is", file=sys.stderr)
        return 1
    for name, test in table.items():
        print(json.dumps([name, all(killed(*mutant, test) for mutant in mutants_of(name))]), flush=True)
    return 0


def killed(name: str, replaced: Any, test: str) -> bool:
    """Return whether ``test`` fails with ``replaced`` in the place of what ``Runtime`` has under ``name``."""
    with mutated(name, replaced):
        return not passes(test, seconds=LONGEST_OF_A_MUTANT_S)


if __name__ == "__main__":
    sys.exit(main())
