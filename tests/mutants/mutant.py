"""One mutant, and the names of the tests that rows share."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault: in ``file``, below ``core/headway``, ``fragment``, which it has once, becomes ``replacement``."""

    name: str
    file: str
    fragment: str
    replacement: str
    tests: tuple[str, ...]

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
