"""What another process makes of the jobs that a killed one left."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.errors import Conflict, InvalidTransition, StoreError
from headway.events import kinds as k
from headway.home import Home
from headway.store import StoreLog
from tests.unit.execution.kit import call, write
from tests.unit.jobs.kit import rig

PLAN = {
    "actions": [
        write("w", "k", 1),
        call("n", "note", parameters={"name": "n"}, dependencies=["w"]),
        call("g", "gate", parameters={"name": "g"}, dependencies=["n"], idempotent=True),
        call("m", "note", parameters={"name": "m"}, dependencies=["g"]),
    ]
}


async def test_a_running_job_is_queued_again_and_one_entry_says_why(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path) as made:
        row = await made.manager.enqueue_job("x", PLAN)
        await made.gate.started.get()
        again = await made.restarted(tmp_path, places=0)  # no place: it is seen before it runs
        now = await again.store.job(row.job_id)
        assert now.status == "queued"
        last = (await again.events(row.job_id))[-1]
        assert (last.kind, last.data) == (k.JOB_REQUEUED, {"why": "restart"})
        await again.close()


async def test_a_running_job_fails_by_policy_and_one_entry_says_why(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path) as made:
        row = await made.manager.enqueue_job("x", PLAN)
        await made.gate.started.get()
        again = await made.restarted(tmp_path, resume=False)
        now = await again.store.job(row.job_id)
        assert (now.status, now.outcome) == ("failed", "interrupted")
        assert now.error == "interrupted: the process that ran this job ended"
        assert (await again.kinds(row.job_id)).count(k.JOB_FAILED) == 1
        await again.close()


@pytest.mark.parametrize("resume", [True, False])
async def test_a_paused_job_stays_paused(tmp_path: Path, resume: bool) -> None:
    async with rig("sqlite", tmp_path) as made:
        row = await made.manager.enqueue_job("x", PLAN)
        await made.gate.started.get()
        await made.manager.pause_job(row.job_id, "night")
        made.gate.open.set()
        await made.seen(row.job_id, k.RUN_PAUSED)
        before = await made.events(row.job_id)
        again = await made.restarted(tmp_path, resume=resume)
        await again.advance(100)
        assert (await again.store.job(row.job_id)).status == "paused"
        assert await again.events(row.job_id) == before
        assert again.calls == []
        await again.manager.resume_job(row.job_id)
        view = await again.ended(row.job_id)
        assert (view.job.status, again.calls) == ("completed", ["m"])
        assert view.action("n").output == "did n"
        await again.close()


async def test_a_graceful_end_leaves_paused_jobs_and_retries_alone(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path, places=1) as made:
        made.failures = [RuntimeError("once")]
        waiting = await made.manager.enqueue_job("y", call="boom")
        await made.seen(waiting.job_id, k.JOB_REQUEUED)
        await made.manager.enqueue_job("g", call="gate")
        await made.gate.started.get()
        paused = await made.manager.enqueue_job("x", call="note")
        assert await made.manager.pause_job(paused.job_id) == "paused"
        await made.supervisor.stop("shutdown", 0, made.clock)
        again = await made.restarted(tmp_path)
        assert (await again.store.job(paused.job_id)).status == "paused"
        assert (await again.store.job(waiting.job_id)).next_retry_ms == made.clock.time_ms() + 500
        await again.advance(0.499)
        assert again.calls == []
        await again.advance(0.001)
        view = await again.ended(waiting.job_id)
        assert (view.job.status, view.job.attempt, again.calls) == ("completed", 1, ["boom"])
        await again.close()


async def test_a_pause_that_was_asked_for_holds(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path) as made:
        row = await made.manager.enqueue_job("x", PLAN)
        await made.gate.started.get()
        await made.manager.pause_job(row.job_id, "night")
        again = await made.restarted(tmp_path)
        now = await again.store.job(row.job_id)
        assert (now.status, now.pause_reason) == ("paused", "night")
        again.gate.open.set()
        await again.manager.resume_job(row.job_id)
        assert (await again.ended(row.job_id)).job.status == "completed"
        assert again.calls == ["g", "m"]  # idempotent: what was cut off ran again
        await again.close()


async def test_a_second_try_that_is_cut_off_is_that_try(tmp_path: Path) -> None:
    plan = {
        "actions": [
            write("w", "k", 1),
            call("n", "note", parameters={"name": "n"}, dependencies=["w"]),
            call("b", "boom", dependencies=["n"]),
            call("g", "gate", dependencies=["b"], idempotent=True),
        ]
    }
    async with rig("sqlite", tmp_path) as made:
        made.failures = [RuntimeError("once")]
        row = await made.manager.enqueue_job("x", plan, context_id="c")
        await made.seen(row.job_id, k.JOB_REQUEUED)
        await made.clock.advance(0.5)
        await made.gate.started.get()
        again = await made.restarted(tmp_path)
        again.gate.open.set()
        view = await again.ended(row.job_id)
        assert (view.job.status, view.job.attempt, view.state, again.calls) == ("completed", 1, {"k": 1}, [""])
        assert await again.store.scope_state("c") == {"k": 1}
        await again.close()


async def test_external_jobs_are_their_workers(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path) as made:
        manager = made.manager
        rows = [await manager.enqueue_job(f"x{n}") for n in range(5)]
        held, lapsed, waiting, paused, asked = (row.job_id for row in rows)
        claim = await manager.set_job_running(held, lease_s=1000)
        old = await manager.set_job_running(lapsed, lease_s=1)
        await manager.fail_job(waiting, await manager.set_job_running(waiting), "no")
        await manager.pause_job(paused)
        await manager.set_job_running(asked, lease_s=1000)
        await manager.cancel_job(asked, "stop")
        for job in made.supervisor.externals:
            job.stop()  # this process does nothing more
        await made.clock.advance(2)
        again = await made.restarted(tmp_path, resume=False)
        statuses = [(await again.store.job(row.job_id)).status for row in rows]
        assert statuses == ["running", "queued", "queued", "paused", "cancelled"]
        assert (await again.events(lapsed))[-1].data == {"why": "restart"}
        with pytest.raises(InvalidTransition):
            await again.manager.complete_job(lapsed, old)
        new = await again.manager.set_job_running(lapsed)
        assert new.token > old.token
        with pytest.raises(Conflict, match="stale"):
            await again.manager.complete_job(lapsed, old)
        assert (await again.manager.complete_job(held, claim, "done")).status == "completed"
        assert (await again.store.job(waiting)).attempt == 1
        assert (await again.manager.set_job_running(waiting)).token > 1
        await again.manager.resume_job(paused)
        assert (await again.store.job(paused)).status == "queued"
        assert (await again.manager.enqueue_job("k", key="key")).job_id == (
            await again.manager.enqueue_job("k", key="key")
        ).job_id
        await again.close()


async def test_a_key_is_known_after_a_restart(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path) as made:
        row = await made.manager.enqueue_job("x", call="note", key="once")
        await made.ended(row.job_id)
        again = await made.restarted(tmp_path)
        assert (await again.manager.enqueue_job("x", call="note", key="once")).job_id == row.job_id
        assert again.calls == []
        await again.close()


async def test_a_corrupt_store_is_an_error_and_no_empty_list(tmp_path: Path) -> None:
    async with rig("sqlite", tmp_path) as made:
        await made.manager.enqueue_job("x")
        await made.close()
    path = Home(tmp_path).db
    body = path.read_bytes()
    path.write_bytes(body[:200] + b"\xff" * (len(body) - 200))
    with pytest.raises(StoreError) as refused:
        await StoreLog.open(Home(tmp_path))
    assert refused.value.remedy
