"""Resume of an abort: whatever event a process died after, what was undone stays undone, and is undone once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headway
from headway import CancellationToken, CostBudget, ProposalResult, Runtime
from headway.errors import Conflict
from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.plan.results import ActionResult, ActionStatus, ErrorCode
from headway.store import StoreLog
from tests.integration.test_resume import die_after, in_flight
from tests.integration.test_same_views import Stepping
from tests.sizes import cases
from tests.unit.execution.kit import call, write

ENDS = (kinds.COMPENSATION_SUCCEEDED, kinds.COMPENSATION_FAILED)
CUT_OFF = "interrupted: the process ended during the call"


@dataclass
class World:
    """The world outside of all processes: how often each name is paid for. Booked is a name once or not at all."""

    paid: Counter[str] = field(default_factory=Counter)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def do(self, tool: str, name: str) -> None:
        """Let a call take effect."""
        if tool == "pay":
            self.paid[name] += 1
        elif tool == "book":
            self.paid[name] = 1
        elif tool == "refund":
            self.paid[name] -= 1
        elif tool in ("cancel", "void"):
            self.paid[name] = 0
        assert self.paid[name] >= 0, f"{name} was undone twice"

    def register(self, made: Runtime) -> None:
        """Give a runtime the tools that act on this world; only ``void`` says that it may be repeated."""

        def tool(name: str, idempotent: bool = False, fails: bool = False) -> None:
            async def act(what: str = "") -> str:
                self.calls.append((name, what))
                self.do(name, what)
                if fails:
                    raise RuntimeError(f"{name} never works")
                return f"{name} {what}"

            made.register_tool(headway.tool(name=name, idempotent=idempotent)(act))

        for name in ("pay", "book", "refund", "cancel"):
            tool(name)
        tool("void", idempotent=True)
        tool("boom", fails=True)


def pays(name: str, undo: str, **fields: Any) -> dict[str, Any]:
    """Return an action that pays for its own id, and that ``undo`` undoes."""
    return undoable(name, "pay", name, undo, **fields)


def books(name: str, what: str, **fields: Any) -> dict[str, Any]:
    """Return an idempotent action that books ``what``."""
    return undoable(name, "book", what, "cancel", idempotent=True, **fields)


def fails(name: str, **fields: Any) -> dict[str, Any]:
    """Return an idempotent action that fails."""
    return call(name, "boom", parameters={"what": name}, idempotent=True, **fields)


def undoable(name: str, tool: str, what: str, undo: str, **fields: Any) -> dict[str, Any]:
    compensation = {"type": "tool", "tool": undo, "parameters": {"what": what}}
    fields |= {"reversibility": "compensable", "compensation": compensation}
    return call(name, tool, parameters={"what": what}, **fields)


PLAN = {
    "id": "p",
    "actions": [
        write("w", "k", 2),
        pays("a", "refund", dependencies=["w"], expected_effects={"a": 1}),
        books("b", "b", dependencies=["a"]),
        pays("c", "void", dependencies=["b"]),
        pays("d", "boom", dependencies=["c"]),
        books("e", "b", dependencies=["d"]),  # the call of b
        fails("s", failure_behavior="skip", dependencies=["d"]),
        books("x", "x", dependencies=["e"]),
        fails("f", dependencies=["e"]),
        pays("y", "refund", dependencies=["e"]),
        write("later", "l", dependencies=["f"]),
        pays("last", "refund", dependencies=["later"]),
    ],
}


@asynccontextmanager
async def on(path: Path, world: World, **options: Any) -> AsyncIterator[Runtime]:
    """Yield a runtime in ``world`` on the store at ``path``."""
    home = Home(path)
    home.prepare()
    log = await StoreLog.open(home)
    try:
        made = Runtime(log=log, **options)
        world.register(made)
        yield made
    finally:
        await log.close()


async def whole(path: Path, plan: dict[str, Any], **options: Any) -> tuple[list[Event], ProposalResult]:
    """Run ``plan`` to its end; return the log and the result."""
    async with on(path, World(), state={"k": 1}, **options) as made:
        result = await made.execute(plan)
        return await made.log.read(limit=10_000), result


def being_undone(known: list[Event]) -> set[str]:
    """Return the actions whose compensation has started and not ended."""
    undoing: set[str] = set()
    for event in known:
        if event.kind == kinds.COMPENSATION_STARTED:
            undoing.add(event.action_id or "")
        elif event.kind in ENDS:
            undoing.discard(event.action_id or "")
    return undoing


def world_after(known: list[Event], plan: dict[str, Any], took_effect: bool) -> World:
    """Return the world that a process leaves which died after ``known``; what was in flight took effect or did not."""
    world = World()
    actions = {action["id"]: action for action in plan["actions"]}

    def happened(action_id: str, undone: bool) -> None:
        action = actions[action_id]
        called = action["compensation"] if undone else action
        if called.get("tool") and called["tool"] != "boom":
            world.do(called["tool"], called["parameters"]["what"])

    made = {event.action_id for event in known if event.kind == kinds.ACTION_EXECUTING}
    for event in known:
        if event.kind == kinds.ACTION_SUCCEEDED and event.action_id in made:
            happened(event.action_id or "", undone=False)
        elif event.kind == kinds.COMPENSATION_SUCCEEDED:
            happened(event.action_id or "", undone=True)
    for action_id in in_flight(known) if took_effect else ():
        happened(action_id, undone=False)
    for action_id in being_undone(known) if took_effect else ():
        happened(action_id, undone=True)
    return world


def seen(result: ActionResult) -> dict[str, Any]:
    """Return what does not depend on time, or on how often a call was made."""
    kept = msgspec.to_builtins(result)
    return {name: kept[name] for name in kept if name not in ("timestamp", "duration_ms", "waited_ms", "attempts")}


@dataclass
class Again:
    """A job that goes on after its process died, compared with the run that went to its end."""

    plan: dict[str, Any]
    events: list[Event]
    first: ProposalResult
    cut: int
    took_effect: bool
    slots: int = 64

    async def check(self, path: Path) -> None:
        """Die after event ``cut``, go on, and compare."""
        self.known = self.events[: self.cut + 1]
        world = world_after(self.known, self.plan, self.took_effect)
        await die_after(path, self.known)
        async with on(path, world, max_concurrency=self.slots) as made:
            result = await made.resume(self.first.job_id)
            log = await made.log.read(limit=10_000)
            assert await made.unfinished() == []
            assert dict(made.state.snapshot()) == {"k": 1}
            assert await (await made.log.reader()).scope_state("runtime") == {"k": 1}  # type: ignore[attr-defined]
        self._once(log, world)
        assert result.outcome == "aborted"
        self._same(result, log)
        self._undone(result, world)

    def _once(self, log: list[Event], world: World) -> None:
        """Nothing recorded was done again: neither actions nor what undid them."""
        ends = Counter(event.action_id for event in log if event.kind in ENDS)
        assert set(ends.values()) <= {1}
        over = {event.action_id for event in self.known if event.kind in ENDS}
        for action in self.plan["actions"]:
            if action["id"] in over:
                undo = action["compensation"]
                assert (undo["tool"], undo["parameters"]["what"]) not in world.calls

    def _same(self, result: ProposalResult, log: list[Event]) -> None:
        """All that was not in flight has come out as if no process had died."""
        idempotent = {action["id"] for action in self.plan["actions"] if action.get("idempotent")}
        flying = in_flight(self.known)
        if flying - idempotent:  # that aborts there and then
            assert all(result[action].error_code is ErrorCode.INTERRUPTED for action in flying - idempotent)
            return
        aborted = any(event.kind == kinds.ACTION_FAILED for event in self.known)
        undoing = {action for action in being_undone(self.known) if not self._repeatable(action)}
        for before, now in zip(self.first.results, result.results, strict=True):
            if aborted and now.action_id in flying:
                assert (now.status, now.error_code) == (ActionStatus.FAILED, ErrorCode.INTERRUPTED)
            elif now.action_id in undoing:
                assert seen(now) == {**seen(before), "compensated": False}
                errors = [e.data["error"] for e in log if e.kind in ENDS and e.action_id == now.action_id]
                assert errors == [CUT_OFF]
            else:
                assert seen(now) == seen(before)
        assert result.error == self.first.error
        if not (aborted and flying):
            order = [[e.action_id for e in events if e.kind in ENDS] for events in (self.events, log)]
            assert order[0] == order[1]

    def _repeatable(self, action_id: str) -> bool:
        action = next(action for action in self.plan["actions"] if action["id"] == action_id)
        return bool(action.get("idempotent")) or action["compensation"]["tool"] == "void"

    def _undone(self, result: ProposalResult, world: World) -> None:
        """All that is said to be undone is, and what took effect and was not is not hidden."""
        for action in self.plan["actions"]:
            if result[action["id"]].compensated:
                assert world.paid[action["parameters"]["what"]] == 0


def cuts(events: list[Event], job_id: str) -> range:
    """Return the places after which a process can die and leave the job unfinished."""
    places = [i for i, event in enumerate(events) if event.job_id == job_id]
    return range(places[0], places[-1])


async def test_an_abort_goes_on_after_every_single_event(tmp_path: Path) -> None:
    events, result = await whole(tmp_path / "whole", PLAN)
    undone = {r.action_id: r.compensated for r in result.results if r.compensated is not None}
    assert undone == {"a": True, "b": True, "c": True, "d": False, "x": True, "y": True}
    assert [e.action_id for e in events if e.kind == kinds.COMPENSATION_STARTED] == ["y", "x", "d", "c", "b", "a"]
    for cut in cuts(events, result.job_id):
        await Again(PLAN, events, result, cut, took_effect=False).check(tmp_path / f"cut{cut}")
        if in_flight(events[: cut + 1]) or being_undone(events[: cut + 1]):
            await Again(PLAN, events, result, cut, took_effect=True).check(tmp_path / f"cut{cut}b")


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """A plan that aborts, after actions of all kinds in any order."""
    actions: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 7))):
        name, before = f"n{number}", [action["id"] for action in actions]
        fields: dict[str, Any] = {}
        if before:
            fields["dependencies"] = draw(st.lists(st.sampled_from(before), max_size=2, unique=True))
        kind = draw(st.sampled_from(["pay", "pay", "book", "write", "skip"]))
        if kind == "pay":
            actions.append(pays(name, draw(st.sampled_from(["refund", "void", "boom"])), **fields))
        elif kind == "book":
            actions.append(books(name, draw(st.sampled_from(["one", "two"])), **fields))
        elif kind == "write":
            actions.append(write(name, draw(st.sampled_from("kl")), number, **fields))
        else:
            actions.append(fails(name, failure_behavior="skip", **fields))
    failed = {action["id"] for action in actions if action.get("failure_behavior") == "skip"}
    for action in actions:  # in list order: who depends on what was skipped is skipped
        if failed & set(action.get("dependencies", ())):
            failed.add(action["id"])
    needs = [action["id"] for action in actions if action["id"] not in failed]
    boom = fails("boom", dependencies=draw(st.sampled_from([needs, needs[:1], []])))
    return {"actions": [*actions, boom, pays("last", "refund", dependencies=["boom"])]}


@settings(max_examples=cases(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans(), place=st.floats(0, 1), slots=st.sampled_from([1, 64]), took_effect=st.booleans())
async def test_a_resumed_abort_comes_out_as_one_that_was_not_interrupted(
    plan: dict[str, Any], place: float, slots: int, took_effect: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        events, result = await whole(Path(folder) / "whole", plan, max_concurrency=slots)
        possible = cuts(events, result.job_id)
        cut = possible[round(place * (len(possible) - 1))]
        await Again(plan, events, result, cut, took_effect, slots).check(Path(folder) / "cut")


async def test_equal_calls_before_and_after_a_restart_are_undone_once(tmp_path: Path) -> None:
    plan = {"actions": [books("b", "b"), books("e", "b", dependencies=["b"]), call("f", "boom", dependencies=["e"])]}
    events, result = await whole(tmp_path / "whole", plan)
    cut = next(i for i, event in enumerate(events) if event.kind == kinds.LEVEL_FINISHED)
    await die_after(tmp_path / "cut", events[: cut + 1])
    world = world_after(events[: cut + 1], plan, took_effect=False)
    async with on(tmp_path / "cut", world) as made:
        again = await made.resume(result.job_id)
    assert world.calls == [("book", "b"), ("boom", ""), ("cancel", "b")]
    assert [again[name].compensated for name in "be"] == [True, None]


async def test_what_a_restart_finds_in_the_level_that_aborts_is_settled_as_it_would_have_been(tmp_path: Path) -> None:
    plan = {
        "actions": [
            fails("r", failure_behavior="retry"),
            fails("f"),
            call("late", "pay"),
            call("far", "pay", dependencies=["f"]),
        ]
    }
    events, result = await whole(tmp_path / "whole", plan, max_concurrency=2)
    assert [r.error for r in result.results] == [
        "RuntimeError: boom never works",
        "RuntimeError: boom never works",
        "skipped due to abort",
        "skipped due to earlier abort",
    ]
    cut = next(i for i, e in enumerate(events) if e.kind == kinds.ACTION_FAILED and e.action_id == "f")
    assert kinds.ACTION_RETRYING in [event.kind for event in events[:cut]]
    await die_after(tmp_path / "cut", events[: cut + 1])
    async with on(tmp_path / "cut", World(), max_concurrency=2) as made:
        again = await made.resume(result.job_id)
    assert [seen(r) for r in again.results] == [seen(r) for r in result.results]
    assert [r.attempts for r in again.results] == [r.attempts for r in result.results] == [1, 1, 0, 0]


async def test_a_budget_that_stopped_a_retry_undoes_nothing_after_a_restart(tmp_path: Path) -> None:
    plan = {"actions": [pays("a", "refund"), call("r", "boom", failure_behavior="retry", dependencies=["a"])]}
    async with on(tmp_path / "whole", World(), clock=Stepping()) as made:
        made.set_cost_budget(CostBudget(tool_calls=2))
        result = await made.execute(plan)
        events = await made.log.read(limit=1000)
    assert (result.outcome, result["r"].error_code) == ("budget_exhausted", ErrorCode.BUDGET_EXHAUSTED)
    cut = next(i for i, event in enumerate(events) if event.kind == kinds.ACTION_FAILED)
    await die_after(tmp_path / "cut", events[: cut + 1])
    world = World()
    async with on(tmp_path / "cut", world) as made:
        again = await made.resume(result.job_id)
    assert (world.calls, again["a"].compensated, again["a"].rolled_back) == ([], None, False)


async def test_a_job_that_is_closed_says_that_a_compensation_was_cut_off(tmp_path: Path) -> None:
    events, _ = await whole(tmp_path / "whole", PLAN)
    cut = [i for i, event in enumerate(events) if event.kind == kinds.COMPENSATION_STARTED][1]
    await die_after(tmp_path / "cut", events[: cut + 1])
    world = World()
    async with on(tmp_path / "cut", world) as made:
        (result,) = await made.recover("fail")
        failed = await made.log.read(kinds=[kinds.COMPENSATION_FAILED])
    assert (result.outcome, world.calls) == ("interrupted", [])
    assert [(e.action_id, e.data["error"].startswith("interrupted: ")) for e in failed] == [("x", True)]
    assert (result["x"].compensated, result["y"].compensated, result["a"].compensated) == (False, True, None)


async def test_what_a_dead_process_spent_on_undoing_is_spent(tmp_path: Path) -> None:
    async with on(tmp_path / "whole", World(), state={"k": 1}) as made:
        made.set_cost_budget(CostBudget(tool_calls=9))
        result = await made.execute(PLAN)
        events = await made.log.read(limit=1000)
    settled = [event.data["spent"]["tool_calls"] for event in events if event.kind == kinds.BUDGET_SETTLED]
    cut = [i for i, event in enumerate(events) if event.kind == kinds.COMPENSATION_SUCCEEDED][1]
    await die_after(tmp_path / "cut", events[: cut + 1])
    async with on(tmp_path / "cut", World(Counter(a=1, b=1, c=1))) as made:
        made.set_cost_budget(CostBudget(tool_calls=9))
        await made.resume(result.job_id)
        again = await made.log.read(kinds=[kinds.BUDGET_SETTLED], limit=1000)
    assert [event.data["spent"]["tool_calls"] for event in again] == settled
    calls = [event for event in events if event.kind in (kinds.ACTION_EXECUTING, kinds.COMPENSATION_STARTED)]
    assert settled[-1] == len(calls) == 15


async def cancelled_while_undone(path: Path, *, kill: bool) -> tuple[list[Event], ProposalResult]:
    """Run PLAN, and let somebody cancel or kill it while its second compensation is on its way."""
    token = CancellationToken()
    async with on(path, World(), state={"k": 1}) as made:

        async def cancel(what: str) -> str:
            token.cancel("enough", by="somebody")
            if kill:
                token.kill("at once", by="somebody")
            await asyncio.sleep(0)
            return f"cancel {what}"

        made.register_tool(headway.tool(name="cancel")(cancel))
        result = await made.execute_with_cancel(PLAN, token)
        return await made.log.read(limit=10_000), result


@pytest.mark.parametrize("kill", [False, True])
async def test_an_abort_that_was_cancelled_is_undone_to_its_end(tmp_path: Path, kill: bool) -> None:
    events, result = await cancelled_while_undone(tmp_path / "whole", kill=kill)
    assert (result.status, result.error) == ("cancelled", "enough")
    asked = next(i for i, event in enumerate(events) if event.kind == kinds.RUN_CANCEL_REQUESTED)
    places = [cut for cut in cuts(events, result.job_id) if cut >= asked]
    assert len(places) > 6
    for cut in places:
        known = events[: cut + 1]
        killed = any(event.kind == kinds.RUN_KILLED for event in known)
        await die_after(tmp_path / f"cut{cut}", known)
        world = world_after(known, PLAN, took_effect=False)
        async with on(tmp_path / f"cut{cut}", world) as made:
            again = await made.resume(result.job_id)
            log = await made.log.read(limit=10_000)
            assert await (await made.log.reader()).scope_state("runtime") == {"k": 1}  # type: ignore[attr-defined]
        assert (again.status, again.error) == ("cancelled", "enough")
        assert again.outcome == ("killed" if killed else "aborted")
        assert sum(event.kind == kinds.RUN_CANCEL_REQUESTED for event in log) == 1
        ends = Counter(event.action_id for event in log if event.kind in ENDS)
        assert set(ends) == set("abcdxy")
        assert set(ends.values()) == {1}
        if killed:
            assert world.calls == []
        elif not kill:
            cut_off = {name for name in being_undone(known) if name == "a"}  # a refund is not repeated
            assert {name for name in "abcxy" if not again[name].compensated} == cut_off
        assert all(r.rolled_back for r in again.results if r.status is ActionStatus.SUCCEEDED)


async def test_a_cancel_that_came_before_a_failure_stays_the_end(tmp_path: Path) -> None:
    events, result = await whole(tmp_path / "whole", PLAN)
    failed = next(i for i, e in enumerate(events) if e.kind == kinds.ACTION_FAILED and e.action_id == "f")
    request = Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": ""}, result.job_id)
    await die_after(tmp_path / "cut", [*events[:failed], request, events[failed]])
    world = World()
    async with on(tmp_path / "cut", world) as made:
        again = await made.resume(result.job_id)
    assert (again.status, again.error, world.calls) == ("cancelled", "enough", [])
    assert again["a"].compensated is None
    assert not again["a"].rolled_back


async def test_a_job_whose_compensation_is_not_there_waits_for_a_runtime_that_has_it(tmp_path: Path) -> None:
    plan = {"actions": [pays("a", "refund"), fails("f", dependencies=["a"])]}
    events, result = await whole(tmp_path / "whole", plan)
    cut = next(i for i, event in enumerate(events) if event.kind == kinds.LEVEL_FINISHED)
    await die_after(tmp_path / "cut", events[: cut + 1])
    world = world_after(events[: cut + 1], plan, took_effect=False)
    async with on(tmp_path / "cut", world) as made:
        made.registry.remove("refund")
        with pytest.raises(Conflict, match="not registered here: refund"):
            await made.resume(result.job_id)
        assert await made.unfinished() == [result.job_id]
        world.register(made)
        again = await made.resume(result.job_id)
    assert (again["a"].compensated, world.paid["a"]) == (True, 0)
