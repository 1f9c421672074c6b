"""What every test shares: the async backend, hypothesis profiles, an environment without colour switches, a home."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from headway.home import Home

# Some terminals and build machines set it, and Textual then draws grey: snapshots would differ from machine to machine.
# Before any import that reads it, and so also gone from what tests start.
os.environ.pop("NO_COLOR", None)

# A shell's background job ignores Ctrl-C, and so would all that it starts: what tests start is to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# ci: the same examples every time, so a red build is red for its change. dev: new examples each run. Both print what
# repeats a failure (the seed, as a `reproduce_failure` line).
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None, print_blob=True)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
settings.load_profile(PROFILE)


def pytest_report_header() -> str:
    """Say which examples hypothesis draws, so that a log alone tells how to repeat them."""
    drawn = "seed: derandomized, from each test's own name and source" if settings().derandomize else "seed: random"
    return f"hypothesis profile: {PROFILE}, {drawn} (choose with HYPOTHESIS_PROFILE, repeat with --hypothesis-seed)"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio alone: the runtime is built on its event loop."""
    return "asyncio"


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose path is short enough for its socket to lie in it."""
    from tests.unit.bridge.operator.fakes import short_home

    home = short_home()
    yield home
    shutil.rmtree(home.path)
