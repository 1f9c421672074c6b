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
    Mutant(
        "a tool prints without end",
        "tools/printing.py",
        "kept, self._left = text[: self._left]",
        "kept, self._left = text",
        (TOOLS + "test_printing.py",),
    ),
    Mutant(
        "a line that never ends is held for ever",
        "tools/printing.py",
        "end = len(held) if len(held) > MAX_LINE else held.rfind",
        "end = held.rfind",
        (TOOLS + "test_printing.py",),
    ),
    Mutant(
        "a last line without its end is lost",
        "tools/printing.py",
        "            if rest:\n",
        "            if rest and not self._left:\n",
        (TOOLS + "test_printing.py",),
    ),
    Mutant(
        "what is printed keeps its secrets",
        "tools/printing.py",
        "partial(self._told, name), redactor)",
        "partial(self._told, name), None)",
        ("tests/integration/test_secrets_in_runs.py", TOOLS + "test_printing.py"),
    ),
    Mutant(
        "what nobody's call prints goes to stdout",
        "tools/printing.py",
        '_Stream("stdout", real(out), real(err))',
        '_Stream("stdout", real(out), real(out))',
        (TOOLS + "test_printing.py",),
    ),
    Mutant(
        "a call's prints stay its own no longer than that of the one before",
        "tools/printing.py",
        "        _writer.reset(token)\n",
        "        del token\n",
        (TOOLS + "test_printing.py",),
    ),
]
