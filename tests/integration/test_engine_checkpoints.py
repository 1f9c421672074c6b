"""Checkpoints of an engine: one taken in the middle of an abort, and those of a large state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import headway
from headway.errors import Conflict
from headway.jobs.checkpoint_file import plan_to_continue
from headway.jobs.submission import Submission
from headway.tools.decorator import entry_of
from tests.integration.test_engine import Rig, opened
from tests.unit.execution.kit import bookings, call, write

MIB = 1024 * 1024


def with_bookings(rig: Rig) -> list[str]:
    """Register book, cancel and pay; return the list in which they note their calls."""
    calls: list[str] = []
    for entry in bookings(calls):
        rig.engine.registry.register(entry)
    return calls


def undone_by(tool: str) -> dict[str, Any]:
    return {"reversibility": "compensable", "compensation": {"type": "tool", "tool": tool}}


async def test_what_an_abort_is_undoing_is_done_again_by_a_fork(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        calls = with_bookings(rig)
        job = await rig.submit(
            call("p", expected_effects={"at": 2}, **undone_by("gate")),
            call("q", "book", dependencies=["p"], expected_effects={"booked": True}, **undone_by("cancel")),
            call("f", "pay", dependencies=["q"]),
        )
        await rig.gate.started.get()  # the second compensation: the booking is cancelled already
        info = await rig.engine.save_checkpoint(job_id=job)
        rig.gate.open.set()
        await rig.engine.wait(job, 30)
        kept = await rig.engine.history.checkpoint(info.checkpoint_id)
        assert (kept.state, plan_to_continue(kept)[1]) == ({}, {})
        row = await rig.engine.fork(info.checkpoint_id)
        fork = await rig.engine.wait(row.job_id, 30)
        assert (fork.job.status, calls) == ("completed", ["book", "pay", "cancel", "book", "pay"])
        assert fork.state == {"at": 2, "booked": True}


async def test_a_fork_takes_nothing_over_that_was_compensated_since(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        calls = with_bookings(rig)
        job = await rig.submit(
            write("first", "k", 1),
            call("q", "book", dependencies=["first"], expected_effects={"booked": True}, **undone_by("cancel")),
            call("later", "book", dependencies=["q"]),
            call("f", "pay", dependencies=["later"]),
        )
        await rig.engine.wait(job, 30)
        assert calls == ["book", "book", "pay", "cancel"]
        before = await rig.engine.reader.last_seq()
        for level in (1, 2):
            with pytest.raises(Conflict, match=f"job {job} has compensated q since this checkpoint"):
                await rig.engine.fork(f"{job}@L{level}")
        assert await rig.engine.reader.last_seq() == before
        row = await rig.engine.fork(f"{job}@L0")
        fork = await rig.engine.wait(row.job_id, 30)
        assert (fork.job.status, calls[4:]) == ("completed", ["book", "book", "pay"])
        assert await rig.engine.reader.scope_state(row.scope) == {"k": 1, "booked": True}


async def test_a_run_that_is_being_undone_is_not_forked_before_it_has_ended(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:
        calls = with_bookings(rig)
        job = await rig.submit(
            write("first", "k", 1),
            call("q", "book", dependencies=["first"], **undone_by("cancel")),
            call("p", dependencies=["q"], **undone_by("gate")),
            call("f", "pay", dependencies=["p"]),
        )
        await rig.gate.started.get()  # the later compensation: the booking stands still
        with pytest.raises(Conflict, match=f"job {job} is being undone: fork it when that has ended"):
            await rig.engine.fork(f"{job}@L1")
        rig.gate.open.set()
        await rig.engine.wait(job, 30)
        row = await rig.engine.fork(f"{job}@L0")
        assert (await rig.engine.wait(row.job_id, 30)).job.status == "completed"
        assert calls == ["book", "pay", "cancel", "book", "pay"]


async def test_a_run_whose_state_and_outputs_are_large_comes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as rig:

        @headway.tool
        async def fill(n: int) -> headway.ToolResult:
            text = str(n) * (6 * MIB)
            return headway.ToolResult(text, effects={f"k{n}": text})

        rig.engine.registry.register(entry_of(fill))
        row = await rig.engine.submit(
            Submission(
                headway.parse_proposal({"actions": [call(f"f{n}", "fill", parameters={"n": n}) for n in range(3)]}),
                context_id="c",
            )
        )
        assert (await rig.engine.wait(row.job_id, 60)).job.status == "completed"
        info = await rig.engine.save_checkpoint(scope=row.scope)
        await rig.engine.restore(info.checkpoint_id)
        assert (await rig.engine.diff(info.checkpoint_id)).empty
        fork = await rig.engine.fork(f"{row.job_id}@L0")
        view = await rig.engine.wait(fork.job_id, 30)
        assert view.job.status == "completed"
        taken = [result.output for result in view.result().results]
        assert [len(output) for output in taken if isinstance(output, str)] == [6 * MIB] * 3
        state = await rig.engine.reader.scope_state(fork.scope)
        assert {key: len(value) for key, value in state.items()} == {f"k{n}": 6 * MIB for n in range(3)}
