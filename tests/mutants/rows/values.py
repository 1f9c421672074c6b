"""Faults in the files that lie in no room: values and state."""

from __future__ import annotations

from tests.mutants.mutant import PLANS, TOOLS, Mutant

ROWS = [
    Mutant(
        "a reader gets the state's own value",
        "state.py",
        "return default if value is _MISSING else copy_value(value)",
        "return default if value is _MISSING else value",
        ("tests/unit/test_state.py",),
    ),
    Mutant(
        "bytes become base64 in silence",
        "jsonvalue.py",
        "        if not _same(copied, value):",
        "        if False:",
        (TOOLS + "test_types.py",),
    ),
    Mutant(
        "bytes in a plan become base64 in silence",
        "jsonvalue.py",
        "    if not _same(msgspec.json.decode(encoded), value):",
        "    if False:",
        (PLANS + "test_parse.py",),
    ),
]
