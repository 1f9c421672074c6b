"""Shared by all tests: the sets of tests, their seed, the async backend, plain colours, a home."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import seeds, sizes

if TYPE_CHECKING:
    from headway.home import Home

# Some terminals and build machines set it, and Textual then draws grey: snapshots would differ from machine to machine.
# Before any import that reads it, and so also gone from what tests start.
os.environ.pop("NO_COLOR", None)

# Images of containers set it, and every process, those that tests start too, would compile all sources and tests anew:
# a minute and a half of the fast set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell's background job ignores Ctrl-C, and so would all that it starts: what tests start is to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The user's list of trusted projects is not the tests': each worker has one of its own.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="headway-config-")

TESTS = Path(__file__).parent

LONGEST = (
    "acceptance/test_console_bursts.py",
    "acceptance/test_trust.py",
    "crash",
    "acceptance",
    "integration",
    "snapshots",
    "unit/console",
)
"""The files and folders that take longest, in that order; xdist would begin with those that have most tests."""

EXAMPLES = 100
"""The number of examples that hypothesis draws for a test that does not say it, in the long set."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--long``."""
    parser.addoption("--long", action="store_true", help="run the long tests too, and all cases of the others")


@pytest.hookimpl(tryfirst=True)  # before hypothesis's own, which reads its option
def pytest_configure(config: pytest.Config) -> None:
    """Choose the set, the seed, and the examples that hypothesis draws; of a failing one it prints what repeats it."""
    if config.getoption("--long"):
        os.environ[sizes.VARIABLE] = "1"
    seeds.settle()
    if not seeds.fixed():
        config.option.hypothesis_seed = str(seeds.number())
    settings.register_profile(
        "headway",
        max_examples=EXAMPLES if sizes.long_set() else EXAMPLES // 3,
        derandomize=seeds.fixed(),
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("headway")


def pytest_unconfigure() -> None:
    """Remove the list of trusted projects."""
    shutil.rmtree(os.environ["XDG_CONFIG_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out of the fast set, and have the longest files begin first."""
    if not sizes.long_set():
        left_out = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    items.sort(key=lambda item: _turn(item.path.relative_to(TESTS).as_posix()))


def _turn(file: str) -> int:
    """Return the turn of a test file among the workers: the longest begin first, so that none is left for the end."""
    return next((turn for turn, name in enumerate(LONGEST) if file.startswith(name)), len(LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and leave what was collected out of every later look: it stays anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_report_header() -> list[str]:
    """Say which tests run and what they draw from, so that a log alone tells how to repeat them."""
    fresh = f"; {seeds.VARIABLE}=random draws another" if seeds.fixed() else ""
    chosen = "all tests, all cases" if sizes.long_set() else "the fast set; --long or make check runs all"
    return [f"set: {chosen}", f"seed: {seeds.VARIABLE}={seeds.number()}{fresh}"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio alone: the runtime is built on its event loop."""
    return "asyncio"


@pytest.fixture
def trusted(tmp_path: Path) -> Path:
    """The test's folder as a project whose code may be loaded."""
    from headway.trust import TrustedProjects

    TrustedProjects().add(tmp_path)
    return tmp_path


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose path is short enough for its socket to lie in it."""
    from tests.unit.bridge.operator.fakes import short_home

    home = short_home()
    yield home
    shutil.rmtree(home.path)
