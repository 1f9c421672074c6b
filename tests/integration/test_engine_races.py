"""The engine where things meet: forks of forks, half-done levels, one scope's callers, ends in the wrong moment."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import Config, load_config
from headway.dispatch.protocol import KILL_GRACE_S
from headway.engine import Engine
from headway.errors import Conflict, LogFull
from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.jobs.submission import Submission
from headway.testing import VirtualClock
from headway.tools.decorator import entry_of
from tests.integration.test_engine import Rig, opened
from tests.unit.execution.kit import call, write


async def test_a_fork_in_the_middle_of_a_level_keeps_what_its_finished_actions_changed(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit(
            call("a", expected_effects={"half": 1}),
            call("g", "gate"),
            call("c", dependencies=["g"], state_dependencies=["half"]),
        )
        await rig.gate.started.get()
        async for events in rig.engine.subscribe(0, job_id):
            if any(event.kind == kinds.ACTION_SUCCEEDED for event in events):
                break
        saved = await rig.engine.save_checkpoint(job_id=job_id)
        assert saved.done == 1
        row = await rig.engine.fork(saved.checkpoint_id)
        rig.gate.open.set()
        fork = await rig.engine.wait(row.job_id, 30)
        assert [a.status.value for a in fork.actions] == ["succeeded"] * 3
        assert await rig.engine.reader.scope_state(fork.job.scope) == {"half": 1}
        assert (await rig.engine.wait(job_id, 30)).job.status == "completed"


async def test_what_a_fork_keeps_is_not_committed_again_over_later_levels(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:

        @headway.tool
        async def once() -> None:
            raise RuntimeError("no")

        rig.engine.registry.register(entry_of(once))
        job_id = await rig.submit(
            call("fails", "once", failure_behavior="skip"),
            call("needs", dependencies=["fails"]),
            write("w1", "k", 1, dependencies=["first"]),
            write("w2", "k", 2),
            call("first"),
        )
        view = await rig.engine.wait(job_id, 30)
        assert (view.job.status, view.action("needs").status.value) == ("completed", "skipped")
        row = await rig.engine.fork(f"{job_id}@L2")
        fork = await rig.engine.wait(row.job_id, 30)
        assert fork.job.status == "completed"
        assert await rig.engine.reader.scope_state(fork.job.scope) == {"k": 2}
        last = (await rig.engine.checkpoints(job_id=row.job_id))[-1]
        assert (await rig.engine.diff(last.checkpoint_id)).empty


async def test_a_fork_of_a_fork_has_what_both_spent_behind_it(tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text("[budgets]\ntool_calls = 2\n")
    async with opened(tmp_path / "home", load_config(tmp_path)) as rig:
        job_id = await rig.submit(call("a"), call("b", dependencies=["a"]), call("g", "gate", dependencies=["b"]))
        assert (await rig.engine.wait(job_id, 30)).job.outcome == "budget_exhausted"
        first = await rig.engine.fork(f"{job_id}@L1")
        assert (await rig.engine.wait(first.job_id, 30)).job.outcome == "budget_exhausted"
        saved = await rig.engine.save_checkpoint(job_id=first.job_id)
        second = await rig.engine.fork(saved.checkpoint_id)
        view = await rig.engine.wait(second.job_id, 30)
        assert [a.status.value for a in view.actions] == ["succeeded", "succeeded", "skipped"]
        assert rig.gate.started.empty()


async def test_a_plan_without_ids_can_be_forked(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        job_id = await rig.submit({"type": "tool_call", "tool": "echo"}, {"type": "tool_call", "tool": "echo"})
        await rig.engine.wait(job_id, 30)
        fork = await rig.engine.wait((await rig.engine.fork(f"{job_id}@L0")).job_id, 30)
        assert (fork.job.status, fork.job.succeeded) == ("completed", 2)


async def test_a_fork_after_an_abort_runs_what_was_rolled_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        check = {"id": "n", "type": "assertion", "parameters": {"key": "k", "expected": 2}}
        job_id = await rig.submit(write("w", "k", 1), {**check, "state_dependencies": ["k"]})
        assert (await rig.engine.wait(job_id, 30)).job.outcome == "aborted"
        after = await rig.engine.save_checkpoint(job_id=job_id)
        for checkpoint_id, ran in ((f"{job_id}@L0", 0), (after.checkpoint_id, 1)):
            row = await rig.engine.fork(checkpoint_id)
            assert (await rig.engine.wait(row.job_id, 30)).job.outcome == "aborted"
            log = await rig.engine.reader.events(job_id=row.job_id, kinds=[kinds.ACTION_SUCCEEDED])
            assert len(log) == ran
            assert await rig.engine.reader.scope_state(row.scope) == ({"k": 1} if ran == 0 else {})


async def test_a_roll_back_of_large_values_is_recorded(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:

        @headway.tool
        async def large(keys: list[str], size: int) -> headway.ToolResult:
            return headway.ToolResult(effects=dict.fromkeys(keys, "x" * size))

        rig.engine.registry.register(entry_of(large))
        for key in ("a", "b"):
            job_id = await rig.submit(call("w", "large", parameters={"keys": [key], "size": 9 << 20}), context_id="c")
            assert (await rig.engine.wait(job_id, 30)).job.status == "completed"
        check = {"id": "n", "type": "assertion", "parameters": {"key": "a", "expected": 2}, "dependencies": ["w"]}
        small = call("w", "large", parameters={"keys": ["a", "b"], "size": 1})
        job_id = await rig.submit(small, check, context_id="c")
        view = await rig.engine.wait(job_id, 30)
        assert (view.job.outcome, view.action("w").rolled_back) == ("aborted", True)
        state = await rig.engine.reader.scope_state("c")
        assert {key: len(value) for key, value in state.items()} == {"a": 9 << 20, "b": 9 << 20}


async def test_who_submits_may_go_away_at_any_moment(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        for turns in range(12):
            submitting = asyncio.create_task(rig.submit(call("a"), job_id=f"j{turns}", context_id="c"))
            for _ in range(turns):
                await asyncio.sleep(0)
            submitting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await submitting
        last = await rig.submit(call("z"), context_id="c")
        await rig.engine.wait(last, 30)
        assert {row.status for row in await rig.engine.jobs()} == {"completed"}
        gc.collect()
        assert not rig.engine._supervisor._scopes


async def test_callers_of_a_cold_scope_meet_one_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as rig:
        first = await rig.submit(write("w", "k", 1), context_id="c")
        await rig.engine.wait(first, 30)
        saved = await rig.engine.save_checkpoint(scope="c")
        store = rig.engine._store
        load = store.scope_state
        slow = asyncio.Event()

        async def loading(scope: str, upto: int | None = None) -> Any:
            state = await load(scope, upto)
            await slow.wait()  # what it read is getting old
            return state

        monkeypatch.setattr(store, "scope_state", loading)
        jobs = [
            asyncio.create_task(rig.submit(write("w", "k", 2), context_id="c")),
            asyncio.create_task(
                rig.submit({"id": "r", "type": "state_read", "parameters": {"key": "k"}}, context_id="c")
            ),
        ]
        restoring = asyncio.create_task(rig.engine.restore(saved.checkpoint_id))
        await asyncio.sleep(0.05)
        slow.set()
        _, reader = await asyncio.gather(*jobs)
        assert (await rig.engine.wait(reader, 30)).action("r").output == 2
        with contextlib.suppress(Conflict):
            await restoring
        reader = await rig.submit({"id": "r", "type": "state_read", "parameters": {"key": "k"}}, context_id="c")
        seen = (await rig.engine.wait(reader, 30)).action("r").output
        assert await rig.engine.reader.scope_state("c") == {"k": seen}


async def test_a_job_that_the_disk_refuses_has_ended_when_the_disk_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        write_all = rig.engine.log.write

        async def refusing(*events: Event) -> int:
            rig.engine.log.append(*events)  # kept, and committed later
            raise LogFull

        monkeypatch.setattr(rig.engine.log, "write", refusing)
        with pytest.raises(LogFull):
            await rig.submit(call("a"), call("b", dependencies=["a"]))
        monkeypatch.setattr(rig.engine.log, "write", write_all)
        await rig.engine.log.flush()
        (row,) = await rig.engine.jobs()
        assert (row.status, row.outcome, row.skipped) == ("failed", "interrupted", 2)


async def test_a_cancel_is_answered_already_finished_only_when_the_end_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as rig:
        disk = asyncio.Event()
        flush = rig.engine.log.flush
        job_id = await rig.submit(call("g", "gate"))
        await rig.gate.started.get()

        async def slow() -> int:
            await disk.wait()
            return await flush()

        monkeypatch.setattr(rig.engine.log, "flush", slow)
        rig.gate.open.set()
        await asyncio.sleep(0.05)
        asking = asyncio.create_task(rig.engine.cancel(job_id))
        await asyncio.sleep(0.05)
        assert not asking.done()
        disk.set()
        assert await asking == "already_finished"
        assert (await rig.engine.row(job_id)).status == "completed"


async def test_close_has_one_deadline_for_all_jobs_and_every_caller_waits_for_it(tmp_path: Path) -> None:
    clock = VirtualClock()
    engine = await Engine.open(Home(tmp_path), Config(), clock=clock)
    release = threading.Event()

    @headway.tool
    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    engine.registry.register(entry_of(stubborn))
    plan = headway.parse_proposal({"actions": [call("s", "stubborn")]})
    rows = [
        await engine.submit(Submission(plan, context_id=f"c{i % 10}")) for i in range(30)
    ]  # ten run, the others are queued
    closing = [asyncio.create_task(engine.close(grace=grace)) for grace in (0.3, 60)]
    await clock.advance(0.3)
    await clock.advance(KILL_GRACE_S)
    await asyncio.gather(*closing)
    release.set()
    async with opened(tmp_path) as again:
        views = [await again.engine.run(row.job_id) for row in rows]
        assert {view.job.status for view in views} == {"cancelled"}
        assert {view.job.cancel_reason for view in views} == {"shutdown"}


async def test_an_opening_that_fails_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(_: Engine, __: bool) -> None:
        raise LogFull

    before = set(threading.enumerate())
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_start", failing)
        with pytest.raises(LogFull):
            await Engine.open(Home(tmp_path), Config())
    for thread in set(threading.enumerate()) - before:  # aiosqlite answers before its thread has ended
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()
    async with opened(tmp_path) as rig:
        assert isinstance(rig, Rig)


async def test_a_close_that_is_cancelled_closes_all_the_same(tmp_path: Path) -> None:
    engine = await Engine.open(Home(tmp_path), Config())
    closing = asyncio.create_task(engine.close())
    await asyncio.sleep(0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    await engine.close()
    async with opened(tmp_path):
        pass
