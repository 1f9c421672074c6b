"""Faults in hooks: what is told, what is dropped, what is signed, and what judges calls."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

HOOKS = ("tests/unit/hooks/test_hooks.py",)
SINKS = ("tests/unit/hooks/test_sinks.py",)
JUDGES = ("tests/unit/hooks/test_before_tool.py",)

ROWS = [
    Mutant(
        "the queue before a sink has no bound",
        "hooks/lane.py",
        "        if len(self._queue) >= self._most or self._bytes + len(message) > MAX_BYTES:",
        "        if self._most < 0:",
        HOOKS,
    ),
    Mutant(
        "what a sink is said to have refused is not redacted",
        "hooks/lane.py",
        "self._error = self._clean(one_line(text, 500))",
        "self._error = one_line(text, 500)",
        HOOKS,
    ),
    Mutant(
        "a full disk leaves half a line",
        "hooks/sinks/jsonl.py",
        "            os.ftruncate(descriptor, end)\n",
        "",
        SINKS,
    ),
    Mutant(
        "a signature is good for ever",
        "hooks/signature.py",
        "return known and abs(now - int(timestamp)) <= tolerance_s",
        "return known",
        SINKS,
    ),
    Mutant(
        "a strict hook without a verdict lets pass",
        "hooks/gate.py",
        "            if hook.strict:\n",
        "            if not hook.strict:\n",
        JUDGES,
    ),
    Mutant(
        "a webhook edits what it was not shown",
        "hooks/judges.py",
        "if verdict.verdict == EDIT and clean is not shown:",
        "if verdict.verdict == EDIT and clean is None:",
        JUDGES,
    ),
]
