"""Faults in policies."""

from __future__ import annotations

from tests.mutants.mutant import OWN, Mutant

ROWS = [
    Mutant(
        "a policy gets the action's own parameters",
        "policy/rules.py",
        "self.function(apart(call))",
        "self.function(call)",
        (OWN,),
    ),
]
