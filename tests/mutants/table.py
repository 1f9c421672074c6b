"""The mutants, and for each the tests of which one must fail."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One fault: in ``file``, below ``core/headway``, ``fragment``, which it has once, becomes ``replacement``."""

    name: str
    file: str
    fragment: str
    replacement: str
    tests: tuple[str, ...]


RUNS = "tests/unit/execution/"
LIMITS = "tests/unit/limits/"
PLANS = "tests/unit/plan/"
STORE = "tests/unit/store/"
WHOLE = "tests/integration/"
DISPATCH = "tests/unit/dispatch/test_conformance.py"

EXECUTION = [
    Mutant(
        "a result that the tool's schema refuses is kept all the same",
        "execution/attempt.py",
        "            self._failed(action, *problem, used=outcome.used)\n            return\n",
        "            self.level.stages.leave(action, End(call.seconds, outcome.used, outcome))\n"
        "            self._failed(action, *problem, used=outcome.used)\n            return\n",
        (RUNS + "test_reuse.py",),
    ),
    Mutant(
        "what a tool returned is not held against its schema",
        "execution/attempt.py",
        "problem = action.entry.output_problem(outcome.output)",
        "problem = None",
        (RUNS + "test_reuse.py", RUNS + "test_facade.py"),
    ),
    Mutant(
        "a tool gets the plan's own parameters",
        "dispatch/local.py",
        "arguments = copy_members(request.parameters)",
        "arguments = dict(request.parameters)",
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
        "CAR's rule asks that all actions of a level abort",
        "execution/level.py",
        "return any(nodes[i].action.failure_behavior is FailureBehavior.ABORT for i in members)",
        "return all(nodes[i].action.failure_behavior is FailureBehavior.ABORT for i in members)",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "CAR's rule holds for every runtime",
        "execution/level.py",
        '        if self.env.concurrency != "car":\n            return False\n',
        "",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "an interrupted compensation always repeats",
        "execution/compensation.py",
        "if node.index in self._run.undoing and not self._may_repeat(node.action, tool, named):",
        "if False:",
        (WHOLE + "test_resume_compensation.py", WHOLE + "test_old_homes.py"),
    ),
    Mutant(
        "an interrupted compensation never repeats",
        "execution/compensation.py",
        "return declared or undone.idempotent or (named is not None and named.idempotent)",
        "return False",
        (WHOLE + "test_resume_compensation.py",),
    ),
    Mutant(
        "a run returns before its end is committed",
        "execution/run.py",
        "            unlisten()\n        await self.env.log.flush()\n",
        "            unlisten()\n",
        (STORE + "test_acknowledged.py",),
    ),
    Mutant(
        "an attempt starts before it is on disk that it will",
        "execution/level.py",
        "await self.env.log.write(*events)",
        "self.env.log.append(*events)",
        (STORE + "test_acknowledged.py",),
    ),
    Mutant(
        "a compensation starts before it is on disk that it will",
        "execution/compensation.py",
        "            await self._committed()\n",
        "",
        (STORE + "test_acknowledged.py",),
    ),
    Mutant(
        "policies are not asked of a further attempt",
        "execution/stages/policy.py",
        "    each_attempt = True\n",
        "",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "a further attempt needs no token",
        "execution/stages/rate.py",
        "    each_attempt = True\n",
        "",
        (RUNS + "test_tokens.py", RUNS + "test_failing.py"),
    ),
    Mutant(
        "a further attempt costs nothing",
        "execution/stages/budget.py",
        "    each_attempt = True\n",
        "",
        (RUNS + "test_budgets.py",),
    ),
    Mutant(
        "one retry more than max_retries",
        "execution/attempt.py",
        "and action.attempt <= planned.max_retries",
        "and action.attempt <= planned.max_retries + 1",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "a tool that goes on after its timeout is tried again",
        "execution/attempt.py",
        "            and not (action.call is not None and action.call.abandoned)\n",
        "",
        (RUNS + "test_stopping.py",),
    ),
    Mutant(
        "a retry is begun though the run stops",
        "execution/attempt.py",
        "            and not self.run.stopping\n",
        "",
        (RUNS + "test_stopping.py", RUNS + "test_cancels.py"),
    ),
    Mutant(
        "an error of the plan is retried",
        "execution/attempt.py",
        "            and code in _RETRYABLE\n",
        "",
        (RUNS + "test_own_values.py", RUNS + "test_failing.py"),
    ),
    Mutant(
        "backoff does not grow",
        "execution/attempt.py",
        "BACKOFF_S * 2.0 ** min(action.attempt - 1, 32)",
        "BACKOFF_S",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "backoff has no cap",
        "execution/attempt.py",
        "delay = min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** min(action.attempt - 1, 32))",
        "delay = BACKOFF_S * 2.0 ** min(action.attempt - 1, 32)",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "a terminal error is answered by the failure behaviour",
        "execution/attempt.py",
        "terminal=isinstance(error, TerminalToolError))",
        "terminal=False)",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "effects that a tool confirmed do not beat the declared ones",
        "execution/outcome.py",
        "_changes(declared if effects is None else effects)",
        "_changes(declared)",
        (RUNS + "test_failing.py",),
    ),
    Mutant(
        "a tool may set keys beyond the capabilities",
        "execution/attempt.py",
        "            beyond = self.env.gates.effects_denied(outcome.effects)\n",
        "            beyond = None\n",
        (RUNS + "test_own_values.py",),
    ),
    Mutant(
        "a reused result may set keys beyond the capabilities",
        "execution/level.py",
        "beyond = self.env.gates.effects_denied(hit.effects) if hit.effects else None",
        "beyond = None",
        (RUNS + "test_own_values.py",),
    ),
    Mutant(
        "actions see the changes of their own level",
        "execution/level.py",
        "        output, changes = perform(action, self.state)\n",
        "        output, changes = perform(action, self.run_.state.raw())\n        self.run_.state.apply(changes)\n",
        (RUNS + "test_failing.py", RUNS + "test_model.py"),
    ),
    Mutant(
        "an action runs though a dependency did not succeed",
        "execution/run.py",
        "if result is None or result.status is not ActionStatus.SUCCEEDED:",
        "if result is None:",
        (RUNS + "test_failing.py", RUNS + "test_model.py"),
    ),
    Mutant(
        "an abort does not roll the state back",
        "execution/run.py",
        "        self._apply(self._before)\n",
        "",
        (RUNS + "test_failing.py", RUNS + "test_model.py"),
    ),
    Mutant(
        "a roll-back goes back to what an earlier level of the run wrote",
        "execution/run.py",
        "self._before.update(self.state.undo_of(key for key in merged if key not in self._before))",
        "self._before.update(self.state.undo_of(merged))",
        (RUNS + "test_failing.py", RUNS + "test_model.py"),
    ),
    Mutant(
        "an abort overrules a cancel that came first",
        "execution/run.py",
        "        if not self.stopping:\n            self.stop = stop\n",
        "        self.stop = stop\n",
        (RUNS + "test_stopping.py", RUNS + "test_cancels.py"),
    ),
    Mutant(
        "compensations run in the order of the actions",
        "execution/compensation.py",
        "return due[::-1]",
        "return due",
        (RUNS + "test_compensation.py",),
    ),
    Mutant(
        "what took an equal call's result is compensated too",
        "execution/compensation.py",
        "        and (result.attempts > 0 or node.type is not ActionType.TOOL_CALL)\n",
        "",
        (RUNS + "test_compensation.py",),
    ),
    Mutant(
        "a compensation is not counted in the budget",
        "execution/stages/budget.py",
        'self._settle(action, {}, {"tool_calls": 1, **spent})',
        "self._settle(action, {}, {})",
        (RUNS + "test_compensation.py", RUNS + "test_budgets.py"),
    ),
    Mutant(
        "a used-up budget keeps compensations from running",
        "execution/stages/budget.py",
        "        if action.compensates:\n            return True\n",
        "",
        (RUNS + "test_compensation.py",),
    ),
    Mutant(
        "a kill lets compensations run on",
        "execution/compensation.py",
        "        if self._run.token.is_killed():\n            raise ToolError(",
        "        if False:\n            raise ToolError(",
        (RUNS + "test_compensation.py",),
    ),
    Mutant(
        "a kill lets the compensation in flight run on",
        "execution/compensation.py",
        "            self._env.dispatcher.kill(self._call)\n",
        "            pass\n",
        (RUNS + "test_compensation.py",),
    ),
    Mutant(
        "a call cut off by a restart always runs again",
        "execution/run.py",
        "(self.stopping or (tried.cut_off and not node.action.idempotent))",
        "self.stopping",
        (WHOLE + "test_resume.py", WHOLE + "test_old_homes.py"),
    ),
    Mutant(
        "a call cut off by a restart never runs again",
        "execution/run.py",
        "(self.stopping or (tried.cut_off and not node.action.idempotent))",
        "(self.stopping or tried.cut_off)",
        (WHOLE + "test_old_homes.py",),
    ),
    Mutant(
        "attempts before a restart do not count",
        "execution/level.py",
        "action.attempt, action.error, action.code, action.duration = tried",
        "_, action.error, action.code, action.duration = tried",
        (WHOLE + "test_resume.py", WHOLE + "test_resume_stops.py"),
    ),
    Mutant(
        "a token that was taken for no call is lost",
        "execution/stages/rate.py",
        "        bucket.give_back()\n",
        "",
        (RUNS + "test_tokens.py",),
    ),
    Mutant(
        "the token of a call that was made comes back",
        "execution/stages/rate.py",
        "if bucket is None or (end is not None and action.call is not None):",
        "if bucket is None:",
        (RUNS + "test_tokens.py",),
    ),
    Mutant(
        "who waits in line holds the place after the run stopped",
        "execution/pending.py",
        "            if wait is not None:\n                wait.cancel()\n",
        "",
        (RUNS + "test_tokens.py", RUNS + "test_stopping.py"),
    ),
    Mutant(
        "a failed call's duty is passed on to nobody",
        "execution/stages/reuse.py",
        "        else:\n            lead.fail()\n",
        "",
        (RUNS + "test_reuse.py",),
    ),
    Mutant(
        "a job of another workspace is resumed",
        "jobs/revival.py",
        'if started.data.get("workspace") != _text(workspace):',
        "if False:",
        (WHOLE + "test_resume.py",),
    ),
    Mutant(
        "a level takes more calls than it has slots",
        "execution/level.py",
        "free = self._slots - len(self.attempts.in_flight)",
        "free = self._slots",
        (RUNS + "test_facade.py", RUNS + "test_failing.py"),
    ),
]

LIMIT = [
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
        'return f"{tool}:{hashlib.sha256(encoded).hexdigest()}"',
        'return f"{hashlib.sha256(encoded).hexdigest()}"',
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
        "a kept result overwrites state",
        "execution/level.py",
        "if hit.kept and not self.env.reuse.idempotency.keep:",
        "if False:",
        (RUNS + "test_reuse.py",),
    ),
    Mutant(
        "results are shared by all principals",
        "execution/stages/reuse.py",
        "return None if entry is None or entry.shared else self.run.principal",
        "return None",
        (RUNS + "test_reuse.py",),
    ),
    Mutant(
        "an interrupt leaves a run that never ends",
        "execution/run.py",
        "                self._give_up(stops.interrupted(describe(error)), ErrorCode.INTERRUPTED)\n            raise",
        "                pass\n            raise",
        (RUNS + "test_hostile.py",),
    ),
    Mutant(
        "a rule that comes in mid-run is not seen",
        "execution/stages/table.py",
        "if self._seen != self._rules.version:",
        "if self._seen < 0:",
        (RUNS + "test_stages.py",),
    ),
    Mutant(
        "a compensated call's result is reused",
        "limits/reuse.py",
        "            store.forget(tool, params, principal=principal)",
        "            pass",
        (LIMITS + "test_idempotency.py", RUNS + "test_compensation.py"),
    ),
]

PLAN = [
    Mutant(
        "a read binds to the first writer before it",
        "plan/graph.py",
        "needs[reader].add(writers[position - 1])",
        "needs[reader].add(writers[0])",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "a read of a key in the state waits for a later writer",
        "plan/graph.py",
        "_bind(node.index, writers[key], key not in state_keys, needs, after)",
        "_bind(node.index, writers[key], True, needs, after)",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "not_exists waits for the writer that makes it fail",
        "plan/graph.py",
        "_bind(node.index, writers[precondition.key], False, needs, after)",
        "_bind(node.index, writers[precondition.key], True, needs, after)",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "a reader does not precede the next writer",
        "plan/graph.py",
        "        after[writers[position]].add(reader)\n",
        "        pass\n",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "writers of one key have no order",
        "plan/graph.py",
        "                after[later].add(earlier)\n",
        "                pass\n",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "a reference is no dependency",
        "plan/graph.py",
        "needs = {reference.source for reference in node.references}",
        "needs: set[int] = set()",
        (PLANS + "test_graph.py", RUNS + "test_facade.py"),
    ),
    Mutant(
        "assumptions order nothing",
        "plan/graph.py",
        "        keys += [assumption.key for assumption in action.assumptions]\n",
        "        pass\n",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "of two actions with one id the first wins",
        "plan/graph.py",
        "if index.setdefault(node.id, node.index) != node.index:",
        "if index.setdefault(node.id, node.index) < 0:",
        (PLANS + "test_graph.py", PLANS + "test_verify.py"),
    ),
    Mutant(
        "true equals 1",
        "plan/checks.py",
        "        if isinstance(a, bool) or isinstance(b, bool):\n            return False\n",
        "",
        (PLANS + "test_checks.py",),
    ),
    Mutant(
        "gte is gt",
        "plan/checks.py",
        '"gte": (_compare(lambda a, b: a >= b)',
        '"gte": (_compare(lambda a, b: a > b)',
        (PLANS + "test_checks.py",),
    ),
    Mutant(
        "exists holds for a key that is not there",
        "plan/checks.py",
        """return f"key '{key}' does not exist" if value is MISSING else None""",
        "return None",
        (PLANS + "test_checks.py",),
    ),
    Mutant(
        "a doubled dollar stays doubled",
        "plan/references.py",
        "        place[last] = place[last][1:]\n",
        "",
        (PLANS + "test_checks.py",),
    ),
    Mutant(
        "a path into an output is not followed",
        "plan/references.py",
        'readings.append((text[1:at], tuple(rest[1:].split("."))))',
        "readings.append((text[1:at], ()))",
        (PLANS + "test_graph.py", RUNS + "test_facade.py"),
    ),
    Mutant(
        "of two ids that a reference could mean the shorter wins",
        "plan/references.py",
        "return readings[::-1]",
        "return readings",
        (PLANS + "test_graph.py",),
    ),
    Mutant(
        "text that looks like a reference is made one by the builder",
        "plan/references.py",
        'return f"${text}" if text[:1] == "$" and _REFERENCE.fullmatch(text) else text',
        "return text",
        (PLANS + "test_builder.py",),
    ),
    Mutant(
        "a field that the format does not know is ignored",
        "plan/parse.py",
        "if unknown and compat is None:",
        "if False:",
        (PLANS + "test_parse.py",),
    ),
    Mutant(
        "a kind that a parameter does not take fits",
        "plan/schemas.py",
        "return bool(_with_numbers(given) & _with_numbers(taken))",
        "return True",
        (PLANS + "test_schemas.py",),
    ),
    Mutant(
        "admission lets pass what references cannot be",
        "plan/verify.py",
        'issues += [issue for issue in found if issue.severity == "error"]',
        "pass",
        (PLANS + "test_schemas.py",),
    ),
    Mutant(
        "verify lets warnings make a plan invalid",
        "plan/verify.py",
        'valid=not any(issue.severity == "error" for issue in issues)',
        "valid=not issues",
        (PLANS + "test_verify.py",),
    ),
    Mutant(
        "effects of skipped checks are forgotten",
        "plan/verify.py",
        "        if changes:\n            now.update(changes)\n",
        "",
        (PLANS + "test_verify.py",),
    ),
]

STORED = [
    Mutant(
        "a commit is on disk only sometimes",
        "store/sqlite/connect.py",
        'connection.execute("PRAGMA synchronous = FULL")',
        'connection.execute("PRAGMA synchronous = NORMAL")',
        (STORE + "test_acknowledged.py",),
    ),
    Mutant(
        "a commit that arrived despite an error is made again",
        "store/sqlite/writer.py",
        "return bool(chunk) and _last_seq(connection) == self._last_seq + len(chunk)",
        "return False",
        (STORE + "test_failures.py",),
    ),
    Mutant(
        "a commit that failed counts as made",
        "store/sqlite/writer.py",
        "return bool(chunk) and _last_seq(connection) == self._last_seq + len(chunk)",
        "return bool(chunk)",
        (STORE + "test_failures.py",),
    ),
    Mutant(
        "a write is acknowledged when it is handed over",
        "store/sqlite/log.py",
        "        await self._until(self._appended)\n        return packed[-1].event.seq\n\n    async def flush",
        "        return packed[-1].event.seq\n\n    async def flush",
        (STORE + "test_acknowledged.py", STORE + "test_log.py"),
    ),
    Mutant(
        "a refused commit loses its events",
        "store/sqlite/writer.py",
        "                self._post(self._listener.refused, store_error(error, self._path), self._taken)\n"
        "                return False\n",
        "                self._post(self._listener.refused, store_error(error, self._path), self._taken)\n"
        "                self._backlog.clear()\n                return False\n",
        (STORE + "test_failures.py",),
    ),
    Mutant(
        "one bad event stops all",
        "store/sqlite/writer.py",
        "chunk = [_mended(packed) for packed in chunk]",
        "pass",
        (STORE + "test_log.py",),
    ),
    Mutant(
        "the size of a large value is not looked at",
        "store/sqlite/codec.py",
        "if len(body) > most:",
        "if False:",
        (STORE + "test_blobs.py",),
    ),
    Mutant(
        "a value that looks like a reference acts as one",
        "store/sqlite/codec.py",
        "if len(body) > BLOB_BYTES or is_reference(value):",
        "if len(body) > BLOB_BYTES:",
        (STORE + "test_blobs.py",),
    ),
    Mutant(
        "a blob that others need goes with a pruned job",
        "store/sqlite/prune.py",
        'f"DELETE FROM blobs WHERE hash = ? AND {unused}"',
        'f"DELETE FROM blobs WHERE hash = ? OR {unused}"',
        (STORE + "test_blobs.py", STORE + "test_prune.py"),
    ),
    Mutant(
        "a scope's state goes with its pruned jobs",
        "store/sqlite/prune.py",
        '            connection.execute(_SET_BASE, ("state", scope, base_seq, body))\n',
        "",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "a job that a checkpoint needs is pruned",
        "store/sqlite/prune.py",
        "if ended and not needed and row.scope not in self._held:",
        "if ended and row.scope not in self._held:",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "a job is pruned though an older one of its scope stays",
        "store/sqlite/prune.py",
        "if ended and not needed and row.scope not in self._held:",
        "if ended and not needed:",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "prune starts with the newest jobs",
        "store/sqlite/prune.py",
        '    ORDER BY seq LIMIT ?\n    """\n\n_NEEDED',
        '    ORDER BY seq DESC LIMIT ?\n    """\n\n_NEEDED',
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "prune takes jobs that run",
        "store/sqlite/prune.py",
        "ended = row.finished_ms is not None and row.finished_ms <= self._cutoff_ms",
        "ended = (row.finished_ms or 0) <= self._cutoff_ms",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "a reader takes the cached row of a job for the present one",
        "store/sqlite/queries.py",
        "    found = yield from _up_to_date(job_id, row)\n    if found is None:",
        "    found = row\n    if found is None:",
        (STORE + "test_views.py", STORE + "test_reader.py"),
    ),
    Mutant(
        "a run's view forgets the events after its snapshot",
        "store/sqlite/queries.py",
        "    after = int(rows[0][0]) if rows else 0\n    while True:\n"
        "        page = yield from events(after, before=min(end, _END - 1) + 1, job_id=job_id, limit=PAGE)",
        "    after = int(rows[0][0]) + 1 if rows else 0\n    while True:\n"
        "        page = yield from events(after, before=min(end, _END - 1) + 1, job_id=job_id, limit=PAGE)",
        (STORE + "test_views.py",),
    ),
    Mutant(
        "caches of another log are believed",
        "store/sqlite/caches.py",
        "if folded is None or folded > head or _emptied(connection) or known != (_names(),):",
        "if folded is None or folded > head:",
        (STORE + "test_views.py",),
    ),
]

TOOLS = "tests/unit/tools/"
OWN = RUNS + "test_own_values.py"

VALUES = [
    Mutant(
        "the state shares values with events and results",
        "execution/run.py",
        "self.state.apply(changes)",
        "self.state._commit(changes)",
        (OWN,),
    ),
    Mutant(
        "a reader gets the state's own value",
        "state.py",
        "return default if value is _MISSING else copy_value(value)",
        "return default if value is _MISSING else value",
        ("tests/unit/test_state.py",),
    ),
    Mutant(
        "a policy gets the action's own parameters",
        "policy/rules.py",
        "self.function(apart(call))",
        "self.function(call)",
        (OWN,),
    ),
    Mutant(
        "an estimate gets the action's own parameters",
        "tools/estimate.py",
        "estimate(copy_members(params))",
        "estimate(params)",
        (OWN,),
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

MUTANTS = [*EXECUTION, *LIMIT, *PLAN, *STORED, *VALUES]
