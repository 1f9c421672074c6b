"""The pytest plugin: its fixtures in a project of their own, and that nobody pays for it who does not ask for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest

pytest_plugins = "headway.testing.plugin"
"""

TESTS = """
import asyncio

import pytest

import headway
from headway.testing import FakeTool, VirtualClock

pytestmark = pytest.mark.anyio
CALL = {"id": "a", "type": "tool_call", "tool": "slow"}


async def test_a_runtime_on_the_virtual_clock(runtime, virtual_clock, tmp_path):
    assert isinstance(runtime, headway.Runtime)
    assert (await runtime.execute({"actions": []})).ok
    seen = []

    async def look(ctx: headway.ToolContext) -> None:
        seen.append(ctx.workspace)

    runtime.register_tool(look)
    slow = FakeTool("slow", clock=virtual_clock).returns("done", after=60)
    runtime.register_tool_entry(slow.entry())
    running = asyncio.create_task(runtime.execute({"actions": [CALL, {**CALL, "id": "b", "tool": "look"}]}))
    await virtual_clock.advance(59)
    assert not running.done()
    await virtual_clock.advance(1)
    assert (await running)["a"].output == "done"
    assert seen == [tmp_path]


async def test_an_engine_on_a_home_of_its_own(engine, tmp_path):
    assert engine.home.path == tmp_path / "home"
    slow = FakeTool("slow", default="done")
    engine.registry.register(slow.entry())
    row = await engine.submit(headway.parse_proposal({"actions": [CALL]}))
    await engine.wait(row.job_id)
    assert (await engine.row(row.job_id)).status == "completed"


kept = []


async def test_an_engine_is_left_with_a_run_that_never_ends(engine):
    kept.append(engine)
    clock = VirtualClock()
    engine.registry.register(FakeTool("slow", clock=clock).returns("done", after=60).entry())
    await engine.submit(headway.parse_proposal({"actions": [CALL]}))


async def test_it_was_closed_after_that_test(tmp_path):
    (engine,) = kept
    with pytest.raises(headway.HeadwayError):
        await engine.submit(headway.parse_proposal({"actions": []}))


def test_the_clock_stands_still(virtual_clock):
    assert (virtual_clock.now(), virtual_clock.pending) == (0.0, 0)
"""

OVERRIDE = """
import headway
import pytest
from headway.testing import VirtualClock


@pytest.fixture
def virtual_clock():
    return VirtualClock(autojump=True)


@pytest.mark.anyio
async def test_a_module_may_have_a_clock_of_its_own(runtime, virtual_clock):
    @runtime.register_tool
    async def flaky() -> None:
        raise headway.ToolError("no")

    call = {"id": "a", "type": "tool_call", "tool": "flaky", "failure_behavior": "retry", "max_retries": 2}
    assert (await runtime.execute({"actions": [call]}))["a"].attempts == 3
    assert virtual_clock.now() == pytest.approx(0.3)
"""


def test_the_fixtures_work_in_a_project_of_their_own(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_fixtures=TESTS, test_override=OVERRIDE)
    ran = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", timeout=100)
    ran.assert_outcomes(passed=6)


def test_who_does_not_name_it_gets_neither_its_fixtures_nor_its_imports(pytester: pytest.Pytester) -> None:
    assert not [point for point in entry_points(group="pytest11") if point.value.startswith("headway")]
    pytester.makepyfile(
        "import sys\n\ndef test_it():\n    assert not [n for n in sys.modules if n.startswith('headway')]"
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=100).assert_outcomes(passed=1)


def test_the_plugin_imports_nothing_of_headway_before_a_fixture_is_asked_for() -> None:
    script = "import sys, headway.testing.plugin; print(*sorted(n for n in sys.modules if n.startswith('headway')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == [
        "headway",
        "headway._lazy",
        "headway._version",
        "headway.testing",
        "headway.testing.plugin",
    ]
