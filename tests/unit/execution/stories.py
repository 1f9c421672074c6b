"""Stories: random plans, the world they meet, and what is seen of them when the runtime runs them in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

import headway
from headway import CancellationToken, EventLog, ProposalResult, Runtime
from headway.errors import InvalidPlan
from headway.plan.graph import Graph, compile_plan
from headway.plan.parse import parse_proposal
from headway.plan.results import ActionResult
from headway.store import StoreLog
from headway.testing import VirtualClock
from headway.testing.clock import settle
from tests.unit.execution.kit import call, write

KEYS = ("x", "y", "z")
TOOLS = ("free", "slow", "slower")  # they do the same; the last two may be limited
REASON = "enough"


@dataclass
class World:
    """The surroundings that a plan meets; times are microseconds.

    ``calls``: by the name that a call passes, how long the first, the second … takes and how it ends; the last repeats.
    ``limits``: by tool, the tokens of its bucket and how long one takes to come back.
    """

    calls: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    slots: int = 64
    state: dict[str, Any] = field(default_factory=dict)
    stop_at: int | None = None
    kill: bool = False


@dataclass
class Story:
    """A plan, as JSON and compiled, and its world."""

    actions: list[dict[str, Any]]
    plan: Graph
    world: World


class End(NamedTuple):
    """The end of one action; ``error`` is None where the model does not say the words."""

    status: str
    code: str | None = None
    error: str | None = None
    output: Any = None
    changes: tuple[str, ...] = ()
    attempts: int = 0
    waited: int = 0
    used: int | None = None
    rolled_back: bool = False


class History(NamedTuple):
    """A run as it is seen from outside: ``starts`` holds (when, action, attempt) of every call, in order."""

    status: str
    outcome: str | None
    ends: dict[str, End]
    starts: list[tuple[int, str, int]]
    state: dict[str, Any]


class Drawing:
    """The memory of one drawing of a story. Each story has a bent, so that each thing is frequent in some."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.world = World()
        self._odd = itertools.count(1)
        self.writes: set[int] = set()  # the actions that are writes
        self.tools = self.some(TOOLS, TOOLS[1:2])
        self.shares = self.some(False, True)
        self.behaviors = self.some(("abort", "skip", "retry", "retry", "skip", "retry"), ("retry",), ("retry", "skip"))
        self.ends = self.some(("ok",) * 9 + ("error",) * 4 + ("terminal",), ("ok", "error"), ("ok",) * 6 + ("error",))

    def time(self, least: int, most: int) -> int:
        """Return some milliseconds in microseconds, odd by a few that no other time has: ties are rare then."""
        return self.draw(st.integers(least, most)) * 1000 + next(self._odd)

    def some(self, *choices: Any) -> Any:
        """Return one of ``choices``; a failing example comes to have the first."""
        return self.draw(st.sampled_from(choices))

    def script(self, name: str) -> None:
        """Draw what becomes of the calls that pass ``name``."""
        if name not in self.world.calls:
            ends = [self.some(*self.ends) for _ in range(self.some(1, 1, 2, 3))]
            self.world.calls[name] = [(self.time(1, 400), end) for end in ends]

    def action(self, i: int) -> dict[str, Any]:
        """Draw one action."""
        name, tool, draw = f"a{i}", self.some(*self.tools), self.draw
        fields: dict[str, Any] = {"failure_behavior": self.some(*self.behaviors)}
        if i and self.some(False, False, True):
            fields["dependencies"] = [
                f"a{n}" for n in sorted(draw(st.sets(st.integers(0, i - 1), min_size=1, max_size=2)))
            ]
        if fields["failure_behavior"] == "retry":
            fields["max_retries"] = self.some(3, 1, 2, 9, 0, 3, 2)
        kind = self.some("call", "call", "call", "call", "call", "write", "read")
        if kind == "write":
            self.writes.add(i)
            return write(name, self.some(*KEYS), i, **fields)
        if kind == "read":
            return {"id": name, "type": "state_read", "parameters": {"key": self.some(*KEYS)}, **fields}
        if self.some(False, False, False, True):
            fields["timeout_ms"] = draw(st.integers(1, 400))
        if self.some(False, False, True):
            fields["expected_effects"] = {self.some(*KEYS): i}
        if self.some(*[False] * 9, True):
            fields["state_dependencies"] = [self.some(*KEYS)]
        if self.shares and self.some(False, True, True):  # equal calls
            name, tool = self.some(("shared", "slow"), ("shared", "slow"), ("common", "free"))
            fields["idempotent"] = True
        parameters = {"name": name}
        if i and self.some(False, False, False, False, True):
            path, source = self.some("", ".name", ".attempt", ".nowhere"), draw(st.integers(0, i - 1))
            # A write's output is text: no plan is admitted that looks for more in it.
            parameters["x"] = f"$a{source}.output{'' if source in self.writes else path}"
        self.script(name)
        return call(f"a{i}", tool, parameters=parameters, **fields)

    def stop(self) -> None:
        """Draw whether and when the run is cancelled or killed: at any time, or when some call may have ended."""
        how = self.some("no", "cancel", "cancel", "cancel", "kill")
        if how != "no":
            first = [script[0][0] for script in self.world.calls.values()]
            since = self.some(0, *first)
            self.world.stop_at = self.some(*[since + self.time(0, 100), self.time(0, 600), self.time(0, 2000)] * 3, 0)
            self.world.kill = how == "kill"


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """A plan of up to eight actions in a random world."""
    drawing = Drawing(draw)
    world = drawing.world
    actions = [drawing.action(i) for i in range(drawing.some(*range(9)))]
    for tool in TOOLS[1:]:
        if drawing.some(False, True, True):
            world.limits[tool] = (drawing.some(1, 1, 2, 3), drawing.time(1, 500))
    world.slots = drawing.some(64, 1, 2, 3)
    world.state = dict.fromkeys(sorted(draw(st.sets(st.sampled_from(KEYS)))), -1)
    drawing.stop()
    try:
        plan = compile_plan(parse_proposal({"actions": actions}), world.state)
    except InvalidPlan:  # a cycle
        assume(False)
        raise
    return Story(actions, plan, world)


class Stage:
    """A runtime in the world of a story, on a clock that stands still until everything has been done that can be."""

    def __init__(self, world: World, log: EventLog | None = None) -> None:
        self.world = world
        self.clock = log.clock if log is not None and isinstance(log.clock, VirtualClock) else VirtualClock()
        self.starts: list[tuple[int, str, int]] = []
        self._made: Counter[str] = Counter()
        self.runtime = Runtime(state=world.state, log=log, clock=self.clock, max_concurrency=world.slots)
        for name in TOOLS:
            self.runtime.register_tool(headway.tool(name=name)(self._tool()))
        for name, (tokens, refill) in world.limits.items():
            self.runtime.set_rate_limit(name, tokens, tokens * refill / 1e6)

    def _tool(self) -> Callable[..., Any]:
        async def work(name: str, ctx: headway.ToolContext, x: Any = "") -> Any:
            self.starts.append((self._now(), ctx.action_id, ctx.attempt))
            length, how = self.world.calls[name][: self._made[name] + 1][-1]
            self._made[name] += 1
            await self.clock.sleep(length / 1e6)
            if how == "error":
                raise RuntimeError("broke")
            if how == "terminal":
                raise headway.TerminalToolError("fatal")
            return {"name": name, "x": x, "attempt": ctx.attempt}

        return work

    def _now(self) -> int:
        return round(self.clock.now() * 1e6)

    async def run(self, actions: list[dict[str, Any]]) -> ProposalResult:
        """Run a plan in this world; the stop comes when the world says."""
        token = CancellationToken()
        stop = token.kill if self.world.kill else token.cancel
        running = asyncio.ensure_future(self.runtime.execute_with_cancel({"actions": actions}, token))
        if self.world.stop_at == 0:
            stop(REASON)
        elif self.world.stop_at is not None:
            self.clock.call_later(self.world.stop_at / 1e6, stop, REASON)
        log = self.runtime.log
        while True:
            await settle()
            if running.done():
                return await running
            if isinstance(log, StoreLog) and log.pending:
                await log.flush()
            elif (when := self.clock.next_at) is not None:
                await self.clock.advance(when - self.clock.now() + 1e-9)
            else:
                running.cancel()
                raise AssertionError("the run waits for what never comes")

    def history(self, result: ProposalResult) -> History:
        """Return what was seen of a run."""
        ends = {r.action_id: _end(r) for r in result.results}
        return History(result.status, result.outcome, ends, self.starts, dict(self.runtime.state.snapshot()))


def _end(result: ActionResult) -> End:
    code = result.error_code.value if result.error_code is not None else None
    unsaid = code in ("precondition", "validation") or result.rolled_back
    return End(
        result.status.value,
        code,
        None if unsaid else result.error,
        result.output,
        tuple(result.state_changes),
        result.attempts,
        round((result.waited_ms or 0) * 1000),
        None if result.duration_ms is None else round(result.duration_ms * 1000),
        result.rolled_back,
    )
