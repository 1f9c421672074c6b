"""Faults in secrets."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SECRETS = "tests/unit/secrets/"
RUNS = "tests/integration/test_secrets_in_runs.py"

ROWS = [
    Mutant(
        "remote callers get every secret",
        "secrets/vault.py",
        "if remote and (one is None or not one.remote or tool not in one.tools):",
        "if remote and (one is None or tool not in one.tools):",
        (SECRETS + "test_vault.py",),
    ),
    Mutant(
        "every tool gets every secret",
        "secrets/vault.py",
        "if tool not in one.tools:",
        "if False:",
        (SECRETS + "test_vault.py",),
    ),
    Mutant(
        "base64 is found at one offset only",
        "secrets/encodings.py",
        "for offset in range(3):",
        "for offset in range(1):",
        (SECRETS + "test_redactor.py",),
    ),
    Mutant(
        "the end of a chunk is not held back",
        "secrets/stream.py",
        "keep = min(self._redactor.held_back(text), MOST)",
        "keep = 0",
        (SECRETS + "test_redactor.py",),
    ),
    Mutant(
        "a literal passes for a reference",
        "secrets/marks.py",
        "if marked and name_in(value) is None and value is not None:",
        "if marked and value is None:",
        (SECRETS + "test_marks.py",),
    ),
]
