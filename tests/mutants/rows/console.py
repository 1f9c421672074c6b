"""Faults in the console and the command line: the demo, doctor, output."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_TESTS = "tests/unit/cli/"

ROWS = [
    Mutant(
        "the demo cancels what a person is to cancel",
        "console/cli/demo/director.py",
        "if entry.cancel_s is not None and self._alone:",
        "if entry.cancel_s is not None:",
        (_TESTS + "test_demo.py",),
    ),
    Mutant(
        "rounds of the demo pile up",
        "console/cli/demo/director.py",
        "                        await before\n",
        "                        pass\n",
        (_TESTS + "test_demo.py",),
    ),
    Mutant(
        "the demo saves no checkpoint",
        "console/cli/demo/director.py",
        "if entry.checkpoint is not None:",
        "if entry.checkpoint is not None and self._alone:",
        (_TESTS + "test_demo.py",),
    ),
    Mutant(
        "the demo keeps the examples of an earlier version",
        "console/cli/demo/folder.py",
        "if target.is_file() and target.read_bytes() == content:",
        "if target.is_file():",
        (_TESTS + "test_demo.py",),
    ),
    Mutant(
        "the demo's questions cost more than their budget",
        "console/cli/demo/plans.py",
        '"tokens": 1_175',
        '"tokens": 1_300',
        (_TESTS + "test_demo.py",),
    ),
    Mutant(
        "doctor does not see that a group may open the home",
        "console/cli/doctor/checks.py",
        "    if mode & 0o077:",
        "    if mode & 0o007:",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "doctor does not look at the token's file",
        "console/cli/doctor/checks.py",
        "for path in (home.db, home.token_file, home.token_header_file, home.socket)",
        "for path in (home.db, home.socket)",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "doctor takes all code for trusted",
        "console/cli/doctor/checks.py",
        "elif trusts(config):",
        "elif config.code:",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "doctor finds nothing wrong with a newer store",
        "console/cli/doctor/checks.py",
        "if found.version > found.latest:",
        "if found.version > found.latest + 1_000_000:",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "doctor says nothing of a daemon of another version",
        "console/cli/doctor/checks.py",
        "if status.version != __version__:",
        "if not status.version:",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "doctor does not miss a daemon that has died",
        "console/cli/doctor/checks.py",
        "if read_daemon_file(home) is None and not home.socket.exists():",
        "if read_daemon_file(home) is None or not home.socket.exists():",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "doctor finds a flat terminal large enough",
        "console/cli/doctor/machine.py",
        "if columns < COLUMNS or lines < LINES:",
        "if columns < COLUMNS and lines < LINES:",
        (_TESTS + "test_doctor.py",),
    ),
    Mutant(
        "JSON lets a control character through",
        "console/cli/output.py",
        'if not text.isascii() or "\\x7f" in text:',
        "if not text.isascii():",
        (_TESTS + "test_output.py",),
    ),
    Mutant(
        "a line of a result drives the terminal",
        "console/cli/output.py",
        "        text = clean(text)\n",
        "        clean(text)\n",
        (_TESTS + "test_output.py",),
    ),
    Mutant(
        "a command's own lines become a tool's prints",
        "console/cli/output.py",
        'stream = getattr(stream, "real", stream)',
        'stream = getattr(stream, "unreal", stream)',
        (_TESTS + "test_output.py",),
    ),
]
