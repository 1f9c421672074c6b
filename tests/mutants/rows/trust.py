"""Faults in what keeps plans off what governs them."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_TESTS = "tests/unit/trust/"

ROWS = [
    Mutant(
        "a group's right to write is overlooked",
        "trust/ownership.py",
        "if mode & stat.S_IWGRP:",
        "if mode & 0:",
        (_TESTS + "test_ownership.py",),
    ),
    Mutant(
        "names are compared as they are written",
        "trust/names.py",
        'return folded.rstrip(". ") or folded',
        "return name",
        (_TESTS + "test_control.py",),
    ),
    Mutant(
        "what does not exist yet is known by its path alone",
        "trust/closed.py",
        "if (folder, rest) in self._entries:",
        "if (folder, ()) in self._entries:",
        (_TESTS + "test_control.py",),
    ),
    Mutant(
        "a workspace that a tool file makes is bound by nothing",
        "trust/control.py",
        "live = list(_LIVE)",
        "live: list[ControlFiles] = []",
        (_TESTS + "test_control.py",),
    ),
]
