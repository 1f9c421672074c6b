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
    Mutant(
        "control files stay writable in a sandbox",
        "tools/process/mounts.py",
        'for path in control:\n        options += ["--ro-bind"',
        'for path in control:\n        options += ["--bind"',
        (TOOLS + "process/test_sandbox.py",),
    ),
    Mutant(
        "folders above control files can be renamed in a sandbox",
        "tools/process/mounts.py",
        "    for path in _ancestors([*control, *view.absent], view.writable):",
        "    for path in _ancestors([], view.writable):",
        (TOOLS + "process/test_escapes.py",),
    ),
    Mutant(
        "control files that a child made are left",
        "tools/process/launch.py",
        "if set_aside(self.folder, path) is None:",
        "if path is not None:",
        (TOOLS + "process/test_sandbox.py",),
    ),
    Mutant(
        "a file with setuid can be made by opening it",
        "tools/process/seccomp.py",
        "for number, argument in calls.opens.items():",
        "for number, argument in ():",
        (TOOLS + "process/test_escapes.py", TOOLS + "process/test_seccomp.py"),
    ),
    Mutant(
        "the filter of system calls is not loaded",
        "tools/process/confinement.py",
        'confined.filter = bwrap.filter\n    filtered = ["--seccomp", FILTER] if bwrap.filter else []',
        "filtered: list[str] = []",
        (TOOLS + "process/test_escapes.py",),
    ),
    Mutant(
        "a sandbox shares the network",
        "tools/process/bwrap.py",
        '        "--unshare-net",\n',
        "",
        (TOOLS + "process/test_escapes.py",),
    ),
    Mutant(
        "the kernel's settings are writable in a sandbox",
        "tools/process/mounts.py",
        '"--remount-ro", "/proc", ',
        "",
        (TOOLS + "process/test_escapes.py",),
    ),
]
