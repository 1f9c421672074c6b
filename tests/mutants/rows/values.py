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
    Mutant(
        "projects of one name share their home",
        "project.py",
        "hashlib.sha256(os.fsencode(project.root))",
        "hashlib.sha256(os.fsencode(project.name))",
        ("tests/unit/store/test_project_home.py",),
    ),
    Mutant(
        "a home is any project's of its name",
        "project.py",
        "found.root != project.root",
        "found.name != project.name",
        ("tests/unit/store/test_project_home.py",),
    ),
    Mutant(
        "a project that is reached by a link is another one",
        "project.py",
        "root = os.path.realpath(folder)",
        "root = os.path.abspath(folder)",
        ("tests/unit/store/test_project_home.py",),
    ),
    Mutant(
        "a damaged record is nobody's",
        "project.py",
        'raise StoreUnreadable(f"{home.project_file} is damaged: move it away, the next use records it anew")',
        "return None",
        ("tests/unit/store/test_project_home.py",),
    ),
]
