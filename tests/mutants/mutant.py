"""One mutant, and the names of the tests that rows share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault: in ``file``, ``fragment``, which it has once, becomes ``replacement``.

    A file lies below ``core/headway``; one that begins with ``bridge`` or ``console`` lies in that package instead.
    """

    name: str
    file: str
    fragment: str
    replacement: str
    tests: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file, seen from the checkout."""
        room, _, rest = self.file.partition("/")
        return Path(room, f"headway_{room}", rest) if room in ("bridge", "console") else Path("core/headway", self.file)

    @property
    def room(self) -> str:
        """The file of ``tests/mutants/rows`` that has the row."""
        return self.file.split("/")[0] if "/" in self.file else "values"


RUNS = "tests/unit/execution/"
LIMITS = "tests/unit/limits/"
PLANS = "tests/unit/plan/"
STORE = "tests/unit/store/"
TOOLS = "tests/unit/tools/"
WHOLE = "tests/integration/"
DISPATCH = "tests/unit/dispatch/test_conformance.py"
OWN = RUNS + "test_own_values.py"
