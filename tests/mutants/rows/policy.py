"""Faults in policies."""

from __future__ import annotations

from tests.mutants.mutant import OWN, RUNS, Mutant

EXEC = "tests/unit/policy/exec/"

ROWS = [
    Mutant(
        "a policy gets the action's own parameters",
        "policy/rules.py",
        "self.function(apart(call))",
        "self.function(call)",
        (OWN,),
    ),
    Mutant(
        "what cannot be told is left to the mode",
        "policy/exec/policy.py",
        "        if unclear:\n",
        "        if False:\n",
        (EXEC + "test_corpus.py", EXEC + "test_decisions.py"),
    ),
    Mutant(
        "never lets pass without a sandbox",
        "policy/exec/asking.py",
        "if self.mode is AskForApproval.NEVER:",
        "if False:",
        (EXEC + "test_decisions.py", EXEC + "test_rule.py"),
    ),
    Mutant(
        "a rule of an agent replaces that of the user",
        "policy/exec/policy.py",
        "rules = [rule for rule in (user, agent, shipped) if rule is not None]",
        "rules = [rule for rule in ((agent or user), shipped) if rule is not None]",
        (EXEC + "test_decisions.py",),
    ),
    Mutant(
        "a program of the workspace is taken for that of the system",
        "policy/exec/prefix.py",
        "(folder and folder not in SYSTEM)",
        "False",
        (EXEC + "test_corpus.py",),
    ),
    Mutant(
        "an approval holds in every folder",
        "policy/exec/approvals.py",
        "json.dumps([tool, arguments, cwd]",
        "json.dumps([tool, arguments]",
        (EXEC + "test_decisions.py",),
    ),
    Mutant(
        "an approval lifts a denial",
        "policy/exec/policy.py",
        "        if worst.action is Action.DENY:\n",
        "        if worst.action is Action.DENY and not len(self.approvals):\n",
        (EXEC + "test_decisions.py",),
    ),
    Mutant(
        "what a plain sh reads otherwise is read once",
        "policy/exec/reading.py",
        "if found.other is not None:",
        "if False:",
        (EXEC + "test_corpus.py",),
    ),
    Mutant(
        "lines that the grammar joins are not seen",
        "policy/exec/syntax.py",
        "    gaps(root, data, walk.note)\n",
        "",
        (EXEC + "test_corpus.py",),
    ),
    Mutant(
        "any approval beforehand answers the exec policy",
        "policy/engine.py",
        "rule.parameters is not MISSING and rule.approves(call)",
        "rule.approves(call)",
        (RUNS + "test_exec_policy.py",),
    ),
]
