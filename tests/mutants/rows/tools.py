"""Faults in tools and their schemas."""

from __future__ import annotations

from tests.mutants.mutant import OWN, TOOLS, Mutant

ROWS = [
    Mutant(
        "an estimate gets the action's own parameters",
        "tools/estimate.py",
        "estimate(copy_members(params))",
        "estimate(params)",
        (OWN,),
    ),
    Mutant(
        "a return annotation is no schema",
        "tools/annotations.py",
        "    return schema or None\n",
        "    return None\n",
        (TOOLS + "test_types.py",),
    ),
    Mutant(
        "an output is checked by its outermost type alone",
        "tools/quickcheck.py",
        "bounded(value) and all(map(items, value))",
        "bounded(value)",
        (TOOLS + "test_types.py", TOOLS + "test_registry.py"),
    ),
]
