"""Pauses: nothing starts after the request, nothing runs after the pause, and what resumes continues where it was."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headway.errors import Conflict, InvalidTransition
from headway.events import kinds as k
from headway.limits.budget import CostBudget
from headway.plan.results import ActionStatus
from headway.testing import settle
from tests.sizes import cases
from tests.unit.execution.kit import call, write
from tests.unit.jobs.kit import KINDS, Rig, rig

PLAN = {
    "actions": [
        write("w", "k", 1),
        call("g", "gate", parameters={"name": "g"}),
        call("n", "note", parameters={"name": "n"}, dependencies=["g", "w"]),
        write("w2", "k", 2, dependencies=["n"]),
    ]
}


@pytest.fixture(params=KINDS)
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path, places=1) as opened:
        yield opened


async def test_a_run_is_paused_once_nothing_is_in_flight_and_continues_from_there(made: Rig) -> None:
    row = await made.manager.enqueue_job("x", PLAN)
    other = await made.manager.enqueue_job("other", call="note", arguments={"name": "other"})
    await made.gate.started.get()
    assert await made.manager.pause_job(row.job_id, "lunch", "me") == "requested"
    assert await made.manager.pause_job(row.job_id, "again") == "requested"
    asked = await made.store.job(row.job_id)
    assert (asked.status, asked.pause_reason) == ("running", "lunch")
    made.gate.open.set()
    await made.seen(row.job_id, k.RUN_PAUSED)
    assert (await made.ended(other.job_id)).job.status == "completed"  # the place is free
    await settle()
    assert made.calls == ["g", "other"]
    view = await made.store.run_view(row.job_id)
    assert (view.job.status, view.job.pause_reason, view.state) == ("paused", "lunch", {"k": 1})
    assert [action.status for action in view.actions][1] is ActionStatus.SUCCEEDED
    with pytest.raises(InvalidTransition):
        await made.manager.pause_job(row.job_id)

    assert await made.manager.resume_job(row.job_id, "me") == "queued"
    view = await made.ended(row.job_id)
    assert (view.job.status, view.state, view.job.pause_reason) == ("completed", {"k": 2}, None)
    assert made.calls == ["g", "other", "n"]  # nothing finished ran again
    kinds = await made.kinds(row.job_id)
    paused = kinds.index(k.RUN_PAUSED)
    assert kinds[paused : paused + 3] == [k.RUN_PAUSED, k.JOB_REQUEUED, k.RUN_RESUMED]
    asked_at = kinds.index(k.RUN_PAUSE_REQUESTED)
    assert k.ACTION_EXECUTING not in kinds[asked_at:paused]
    assert kinds.count(k.LEVEL_FINISHED) == 3
    with pytest.raises(InvalidTransition):
        await made.manager.resume_job(row.job_id)


async def test_a_queued_job_is_paused_immediately(made: Rig) -> None:
    first = await made.manager.enqueue_job("first", call="gate")
    row = await made.manager.enqueue_job("x", call="note")
    last = await made.manager.enqueue_job("last", call="note", arguments={"name": "last"})
    await made.gate.started.get()
    assert await made.manager.pause_job(row.job_id) == "paused"
    made.gate.open.set()
    for job in (first, last):
        assert (await made.ended(job.job_id)).job.status == "completed"
    assert made.calls == ["", "last"]
    await made.supervisor.idle()  # what is paused is not waited for
    assert made.supervisor.busy() == 0
    await made.manager.resume_job(row.job_id)
    assert (await made.ended(row.job_id)).job.status == "completed"


async def test_a_paused_job_is_cancelled_and_keeps_what_it_did(made: Rig) -> None:
    made.powers.env.max_concurrency = 1
    plan = {"actions": [call("g", "gate"), call("n", "note"), write("w", "k", 1)]}  # one level, half of it done
    row = await made.manager.enqueue_job("x", plan)
    await made.gate.started.get()
    await made.manager.pause_job(row.job_id)
    made.gate.open.set()
    await made.seen(row.job_id, k.RUN_PAUSED)
    assert await made.manager.cancel_job(row.job_id, "enough") == "forced"
    view = await made.ended(row.job_id)
    assert (view.job.status, view.job.cancel_reason) == ("cancelled", "enough")
    done, *rest = [action.status for action in view.actions]
    assert (done, rest) == (ActionStatus.SUCCEEDED, [ActionStatus.SKIPPED] * 2)
    assert made.calls == [""]
    assert k.RUN_RESUMED not in await made.kinds(row.job_id)


async def test_what_ends_or_is_stopped_meanwhile_is_not_paused(made: Rig) -> None:
    row = await made.manager.enqueue_job("x", call="gate")
    await made.gate.started.get()
    assert await made.manager.pause_job(row.job_id) == "requested"
    made.gate.open.set()
    assert (await made.ended(row.job_id)).job.status == "completed"  # nothing was left to do

    made.gate.open.clear()
    row = await made.manager.enqueue_job("x", PLAN)
    await made.gate.started.get()
    await made.manager.cancel_job(row.job_id)
    with pytest.raises(Conflict, match="being cancelled"):
        await made.manager.pause_job(row.job_id)


async def test_a_job_that_fails_while_a_pause_is_asked_fails(made: Rig) -> None:
    made.failures = [RuntimeError("bad")]
    made.powers.env.max_concurrency = 2
    plan = {"actions": [call("g", "gate"), call("b", "boom"), call("n", "note")]}
    row = await made.manager.enqueue_job("x", plan, max_retries=0)
    await made.gate.started.get()
    await made.manager.pause_job(row.job_id)
    made.gate.open.set()
    view = await made.ended(row.job_id)
    assert (view.job.status, view.job.outcome) == ("failed", "aborted")


async def test_what_waits_gives_its_place_in_line_back(made: Rig) -> None:
    made.powers.env.limiter.set_limit("note", 1, 10.0)
    plan = {"actions": [call("a", "note"), call("b", "note"), call("c", "note")]}
    row = await made.manager.enqueue_job("x", plan, budget=CostBudget(tool_calls=3))
    await made.seen(row.job_id, k.RATE_LIMIT_WAIT, 2)
    await made.manager.pause_job(row.job_id)
    await made.seen(row.job_id, k.RUN_PAUSED)
    assert (await made.store.limits_view()).buckets["note"].queue == {}
    assert [a.waiting_for for a in (await made.store.run_view(row.job_id)).actions] == [""] * 3
    await made.advance(100)
    assert len(made.calls) == 1
    await made.manager.resume_job(row.job_id)
    await made.advance(100)
    view = await made.ended(row.job_id)
    assert (view.job.status, len(made.calls)) == ("completed", 3)
    assert (await made.store.budget_view()).budgets[row.job_id].spent == {"tool_calls": 3}


async def test_a_retry_in_its_backoff_keeps_its_attempts(made: Rig) -> None:
    made.failures = [RuntimeError("once"), RuntimeError("twice")]
    plan = {"actions": [call("b", "boom", failure_behavior="retry", max_retries=2)]}
    row = await made.manager.enqueue_job("x", plan, max_retries=0)
    await made.seen(row.job_id, k.ACTION_RETRYING)
    await made.manager.pause_job(row.job_id)
    await made.seen(row.job_id, k.RUN_PAUSED)
    await made.manager.resume_job(row.job_id)
    await made.seen(row.job_id, k.ACTION_RETRYING, 2)
    await made.advance(1)
    view = await made.ended(row.job_id)
    assert (view.job.status, view.actions[0].attempt, len(made.calls)) == ("completed", 3, 3)


async def test_a_job_may_be_paused_while_it_waits_for_its_retry(made: Rig) -> None:
    made.failures = [RuntimeError("once")]
    row = await made.manager.enqueue_job("x", call="boom")
    await made.seen(row.job_id, k.JOB_REQUEUED)
    assert await made.manager.pause_job(row.job_id) == "paused"
    await made.advance(10)
    assert len(made.calls) == 1
    await made.manager.resume_job(row.job_id)
    assert (await made.ended(row.job_id)).job.status == "completed"


@pytest.mark.parametrize("seed", range(cases(80)))
async def test_a_run_with_pauses_comes_to_what_one_without_does(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    names = [f"a{n}" for n in range(rng.randint(3, 10))]
    actions = []
    for n, name in enumerate(names):
        needs = rng.sample(names[:n], min(n, rng.randint(0, 2)))
        behavior = {"failure_behavior": rng.choice(["abort", "skip", "retry"])}
        if rng.random() < 0.3:
            actions.append(write(name, rng.choice("kl"), n, dependencies=needs))
        else:
            actions.append(call(name, "note", parameters={"name": name}, dependencies=needs, **behavior))
    async with rig("memory", tmp_path, places=1) as made:
        made.powers.env.max_concurrency = rng.choice([1, 2, 64])
        plain = await made.ended((await made.manager.enqueue_job("x", {"actions": actions})).job_id)
        calls, made.calls = sorted(made.calls), []
        row = await made.manager.enqueue_job("x", {"actions": actions})
        while not (now := await made.store.job(row.job_id)).finished:
            for _ in range(rng.randint(0, 6)):
                await asyncio.sleep(0)
            try:
                await made.manager.pause_job(row.job_id)
                await settle()
                seen = len(made.calls)
                await settle()
                assert len(made.calls) == seen
                now = await made.store.job(row.job_id)
                if not now.finished:
                    await made.manager.resume_job(row.job_id)
            except (InvalidTransition, Conflict):
                assert (await made.store.job(row.job_id)).finished
        view = await made.ended(row.job_id)
        assert (sorted(made.calls), view.job.status, view.state) == (calls, plain.job.status, plain.state), seed
        assert [a.status for a in view.actions] == [a.status for a in plain.actions]
        assert (view.cost.tool_calls, view.cost.actions_executed) == (
            plain.cost.tool_calls,
            plain.cost.actions_executed,
        )
