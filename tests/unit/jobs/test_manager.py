"""The job API: external jobs, retries, cancels, pauses, history, on a store of either kind."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.errors import Conflict, HeadwayError, InvalidInput, InvalidPlan, InvalidTransition, NotFound, StoreError
from headway.events import kinds as k
from headway.events.fold import fold_all
from headway.events.views import JobsView
from headway.jobs.transitions import OPERATIONS, JobStatus, Operation
from headway.plan.results import ActionStatus
from headway.store.protocol import Claim
from tests.sizes import cases
from tests.unit.execution.kit import call, write
from tests.unit.jobs.kit import KINDS, Rig, rig


@pytest.fixture(params=KINDS)
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path) as opened:
        yield opened


# -- enqueue -----------------------------------------------------------------------------------------------------------


async def test_a_job_runs_a_plan_a_call_or_a_workflow(made: Rig) -> None:
    async def workflow(name: str) -> Any:
        raise NotFound(f"there is no workflow '{name}'")

    made.manager._workflow = workflow
    plan = await made.manager.enqueue_job("plan", {"actions": [call("a", "note", parameters={"name": "p"})]})
    one = await made.manager.enqueue_job("call", call="note", arguments={"name": "$not.a.reference"})
    assert (plan.work, one.work, one.title, one.max_retries) == ("", "call:note", "call", 3)
    assert (await made.ended(plan.job_id)).job.status == "completed"
    assert (await made.ended(one.job_id)).actions[0].output == "did $not.a.reference"
    assert made.calls == ["p", "$not.a.reference"]
    with pytest.raises(NotFound, match="no workflow 'w'"):
        await made.manager.enqueue_job("w", workflow="w")


async def test_the_same_key_is_the_same_job(made: Rig) -> None:
    rows = await asyncio.gather(*(made.manager.enqueue_job("a", call="note", key="once") for _ in range(5)))
    external = [await made.manager.enqueue_job("b", key="other") for _ in range(2)]
    assert len({row.job_id for row in rows}) == 1
    assert external[0].job_id == external[1].job_id
    await made.ended(rows[0].job_id)
    assert made.calls == [""]
    assert (await made.manager.enqueue_job("a", call="note", key="once", principal="p")).job_id != rows[0].job_id
    with pytest.raises(Conflict, match="used for another request"):
        await made.manager.enqueue_job("a", call="note", arguments={"name": "else"}, key="once")


async def test_a_write_that_fails_leaves_no_phantom(made: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> int:
        raise StoreError("no")

    with monkeypatch.context() as patch:
        patch.setattr(made.log, "write", refuse)
        for given in ({}, {"call": "note"}):
            with pytest.raises(StoreError):
                await made.manager.enqueue_job("x", **given)
    assert await made.store.unfinished() == []
    assert (len(made.supervisor.externals), list(made.supervisor)) == (0, [])


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": "x" * 501},
        {"name": 3},
        {"name": "\ud800"},
        {"name": "x", "call": "note", "workflow": "w"},
        {"name": "x", "arguments": {}},
        {"name": "x", "call": 3},
        {"name": "x", "call": "nope"},
        {"name": "x", "call": "note", "arguments": {"name": b"\xff"}},
        {"name": "x", "workflow": "w"},
        {"name": "x", "key": ""},
        {"name": "x", "priority": 101},
        {"name": "x", "priority": True},
        {"name": "x", "max_retries": -1},
        {"name": "x", "max_retries": 21},
        {"name": "x", "wall_s": 0},
        {"name": "x", "idle_s": float("nan")},
        {"name": "x", "grace_s": "5"},
        {"name": "x", "plan": {"actions": [call("a", "nope")]}},
        {"name": "x", "plan": "{"},
    ],
    ids=repr,
)
async def test_a_bad_request_is_one_line_and_changes_nothing(made: Rig, given: dict[str, Any]) -> None:
    with pytest.raises(HeadwayError) as refused:
        await made.manager.enqueue_job(**given)
    assert "\n" not in refused.value.message
    assert (bool(refused.value.code), bool(refused.value.remedy)) == (True, True)
    assert isinstance(refused.value, InvalidInput | NotFound | InvalidPlan)
    assert made.log.last_seq == 0


# -- the matrix --------------------------------------------------------------------------------------------------------


async def in_status(made: Rig, status: str) -> tuple[str, int]:
    """Return an external job in that status, and the token that its worker has, or had."""
    manager = made.manager
    job_id = (await manager.enqueue_job("x", max_retries=0)).job_id
    token = 1
    if status in ("running", "completed", "failed"):
        token = (await manager.set_job_running(job_id, "w")).token
    if status == "completed":
        await manager.complete_job(job_id, token)
    elif status == "failed":
        await manager.fail_job(job_id, token, "bad")
    elif status == "cancelled":
        await manager.cancel_job(job_id)
    elif status == "paused":
        await manager.pause_job(job_id)
    assert (await made.store.job(job_id)).status == status
    return job_id, token


async def ask(made: Rig, operation: Operation, job_id: str, token: int) -> None:
    manager = made.manager
    await {
        Operation.START: lambda: manager.set_job_running(job_id, "w"),
        Operation.PROGRESS: lambda: manager.update_job_progress(job_id, token, 5),
        Operation.COMPLETE: lambda: manager.complete_job(job_id, token),
        Operation.FAIL: lambda: manager.fail_job(job_id, token, "bad"),
        Operation.CANCEL: lambda: manager.cancel_job(job_id),
        Operation.PAUSE: lambda: manager.pause_job(job_id),
        Operation.RESUME: lambda: manager.resume_job(job_id),
    }[operation]()


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("status", JobStatus)
async def test_every_operation_in_every_status(made: Rig, status: JobStatus, operation: Operation) -> None:
    job_id, token = await in_status(made, status)
    before = made.log.last_seq
    if status not in OPERATIONS[operation]:
        with pytest.raises(InvalidTransition, match=f"{job_id} is {status.value} and cannot"):
            await ask(made, operation, job_id, token)
        assert made.log.last_seq == before
    elif (status, operation) == (JobStatus.RUNNING, Operation.PAUSE):
        with pytest.raises(Conflict, match="worker elsewhere"):
            await ask(made, operation, job_id, token)
        assert made.log.last_seq == before
    else:
        await ask(made, operation, job_id, token)
        assert JobStatus((await made.store.job(job_id)).status) in OPERATIONS[operation][status]


@pytest.mark.parametrize("operation", Operation)
async def test_an_unknown_job_is_not_found(made: Rig, operation: Operation) -> None:
    for job_id in ("nope", "", "'; DROP TABLE jobs; --", "x" * 10_000):
        with pytest.raises(NotFound):
            await ask(made, operation, job_id, 1)
        with pytest.raises(NotFound):
            await made.manager.job_history(job_id)
    assert made.log.last_seq == 0


@pytest.mark.parametrize("operation", [Operation.START, Operation.PROGRESS, Operation.COMPLETE, Operation.FAIL])
async def test_a_job_of_the_pool_refuses_what_is_a_workers(made: Rig, operation: Operation) -> None:
    row = await made.manager.enqueue_job("pool", call="gate")
    with pytest.raises(Conflict, match="is run here"):
        await ask(made, operation, row.job_id, 1)


@pytest.mark.parametrize("seed", range(cases(80)))
async def test_random_operations_equal_a_model(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    async with rig("memory", tmp_path) as made:
        manager, model, retries, token = made.manager, JobStatus.QUEUED, 0, 0
        job_id = (await manager.enqueue_job("x", max_retries=2)).job_id
        for _ in range(30):
            operation = rng.choice(list(Operation))
            allowed = operation in OPERATIONS and model in OPERATIONS[operation]
            if operation is Operation.PAUSE and model is JobStatus.RUNNING:
                allowed = False
            try:
                if operation is Operation.START:
                    token = (await manager.set_job_running(job_id)).token
                else:
                    await ask(made, operation, job_id, token)
            except (InvalidTransition, Conflict):
                assert not allowed, (seed, operation, model)
                continue
            assert allowed, (seed, operation, model)
            if operation is Operation.CANCEL and model is JobStatus.RUNNING:
                await made.advance(6)  # its worker does not stop
            if operation is Operation.FAIL:
                retries += 1
                model = JobStatus.QUEUED if retries <= 2 else JobStatus.FAILED
                await made.advance(5)
            else:
                model = next(iter(OPERATIONS[operation][model] - {model}), model)
            assert (await made.store.job(job_id)).status == model.value, (seed, operation)


# -- claims ------------------------------------------------------------------------------------------------------------


async def test_of_twenty_workers_one_wins(made: Rig) -> None:
    row = await made.manager.enqueue_job("race")
    answers = await asyncio.gather(
        *(made.manager.set_job_running(row.job_id, f"w{n}") for n in range(20)), return_exceptions=True
    )
    won = [answer for answer in answers if isinstance(answer, Claim)]
    assert len(won) == 1
    assert all(isinstance(answer, Conflict) for answer in answers if not isinstance(answer, Claim))
    assert (await made.kinds(row.job_id)).count(k.JOB_STARTED) == 1


async def test_a_stale_token_is_refused(made: Rig) -> None:
    manager = made.manager
    row = await manager.enqueue_job("x")
    old = await manager.set_job_running(row.job_id, "w", lease_s=10)
    await made.advance(10)
    assert (await made.store.job(row.job_id)).status == "queued"
    assert (await made.events(row.job_id))[-1].data == {"why": "lease"}
    new = await manager.set_job_running(row.job_id, "w", lease_s=10)
    assert new.token > old.token
    before = made.log.last_seq
    for late in (
        manager.update_job_progress(row.job_id, old, 5),
        manager.complete_job(row.job_id, old, "mine"),
        manager.fail_job(row.job_id, old, "mine"),
    ):
        with pytest.raises(Conflict, match="stale"):
            await late
    assert made.log.last_seq == before
    done = await manager.complete_job(row.job_id, new.token, {"n": 1})
    assert (done.status, done.progress) == ("completed", 100.0)
    assert (await made.store.run_view(row.job_id)).output == {"n": 1}


async def test_a_report_renews_the_lease(made: Rig) -> None:
    manager = made.manager
    row = await manager.enqueue_job("x")
    claim = await manager.set_job_running(row.job_id, "w", lease_s=10)
    for _ in range(5):
        await made.advance(6)
        await manager.update_job_progress(row.job_id, claim)
    assert (await manager.complete_job(row.job_id, claim)).status == "completed"


# -- progress ----------------------------------------------------------------------------------------------------------


async def test_progress_is_told_and_coalesced(made: Rig) -> None:
    manager = made.manager
    row = await manager.enqueue_job("x")
    claim = await manager.set_job_running(row.job_id, "w", lease_s=1000)
    for n in range(1000):
        told = await manager.update_job_progress(row.job_id, claim, n / 10, f"part {n}" if n % 2 == 0 else None)
        assert (told.progress, told.detail) == (n / 10, f"part {n - n % 2}")
    await made.advance(1)
    assert (await made.store.job(row.job_id)).detail == "part 998"
    kinds = await made.kinds(row.job_id)
    assert kinds.count(k.JOB_PROGRESS) <= 3
    assert kinds[0] == k.JOB_CREATED
    await manager.update_job_progress(row.job_id, claim, 100)
    await manager.update_job_progress(row.job_id, claim, 7)  # it may go back
    await manager.complete_job(row.job_id, claim)
    progress = [e.data.get("progress") for e in await made.events(row.job_id) if e.kind == k.JOB_PROGRESS]
    assert progress[-2:] == [100, 7]


@pytest.mark.parametrize("bad", [-1, 101, float("nan"), float("inf"), "5", True])
async def test_a_bad_progress_is_refused(made: Rig, bad: Any) -> None:
    row = await made.manager.enqueue_job("x")
    claim = await made.manager.set_job_running(row.job_id)
    before = made.log.last_seq
    with pytest.raises(InvalidInput):
        await made.manager.update_job_progress(row.job_id, claim, bad)
    with pytest.raises(InvalidInput):
        await made.manager.update_job_progress(row.job_id, bad if bad != 101 else -1, 5)
    assert made.log.last_seq == before


# -- retries -----------------------------------------------------------------------------------------------------------


async def test_an_external_job_is_retried_at_half_a_second_one_and_two(made: Rig) -> None:
    manager = made.manager
    row = await manager.enqueue_job("x")
    for attempt, wait in ((1, 500), (2, 1000), (3, 2000)):
        claim = await manager.set_job_running(row.job_id)
        failed = await manager.fail_job(row.job_id, claim, "try again")
        assert (failed.status, failed.attempt, failed.error) == ("queued", attempt, "try again")
        assert failed.next_retry_ms == made.clock.time_ms() + wait
        await made.advance(wait / 1000 - 0.001)
        with pytest.raises(InvalidTransition, match="waits for its retry"):
            await manager.set_job_running(row.job_id)
        await made.advance(0.001)
    claim = await manager.set_job_running(row.job_id)
    dead = await manager.fail_job(row.job_id, claim, "never")
    assert (dead.status, dead.outcome, dead.error, dead.next_retry_ms) == ("failed", "retries_exhausted", "never", None)


async def test_an_error_that_does_not_pass_is_not_retried(made: Rig) -> None:
    row = await made.manager.enqueue_job("x")
    claim = await made.manager.set_job_running(row.job_id)
    assert (await made.manager.fail_job(row.job_id, claim, "no", retryable=False)).status == "failed"


async def test_a_job_of_the_pool_is_retried_on_the_clock(made: Rig) -> None:
    made.failures = [RuntimeError(f"no {n}") for n in range(4)]
    row = await made.manager.enqueue_job("x", call="boom")
    times = []
    for wait in (500, 1000, 2000):
        await made.seen(row.job_id, k.JOB_REQUEUED, len(times) + 1)
        now = await made.store.job(row.job_id)
        assert (now.status, now.next_retry_ms) == ("queued", made.clock.time_ms() + wait)
        times.append(len(made.calls))
        await made.advance(wait / 1000 - 0.001)
        assert len(made.calls) == times[-1]
        await made.advance(0.001)
    view = await made.ended(row.job_id)
    assert (view.job.status, view.job.attempt, len(made.calls)) == ("failed", 3, 4)
    assert view.actions[0].error == "RuntimeError: no 3"
    assert (await made.kinds(row.job_id)).count(k.JOB_REQUEUED) == 3

    made.failures = [headway.TerminalToolError("for good")]
    row = await made.manager.enqueue_job("x", call="boom")
    assert (await made.ended(row.job_id)).job.status == "failed"
    assert len(made.calls) == 5


async def test_a_retry_that_succeeds_is_a_whole_new_run(made: Rig) -> None:
    made.failures = [RuntimeError("once")]
    plan = {
        "actions": [
            write("w", "k", 1),
            call("n", "note", parameters={"name": "n"}),
            call("b", "boom", dependencies=["w", "n"]),
        ]
    }
    row = await made.manager.enqueue_job("x", plan)
    await made.seen(row.job_id, k.JOB_REQUEUED)
    waiting = await made.store.run_view(row.job_id)
    assert [action.status for action in waiting.actions] == [ActionStatus.PROPOSED] * 3
    assert (waiting.state, waiting.job.succeeded) == ({}, 0)
    await made.advance(0.5)
    view = await made.ended(row.job_id)
    assert (view.job.status, view.job.attempt, view.state, view.job.error) == ("completed", 1, {"k": 1}, None)
    assert made.calls == ["n", "boom", "n", "boom"]
    assert await made.store.scope_state(view.job.scope) == {"k": 1}
    assert fold_all(JobsView(), await made.events(row.job_id)).jobs[row.job_id] == view.job


async def test_a_job_is_cancelled_while_it_waits_for_its_retry(made: Rig) -> None:
    made.failures = [RuntimeError("once")]
    row = await made.manager.enqueue_job("x", call="boom")
    await made.seen(row.job_id, k.JOB_REQUEUED)
    assert await made.manager.cancel_job(row.job_id, "enough") == "forced"
    assert (await made.store.job(row.job_id)).status == "cancelled"
    await made.advance(60)
    assert made.calls == ["boom"]


# -- cancel and limits -------------------------------------------------------------------------------------------------


async def test_a_cancel_is_killed_after_its_grace(made: Rig) -> None:
    row = await made.manager.enqueue_job("x", call="gate", grace_s=3)
    await made.gate.started.get()
    assert await made.manager.cancel_job(row.job_id) == "requested"
    assert await made.manager.cancel_job(row.job_id) == "requested"
    await made.advance(2.9)
    assert (await made.store.job(row.job_id)).status == "running"
    await made.advance(0.1)
    view = await made.ended(row.job_id)
    assert (view.job.status, view.job.outcome) == ("cancelled", "killed")
    assert await made.manager.cancel_job(row.job_id) == "already_finished"


async def test_a_worker_elsewhere_has_a_grace_too(made: Rig) -> None:
    manager = made.manager
    row = await manager.enqueue_job("x", grace_s=3)
    claim = await manager.set_job_running(row.job_id)
    assert await manager.cancel_job(row.job_id, "stop") == "requested"
    assert (await manager.update_job_progress(row.job_id, claim, 5)).cancel_reason == "stop"
    await made.advance(3)
    ended = await made.store.job(row.job_id)
    assert (ended.status, ended.outcome) == ("cancelled", "cancel_timeout")
    for late in (manager.update_job_progress(row.job_id, claim, 6), manager.complete_job(row.job_id, claim)):
        with pytest.raises(InvalidTransition):
            await late
    assert await made.store.job(row.job_id) == ended

    row = await manager.enqueue_job("x")
    claim = await manager.set_job_running(row.job_id)
    await manager.cancel_job(row.job_id, "stop")
    assert (await manager.fail_job(row.job_id, claim, "stopped")).status == "cancelled"


async def test_a_job_that_takes_too_long_fails(made: Rig) -> None:
    wall = await made.manager.enqueue_job("x", call="gate", wall_s=10)
    idle = await made.manager.enqueue_job("x", call="gate", idle_s=4)
    external = await made.manager.enqueue_job("x", wall_s=10)
    await made.manager.set_job_running(external.job_id)
    for _ in range(2):
        await made.gate.started.get()
    await made.advance(4)
    view = await made.ended(idle.job_id)
    assert (view.job.status, view.job.outcome) == ("failed", "idle_timeout")
    assert view.actions[0].error == "killed: nothing was heard of its calls for 4 s"
    assert (await made.store.job(wall.job_id)).status == "running"
    await made.advance(6)
    view = await made.ended(wall.job_id)
    assert (view.job.status, view.job.outcome, view.job.error) == ("failed", "wall_timeout", "it ran longer than 10 s")
    ended = await made.store.job(external.job_id)
    assert (ended.status, ended.outcome) == ("failed", "wall_timeout")


async def test_a_job_that_waits_is_not_idle(made: Rig) -> None:
    made.powers.env.limiter.set_limit("note", 1, 100.0)
    plan = {"actions": [call("a", "note"), call("b", "note", dependencies=["a"])]}
    row = await made.manager.enqueue_job("x", plan, idle_s=5)
    await made.advance(99)
    assert (await made.store.job(row.job_id)).status == "running"
    await made.advance(1)
    assert (await made.ended(row.job_id)).job.status == "completed"


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_history_is_the_log_page_by_page(made: Rig) -> None:
    manager = made.manager
    row = await manager.enqueue_job("x")
    claim = await manager.set_job_running(row.job_id, lease_s=10_000)
    for n in range(70):
        await manager.update_job_progress(row.job_id, claim, n)
        await made.advance(0.2)
    await manager.complete_job(row.job_id, claim)
    pages, after = [], 0
    while True:
        page = await manager.job_history(row.job_id, after, limit=7)
        pages += page.events
        if page.next_after is None:
            break
        after = page.next_after
    assert pages == await made.events(row.job_id)
    assert [event.kind for event in pages] == [k.JOB_CREATED, k.JOB_STARTED, *[k.JOB_PROGRESS] * 70, k.JOB_COMPLETED]
    assert page.job.status == "completed"


async def test_a_status_and_the_events_after_it_are_the_next_status(made: Rig) -> None:
    manager = made.manager
    for n in range(5):
        await manager.enqueue_job(f"x{n}")
    first = await manager.app_status()
    claim = await manager.set_job_running(first.jobs[2].job_id)
    await manager.fail_job(first.jobs[2].job_id, claim, "again")
    await manager.cancel_job(first.jobs[0].job_id)
    await manager.pause_job(first.jobs[1].job_id)
    await manager.enqueue_job("late")
    later = await manager.app_status()
    view = JobsView({row.job_id: row for row in reversed(first.jobs)}, first.as_of_seq)
    fold_all(view, await made.store.events(first.as_of_seq, limit=10_000))
    assert list(reversed(view.jobs.values())) == later.jobs
    assert view.last_seq == later.as_of_seq
    assert later.unfinished == {"queued": 4, "paused": 1}

    page = await manager.app_status(limit=4)
    rest = await manager.app_status(before=page.next_before, limit=4)
    assert [*page.jobs, *rest.jobs] == later.jobs
    assert rest.next_before is None
    assert [row.status for row in (await manager.app_status("cancelled")).jobs] == ["cancelled"]
    for bad in ({"status": "gone"}, {"limit": 0}, {"limit": 1001}, {"before": -1}):
        with pytest.raises(InvalidInput):
            await manager.app_status(**bad)  # type: ignore[arg-type]  # bad on purpose
