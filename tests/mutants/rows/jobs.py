"""Faults in jobs."""

from __future__ import annotations

from tests.mutants.mutant import WHOLE, Mutant

ROWS = [
    Mutant(
        "a job of another workspace is resumed",
        "jobs/revival.py",
        'if started.data.get("workspace") != _text(workspace):',
        "if False:",
        (WHOLE + "test_resume.py",),
    ),
]
