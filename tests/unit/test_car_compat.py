"""docs/car-compat.md lists what CAR's two Runtime pages have, and names tests that are there."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from headway import Runtime

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "car-compat.md").read_text(encoding="utf-8")

FIELDS = {"state", "tools", "policies", "log", "rate_limiter", "result_cache", "registry"}
METHODS = {
    "new",
    "default",
    "with_shared",
    "with_inference",
    "with_learning",
    "with_memgine",
    "with_trajectory_store",
    "with_executor",
    "set_executor",
    "with_event_log",
    "with_replan",
    "set_replan_callback",
    "set_replan_config",
    "register_tool",
    "register_tool_schema",
    "register_tool_entry",
    "register_agent_basics",
    "register_subprocess_tool",
    "tool_schemas",
    "set_cost_budget",
    "set_capabilities",
    "set_rate_limit",
    "enable_tool_cache",
    "execute",
    "execute_with_cancel",
    "plan_and_execute",
    "save_checkpoint",
    "save_checkpoint_to_file",
    "load_checkpoint_from_file",
    "restore_checkpoint",
}
MISSING = "**missing**"


def rows() -> dict[str, tuple[str, str]]:
    """Return the rows of the table: CAR's name to Headway's and the test's, as the page writes them."""
    found: dict[str, tuple[str, str]] = {}
    table = PAGE.split("\n## Methods and fields\n")[1].split("\n## ")[0]
    for line in table.splitlines():
        row = re.fullmatch(r"\| `(?P<car>\w+)` \| (?P<ours>.+?) \| (?P<test>.+?) \|", line)
        if row is not None:
            assert row["car"] not in found, f"{row['car']} is listed twice"
            found[row["car"]] = (row["ours"], row["test"])
    return found


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Return the names of the functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_method_and_field_is_listed() -> None:
    assert set(rows()) == METHODS | FIELDS


@pytest.mark.parametrize(("car", "ours", "test"), [(name, *row) for name, row in rows().items()])
def test_a_row_tells_the_truth(car: str, ours: str, test: str) -> None:
    if ours == MISSING:
        assert not hasattr(Runtime, car), f"{car} is there now: name it and its test"
        assert test == "none"
        return
    name = re.fullmatch(r"`Runtime(?:\(\)|\.(\w+)(?:\(\))?)`", ours)
    assert name is not None, f"what is {ours}?"
    assert name[1] is None or hasattr(Runtime(), name[1])
    place = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", test)
    assert place is not None, f"what is {test}?"
    assert place[2] in functions_of(ROOT / place[1])


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_each_named_test_fails_where_its_method_does_nothing_or_its_field_is_another() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants.car"], cwd=ROOT, capture_output=True, text=True, timeout=1190, check=False
    )
    assert done.returncode == 0, done.stderr
    killed = dict(json.loads(line) for line in done.stdout.splitlines())
    assert set(killed) == {name for name, (ours, _) in rows().items() if ours != MISSING}
    assert [name for name, gone in killed.items() if not gone] == []
