"""Undoing: what an aborted run did is undone once, under the rules of every call, and nothing holds it up for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, EventLog, ProposalResult, Runtime, ToolContext, ToolResult
from headway.errors import StoreError
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import JobRow, LimitsView, RunView
from headway.execution import compensation
from headway.testing import VirtualClock
from headway.testing.clock import settle
from tests.unit.execution.kit import call, events_of, write
from tests.unit.execution.test_hostile import left

ENDS = (kinds.COMPENSATION_SUCCEEDED, kinds.COMPENSATION_FAILED)


def undone_by(tool: str, **parameters: Any) -> dict[str, Any]:
    """Return the fields of an action that ``tool`` undoes."""
    return {
        "reversibility": "compensable",
        "compensation": {"type": "tool", "tool": tool, "parameters": parameters},
    }


def aborts(*actions: dict[str, Any]) -> dict[str, Any]:
    """Return a plan that aborts after ``actions``, which run one after the other."""
    chained: list[dict[str, Any]] = []
    for action in actions:
        chained.append({**action, "dependencies": [chained[-1]["id"]] if chained else []})
    return {"actions": [*chained, call("boom", "boom", dependencies=[chained[-1]["id"]])]}


class Shop:
    """A runtime on a virtual clock with the tools charge, refund and boom, and what they were called with."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.made = Runtime(clock=self.clock, **options)
        self.charged: list[Any] = []
        self.refunded: list[Any] = []
        self.when: list[float] = []

        @headway.tool
        async def charge(x: Any = None) -> dict[str, Any]:
            self.charged.append(x)
            return {"number": x}

        @headway.tool
        async def refund(x: Any = None) -> str:
            self.refunded.append(x)
            self.when.append(self.clock.now())
            return "back"

        @headway.tool
        async def boom() -> None:
            raise RuntimeError("no")

        for function in (charge, refund, boom):
            self.made.register_tool(function)

    def add(self, function: Callable[..., Any], **options: Any) -> None:
        """Register another tool."""
        self.made.register_tool(headway.tool(**options)(function) if options else headway.tool(function))

    async def told(self, *wanted: str) -> list[tuple[str, str | None, Any]]:
        """Return the events of these kinds: kind, action, error."""
        found = await events_of(self.made, *(wanted or (kinds.COMPENSATION_STARTED, *ENDS)))
        return [(event.kind, event.action_id, event.data.get("error")) for event in found]

    async def limits(self) -> LimitsView:
        """Return the view of the token buckets."""
        return fold_all(LimitsView(), await self.made.log.read(limit=1_000_000))

    async def view(self, job_id: str) -> RunView:
        """Return the view of a run."""
        return fold_all(RunView(JobRow(job_id)), await self.made.log.read(limit=1_000_000))


class Stubborn:
    """A tool that goes on when it is cancelled, until it is let go."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.cancels = 0

    async def __call__(self) -> None:
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.cancels += 1

    async def let_go(self) -> None:
        """Let it end, and see that it does."""
        self.released.set()
        await settle()
        assert not left()


# -- time limits and kills --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout_ms", "kill_after", "text"),
    [(200, None, "timed out after 200 ms"), (None, 0.2, "killed: now"), (None, None, "timed out after 30000 ms")],
)
async def test_a_compensation_that_ignores_its_cancel_is_left_behind_after_a_grace(
    timeout_ms: int | None, kill_after: float | None, text: str
) -> None:
    shop, stubborn, token = Shop(), Stubborn(), CancellationToken()

    async def hold() -> None:
        await stubborn()

    shop.add(hold)
    plan = aborts(write("w", "k"), call("a", "charge", timeout_ms=timeout_ms, **undone_by("hold")))
    running = asyncio.create_task(shop.made.execute_with_cancel(plan, token))
    await shop.clock.advance(0.2 if kill_after or timeout_ms else 30.0)
    if kill_after:
        token.kill("now")
        await settle()
    assert (stubborn.cancels, running.done()) == (1, False)
    await shop.clock.advance(0.9)
    assert not running.done()
    await shop.clock.advance(0.2)
    try:
        assert running.done()
        result = running.result()
        assert (result["a"].compensated, result["a"].rolled_back) == (False, True)
        assert await shop.told(*ENDS) == [(kinds.COMPENSATION_FAILED, "a", text)]
        assert "k" not in shop.made.state
        assert shop.clock.pending == 0
        assert len(shop.made._powers.env.left_behind) == 1
    finally:
        await stubborn.let_go()
        running.cancel()
    assert not shop.made._powers.env.left_behind


async def test_a_compensation_that_ends_within_the_grace_has_timed_out_all_the_same() -> None:
    shop = Shop()

    async def slow(error: bool) -> str:
        try:
            await shop.clock.sleep(9)
        except asyncio.CancelledError:
            await shop.clock.sleep(0.5)
            if error:
                raise RuntimeError("late") from None
        return "late"

    shop.add(slow)
    for error in (False, True):
        plan = aborts(call("a", "charge", timeout_ms=100, **undone_by("slow", error=error)))
        running = asyncio.create_task(shop.made.execute(plan))
        await shop.clock.advance(0.61)
        assert running.done()
        assert not shop.made._powers.env.left_behind
    assert [error for _, _, error in await shop.told(*ENDS)] == ["timed out after 100 ms"] * 2
    (first, second) = await events_of(shop.made, kinds.COMPENSATION_FAILED)
    assert first.data["duration_ms"] == second.data["duration_ms"] == 600


async def test_a_compensation_that_timed_out_has_timed_out_though_a_kill_comes_in_its_grace() -> None:
    shop, token = Shop(), CancellationToken()

    async def slow() -> str:
        try:
            await shop.clock.sleep(9)
        except asyncio.CancelledError:
            await shop.clock.sleep(0.5)
        return "late"

    shop.add(slow)
    plan = aborts(call("a", "charge", timeout_ms=100, **undone_by("slow")))
    running = asyncio.create_task(shop.made.execute_with_cancel(plan, token))
    await shop.clock.advance(0.2)
    token.kill("enough")
    await shop.clock.advance(0.41)
    assert running.done()
    assert await shop.told(*ENDS) == [(kinds.COMPENSATION_FAILED, "a", "timed out after 100 ms")]


async def test_a_thread_that_undoes_is_left_behind_at_once() -> None:
    shop, release, started = Shop(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold() -> None:
        loop.call_soon_threadsafe(started.set)
        release.wait(30)

    shop.add(hold)
    running = asyncio.create_task(
        shop.made.execute(aborts(call("a", "charge", timeout_ms=200, **undone_by("hold")), call("b", "charge")))
    )
    await asyncio.wait_for(started.wait(), 30)
    await shop.clock.advance(0.21)
    try:
        assert running.done()
        assert running.result()["a"].compensated is False
        assert await shop.told(*ENDS) == [(kinds.COMPENSATION_FAILED, "a", "timed out after 200 ms")]
        assert shop.made._powers.env.threads.statistics().abandoned == 1
    finally:
        release.set()


@pytest.mark.parametrize("kill", [True, False])
async def test_a_kill_lets_no_other_compensation_start_and_a_cancel_does(kill: bool) -> None:
    shop, token = Shop(), CancellationToken()

    async def pull() -> str:
        (token.kill if kill else token.cancel)("enough")
        await shop.clock.sleep(1)
        return "pulled"

    shop.add(pull)
    a, b = (call(name, "charge", **undone_by(tool)) for name, tool in (("a", "refund"), ("b", "pull")))
    running = asyncio.create_task(shop.made.execute_with_cancel(aborts(write("w", "k"), a, b), token))
    await shop.clock.advance(1)
    result = running.result()
    assert result.status == "cancelled"
    assert (result["b"].compensated, result["a"].compensated) == ((False, False) if kill else (True, True))
    assert result["w"].rolled_back
    assert "k" not in shop.made.state
    assert len(shop.refunded) == (not kill)
    if kill:
        assert await shop.told() == [
            (kinds.COMPENSATION_STARTED, "b", None),
            (kinds.COMPENSATION_FAILED, "b", "killed: enough"),
            (kinds.COMPENSATION_FAILED, "a", "killed: enough"),
        ]


async def test_the_end_of_the_task_ends_a_compensation_and_the_log_says_so() -> None:
    shop = Shop()

    async def hold() -> None:
        await shop.clock.sleep(9)

    shop.add(hold)
    plan = aborts(write("w", "k"), call("a", "charge", **undone_by("refund")), call("b", "charge", **undone_by("hold")))
    running = asyncio.create_task(shop.made.execute(plan))
    await shop.clock.advance(1)
    running.cancel()
    await settle()
    assert running.cancelled()
    text = "killed: the task that ran it was cancelled"
    assert await shop.told() == [
        (kinds.COMPENSATION_STARTED, "b", None),
        (kinds.COMPENSATION_FAILED, "b", text),
        (kinds.COMPENSATION_FAILED, "a", text),
    ]
    assert "k" not in shop.made.state
    assert shop.clock.pending == 0
    assert not left()


# -- what is undone ---------------------------------------------------------------------------------------------------


async def test_one_call_of_two_equal_actions_is_undone_once() -> None:
    shop = Shop()
    fields = {"parameters": {"x": 1}, "idempotent": True, **undone_by("refund", x=1)}
    result = await shop.made.execute(aborts(call("c", "charge", **fields), call("d", "charge", **fields)))
    assert (shop.charged, shop.refunded) == ([1, 1], [1]), "two calls, which did no more than one"
    assert [result[name].compensated for name in "cd"] == [True, None]
    both = [call("c", "charge", **fields), call("d", "charge", **fields)]  # at once: one waits for the other
    result = await shop.made.execute({"actions": [*both, call("boom", "boom", dependencies=["c", "d"])]})
    assert (shop.charged, shop.refunded) == ([1, 1, 1], [1, 1])


async def test_a_run_does_not_undo_the_call_of_an_earlier_run_that_completed() -> None:
    shop = Shop()
    shop.made.enable_tool_cache("charge", 60)
    fields = {"parameters": {"x": 1}, **undone_by("refund", x=1)}
    assert (await shop.made.execute({"actions": [call("c", "charge", **fields)]})).ok
    result = await shop.made.execute(aborts(call("d", "charge", **fields)))
    assert (result["d"].attempts, result["d"].compensated, result["d"].rolled_back) == (0, None, True)
    assert (shop.charged, shop.refunded) == ([1], [])
    assert await shop.told() == []


async def test_a_state_action_may_be_compensated_though_it_makes_no_call() -> None:
    shop = Shop()
    result = await shop.made.execute(aborts(write("w", "k", 5, **undone_by("refund", x="$w.output"))))
    assert shop.refunded == ["written: k"]
    assert result["w"].compensated is True


async def test_what_settled_last_is_undone_first_whatever_its_place_in_the_plan() -> None:
    shop = Shop()

    async def wait(x: float) -> float:
        await shop.clock.sleep(x)
        return x

    shop.add(wait)
    at_once = [call(f"a{x}", "wait", parameters={"x": x}, **undone_by("refund", x=x)) for x in (3, 1, 2)]
    plan = {"actions": [*at_once, call("boom", "boom", dependencies=["a1", "a2", "a3"])]}
    running = asyncio.create_task(shop.made.execute(plan))
    await shop.clock.advance(4)
    assert running.done()
    assert shop.refunded == [3, 2, 1]


@pytest.mark.parametrize("cached", [True, False])
async def test_both_caches_forget_a_call_that_was_undone(cached: bool) -> None:
    shop = Shop()
    if cached:
        shop.made.enable_tool_cache("charge", 60)
    first = call("n", "charge", parameters={"x": "one"})
    charge = call("c", "charge", parameters={"x": "$n.output"}, idempotent=not cached, **undone_by("refund"))
    await shop.made.execute(aborts(first, charge))
    result = await shop.made.execute({"actions": [first, {**charge, "dependencies": ["n"]}]})
    assert result["c"].attempts == 1
    assert shop.charged.count({"number": "one"}) == 2
    assert shop.charged.count("one") == (1 if cached else 2)  # of the cached tool, n's own call is kept


async def test_a_call_that_could_not_be_undone_stays_in_the_cache() -> None:
    shop = Shop()
    shop.made.enable_tool_cache("charge", 60)
    fields = {"parameters": {"x": 1}, **undone_by("boom")}
    result = await shop.made.execute(aborts(call("c", "charge", **fields)))
    assert result["c"].compensated is False
    assert (await shop.made.execute({"actions": [call("c", "charge", **fields)]}))["c"].attempts == 0


# -- rate limits and budgets ------------------------------------------------------------------------------------------


async def test_compensations_take_tokens_of_their_tools_bucket() -> None:
    shop = Shop()
    shop.made.set_rate_limit("refund", 1, 10)
    plan = aborts(*(call(name, "charge", **undone_by("refund", x=name)) for name in "abc"))
    running = asyncio.create_task(shop.made.execute(plan))
    await shop.clock.advance(19.9)
    assert not running.done()
    waiting = (await shop.view((await shop.made.log.read(limit=5))[-1].job_id or "")).action("a")
    assert (waiting.waiting_for, waiting.compensating) == ("rate_limit:refund", False)
    await shop.clock.advance(0.2)
    assert running.done()
    assert list(zip(shop.refunded, shop.when, strict=True)) == [("c", 0), ("b", 10), ("a", 20)]
    told = await shop.told(kinds.RATE_LIMIT_WAIT, kinds.RATE_LIMIT_GRANT, kinds.COMPENSATION_STARTED, *ENDS)
    end = [(kinds.RATE_LIMIT_GRANT,), (kinds.COMPENSATION_STARTED,), (kinds.COMPENSATION_SUCCEEDED,)]
    whole = [(kinds.RATE_LIMIT_WAIT,), *end]
    assert [(kind, action) for kind, action, _ in told] == [
        (*kind, action) for action, told_of in (("c", end), ("b", whole), ("a", whole)) for kind in told_of
    ]
    grants = await events_of(shop.made, kinds.RATE_LIMIT_GRANT)
    assert [grant.data["waited_ms"] for grant in grants] == [0, 10_000, 10_000]
    (bucket,) = (await shop.limits()).buckets.values()
    assert (bucket.grants, bucket.waits, bucket.waiters, bucket.queue) == (3, 2, 0, {})


async def test_who_undoes_stands_in_line_behind_those_who_came_before() -> None:
    shop = Shop()
    shop.made.set_rate_limit("refund", 1, 10)
    bucket = shop.made.rate_limiter.get("refund")
    assert bucket is not None
    assert bucket.take()
    order: list[str] = []
    bucket.wait(lambda _: order.append("first"))
    running = asyncio.create_task(shop.made.execute(aborts(call("a", "charge", **undone_by("refund")))))
    await settle()
    bucket.wait(lambda _: order.append("third"))
    await shop.clock.advance(10)
    assert (order, shop.refunded) == (["first"], [])
    await shop.clock.advance(10)
    assert (order, len(shop.refunded), running.done()) == (["first"], 1, True)
    await shop.clock.advance(10)
    assert order == ["first", "third"]


async def test_a_kill_ends_the_wait_for_a_token_and_a_cancel_does_not() -> None:
    shop, token = Shop(), CancellationToken()
    shop.made.set_rate_limit("refund", 1, 10)
    plan = aborts(*(call(name, "charge", **undone_by("refund")) for name in "abc"))
    running = asyncio.create_task(shop.made.execute_with_cancel(plan, token))
    await shop.clock.advance(1)
    token.cancel("soon")
    await shop.clock.advance(1)
    assert not running.done()
    token.kill("now")
    await settle()
    assert running.done()
    assert await shop.told() == [
        (kinds.COMPENSATION_STARTED, "c", None),
        (kinds.COMPENSATION_SUCCEEDED, "c", None),
        (kinds.COMPENSATION_FAILED, "b", "killed: now"),
        (kinds.COMPENSATION_FAILED, "a", "killed: now"),
    ]
    log = await shop.made.log.read(limit=1000)
    failed = next(i for i, event in enumerate(log) if event.kind == kinds.COMPENSATION_FAILED)
    assert fold_all(LimitsView(), log[: failed + 1]).buckets["refund"].queue == {}
    assert (await shop.view(running.result().job_id)).action("b").waiting_for == ""
    assert shop.clock.pending == 0
    assert [bucket.waiters for bucket in shop.made.rate_limiter] == [0]


async def test_a_token_that_a_kill_made_useless_goes_back() -> None:
    shop, token = Shop(), CancellationToken()
    shop.made.set_rate_limit("refund", 1, 10)
    bucket = shop.made.rate_limiter.get("refund")
    assert bucket is not None
    bucket.take()
    running = asyncio.create_task(
        shop.made.execute_with_cancel(aborts(call("a", "charge", **undone_by("refund"))), token)
    )
    await settle()
    shop.clock.call_later(10, token.kill, "now")  # just after the token has come
    await shop.clock.advance(10)
    assert running.done()
    assert shop.refunded == []
    assert await shop.told() == [(kinds.COMPENSATION_FAILED, "a", "killed: now")]
    told = await shop.told(kinds.RATE_LIMIT_WAIT, kinds.RATE_LIMIT_GRANT, kinds.RATE_LIMIT_RETURNED)
    assert [kind for kind, _, _ in told] == [kinds.RATE_LIMIT_WAIT, kinds.RATE_LIMIT_GRANT, kinds.RATE_LIMIT_RETURNED]
    assert bucket.tokens == 1


async def test_a_budget_counts_compensations_and_refuses_none() -> None:
    shop = Shop()

    async def release() -> ToolResult:
        await shop.clock.sleep(0.25)
        return ToolResult("done", usage={"input_tokens": 30, "output_tokens": 12, "pages": 1}, cost=7)

    shop.add(release)
    budget = CostBudget(tool_calls=3, actions=3, tokens=50, duration_ms=1000, usd_micros=100)
    shop.made.set_cost_budget(budget)
    plan = aborts(call("a", "charge", **undone_by("release")), call("b", "charge", **undone_by("release")))
    running = asyncio.create_task(shop.made.execute(plan))
    await shop.clock.advance(1)
    result = running.result()
    assert (result.outcome, [result[name].compensated for name in "ab"]) == ("aborted", [True, True])
    settled = (await events_of(shop.made, kinds.BUDGET_SETTLED))[-2:]
    assert [event.action_id for event in settled] == ["b", "a"]
    assert [event.data["spent"] for event in settled] == [
        {"tool_calls": 4, "actions": 3, "tokens": 42, "duration_ms": 250, "usd_micros": 7},
        {"tool_calls": 5, "actions": 3, "tokens": 84, "duration_ms": 500, "usd_micros": 14},
    ]
    assert settled[-1].data["reserved"] == dict.fromkeys(budget.limits(), 0)
    warned = await events_of(shop.made, kinds.BUDGET_WARNING)
    assert [(event.data["dimension"], event.action_id) for event in warned][-1] == ("tokens", "b")
    assert result.cost.tool_calls == 2  # that is what the plan's actions cost


async def test_a_compensation_that_fails_counts_too_and_one_that_was_never_called_does_not() -> None:
    shop = Shop()
    shop.made.set_cost_budget(CostBudget(tool_calls=9))
    shop.made.policies.deny_tool("no", "refund")
    plan = aborts(call("a", "charge", **undone_by("boom")), call("b", "charge", **undone_by("refund")))
    await shop.made.execute(plan)
    settled = await events_of(shop.made, kinds.BUDGET_SETTLED)
    assert [event.data["spent"]["tool_calls"] for event in settled][-2:] == [3, 4]
    assert await shop.told() == [
        (kinds.COMPENSATION_FAILED, "b", "policy 'no': tool 'refund' denied by policy"),
        (kinds.COMPENSATION_STARTED, "a", None),
        (kinds.COMPENSATION_FAILED, "a", "RuntimeError: no"),
    ]


# -- the call itself --------------------------------------------------------------------------------------------------


async def test_what_a_compensation_returns_must_fit_as_that_of_an_action() -> None:
    shop = Shop()

    async def wrong() -> int:
        return 5

    async def odd() -> Any:
        return object()

    async def large() -> str:
        return "x" * (17 * 2**20)

    async def unheard() -> ToolResult:
        return ToolResult("x", usage={"tokens": "many"})

    async def quits() -> None:
        raise asyncio.CancelledError

    shop.add(wrong, returns={"type": "string"})
    for function in (odd, large, unheard, quits):
        shop.add(function)
    gone = call("g", "charge", **undone_by("refund", x="$g.output.nowhere"))
    tools = ("wrong", "odd", "large", "unheard", "quits")
    await shop.made.execute(aborts(*(call(tool, "charge", **undone_by(tool)) for tool in tools), gone))
    errors = {action: error for _, action, error in await shop.told(*ENDS)}
    assert errors["wrong"].startswith("tool 'wrong' returned what its schema does not allow: ")
    assert errors["odd"].startswith("tool 'odd' returned what cannot be recorded: the value is not JSON")
    assert errors["large"].startswith("tool 'large' returned what cannot be recorded: the value is")
    assert errors["unheard"].startswith("tool 'unheard' returned what cannot be recorded: usage")
    assert errors["quits"] == "the tool cancelled itself"
    assert errors["g"] == "reference '$g.output.nowhere' has no value"


async def test_a_compensation_is_told_of_its_call() -> None:
    shop, token = Shop(), CancellationToken()
    told: list[ToolContext] = []

    async def undo(ctx: ToolContext, what: dict[str, Any]) -> None:
        token.cancel("enough")
        told.append(ctx)
        what["number"] = "changed"  # its own

    def undo_in_thread(ctx: ToolContext) -> None:
        told.append(ctx)

    shop.add(undo)
    shop.add(undo_in_thread)
    a = call("a", "charge", timeout_ms=700, **undone_by("undo", what="$a.output"))
    b = call("b", "charge", **undone_by("undo_in_thread"))
    result = await shop.made.execute_with_cancel(aborts(write("w", "k", 5), a, b), token)
    assert result["a"].output == {"number": None}
    second, first = told
    assert (first.cancel.is_cancelled(), first.cancel.reason) == (True, "enough")
    assert (first.deadline, second.deadline) == (0.7, 30.0)
    assert dict(first.state) == dict(second.state) == {"k": 5}
    assert (first.job_id, first.action_id) == (result.job_id, "a")
    assert first.idempotency_key == f"{result.job_id}:a:compensation"


async def test_a_tool_that_is_gone_undoes_nothing() -> None:
    shop = Shop()

    async def forget() -> None:
        shop.made.registry.remove("refund")

    shop.add(forget)
    result = await shop.made.execute(aborts(call("a", "charge", **undone_by("refund")), call("b", "forget")))
    assert result["a"].compensated is False
    assert await shop.told() == [(kinds.COMPENSATION_FAILED, "a", "tool 'refund' is not registered")]


class Refusing(EventLog):
    """A log that takes events and commits none once a compensation is among them."""

    async def flush(self) -> int:
        if any(event.kind == kinds.COMPENSATION_STARTED for event in self._tail):
            raise StoreError("the disk is full")
        return await super().flush()


async def test_nothing_is_undone_that_the_log_would_not_know_of() -> None:
    shop = Shop(log=Refusing())
    with pytest.raises(StoreError):
        await shop.made.execute(aborts(call("a", "charge", **undone_by("refund"))))
    assert shop.refunded == []
    assert (kinds.COMPENSATION_FAILED, "a", "interrupted: the disk is full") in await shop.told()


async def test_a_plan_is_looked_through_once_however_much_there_is_to_undo(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, seen = Shop(), []
    real = compensation.find_references

    def noted(parameters: dict[str, Any], index: dict[str, int]) -> Any:
        seen.append(index)
        return real(parameters, index)

    monkeypatch.setattr(compensation, "find_references", noted)
    actions = [call(f"a{i}", "charge", **undone_by("refund", x=f"$a{i}.output")) for i in range(20)]
    await shop.made.execute({"actions": [*actions, call("boom", "boom", dependencies=["a0"])]})
    assert len(seen) == len(shop.refunded) == 20
    assert all(index is seen[0] for index in seen)


async def test_many_refused_compensations_let_others_have_the_loop() -> None:
    shop = Shop()
    shop.made.policies.deny_tool("no", "refund")
    actions = [call(f"a{i}", "charge", **undone_by("refund")) for i in range(1000)]
    running = asyncio.create_task(shop.made.execute({"actions": [*actions, call("boom", "boom", dependencies=["a0"])]}))
    turns: list[int] = []
    while not running.done():
        turns.append(len(await events_of(shop.made, kinds.COMPENSATION_FAILED)))
        await asyncio.sleep(0)
    assert len(set(turns)) > 3


async def test_a_run_and_its_view_agree_on_what_was_undone() -> None:
    shop = Shop()
    fields = {"parameters": {"x": 1}, "idempotent": True, **undone_by("refund")}
    plan = aborts(
        call("a", "charge", **undone_by("boom")), call("c", "charge", **fields), call("d", "charge", **fields)
    )
    result: ProposalResult = await shop.made.execute(plan)
    assert [r.compensated for r in result.results] == [False, True, None, None]
    assert (await shop.view(result.job_id)).result() == result
