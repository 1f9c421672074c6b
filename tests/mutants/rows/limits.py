"""Faults in buckets, budgets and reuse."""

from __future__ import annotations

from tests.mutants.mutant import LIMITS, RUNS, WHOLE, Mutant

ROWS = [
    Mutant(
        "a newcomer overtakes the line of a bucket",
        "limits/bucket.py",
        "        if self.waiters:\n            return False\n        self._refill()",
        "        self._refill()",
        (LIMITS + "test_bucket.py",),
    ),
    Mutant(
        "a bucket fills beyond its capacity",
        "limits/bucket.py",
        "self._tokens = min(float(self.capacity), self._tokens + gained)",
        "self._tokens = self._tokens + gained",
        (LIMITS + "test_bucket.py",),
    ),
    Mutant(
        "a bucket fills at the pace of one token an interval",
        "limits/bucket.py",
        "gained = (now - self._at) * self.capacity / self.interval_s",
        "gained = (now - self._at) / self.interval_s",
        (LIMITS + "test_bucket.py",),
    ),
    Mutant(
        "a changed limit gives a full bucket",
        "limits/bucket.py",
        "self._tokens = self.tokens * capacity / self.capacity",
        "self._tokens = float(capacity)",
        (LIMITS + "test_bucket.py",),
    ),
    Mutant(
        "a removed limit forgets who waits",
        "limits/bucket.py",
        "        bucket.release()\n        return True",
        "        return True",
        (LIMITS + "test_bucket.py", RUNS + "test_tokens.py"),
    ),
    Mutant(
        "a callback that raises keeps the others in line",
        "limits/bucket.py",
        """        try:
            self._serve()
        finally:
            self._arm()""",
        """        self._serve()
        self._arm()""",
        (LIMITS + "test_bucket.py",),
    ),
    Mutant(
        "reservations of others do not count",
        "limits/budget.py",
        "if wanted and held + wanted > left:",
        "if wanted and wanted > left:",
        (LIMITS + "test_budget.py", RUNS + "test_budgets.py"),
    ),
    Mutant(
        "an estimate that does not fit starts beside others",
        "limits/budget.py",
        "fits = fits and not behind and (alone or (estimate is not None and held + estimate <= left))",
        "fits = fits and not behind",
        (LIMITS + "test_budget.py", RUNS + "test_budgets.py"),
    ),
    Mutant(
        "a newcomer overtakes the line of a budget",
        "limits/budget.py",
        "return self._ask(amounts, declared, behind=self._first() is not None)",
        "return self._ask(amounts, declared, behind=False)",
        (LIMITS + "test_budget.py",),
    ),
    Mutant(
        "what was reserved is never given back",
        "limits/budget.py",
        "            self.reserved[name] -= reserved.get(name, 0)\n",
        "",
        (LIMITS + "test_budget.py", RUNS + "test_budgets.py"),
    ),
    Mutant(
        "a resumed run's budget starts anew",
        "limits/budget.py",
        "                self.spent[name] = amount\n",
        "                pass\n",
        (LIMITS + "test_budget.py", WHOLE + "test_runtime_resume.py"),
    ),
    Mutant(
        "a budget warns at each call",
        "limits/budget.py",
        "                self._warned.add(name)\n",
        "",
        (LIMITS + "test_budget.py",),
    ),
    Mutant(
        "the order of parameters makes another call",
        "limits/flight.py",
        'encoded = encode(params, "the parameters", "sorted")',
        'encoded = encode(params, "the parameters")',
        (LIMITS + "test_cache.py", LIMITS + "test_idempotency.py"),
    ),
    Mutant(
        "calls of other tools share results",
        "limits/flight.py",
        'return f"{tool}:{keyed_digest(encoded)}"',
        'return f"{keyed_digest(encoded)}"',
        (LIMITS + "test_cache.py",),
    ),
    Mutant(
        "results are kept for ever",
        "limits/results.py",
        "return self._clock.now() - entry.since >= self._lifetime(entry.tool)",
        "return False",
        (LIMITS + "test_cache.py",),
    ),
    Mutant(
        "the most recently used result is dropped first",
        "limits/results.py",
        "            self._drop(next(iter(self._entries)))\n            self._evictions",
        "            self._drop(next(reversed(self._entries)))\n            self._evictions",
        (LIMITS + "test_cache.py",),
    ),
    Mutant(
        "a failure is shared with who waits",
        "limits/reuse.py",
        """        try:
            for flight in self._flights:
                flight.succeed(output, effects, artifacts, kept=kept)
        finally:
            self.fail()""",
        """        for flight in self._flights:
            flight.succeed(output, effects, artifacts, kept=kept)""",
        (LIMITS + "test_cache.py", LIMITS + "test_idempotency.py", RUNS + "test_reuse.py"),
    ),
    Mutant(
        "a declared estimate gets what is left",
        "limits/budget.py",
        "            if name in declared and estimate is not None and estimate > left:\n                return name",
        "            if False:\n                return name",
        (RUNS + "test_budgets.py", LIMITS + "test_budget.py"),
    ),
    Mutant(
        "a run shares a read that began before its write",
        "limits/results.py",
        "if line is not None and line.number >= since:",
        "if line is not None:",
        (RUNS + "test_reuse.py", LIMITS + "test_idempotency.py"),
    ),
    Mutant(
        "a compensated call's result is reused",
        "limits/reuse.py",
        "            store.forget(tool, params, principal=principal)",
        "            pass",
        (LIMITS + "test_idempotency.py", RUNS + "test_compensation.py"),
    ),
    Mutant(
        "a top-up changes no limit",
        "limits/budget.py",
        "                self.limits[name] += amount\n",
        "",
        ("tests/unit/elicitation/test_top_up.py",),
    ),
]
