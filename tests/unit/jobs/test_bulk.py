"""Bulk operations over a filter: a look first, a verdict for each job, whatever one of them answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import Conflict, InvalidInput, InvalidTransition, NotFound
from headway.events import kinds as k
from tests.unit.execution.kit import call, write
from tests.unit.jobs.kit import KINDS, Rig, rig

FAILS = {"actions": [write("w", "k", 1), call("n", "note", dependencies=["w"]), call("b", "boom", dependencies=["n"])]}


@pytest.fixture(params=KINDS)
async def made(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(request.param, tmp_path, places=1) as opened:
        yield opened


async def test_a_look_changes_nothing(made: Rig) -> None:
    rows = [await made.manager.enqueue_job(f"x{n}") for n in range(3)]
    before = made.log.last_seq
    for action in ("cancel", "kill", "pause"):
        report = await made.manager.bulk(action, "title:x")
        assert (report.done, report.counts()) == (False, {"matches": 3})
        assert [item.job_id for item in report.items] == [row.job_id for row in rows]
    assert (await made.manager.bulk("resume", "title:x")).items == []
    assert made.log.last_seq == before


async def test_each_job_gets_a_verdict_and_none_keeps_another_from_it(made: Rig) -> None:
    manager = made.manager
    running = await manager.enqueue_job("running", call="gate")
    await made.gate.started.get()
    queued = await manager.enqueue_job("queued", call="note")
    outside = await manager.enqueue_job("outside")
    worked = await manager.enqueue_job("worked")
    await manager.set_job_running(worked.job_id)
    report = await manager.bulk("pause", "*", dry_run=False, reason="lunch", by="me")
    assert {item.job_id: item.verdict for item in report.items} == {
        running.job_id: "requested",
        queued.job_id: "paused",
        outside.job_id: "paused",
        worked.job_id: "refused",
    }
    refused = report.items[-1]
    assert (refused.code, report.refused) == ("conflict", 1)
    assert "cannot be paused" in refused.message
    assert (await made.store.job(queued.job_id)).pause_reason == "lunch"
    report = await manager.bulk("resume", "waiting:resume", dry_run=False)
    assert report.counts() == {"queued": 2}
    report = await manager.bulk("cancel", "-status:running", dry_run=False)
    assert report.counts() == {"forced": 2}
    report = await manager.bulk("kill", "*", dry_run=False)
    assert report.counts() == {"requested": 1, "forced": 1}
    assert (await made.ended(running.job_id)).job.outcome == "killed"
    assert await made.store.unfinished() == []


async def test_who_waits_at_a_bucket_is_found(made: Rig) -> None:
    made.powers.env.limiter.set_limit("note", 1, 1000.0)
    row = await made.manager.enqueue_job("x", {"actions": [call("a", "note"), call("b", "note")]})
    await made.seen(row.job_id, k.RATE_LIMIT_WAIT)
    await made.manager.enqueue_job("y")
    for where in ("status:running waiting:bucket", "waiting:note"):
        report = await made.manager.bulk("cancel", where)
        assert [item.job_id for item in report.items] == [row.job_id]


async def test_what_failed_is_retried_or_forked_from_its_last_level(made: Rig) -> None:
    made.failures = [RuntimeError("no")] * 2
    bad = [await made.manager.enqueue_job(f"x{n}", FAILS, max_retries=0, principal="ada") for n in range(2)]
    for row in bad:
        assert (await made.ended(row.job_id)).job.status == "failed"
    outside = await made.manager.enqueue_job("outside")
    await made.manager.cancel_job(outside.job_id)
    made.calls = []
    report = await made.manager.bulk("retry", "principal:ada title:x0", dry_run=False, by="me")
    assert report.counts() == {"started": 1}
    again = await made.ended(report.items[0].into)
    assert (again.job.status, again.job.principal, again.state) == ("completed", "ada", {"k": 1})
    assert again.origin == {"retry_of": bad[0].job_id, "retried_by": "me"}
    assert made.calls == ["", "boom"]

    made.calls = []
    report = await made.manager.bulk("fork", "title:x1 status:failed", dry_run=False)
    assert report.counts() == {"started": 1}
    forked = await made.ended(report.items[0].into)
    assert (forked.job.status, forked.job.forked_from) == ("completed", bad[1].job_id)
    assert await made.store.scope_state(forked.job.scope) == {"k": 1}
    assert made.calls == ["boom"]  # what finished did not run again

    report = await made.manager.bulk("retry", "title:outside", dry_run=False)
    assert report.counts() == {"refused": 1}
    report = await made.manager.bulk("fork", "title:outside", dry_run=False)
    assert "finished no level" in report.items[0].message


async def test_what_waits_for_its_retry_runs_now(made: Rig) -> None:
    made.failures = [RuntimeError("once")]
    row = await made.manager.enqueue_job("x", call="boom")
    await made.seen(row.job_id, k.JOB_REQUEUED)
    outside = await made.manager.enqueue_job("y")
    await made.manager.fail_job(outside.job_id, await made.manager.set_job_running(outside.job_id), "no")
    report = await made.manager.bulk("retry", "waiting:retry", dry_run=False)
    assert report.counts() == {"retried": 2}
    assert (await made.ended(row.job_id)).job.status == "completed"
    assert (await made.manager.set_job_running(outside.job_id)).token == 2
    for job_id, kind in ((row.job_id, Conflict), (outside.job_id, Conflict), ("nope", NotFound)):
        with pytest.raises(kind):
            await made.manager.retry_job(job_id)


async def test_a_thousand_jobs_have_their_verdicts(made: Rig) -> None:
    for n in range(1000):
        await made.manager.enqueue_job(f"x{n}", **({} if n % 2 else {"call": "gate"}))
    report = await made.manager.bulk("cancel", "title:x", dry_run=False)
    assert len(report.items) == 1000
    assert sum(report.counts().values()) == 1000
    assert set(report.counts()) == {"forced", "requested"}
    made.gate.open.set()
    await made.supervisor.idle()
    assert await made.store.unfinished() == []


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"action": "delete", "where": "*"}, "a bulk action is one of cancel, kill"),
        ({"action": 3, "where": "*"}, "a bulk action is one of"),
        ({"action": "cancel", "where": ""}, "the filter is empty"),
        ({"action": "cancel", "where": "age:x"}, "at 4"),
        ({"action": "cancel", "where": "*", "dry_run": "no"}, "dry_run must be of type bool"),
        ({"action": "cancel", "where": "*", "reason": 5}, "a reason must be a text"),
    ],
)
async def test_a_bad_bulk_changes_nothing(made: Rig, given: dict[str, Any], error: str) -> None:
    await made.manager.enqueue_job("x")
    before = made.log.last_seq
    with pytest.raises(InvalidInput, match=error):
        await made.manager.bulk(**given)
    assert made.log.last_seq == before


async def test_a_fork_is_of_what_failed(made: Rig) -> None:
    row = await made.manager.enqueue_job("x")
    with pytest.raises(Conflict, match="is queued"):
        await made.manager.fork_from_failure(row.job_id)
    with pytest.raises(InvalidTransition):
        await made.manager.resume_job(row.job_id)
