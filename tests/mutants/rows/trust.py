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
    Mutant(
        "two commands change the list of trusted projects at the same time",
        "trust/projects.py",
        "fcntl.LOCK_EX",
        "fcntl.LOCK_SH",
        (_TESTS + "test_projects.py",),
    ),
    Mutant(
        "a project is known by the name that it was reached by",
        "trust/projects.py",
        "return os.path.realpath(project) in self._read()",
        "return str(project) in self._read()",
        (_TESTS + "test_projects.py",),
    ),
    Mutant(
        "a folder that others can write is trusted",
        "trust/projects.py",
        "real = str(check_path(project))",
        "real = os.path.realpath(project)",
        (_TESTS + "test_projects.py",),
    ),
    Mutant(
        "a list of trusted projects that others wrote is believed",
        "trust/projects.py",
        "raw = read_owned(self.path, MAX_BYTES)",
        "raw = self.path.read_bytes()",
        (_TESTS + "test_projects.py",),
    ),
    Mutant(
        "a list of another version is believed",
        "trust/projects.py",
        "if version != VERSION:",
        "if version > 1_000:",
        (_TESTS + "test_projects.py",),
    ),
]
