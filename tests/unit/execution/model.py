"""A reference model of a run: what docs/plans.md says becomes of a plan, in whole microseconds.

It knows nothing of the executor. It keeps what is due, of each action one thing at most, and goes from instant to
instant. Where two things are due at once the rules do not say which is first: the model then gives up with
:class:`Tie`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import assume

from headway.plan.graph import Graph
from tests.unit.execution.stories import End, History, Story, World

CALL_ENDS = ("ok", "error", "terminal", "timeout")
STOP = -1  # stands for the cancel where the others are actions
CODE = {"abort": "aborted", "cancel": "canceled"}
HERE = {"abort": "skipped due to abort", "cancel": "canceled: enough"}
LATER = {"abort": "skipped due to earlier abort", "cancel": "canceled: enough"}


class Tie(Exception):
    """Two things happen at one instant."""


@dataclass
class Course:
    """The progress of one action. ``key`` stands for equal calls; who ``leads`` makes it for all."""

    parameters: dict[str, Any] | None = None
    key: str | None = None
    leads: bool = False
    token: bool = False
    attempts: int = 0
    since: int = 0
    waited: int = 0
    used: int | None = None
    failure: tuple[str, str] = ("", "")


@dataclass
class Model:
    """One run of ``plan`` in ``world``."""

    plan: Graph
    world: World
    now: int = 0
    stop: str | None = None  # abort or cancel, whichever came first
    asked: bool = False  # to cancel
    state: dict[str, Any] = field(default_factory=dict)
    changes: dict[int, dict[str, Any]] = field(default_factory=dict)
    ends: dict[int, End] = field(default_factory=dict)
    due: dict[int, tuple[int, str]] = field(default_factory=dict)  # when, and what
    queue: list[int] = field(default_factory=list)  # as listed, not looked at yet
    ready: list[int] = field(default_factory=list)  # back from a wait
    lines: dict[str, list[int]] = field(default_factory=dict)  # who waits for an equal call that is being made
    shared: dict[int, Any] = field(default_factory=dict)  # results of such calls, for who waited
    spent_until: dict[str, int] = field(default_factory=dict)  # when a tool's bucket would be full again
    made: Counter[str] = field(default_factory=Counter)
    starts: list[tuple[int, str, int]] = field(default_factory=list)

    def run(self) -> History:
        """Return what happens."""
        self.state, self.course = dict(self.world.state), [Course() for _ in self.plan.nodes]
        if self.world.stop_at is not None:
            self.due[STOP] = (self.world.stop_at, "stop")
        if self.world.stop_at == 0:
            self._go_on()
        for level in self.plan.levels:
            if self.stop is None:
                self._level(level)
        if (self.now, "stop") in self.due.values():
            raise Tie
        if self.stop == "abort":
            self.state = self.world.state
            self.ends = {i: e._replace(rolled_back=e.status == "succeeded", changes=()) for i, e in self.ends.items()}
        for node in self.plan.nodes if self.stop is not None else ():
            self.ends.setdefault(node.index, End("skipped", CODE[self.stop or ""], LATER[self.stop or ""]))
        aborted = self.stop == "abort"
        status = "cancelled" if self.asked else "failed" if aborted else "completed"
        outcome = "killed" if self.asked and self.world.kill else "aborted" if aborted else None
        return History(status, outcome, {n.id: self.ends[n.index] for n in self.plan.nodes}, self.starts, self.state)

    def _level(self, level: list[int]) -> None:
        self.queue = list(level)
        self._start_what_may()
        while self.due.keys() - {STOP}:
            self._go_on()
            self._start_what_may()
        for i in level if self.stop != "abort" else ():
            self.state |= self.changes.get(i, {})

    def _go_on(self) -> None:
        """Let the next thing happen."""
        (i, (self.now, what)), *later = sorted(self.due.items(), key=lambda item: item[1])
        if later and later[0][1][0] == self.now:
            raise Tie
        del self.due[i]
        if what in CALL_ENDS:
            self._call_ended(i, what)
        elif i == STOP:
            self.asked, self.stop = True, self.stop or "cancel"
            in_flight = [i for i, (_, what) in self.due.items() if what in CALL_ENDS]
            for i in in_flight if self.world.kill else ():
                del self.due[i]
                self._add_up(self.course[i])
                self._end(i, "failed", "killed", "killed: enough")
        else:
            self.course[i].token = what == "token"
            self._waited(i)

    def _start_what_may(self) -> None:
        """Start, as far as there are slots, who comes back from a wait, then the others as listed.

        They start together: if one of them is refused, and that stops the run, none does.
        """
        batch: list[int] = []
        free = self.world.slots - sum(what in CALL_ENDS for _, what in self.due.values())
        while self.stop is None and len(batch) < free and (self.ready or self.queue):
            i = (self.ready or self.queue).pop(0)
            if (self.course[i].parameters is not None or self._admit(i)) and self._may_call(i):
                batch.append(i)
        if self.stop is not None:
            self._drop(batch)
            return
        for i in batch:
            course, node = self.course[i], self.plan.nodes[i]
            course.attempts, course.since, course.token = course.attempts + 1, self.now, False
            self.starts.append((self.now, node.id, course.attempts))
            name, most = (course.parameters or {})["name"], (node.action.timeout_ms or 10**9) * 1000
            length, how = self.world.calls[name][: self.made[name] + 1][-1]
            self.made[name] += 1
            if length == most:
                raise Tie
            self.due[i] = (self.now + min(length, most), how if length < most else "timeout")

    def _admit(self, i: int) -> bool:
        """Settle what needs no call, or may not be called; return whether there is a call to make."""
        node, action, given = self.plan.nodes[i], self.plan.nodes[i].action, self.plan.nodes[i].action.parameters
        missing = next((self.plan.nodes[n].id for n in node.needs if self.ends[n].status != "succeeded"), None)
        if missing is not None:
            self._end(i, "skipped", "dependency", f"dependency '{missing}' did not succeed")
            return False
        try:  # of both kinds of refusal the parameters give the code
            parameters = {name: self._filled_in(value) for name, value in given.items()}
        except LookupError:
            self._end(i, "rejected", "validation", None)
            return False
        if any(key not in self.state for key in action.state_dependencies):
            self._end(i, "rejected", "precondition", None)
        elif action.type == "state_write":
            self._succeed(i, f"written: {given['key']}", {given["key"]: given["value"]})
        elif action.type == "state_read":
            self._succeed(i, self.state.get(given["key"]), {})
        else:
            self.course[i].parameters = parameters
            self.course[i].key = f"{node.tool} {parameters}" if action.idempotent else None
            return True
        return False

    def _filled_in(self, value: Any) -> Any:
        if not (isinstance(value, str) and value.startswith("$")):
            return value
        source, _, *path = value[1:].split(".")
        found = next(self.ends[node.index].output for node in self.plan.nodes if node.id == source)
        for step in path:
            if not isinstance(found, dict):
                raise LookupError(step)
            found = found[step]
        return found

    def _may_call(self, i: int) -> bool:
        """Look for an equal call, then take a token; False if the action has its result, or waits."""
        course, action, tool = self.course[i], self.plan.nodes[i].action, self.plan.nodes[i].tool or ""
        if course.key is not None and not course.leads:
            if i in self.shared:
                course.used = 0
                self._succeed(i, self.shared[i], action.expected_effects)
            elif course.key in self.lines:
                course.since = self.now
                self.lines[course.key].append(i)
            else:
                self.lines[course.key], course.leads = [], True
            if not course.leads:
                return False
        if tool not in self.world.limits or course.token:
            return True
        tokens, refill = self.world.limits[tool]
        spent_until = self.spent_until.get(tool, 0)
        at = max(self.now, spent_until - (tokens - 1) * refill)
        self.spent_until[tool] = max(at, spent_until) + refill
        if at > self.now:
            course.since, self.due[i] = self.now, (at, "token")
        return at == self.now

    def _call_ended(self, i: int, how: str) -> None:
        course, action = self.course[i], self.plan.nodes[i].action
        self._add_up(course)
        if how == "ok":
            output = {"x": "", **(course.parameters or {}), "attempt": course.attempts}
            self._succeed(i, output, action.expected_effects)
            return
        text = {"timeout": f"timed out after {action.timeout_ms} ms", "error": "RuntimeError: broke"}.get(how, "fatal")
        code = "timeout" if how == "timeout" else "tool_error"
        retries = action.failure_behavior == "retry" and course.attempts <= action.max_retries
        if retries and how != "terminal" and self.stop is None:
            course.failure, course.since = (code, text), self.now
            self.due[i] = (self.now + min(10_000_000, 100_000 * 2 ** (course.attempts - 1)), "again")
        else:
            self._end(i, "failed", code, text, always_aborts=how == "terminal")

    def _add_up(self, course: Course) -> None:
        course.used = (course.used or 0) + self.now - course.since

    def _waited(self, i: int) -> None:
        self.course[i].waited += self.now - self.course[i].since
        self.ready.append(i)

    def _succeed(self, i: int, output: Any, changes: dict[str, Any]) -> None:
        course = self.course[i]
        self.changes[i] = changes
        self.ends[i] = End("succeeded", None, None, output, tuple(changes), course.attempts, course.waited, course.used)
        if course.leads and course.key is not None:
            for other in self.lines.pop(course.key, ()):
                self.shared[other] = output
                self._waited(other)

    def _end(self, i: int, status: str, code: str, text: str | None, always_aborts: bool = False) -> None:
        """Settle what did not succeed, by its failure behaviour; the first who waits for its result makes the call."""
        course, answers = self.course[i], code not in ("dependency", "killed")
        if answers and not always_aborts and self.plan.nodes[i].action.failure_behavior == "skip":
            status = "skipped"
        elif answers:
            self.stop = self.stop or "abort"
        self.ends[i] = End(status, code, text, None, (), course.attempts, course.waited, course.used)
        if course.leads and course.key is not None:
            line = self.lines.pop(course.key, [])
            if line:
                self.lines[course.key], self.course[line[0]].leads = line[1:], True
                self._waited(line[0])

    def _drop(self, batch: list[int]) -> None:
        """Settle what has not started, and what was to start again."""
        parked = [i for i, (_, what) in self.due.items() if what in ("token", "again")]
        parked += [i for line in self.lines.values() for i in line]
        for i in parked:
            self.course[i].waited += self.now - self.course[i].since
        for i in (*batch, *self.queue, *self.ready, *parked):
            self.due.pop(i, None)
            course, stop = self.course[i], self.stop or ""
            code, text = course.failure
            if course.attempts:
                code = "canceled" if stop == "cancel" else code
                self.ends[i] = End("failed", code, text, None, (), course.attempts, course.waited, course.used)
            else:
                self.ends[i] = End("skipped", CODE[stop], HERE[stop], waited=course.waited)
        self.queue, self.ready, self.lines = [], [], {}


def told(story: Story) -> History:
    """Return what the model says of a story; stories of which it says nothing are left out of a test."""
    try:
        return Model(story.plan, story.world).run()
    except Tie:
        assume(False)
        raise
