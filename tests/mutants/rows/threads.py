"""Faults in threads, their forks, goals, checkpoints and turns."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

THREADS = ("tests/unit/threads/test_threads.py",)
PROMPTS = ("tests/unit/threads/test_prompts.py",)

ROWS = [
    Mutant(
        "the newest checkpoint is the first that was saved",
        "threads/threads.py",
        "seq = max(row.checkpoints.values())",
        "seq = min(row.checkpoints.values())",
        THREADS,
    ),
    Mutant(
        "a fork sees what its parent says later",
        "threads/reading.py",
        "        stop = min(stop, base)\n",
        "",
        THREADS,
    ),
    Mutant(
        "a part of a thread is told as the whole",
        "threads/reading.py",
        "            if len(events) < last - first:",
        "            if len(events) < first - last:",
        THREADS,
    ),
    Mutant(
        "an archived thread takes turns",
        "threads/threads.py",
        '        if row.status == "archived":\n            raise Conflict',
        '        if row.status == "away":\n            raise Conflict',
        THREADS,
    ),
    Mutant(
        "two turns run in one thread",
        "threads/threads.py",
        '            _refuse_running(row, "given another turn")\n',
        "",
        THREADS,
    ),
    Mutant(
        "a turn of a dead process runs for ever",
        "threads/threads.py",
        "            if lost:",
        "            if lost and False:",
        THREADS,
    ),
    Mutant(
        "a goal that has used its budget goes on",
        "threads/threads.py",
        '            if row.goal is not None and row.goal.status == "budget_limited":',
        "            if False:",
        THREADS,
    ),
    Mutant(
        "the answer of a model is not recorded",
        "threads/prompts.py",
        "        await self.threads.end_turn(row.id, turn, *events, **told)",
        "        await self.threads.end_turn(row.id, turn, **told)",
        PROMPTS,
    ),
    Mutant(
        "a thread's own model is not asked",
        "threads/prompts.py",
        "            for place in (overrides, request, row):",
        "            for place in (overrides, request):",
        PROMPTS,
    ),
]
