"""Acknowledged means on disk: while the disk takes nothing, nobody is told anything and no call is made.

Another connection holds the file's write lock meanwhile, for less time than the writer waits for it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

import headway
from headway import Runtime
from headway.config import Config
from headway.engine import Engine
from headway.events import kinds
from headway.events.event import Event
from headway.home import Home
from headway.store.sqlite.connect import open_for_writing
from headway.store.sqlite.log import StoreLog
from headway.tools.decorator import entry_of
from headway.tools.registry import ToolEntry
from tests.unit.execution.kit import Gate, call, write

T = TypeVar("T")


@contextmanager
def nothing_is_written(home: Home) -> Iterator[None]:
    """Hold the write lock of a home's store."""
    with closing(sqlite3.connect(home.db, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def settled() -> None:
    """Let everything on the loop go as far as it goes without the disk."""
    for _ in range(2000):
        await asyncio.sleep(0)


class Rig:
    """A runtime on a store, with tools that note their calls; the gates wait to be opened."""

    def __init__(self, home: Home, log: StoreLog) -> None:
        self.home = home
        self.log = log
        self.calls: list[str] = []
        self.gate = Gate()
        self.runtime = Runtime(log=log)
        for entry in self.tools():
            self.runtime.register_tool_entry(entry)

    def tools(self) -> list[ToolEntry]:
        @headway.tool
        async def gate(name: str = "") -> str:
            return await self.gate(name)

        @headway.tool
        async def broken(name: str = "") -> None:
            await self.gate(name)
            raise RuntimeError("no luck")

        @headway.tool
        async def note(name: str) -> str:
            self.calls.append(name)
            return name

        return [entry_of(function) for function in (gate, broken, note)]

    async def within(self, running: Awaitable[T], check: Callable[[asyncio.Future[T]], None]) -> T:
        """Await ``running``, whose gate opens only while nothing is written; ``check`` what it has done by then."""
        task = asyncio.ensure_future(running)
        await self.gate.started.get()
        with nothing_is_written(self.home):
            self.gate.open.set()
            await settled()
            check(task)
        return await task


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    home = Home(tmp_path)
    log = await StoreLog.open(home)
    yield Rig(home, log)
    await log.close()


def not_done(task: asyncio.Future[Any]) -> None:
    assert not task.done()


def test_commits_reach_the_disk_before_they_return(tmp_path: Path) -> None:
    with closing(open_for_writing(tmp_path / "store.db")) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_write_is_told_when_it_is_committed(rig: Rig) -> None:
    with nothing_is_written(rig.home):
        writing = asyncio.create_task(rig.log.write(Event("k")))
        flushing = asyncio.create_task(rig.log.flush())
        await settled()
        not_done(writing)
        not_done(flushing)
    assert await writing == await flushing == 1


async def test_a_run_ends_when_its_end_is_committed(rig: Rig) -> None:
    plan = {"actions": [call("g", "gate"), write("w", "k", 1, dependencies=["g"])]}
    result = await rig.within(rig.runtime.execute(plan), not_done)
    assert result.ok
    assert [event.kind for event in await rig.log.read(kinds=kinds.TERMINAL_JOB)] == [kinds.JOB_COMPLETED]


async def test_a_tool_is_called_when_it_is_committed_that_it_will_be(rig: Rig) -> None:
    plan = {"actions": [call("g", "gate"), call("n", "note", dependencies=["g"], parameters={"name": "n"})]}

    def not_called(_: object) -> None:
        assert rig.calls == []

    assert (await rig.within(rig.runtime.execute(plan), not_called)).ok
    assert rig.calls == ["n"]


async def test_a_compensation_is_called_when_it_is_committed_that_it_will_be(rig: Rig) -> None:
    undo = {"type": "tool", "tool": "note", "parameters": {"name": "undone"}}
    done = call("d", "note", parameters={"name": "done"}, reversibility="compensable", compensation=undo)

    def not_undone(_: object) -> None:
        assert rig.calls == ["done"]

    plan = {"actions": [done, call("b", "broken", dependencies=["d"])]}
    result = await rig.within(rig.runtime.execute(plan), not_undone)
    assert (result.outcome, rig.calls) == ("aborted", ["done", "undone"])


async def test_a_job_of_a_daemon_is_told_of_when_it_is_committed(tmp_path: Path) -> None:
    gate = Gate()

    @headway.tool(name="gate")
    async def gated() -> str:
        return await gate()

    home = Home(tmp_path)
    engine = await Engine.open(home, Config(), tools=[gated])
    try:
        plan = headway.parse_proposal({"actions": [call("g", "gate"), call("later", "gate", dependencies=["g"])]})
        with nothing_is_written(home):
            submitting = asyncio.create_task(engine.submit(plan))
            await settled()
            not_done(submitting)
            assert gate.started.empty()
        job_id = (await submitting).job_id
        await gate.started.get()
        with nothing_is_written(home):
            cancelling = asyncio.create_task(engine.cancel(job_id, "enough"))
            await settled()
            not_done(cancelling)
        assert await cancelling == "requested"
        waiting = asyncio.create_task(engine.wait(job_id))
        with nothing_is_written(home):
            gate.open.set()
            await settled()
            not_done(waiting)
        assert (await waiting).job.status == "cancelled"
    finally:
        await engine.close(grace=0)
