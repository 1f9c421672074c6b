"""Exclusive tools: their calls run alone, over all runs of a runtime; all others run beside each other."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

import headway
from headway import CancellationToken, Runtime
from headway.errors import InvalidInput
from headway.limits.exclusion import Exclusion
from headway.testing import VirtualClock
from tests.sizes import cases
from tests.unit.execution.kit import call


class Watch:
    """Tools that note what runs beside them."""

    def __init__(self) -> None:
        self.now: list[str] = []
        self.seen: list[tuple[str, ...]] = []
        self.clock = VirtualClock(autojump=True)
        self.failures = 0

        @headway.tool(exclusive=True)
        async def alone(name: str = "alone") -> str:
            return await self._run(name)

        @headway.tool
        async def beside(name: str = "beside") -> str:
            return await self._run(name)

        @headway.tool(exclusive=True)
        async def failing() -> None:
            await self._run("failing")
            self.failures += 1
            raise RuntimeError("no")

        self.runtime = Runtime(tools=[alone, beside, failing], clock=self.clock)

    async def _run(self, name: str) -> str:
        self.now.append(name)
        self.seen.append(tuple(self.now))
        await self.clock.sleep(1)
        self.now.remove(name)
        return name

    @property
    def most(self) -> int:
        return max(map(len, self.seen))


def check(watch: Watch) -> None:
    for running in watch.seen:
        assert len(running) == 1 or not any(name.startswith(("alone", "failing")) for name in running), running


async def test_exclusive_calls_never_overlap_and_others_do() -> None:
    watch = Watch()
    actions = [call(f"a{n}", "alone", parameters={"name": f"alone{n}"}) for n in range(3)]
    actions += [call(f"b{n}", "beside", parameters={"name": f"b{n}"}) for n in range(3)]
    result = await watch.runtime.execute({"actions": actions})
    assert [one.status for one in result.results] == ["succeeded"] * 6
    check(watch)
    assert watch.most == 3
    assert result["a2"].waited_ms == 2000


async def test_runs_beside_each_other_are_held_to_it_too() -> None:
    watch = Watch()
    plans: list[dict[str, Any]] = [{"actions": [call("a", tool)]} for tool in ("beside", "alone", "beside", "alone")]
    results = await asyncio.gather(*(watch.runtime.start(plan, scope=headway.Scope.new()) for plan in plans))
    assert [result["a"].status for result in results] == ["succeeded"] * 4
    check(watch)
    assert len(watch.seen) == 4


async def test_without_an_exclusive_tool_nothing_waits() -> None:
    watch = Watch()
    watch.runtime.registry.remove("alone")
    watch.runtime.registry.remove("failing")
    await watch.runtime.execute({"actions": [call(f"b{n}", "beside", parameters={"name": f"b{n}"}) for n in range(5)]})
    assert watch.most == 5


async def test_a_failing_call_gives_way_between_its_attempts() -> None:
    watch = Watch()
    actions = [call("f", "failing", failure_behavior="retry", max_retries=2), call("b", "beside"), call("a", "alone")]
    await watch.runtime.execute({"actions": actions})
    check(watch)
    assert watch.failures == 3
    assert watch.runtime._powers.env.exclusion.take(alone=True), "nothing is held"


async def test_a_cancel_takes_its_place_in_line_back() -> None:
    watch, token = Watch(), CancellationToken()
    first = watch.runtime.start({"actions": [call("a", "alone")]}, scope=headway.Scope.new())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(watch.runtime.execute_with_cancel({"actions": [call("b", "beside")]}, token))
    await asyncio.sleep(0)
    token.cancel("enough")
    assert (await waiting)["b"].error == "canceled: enough"
    await first
    assert watch.runtime._powers.env.exclusion.take(alone=True)


def test_the_option_is_true_or_false() -> None:
    async def work() -> None: ...

    with pytest.raises(InvalidInput, match="exclusive"):
        Runtime(tools=[headway.tool(exclusive="yes")(work)])  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", range(cases(50)))
def test_any_order_of_taking_waiting_leaving(seed: int) -> None:
    print(f"seed {seed}")
    draw, lock = random.Random(seed), Exclusion()
    running: list[bool] = []
    line: list[tuple[int, Any]] = []
    begun: list[int] = []

    def granted(number: int, alone: bool) -> Callable[[], None]:
        def begin() -> None:
            running.append(alone)
            begun.append(number)

        return begin

    for number in range(200):
        alone = draw.random() < 0.4
        match draw.choice(["take", "end", "leave"]):
            case "take":
                if lock.take(alone=alone):
                    running.append(alone)
                else:
                    line.append((number, lock.wait(granted(number, alone), alone=alone)))
            case "end" if running:
                ended = running.pop(draw.randrange(len(running)))
                lock.give_back(alone=ended)
            case "leave" if line:
                _, place = line.pop(draw.randrange(len(line)))
                place.cancel()
        line = [(n, place) for n, place in line if n not in begun]
        assert not (True in running and len(running) > 1)
        assert begun == sorted(begun), "first come, first served"
    while running:
        lock.give_back(alone=running.pop())
    assert all(n in begun for n, _ in line)
