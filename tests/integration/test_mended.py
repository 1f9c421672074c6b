"""Promises about runs that once were broken, each held by a test of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import CancellationToken, CostBudget, Submission
from headway.engine import Engine
from headway.errors import Conflict
from headway.jobs.room import Room
from headway.learning.distill import DeterministicDistiller
from headway.learning.memory import Memgine
from headway.store import store_of
from headway.testing import settle
from tests.unit.execution.kit import Gate, call, runtime, write


def gated(gate: Gate) -> Any:
    @headway.tool(name="gate")
    async def tool(name: str = "") -> str:
        return await gate(name)

    return tool


async def test_a_job_that_resumes_keeps_what_was_said_of_it_and_its_budget(tmp_path: Path) -> None:
    gate, again = Gate(), Gate()
    told = {"title": "nightly", "source": "cron", "principal": "ann", "context_id": "thread", "origin": {"n": 1}}
    calls = [call(f"c{n}", "gate", idempotent=True, **({"dependencies": [f"c{n - 1}"]} if n else {})) for n in range(4)]
    async with await Engine.open(tmp_path / "home", tools=[gated(gate)]) as engine:
        job = await engine.submit(Submission({"actions": calls}, budget=CostBudget(tool_calls=2), **told))
        await gate.started.get()
        await engine.log.flush()
        shutil.copytree(tmp_path / "home", tmp_path / "left", ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    again.open.set()
    async with await Engine.open(tmp_path / "left", tools=[gated(again)], on_restart="resume") as engine:
        view = await engine.wait(job.job_id, 60)
        row = await engine.row(job.job_id)
        created = await engine.log.read(job_id=job.job_id, limit=1)
    assert (row.title, row.source, row.principal, row.context_id) == ("nightly", "cron", "ann", "thread")
    assert created[0].data["origin"] == {"n": 1}
    assert (view.job.status, view.job.outcome) == ("failed", "budget_exhausted")
    assert again.started.qsize() == 1  # the one in flight counted, the one that was left is this one, and no more


async def test_a_state_is_loaded_in_a_turn_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = runtime(state={"k": 0})
    await made.execute({"actions": [write("w", "k", 1)]})
    store, asked, go = store_of(made.log), asyncio.Event(), asyncio.Event()
    read = store.scope_state

    async def slow(scope: str, upto: int | None = None) -> dict[str, Any]:
        found = await read(scope, upto)
        asked.set()
        await go.wait()
        return found

    monkeypatch.setattr(store, "scope_state", slow)
    loading = asyncio.create_task(made.load_state())
    await asked.wait()
    running = asyncio.create_task(made.execute({"actions": [write("w", "k", 2)]}))
    await settle()
    go.set()
    await loading
    assert (await running).ok
    assert made.state["k"] == 2  # not what was read before it


async def test_a_restore_waits_for_what_is_being_admitted_and_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    async with await Engine.open(tmp_path, tools=[gated(gate)]) as engine:
        first = await engine.submit(Submission({"actions": [write("w", "k", 1)]}, context_id="thread"))
        await engine.wait(first.job_id, 60)
        writing, go, write_log = asyncio.Event(), asyncio.Event(), engine.log.write

        async def slow(*events: Any) -> int:
            writing.set()
            await go.wait()
            return await write_log(*events)

        monkeypatch.setattr(engine.log, "write", slow)
        plan = {"actions": [call("g", "gate"), write("w", "k", 2, dependencies=["g"])]}
        admitting = asyncio.create_task(engine.submit(Submission(plan, context_id="thread")))
        await writing.wait()
        restoring = asyncio.create_task(engine.restore(f"{first.job_id}@L0"))
        await settle()
        assert not restoring.done()
        go.set()
        with pytest.raises(Conflict, match="a job is running in scope"):
            await restoring
        monkeypatch.undo()
        gate.open.set()
        assert (await engine.wait((await admitting).job_id, 60)).job.status == "completed"


async def test_a_close_waits_until_what_was_run_has_been_learned_from(tmp_path: Path) -> None:
    learning, go = asyncio.Event(), asyncio.Event()

    class Slow(DeterministicDistiller):
        async def distill(self, *arguments: Any, **more: Any) -> Any:
            learning.set()
            await go.wait()
            return await super().distill(*arguments, **more)

    @headway.tool
    async def echo() -> int:
        return 1

    memory = Memgine()
    engine = await Engine.open(tmp_path, tools=[echo])
    engine.with_learning(memory, True, distiller=Slow())
    plan = {"actions": [call("a"), call("b", dependencies=["a"])]}
    job = await engine.submit(plan)
    await engine.wait(job.job_id, 60)
    await learning.wait()
    freed: list[str] = []
    engine._resources.callback(freed.append, "the first thing that goes")
    closing = asyncio.create_task(engine.close(grace=60))
    await settle()
    assert freed == []
    go.set()
    await closing
    assert freed
    assert list(memory.skills)


async def test_a_cancel_between_the_look_and_the_wait_for_a_place_is_heard() -> None:
    class Pulled(CancellationToken):
        def listen(self, callback: Callable[[], object]) -> Callable[[], None]:
            self.cancel("from another thread")
            return super().listen(callback)

    room = Room(1)
    first = room.place(CancellationToken())
    await first.take()
    async with asyncio.timeout(60):
        await room.place(Pulled()).take()
        first.leave()
        await room.place(CancellationToken()).take()  # the place is free again


async def test_a_cancel_in_line_of_what_continues_from_a_checkpoint_is_in_the_log() -> None:
    made, gate = runtime()
    await made.execute({"actions": [write("w", "k", 1), call("e", dependencies=["w"])]})
    checkpoint = made.save_checkpoint()
    running = asyncio.create_task(made.execute({"actions": [call("g", "gate")]}))
    await gate.started.get()
    token = CancellationToken()
    waiting = asyncio.create_task(made.continue_from(checkpoint, token))
    await settle()
    token.cancel("enough")
    result = await waiting
    assert (result.status, [row.error for row in result.results]) == ("cancelled", ["canceled: enough"] * 2)
    assert (await store_of(made.log).job(result.job_id)).status == "cancelled"
    gate.open.set()
    assert (await running).ok
    assert made.state["k"] == 1
