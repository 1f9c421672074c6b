"""Budgets in runs: what calls reserve before they start, what waits for it, and what is counted of their usage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headway
from headway import CancellationToken, CostBudget, ToolResult
from headway.errors import InvalidInput
from headway.events import kinds
from headway.events.fold import fold_all
from headway.events.views import BudgetView
from headway.execution.outcome import amounts_of
from headway.limits.budget import DIMENSIONS
from headway.testing import ScriptedProvider, VirtualClock
from tests.unit.execution.kit import call, events_of, runtime


class Shop:
    """A runtime on a virtual clock whose tools cost what the test says; ``most`` were in flight at once."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock(autojump=True)
        self.made, _ = runtime(clock=self.clock, **options)
        self.calls: list[str] = []
        self.now: set[str] = set()
        self.most = 0

    def sell(self, name: str, result: ToolResult | str, seconds: float = 1.0, **options: Any) -> None:
        """Register a tool that takes its time and returns ``result``."""

        @headway.tool(name=name, **options)
        async def tool(ctx: headway.ToolContext) -> Any:
            self.calls.append(ctx.action_id)
            self.now.add(ctx.action_id)
            self.most = max(self.most, len(self.now))
            await self.clock.sleep(seconds)
            self.now.discard(ctx.action_id)
            return result

        self.made.register_tool(tool)

    async def run(self, *actions: dict[str, Any], **limits: int) -> headway.ProposalResult:
        """Run the actions under a budget."""
        self.made.set_cost_budget(CostBudget(**limits))
        return await self.made.execute({"actions": list(actions)})

    async def spent(self) -> dict[str, int]:
        """Return what the last run has spent, as a reader of the log sees it; nothing may be left reserved."""
        view = fold_all(BudgetView(), await self.made.log.read())
        row = list(view.budgets.values())[-1]
        assert not any(row.reserved.values())
        return row.spent


async def test_calls_at_once_do_not_spend_more_than_the_budget() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", usage={"tokens": 100}, cost=1000))
    result = await shop.run(*(call(f"a{i}", "ask") for i in range(64)), usd_micros=1000)
    assert (result.outcome, shop.calls) == ("budget_exhausted", ["a0"])
    assert await shop.spent() == {"usd_micros": 1000}
    assert result["a63"].error == "budget exhausted: usd_micros (limit 1000)"
    (exhausted,) = await events_of(shop.made, kinds.BUDGET_EXHAUSTED)
    assert exhausted.data == {"dimension": "usd_micros", "spent": 1000, "limit": 1000}


async def test_once_the_price_is_known_as_many_run_at_once_as_can_be_paid_for() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", cost=1000))
    result = await shop.run(*(call(f"a{i}", "ask") for i in range(20)), usd_micros=10_000)
    assert (shop.calls, shop.most) == ([f"a{i}" for i in range(10)], 9)
    assert (result.outcome, await shop.spent()) == ("budget_exhausted", {"usd_micros": 10_000})
    shop.calls.clear()
    assert (await shop.run(*(call(f"b{i}", "ask") for i in range(8)), usd_micros=10_000)).ok
    assert shop.most == 9
    assert shop.clock.now() == 3.0  # the second run of the runtime knows the price from the start


async def test_what_a_tool_declares_is_reserved_and_no_call_is_alone() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", usage={"tokens": 40}), estimate={"tokens": 50})
    result = await shop.run(*(call(f"a{i}", "ask") for i in range(5)), tokens=210)
    assert result.ok
    assert (shop.most, shop.clock.now()) == (4, 2.0)
    reserved = await events_of(shop.made, kinds.BUDGET_RESERVED)
    assert [event.data["reserved"] for event in reserved[:4]] == [{"tokens": 50 * n} for n in (1, 2, 3, 4)]
    assert (result["a0"].waited_ms, result["a4"].waited_ms) == (None, 1000.0)


async def test_an_estimate_may_be_made_of_the_parameters() -> None:
    shop = Shop()
    seen: list[dict[str, Any]] = []

    def estimate(params: dict[str, Any]) -> dict[str, int]:
        seen.append(params)
        return {"tokens": params["n"]}

    @headway.tool(estimate=estimate)
    async def ask(n: int) -> ToolResult:
        await shop.clock.sleep(1)
        return ToolResult(n, usage={"tokens": n})

    shop.made.register_tool(ask)
    actions = [call(f"a{n}", "ask", parameters={"n": n}) for n in (30, 60, 10, 5)]
    result = await shop.run(*actions, tokens=100)
    assert [r.waited_ms for r in result.results] == [None, None, None, 1000.0]
    assert seen[0] == {"n": 30}


@pytest.mark.parametrize("answer", [ValueError("no"), {"tokens": -1}, {"nonsense": 1}, 5], ids=str)
async def test_an_estimate_that_fails_says_nothing(answer: Any) -> None:
    shop = Shop()

    def estimate(_: dict[str, Any]) -> Mapping[str, int]:
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    shop.sell("ask", ToolResult("x", usage={"tokens": 1}), estimate=estimate)
    result = await shop.run(*(call(f"a{i}", "ask") for i in range(3)), tokens=100)
    assert result.ok
    assert (shop.most, shop.clock.now()) == (2, 2.0)  # the first was alone


@pytest.mark.parametrize("estimate", [5, {"tokens": "many"}, {"tool_calls": 1}, {"tokens": -1}], ids=str)
def test_what_is_no_estimate_is_refused_where_the_tool_is_defined(estimate: Any) -> None:
    with pytest.raises(InvalidInput, match="tool 'ask': "):

        @headway.tool(estimate=estimate)
        async def ask() -> None: ...


async def test_a_tool_that_tells_nothing_is_alone_once_and_then_free() -> None:
    shop = Shop()
    shop.sell("plain", "x")
    assert (await shop.run(*(call(f"a{i}", "plain") for i in range(20)), tokens=10, usd_micros=10)).ok
    assert (shop.most, shop.clock.now()) == (19, 2.0)


async def test_builtin_tools_cost_nothing_from_the_start() -> None:
    shop = Shop()
    shop.made.register_agent_basics()
    shop.sell("ask", ToolResult("x", cost=1))
    calculations = [call(f"c{i}", "calculate", parameters={"expression": "1+1"}) for i in range(3)]
    assert (await shop.run(call("a", "ask"), *calculations, usd_micros=10)).ok
    succeeded = await events_of(shop.made, kinds.ACTION_SUCCEEDED)
    assert succeeded[-1].action_id == "a"  # nobody waited for it


async def test_free_calls_do_not_wait_for_those_that_cost() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", cost=10))
    shop.sell("free", "x", seconds=0.1, estimate={"usd_micros": 0})
    result = await shop.run(*(call(f"a{i}", "ask") for i in range(3)), call("f", "free"), usd_micros=15)
    assert (result["f"].status, result["f"].waited_ms) == ("succeeded", None)
    assert [result[f"a{i}"].status for i in range(3)] == ["succeeded", "succeeded", "skipped"]
    assert await shop.spent() == {"usd_micros": 20}  # the last call took more than was left: 5


async def test_a_cancel_reaches_who_waits_for_the_budget() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", cost=10), seconds=5)
    token = CancellationToken()
    shop.made.set_cost_budget(CostBudget(usd_micros=100))
    shop.clock.call_later(1, token.cancel, "enough")
    plan = {"actions": [call(f"a{i}", "ask") for i in range(4)]}
    result = await shop.made.execute_with_cancel(plan, token)
    assert [r.status for r in result.results] == ["succeeded", "skipped", "skipped", "skipped"]
    assert result["a1"].error == "canceled: enough"
    assert await shop.spent() == {"usd_micros": 10}


async def test_who_waits_for_the_budget_holds_no_slot() -> None:
    shop = Shop(max_concurrency=2)
    shop.sell("ask", ToolResult("x", cost=10), seconds=5)
    result = await shop.run(call("a", "ask"), call("b", "ask"), call("c", "ask"), call("e"), usd_micros=1000)
    succeeded = await events_of(shop.made, kinds.ACTION_SUCCEEDED)
    assert result.ok
    assert [event.action_id for event in succeeded][:1] == ["a"]
    assert {event.action_id for event in succeeded} == {"a", "b", "c", "e"}


async def test_a_failed_call_gives_back_what_it_held_and_its_price_stays_unknown() -> None:
    shop = Shop()

    @headway.tool
    async def odd(ctx: headway.ToolContext) -> ToolResult:
        shop.calls.append(ctx.action_id)
        await shop.clock.sleep(1)
        if ctx.action_id == "a":
            raise RuntimeError("no")
        return ToolResult("x", cost=10)

    shop.made.register_tool(odd)
    actions = [call("a", "odd", failure_behavior="skip"), call("b", "odd"), call("c", "odd"), call("d", "odd")]
    assert (await shop.run(*actions, usd_micros=30)).ok
    assert (shop.calls, shop.clock.now()) == (["a", "b", "c", "d"], 3.0)
    assert await shop.spent() == {"usd_micros": 30}


async def test_a_retry_reserves_anew() -> None:
    shop = Shop()
    tries = {"left": 1}

    @headway.tool(estimate={"tokens": 60})
    async def shaky() -> ToolResult:
        if tries["left"]:
            tries["left"] -= 1
            raise RuntimeError("no")
        return ToolResult("x", usage={"tokens": 60})

    shop.made.register_tool(shaky)
    assert (await shop.run(call("a", "shaky", failure_behavior="retry"), tokens=100)).ok
    assert await shop.spent() == {"tokens": 60}


async def test_time_is_reserved_by_the_time_limit_of_a_call() -> None:
    shop = Shop()
    shop.sell("slow", "x", seconds=1)
    limited = [call(f"a{i}", "slow", timeout_ms=1000, failure_behavior="skip") for i in range(5)]
    result = await shop.run(*limited, duration_ms=3000)
    assert (shop.most, len(shop.calls)) == (3, 3)
    assert (result.outcome, await shop.spent()) == ("budget_exhausted", {"duration_ms": 3000})


async def test_time_of_calls_without_a_limit_is_that_of_the_longest_so_far() -> None:
    shop = Shop()
    shop.sell("slow", "x", seconds=1)
    result = await shop.run(
        call("a", "slow"), *(call(f"b{i}", "slow", dependencies=["a"]) for i in range(4)), duration_ms=3000
    )
    assert (result.outcome, shop.most, await shop.spent()) == ("budget_exhausted", 2, {"duration_ms": 3000})


async def test_another_tool_of_the_same_name_has_no_price_yet() -> None:
    shop = Shop()
    shop.sell("ask", "x")
    assert (await shop.run(call("a", "ask"), usd_micros=10)).ok
    shop.sell("ask", ToolResult("x", cost=10))
    await shop.run(*(call(f"b{i}", "ask") for i in range(4)), usd_micros=10)
    assert await shop.spent() == {"usd_micros": 10}


async def test_infer_reserves_the_longest_answer_and_its_prompt() -> None:
    made, _ = runtime(inference=ScriptedProvider("four"))
    made.set_cost_budget(CostBudget(tokens=1000))
    ask = call("a", "infer", parameters={"prompt": "2 + 2?", "max_tokens": 50})
    assert (await made.execute({"actions": [ask]})).ok
    (reserved,) = await events_of(made, kinds.BUDGET_RESERVED)
    assert reserved.data["reserved"] == {"tokens": 52}
    embed = call("a", "embed", parameters={"texts": ["12345678"]})
    await made.execute({"actions": [embed]})
    assert (await events_of(made, kinds.BUDGET_RESERVED))[-1].data["reserved"] == {"tokens": 2}


@settings(max_examples=25)
@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 20)), min_size=1, max_size=12),
    st.fixed_dictionaries({"x": st.integers(0, 20), "y": st.integers(0, 20), "z": st.integers(0, 20)}),
)
def test_a_level_passes_its_budget_by_no_more_than_one_call(
    limit: int, actions: list[tuple[str, int]], prices: dict[str, int]
) -> None:
    async def scenario() -> None:
        shop = Shop()
        for name, price in prices.items():
            shop.sell(name, ToolResult("x", usage={"tokens": price}), seconds=1 + price / 7)
        result = await shop.run(*(call(f"a{i}", tool) for i, (tool, _) in enumerate(actions)), tokens=limit)
        spent = (await shop.spent())["tokens"]
        made = [actions[int(name[1:])][0] for name in shop.calls]
        assert spent == sum(prices[tool] for tool in made)
        assert spent < limit + max(prices.values(), default=0) + (limit == 0)
        assert result.ok or spent >= limit
        assert result.ok == (len(made) == len(actions))

    asyncio.run(scenario())


class Thrifty(Shop):
    """A shop whose tools declare what they use at most and keep to it; ``used`` is what they have used in truth."""

    def __init__(self, prices: dict[str, dict[str, int]], parts: list[int], fails: frozenset[int]) -> None:
        super().__init__(max_concurrency=3)
        self.used = dict.fromkeys(("tool_calls", "actions", "duration_ms", "tokens", "usd_micros"), 0)
        self._parts = parts
        self._fails = fails
        for name, price in prices.items():
            self.made.register_tool(headway.tool(name=name, estimate=price)(self._tool(price)))

    def _tool(self, price: dict[str, int]) -> Any:
        async def work(ctx: headway.ToolContext) -> ToolResult:
            number = self.used["tool_calls"]
            self.used["tool_calls"] += 1
            self.used["actions"] += ctx.attempt == 1
            part = self._parts[number % len(self._parts)]
            used = {name: amount * part // 10 for name, amount in price.items()}
            self.used["duration_ms"] += used["duration_ms"]
            await self.clock.sleep(used["duration_ms"] / 1000)
            if number in self._fails:
                raise RuntimeError("no")
            for name in ("tokens", "usd_micros"):
                self.used[name] += used[name]
            return ToolResult("x", usage={"tokens": used["tokens"]}, cost=used["usd_micros"])

        return work


PRICES = st.fixed_dictionaries(
    {"duration_ms": st.integers(0, 400), "tokens": st.integers(0, 50), "usd_micros": st.integers(0, 900)}
)
LIMITS = st.dictionaries(st.sampled_from(DIMENSIONS), st.integers(0, 20), min_size=1)
SCALE = {"tool_calls": 1, "actions": 1, "duration_ms": 60, "tokens": 8, "usd_micros": 150}


@settings(max_examples=200)
@given(
    st.fixed_dictionaries(dict.fromkeys("xyz", PRICES)),
    LIMITS,
    st.lists(st.integers(0, 10), min_size=1, max_size=8),
    st.frozensets(st.integers(0, 15), max_size=5),
    st.lists(
        st.tuples(st.sampled_from("xyz"), st.sampled_from(("abort", "skip", "retry")), st.integers(0, 30)),
        min_size=1,
        max_size=12,
    ),
)
def test_a_run_whose_tools_keep_to_their_estimates_never_passes_its_budget(
    prices: dict[str, dict[str, int]],
    limits: dict[str, int],
    parts: list[int],
    fails: frozenset[int],
    plan: list[tuple[str, str, int]],
) -> None:
    async def scenario() -> None:
        shop = Thrifty(prices, parts, fails)
        budget = {name: amount * SCALE[name] for name, amount in limits.items()}
        actions = [
            call(f"a{i}", tool, failure_behavior=how, **({"dependencies": [f"a{after}"]} if after < i else {}))
            for i, (tool, how, after) in enumerate(plan)
        ]
        result = await shop.run(*actions, **budget)
        spent = await shop.spent()
        for name, limit in budget.items():
            assert spent.get(name, 0) <= limit, name
            assert shop.used[name] <= limit, name
        if result.outcome == "budget_exhausted":
            (told,) = await events_of(shop.made, kinds.BUDGET_EXHAUSTED)
            assert told.data["dimension"] in budget
        assert shop.clock.pending == 0

    asyncio.run(scenario())


async def test_a_call_that_is_too_large_for_what_is_left_does_not_start() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", usage={"tokens": 60}), estimate={"tokens": 60})
    shop.sell("small", ToolResult("x", usage={"tokens": 10}), estimate={"tokens": 10})
    result = await shop.run(call("a", "ask"), call("b", "ask"), call("c", "small"), tokens=100)
    assert (result.outcome, shop.calls, await shop.spent()) == ("budget_exhausted", ["a"], {"tokens": 60})
    assert result["b"].error == "budget exhausted: tokens (limit 100)"


async def test_a_call_waits_for_what_calls_in_flight_may_give_back() -> None:
    shop = Shop()
    shop.sell("ask", ToolResult("x", usage={"tokens": 10}), estimate={"tokens": 60})
    result = await shop.run(*(call(f"a{i}", "ask") for i in range(4)), tokens=100)
    assert (result.ok, shop.most) == (True, 1)
    assert [r.waited_ms for r in result.results] == [None, 1000, 2000, 3000]
    assert await shop.spent() == {"tokens": 40}


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100}, 100),
        ({"input_tokens": 60, "output_tokens": 40, "model": "m"}, 100),
        ({"total_tokens": 7}, 7),
        ({"tokens": 7}, 7),
        ({"tokens": 0}, 0),
        ({}, None),
        ({"seconds": 7}, None),
    ],
)
async def test_a_total_is_not_counted_beside_its_parts(usage: dict[str, Any], tokens: int | None) -> None:
    assert amounts_of(usage, None) == ({} if tokens is None else {"tokens": tokens})
    shop = Shop()
    shop.sell("ask", ToolResult("x", usage=usage))
    result = await shop.run(call("a", "ask"), tokens=1000)
    assert (result.cost.tokens, await shop.spent()) == (tokens or 0, {"tokens": tokens or 0})


@pytest.mark.parametrize("usage", [{"total_tokens": -1}, {"total_tokens": 5, "prompt_tokens": "x"}, {"tokens": True}])
def test_what_counts_as_tokens_are_whole_numbers(usage: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"usage .*tokens must be a whole number"):
        amounts_of(usage, None)


async def test_what_an_undoing_call_used_is_known_of_its_tool() -> None:
    shop = Shop()
    shop.sell("paid", ToolResult("x", usage={"total_tokens": 10}))
    shop.sell("free", "x", estimate={"tokens": 0})
    undo = {"reversibility": "compensable", "compensation": {"type": "tool", "tool": "paid", "parameters": {}}}
    undone = await shop.run(call("a", "free", **undo), call("f", "boom", dependencies=["a"]), tokens=100)
    assert undone["a"].compensated
    await shop.run(*(call(f"p{n}", "paid") for n in range(4)), tokens=100)
    assert shop.most == 4
