"""One home and one folder a test."""

from pathlib import Path

import pytest

from tests.acceptance.commands import Headway


@pytest.fixture
def headway(tmp_path: Path) -> Headway:
    headway = Headway(tmp_path)
    headway.trust(headway.here)
    return headway
