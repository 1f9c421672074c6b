"""A disk that fills up under the engine: it refuses new work, ends what runs, and goes on when there is room again."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import Config
from headway.engine import Engine
from headway.errors import LogFull
from headway.events import kinds
from headway.home import Home
from headway.jobs.submission import Submission
from headway.store.sqlite.connect import open_for_writing
from headway.store.sqlite.log import RETRY_S, StoreLog
from headway.testing import VirtualClock, settle
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import Gate, call, write

ROOM = 200  # pages, which a store that has nothing in it yet fits in
ENOUGH = 1_000_000
LENGTH = 300
SIZE = 8_000  # characters that each call returns: together more than there is room for


def small(path: Path) -> sqlite3.Connection:
    connection = open_for_writing(path)
    connection.execute(f"PRAGMA max_page_count = {ROOM}")
    return connection


class Rig:
    """An engine on a disk with little room, on a clock that stands still."""

    def __init__(self, engine: Engine, clock: VirtualClock, gate: Gate, calls: list[str]) -> None:
        self.engine = engine
        self.clock = clock
        self.gate = gate
        self.calls = calls

    async def submit(self, *actions: dict[str, Any], **options: Any) -> str:
        return (
            await self.engine.submit(Submission(headway.parse_proposal({"actions": list(actions)}), **options))
        ).job_id

    async def fill(self) -> str:
        """Run a job until the disk is full; return its id."""
        chain = [call(f"a{i}", "long", dependencies=[f"a{i - 1}"] if i else []) for i in range(LENGTH)]
        job_id = await self.submit(write("w", "k", 1), *chain, context_id="c")
        await self.engine.wait(job_id)
        assert self.engine.log.full
        return job_id

    async def make_room(self) -> None:
        """Give the disk room; nobody tells the log."""
        await self.engine.log.in_writer(
            lambda work: work.connection.execute(f"PRAGMA max_page_count = {ENOUGH}").fetchone()
        )

    async def retried(self) -> None:
        """Let the log's own next try come, and its answer arrive."""
        await self.clock.advance(RETRY_S)
        await self.engine.log.in_writer(lambda work: None)
        await settle()


@asynccontextmanager
async def small_disk(path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> AsyncIterator[Rig]:
    clock, gate = VirtualClock(), Gate()
    calls: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(StoreLog, "open", partial(StoreLog.open, connect=small, **options))
        engine = await Engine.open(Home(path), Config(), clock=clock)

    @headway.tool
    async def long(ctx: headway.ToolContext) -> str:
        calls.append(ctx.action_id)
        return "".join(f"{ctx.action_id}:{n} " for n in range(SIZE // 8))

    @headway.tool(name="gate")
    async def gated() -> str:
        return await gate()

    for function in (long, gated):
        engine.registry.register(entry_of(function))
    try:
        yield Rig(engine, clock, gate, calls)
    finally:
        await engine.close(grace=0)


async def test_a_full_disk_ends_what_runs_refuses_what_comes_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_disk(tmp_path, monkeypatch) as rig:
        engine = rig.engine
        job_id = await rig.fill()
        assert 0 < len(rig.calls) < LENGTH
        told = engine.log.last_seq
        for _ in range(3):
            with pytest.raises(LogFull):
                await rig.submit(write("w", "k", 2), context_id="c")
        with pytest.raises(LogFull):
            await engine.save_checkpoint(scope="c")
        assert (await engine.row(job_id)).status == "running"  # its end is not on disk: nobody is told of it
        await rig.retried()
        assert engine.log.full
        assert engine.log.last_seq == told

        await rig.make_room()
        await rig.retried()
        assert not engine.log.full
        assert engine.log.pending == 0
        view = await engine.run(job_id)
        assert (view.job.status, view.job.outcome) == ("failed", "interrupted")
        assert {a.id for a in view.actions if a.status.value == "succeeded"} >= {"w", *rig.calls[:-1]}
        events = await engine.log.read(limit=100_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [e.job_id for e in events if e.kind in kinds.TERMINAL_JOB] == [job_id]

        after = await rig.submit({"id": "r", "type": "state_read", "parameters": {"key": "k"}}, context_id="c")
        view = await engine.wait(after)
        assert (view.job.status, view.action("r").output) == ("completed", 1)
        state = await engine.reader.scope_state("c")
    again = await Engine.open(Home(tmp_path), Config())
    assert await again.reader.scope_state("c") == state == {"k": 1}
    assert [row.status for row in await again.jobs()] == ["completed", "failed"]
    await again.close()


async def test_jobs_that_wait_for_one_on_a_full_disk_end_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with small_disk(tmp_path, monkeypatch) as rig:
        engine = rig.engine
        first = await rig.submit(call("g", "gate"), call("then", "long", dependencies=["g"]), context_id="d")
        queued = await rig.submit(call("a", "long"), context_id="d")
        idle = await rig.submit(call("g", "gate"), context_id="e")
        await rig.gate.started.get()
        await rig.fill()
        calls = len(rig.calls)
        rig.gate.open.set()
        for job_id in (first, queued, idle):
            await engine.wait(job_id)
        assert len(rig.calls) == calls  # nothing starts that is not on disk
        await rig.make_room()
        await rig.retried()
        rows = {job_id: await engine.row(job_id) for job_id in (first, queued, idle)}
        assert [(row.status, row.outcome) for row in rows.values()] == [
            ("failed", "interrupted"),
            ("failed", "interrupted"),
            ("completed", None),  # its one call had ended well
        ]
        assert (await engine.run(first)).action("g").output == "passed "


async def test_a_cancel_on_a_full_disk_takes_effect_and_is_recorded_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_disk(tmp_path, monkeypatch) as rig:
        engine = rig.engine
        running = await rig.submit(call("g", "gate"))
        await rig.gate.started.get()
        await rig.fill()
        with pytest.raises(LogFull):
            await engine.kill(running, "enough", "ops")
        await engine.wait(running)
        await rig.make_room()
        await rig.retried()
        row = await engine.row(running)
        assert (row.status, row.outcome, row.cancel_reason) == ("cancelled", "killed", "enough")


async def test_a_job_that_the_log_has_not_whole_gets_an_end_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with small_disk(tmp_path, monkeypatch, backlog=5) as rig:
        engine = rig.engine
        chain = [call(f"a{i}", "long", dependencies=[f"a{i - 1}"] if i else []) for i in range(LENGTH)]
        job_id = await rig.submit(write("w", "k", 1), *chain, context_id="c")
        waiting = asyncio.create_task(engine.wait(job_id))
        while not engine.log.full:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)
        await settle()
        await rig.retried()
        assert not waiting.done()
        await rig.make_room()
        for _ in range(3):
            await rig.retried()
        view = await asyncio.wait_for(waiting, 60)
        assert (view.job.status, view.job.outcome) == ("failed", "interrupted")
        events = await engine.log.read(limit=100_000)
        assert [e.job_id for e in events if e.kind in kinds.TERMINAL_JOB] == [job_id]
        after = await engine.wait(await rig.submit(write("v", "l", 2), context_id="c"))
        assert after.job.status == "completed"
        async with engine._supervisor.hold(engine._supervisor.scope("c")) as scope:
            state = dict(scope.state.snapshot())
        assert await engine.reader.scope_state("c") == state == {"k": 1, "l": 2}
