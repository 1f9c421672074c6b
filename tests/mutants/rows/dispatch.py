"""Faults in calls of tools."""

from __future__ import annotations

from tests.mutants.mutant import DISPATCH, RUNS, Mutant

ROWS = [
    Mutant(
        "a tool gets the plan's own parameters",
        "dispatch/protocol.py",
        "made = copy_members(self.parameters)",
        "made = dict(self.parameters)",
        (RUNS + "test_own_values.py",),
    ),
    Mutant(
        "a kill overwrites the timeout that came before it",
        "dispatch/local.py",
        "        call.cause = call.cause or cause\n",
        "        call.cause = cause\n",
        (RUNS + "test_stopping.py", RUNS + "test_compensation.py", DISPATCH),
    ),
    Mutant(
        "a coroutine that ignores its end is waited for",
        "dispatch/local.py",
        "            call.timer = self._clock.call_later(KILL_GRACE_S, self._leave_behind, call)\n",
        "            pass\n",
        (RUNS + "test_stopping.py", DISPATCH),
    ),
    Mutant(
        "the wait for a thread counts as the tool's time",
        "dispatch/local.py",
        "        call.started = self._now()\n        if call.context is not None",
        "        if call.context is not None",
        (RUNS + "test_stopping.py", DISPATCH),
    ),
    Mutant(
        "the time of a tool runs on while it waits for a person",
        "dispatch/local.py",
        "left = timeout if waits else call.started + timeout + asked - self._now()",
        "left = timeout if waits else call.started + timeout - self._now()",
        ("tests/unit/elicitation/test_tool_questions.py",),
    ),
]
