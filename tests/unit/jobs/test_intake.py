"""Intake: bounds on what an engine takes, and large plans that do not hold the event loop up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import headway
from headway.config import Config
from headway.config.model import AdmissionConfig
from headway.engine import Engine
from headway.errors import InvalidPlan, Overloaded
from headway.jobs import admission
from headway.jobs.intake import ACTION_BYTES, LARGE
from headway.jobs.submission import Submission
from headway.plan.format import Action, ActionProposal
from headway.plan.parse import parse_proposal
from headway.plan.verify import MAX_ISSUES

CONTEXT = "busy"


def plan(count: int, tool: str = "echo", **more: Any) -> dict[str, Any]:
    actions = [{"id": f"a{i}", "type": "tool_call", "tool": tool, "parameters": {"n": i}, **more} for i in range(count)]
    return {"actions": actions}


class Held:
    """An engine one context of which is busy until ``go`` is set, so that jobs there wait."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.go = asyncio.Event()
        self.busy = asyncio.Event()

    async def submit(self, given: Any, **about: Any) -> str:
        return (await self.engine.submit(Submission(given, context_id=CONTEXT, **about))).job_id


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def held(tmp_path: Path, settings: dict[str, Any]) -> AsyncIterator[Held]:
    async def echo(n: int) -> int:
        return n

    async def hold(n: int) -> int:
        made.busy.set()
        await made.go.wait()
        return n

    config = Config(admission=AdmissionConfig(**settings))
    async with await Engine.open(tmp_path / "home", config, tools=[echo, hold]) as engine:
        made = Held(engine)
        yield made
        made.go.set()


async def test_a_large_plan_is_admitted_on_another_thread_and_runs(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    check = admission.check

    def noted(*given: Any, **more: Any) -> Any:
        threads.append(threading.current_thread())
        return check(*given, **more)

    monkeypatch.setattr(admission, "check", noted)
    small = await held.submit(plan(LARGE))
    large = await held.submit(plan(LARGE + 1))
    assert threads[0] is threading.main_thread()
    assert threads[1] is not threading.main_thread()
    for job_id, count in ((small, LARGE), (large, LARGE + 1)):
        view = await held.engine.wait(job_id)
        assert (view.job.status, view.job.succeeded) == ("completed", count)
    assert held.engine._supervisor.plan_bytes == 0


async def test_a_large_plan_is_recorded_as_a_small_one_is(held: Held) -> None:
    """The same plan, its threshold apart: admitted beside the loop and on it."""
    events = []
    for count in (LARGE, LARGE + 1):
        job_id = await held.submit(plan(count, dependencies=[], metadata={"m": [1, {"x": None}]}))
        await held.engine.wait(job_id)
        (created,) = await held.engine.reader.events(0, job_id=job_id, kinds=["job_created"])
        data = (await held.engine.reader.resolve(created)).data
        events.append((data["proposal"]["actions"][:3], data["graph"]["actions"][:3], sorted(data)))
    assert events[0] == events[1]


async def test_the_loop_takes_steps_while_a_large_plan_is_admitted(held: Held) -> None:
    steps = 0

    async def count() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await held.submit(plan(1, "hold"))
    steps = 0
    await held.submit(plan(3000))
    assert steps > 20
    counting.cancel()


async def test_large_plans_are_admitted_one_after_the_other(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most = 0, 0
    check = admission.check

    def noted(*given: Any, **more: Any) -> Any:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        try:
            return check(*given, **more)
        finally:
            inside -= 1

    monkeypatch.setattr(admission, "check", noted)
    rows = await asyncio.gather(*(held.engine.submit(plan(LARGE + 50)) for _ in range(6)))
    assert most == 1
    for row in rows:
        await held.engine.wait(row.job_id)


@pytest.mark.parametrize("settings", [{"max_actions": 5}])
async def test_a_plan_of_too_many_actions_is_refused_before_it_is_checked(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "check", None)
    before = held.engine.log.last_seq
    text = r"the plan has 6 actions; the limit is 5 \(max_actions under \[admission\]\)"
    actions = [Action(type="tool_call", tool="echo", parameters={"n": i}) for i in range(6)]
    for given in (plan(6), str(plan(6)).replace("'", '"').encode(), ActionProposal(actions=actions)):
        with pytest.raises(InvalidPlan, match=text):
            await held.engine.submit(given)
        with pytest.raises(InvalidPlan, match=text):
            await held.engine.submit(Submission(given, record_rejected=True))
    assert held.engine.log.last_seq == before


@pytest.mark.parametrize("settings", [{"max_waiting": 3}])
async def test_so_many_jobs_wait_and_no_more(held: Held) -> None:
    accepted = [await held.submit(plan(1, "hold"))]
    await held.busy.wait()  # it does not wait itself any more
    accepted += [await held.submit(plan(1)) for _ in range(3)]
    before = held.engine.log.last_seq
    with pytest.raises(Overloaded, match="3 jobs wait for their turn, and no more are taken: try") as caught:
        await held.submit(plan(1), job_id="mine")
    assert caught.value.retry_after == 1
    assert held.engine.log.last_seq == before
    held.go.set()
    for job_id in accepted:
        assert (await held.engine.wait(job_id)).job.status == "completed"
    await held.engine.wait(await held.submit(plan(1), job_id="mine"))


@pytest.mark.parametrize("settings", [{"max_plan_bytes": 8_388_608}])
async def test_plans_of_unfinished_jobs_take_so_much_memory_and_no_more(held: Held) -> None:
    supervisor = held.engine._supervisor
    await held.submit(plan(1, "hold"))
    fat = {"actions": [{"id": "a", "type": "tool_call", "tool": "echo", "parameters": {"n": 1}}], "context": {}}
    fat["context"] = {"text": "x" * 5_000_000}
    waiting = await held.submit(fat)
    assert 5_000_000 < supervisor.plan_bytes < 6_000_000
    with pytest.raises(Overloaded, match="leaves no room"):
        await held.submit(fat)
    with pytest.raises(Overloaded, match="leaves no room"):
        await held.submit(plan(8_388_608 // ACTION_BYTES))
    assert 5_000_000 < supervisor.plan_bytes < 6_000_000
    held.go.set()
    await held.engine.wait(waiting)
    assert supervisor.plan_bytes == 0
    await held.engine.wait(await held.submit(fat))


async def test_a_plan_that_is_larger_than_the_room_runs_where_nothing_else_does(held: Held) -> None:
    intake = held.engine._supervisor.intake
    assert intake.bounds is not None
    intake.bounds = msgspec.structs.replace(intake.bounds, plan_bytes=ACTION_BYTES)
    assert (await held.engine.wait(await held.submit(plan(3)))).job.status == "completed"
    await held.submit(plan(1, "hold"))
    with pytest.raises(Overloaded, match="leaves no room"):
        await held.submit(plan(3))


@pytest.mark.parametrize("settings", [{"max_plan_bytes": 8_388_608}])
async def test_actions_weigh_more_than_their_json(held: Held) -> None:
    await held.submit(plan(1, "hold"))
    await held.submit(plan(100))
    assert held.engine._supervisor.plan_bytes > 100 * ACTION_BYTES


async def test_a_large_plans_work_has_one_turn_whoever_asks(held: Held) -> None:
    intake, gates = held.engine._supervisor.intake, [threading.Event(), threading.Event()]
    begun: list[int] = []
    one = threading.Event()

    def work(number: int) -> None:
        begun.append(number)
        one.set()
        gates[number].wait(60)

    tasks = [asyncio.create_task(intake.work(LARGE + 1, partial(work, number))) for number in range(2)]
    assert await asyncio.to_thread(one.wait, 60)
    for _ in range(3):
        await asyncio.to_thread(str)  # time for another to begin, if it might
    assert begun == [0]
    for gate in gates:
        gate.set()
    await asyncio.gather(*tasks)
    assert begun == [0, 1]


async def test_a_plan_with_many_findings_is_recorded_with_some(held: Held) -> None:
    count = LARGE + 100
    job_id = await held.submit(plan(count, "missing"), record_rejected=True)
    view = await held.engine.run(job_id)
    assert (view.job.status, view.job.outcome) == ("failed", "rejected")
    assert view.result().cost.actions_rejected == count
    assert len(view.issues) == MAX_ISSUES + 1
    assert view.issues[-1]["message"] == f"{count - MAX_ISSUES} more findings are left out"
    with pytest.raises(InvalidPlan) as caught:
        await held.submit(plan(count, "missing"))
    assert len(caught.value.issues) == count


async def test_a_large_plan_is_verified_on_another_thread(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    from headway import engine as module

    threads: list[threading.Thread] = []
    real = module.verify

    def noted(*given: Any, **more: Any) -> Any:
        threads.append(threading.current_thread())
        return real(*given, **more)

    monkeypatch.setattr(module, "verify", noted)
    assert (await held.engine.verify(plan(LARGE + 1))).valid
    assert (await held.engine.verify(plan(2))).valid
    assert threads[0] is not threading.main_thread()
    assert threads[1] is threading.main_thread()


async def test_an_embedded_runtime_has_no_bounds() -> None:
    async def echo(n: int) -> int:
        return n

    runtime = headway.Runtime(tools=[echo])
    result = await runtime.execute(plan(10_001))
    assert result.status == "completed"


def test_plain_is_what_to_dict_gives() -> None:
    proposal = parse_proposal({**plan(3, preconditions=[{"key": "k"}], dependencies=[]), "context": {"a": [1]}})
    assert admission.plain(proposal) == proposal.to_dict()
