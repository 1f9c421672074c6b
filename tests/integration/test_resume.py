"""Resume: whatever event a process died after, the job goes on from there and nothing finished runs again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import Config
from headway.config.model import RuntimeConfig
from headway.engine import Engine
from headway.events import kinds
from headway.events.checkpoint import VERSION
from headway.events.event import Event
from headway.home import Home
from headway.jobs.submission import Submission
from headway.plan.results import ActionStatus
from headway.store import StoreLog
from headway.tools.decorator import entry_of
from headway.tools.registry import ToolRegistry
from tests.unit.execution.kit import call, write

PLAN = {
    "id": "p",
    "actions": [
        write("w", "k", 1),
        call("a", "step", parameters={"name": "a"}, expected_effects={"a": 1}),
        call("b", "step", parameters={"name": "b"}, idempotent=True, dependencies=["a"]),
        call("s", "fails", failure_behavior="skip", dependencies=["a"]),
        call("r", "flaky", failure_behavior="retry", dependencies=["a"], idempotent=True),
        write("w2", "k", 2, dependencies=["b"]),
        call("c", "step", parameters={"name": "c", "given": "$b.output"}, dependencies=["w2"], idempotent=True),
        {"id": "read", "type": "state_read", "parameters": {"key": "k"}},
    ],
}


def tools(registry: ToolRegistry, calls: list[str]) -> None:
    @headway.tool
    async def step(name: str, given: Any = None) -> Any:  # what is referred to is known when it runs
        calls.append(name)
        return f"did {name} {given or ''}".strip()

    @headway.tool
    async def fails() -> None:
        calls.append("s")
        raise RuntimeError("never")

    @headway.tool
    async def flaky() -> int:
        calls.append("r")
        if calls.count("r") < 2:
            raise RuntimeError("not yet")
        return 7

    for function in (step, fails, flaky):
        registry.register(entry_of(function))


class Tooled(Engine):
    """An engine that has its tools before it goes on with old jobs."""

    calls: list[str]

    async def _start(self, resume: bool) -> None:
        self.calls = []
        tools(self.registry, self.calls)
        await super()._start(resume)


async def run_to_the_end(path: Path) -> tuple[list[Event], str]:
    engine = await Tooled.open(Home(path), Config(), on_restart="resume")
    try:
        row = await engine.submit(Submission(headway.parse_proposal(PLAN), context_id="c"))
        view = await engine.wait(row.job_id, 30)
        assert view.job.status == "completed", view.job
        return await engine.log.read(limit=10_000), row.job_id
    finally:
        await engine.close(grace=0)


async def die_after(path: Path, events: list[Event]) -> None:
    log = await StoreLog.open(Home(path))
    await log.write(*events)
    await log.close()


def in_flight(events: list[Event]) -> set[str]:
    flying: set[str] = set()
    for event in events:
        if event.kind == kinds.ACTION_EXECUTING and event.action_id:
            flying.add(event.action_id)
        elif event.kind in (*kinds.TERMINAL_ACTION, kinds.ACTION_RETRYING):
            flying.discard(event.action_id or "")
    return flying


async def test_resume_after_every_single_event(tmp_path: Path) -> None:
    events, job_id = await run_to_the_end(tmp_path / "whole")
    first = next(i for i, e in enumerate(events) if e.kind == kinds.JOB_CREATED)
    last = next(i for i, e in enumerate(events) if e.kind == kinds.JOB_COMPLETED)
    assert last - first >= 25
    for cut in range(first, last):
        known = events[: cut + 1]
        home = tmp_path / f"cut{cut}"
        await die_after(home, known)
        engine = await Tooled.open(Home(home), Config(), on_restart="resume")
        try:
            view = await engine.wait(job_id, 30)
            state = await engine.reader.scope_state("c")
            ends = [e for e in await engine.log.read(limit=10_000) if e.kind in kinds.TERMINAL_JOB]
            assert len(ends) == 1
            done = {e.action_id for e in known if e.kind in kinds.TERMINAL_ACTION}
            assert not done & set(engine.calls), f"after event {cut} ({events[cut].kind}) a finished action ran again"
            if in_flight(known) & {"a", "s"}:  # not idempotent: nobody knows whether it took effect
                assert view.job.outcome == ("aborted" if "a" in in_flight(known) else None)
                continue
            assert view.job.status == "completed", (cut, events[cut].kind, view.job)
            assert view.action("c").output == "did c did b"
            assert view.action("read").output == 2
            assert state == {"k": 2, "a": 1}
            assert view.action("s").status is ActionStatus.SKIPPED
            assert view.cost.tool_calls == 4
        finally:
            await engine.close(grace=0)


async def test_an_abort_after_a_restart_rolls_back_what_was_committed_before_it(tmp_path: Path) -> None:
    plan = {
        "actions": [
            write("w", "k", 2),
            call("a", "step", parameters={"name": "a"}, dependencies=["w"], idempotent=True),
            {"id": "r", "type": "state_read", "parameters": {"key": "k"}},
            call("f", "step", parameters={"name": "$r.output.missing"}, dependencies=["a"]),
        ]
    }
    engine = await Tooled.open(Home(tmp_path / "one"), Config(), on_restart="resume")
    before = await engine.submit(Submission(headway.parse_proposal({"actions": [write("x", "k", 1)]}), context_id="c"))
    await engine.wait(before.job_id, 30)
    row = await engine.submit(Submission(headway.parse_proposal(plan), context_id="c"))
    await engine.wait(row.job_id, 30)
    events = await engine.log.read(limit=10_000)
    await engine.close(grace=0)
    cut = next(
        i for i, e in enumerate(events) if e.job_id == row.job_id and e.kind == kinds.LEVEL_FINISHED and e.level == 1
    )
    await die_after(tmp_path / "two", events[: cut + 1])
    again = await Tooled.open(Home(tmp_path / "two"), Config(), on_restart="resume")
    view = await again.wait(row.job_id, 30)
    assert (view.job.outcome, view.action("w").rolled_back) == ("aborted", True)
    assert await again.reader.scope_state("c") == {"k": 1}
    assert again.calls == []
    await again.close(grace=0)


async def test_cancelled_jobs_and_those_of_another_workspace_are_closed(tmp_path: Path) -> None:
    events, job_id = await run_to_the_end(tmp_path / "whole")
    cut = next(i for i, e in enumerate(events) if e.kind == kinds.LEVEL_FINISHED)
    request = Event(kinds.RUN_CANCEL_REQUESTED, {"reason": "enough", "by": ""}, job_id)
    await die_after(tmp_path / "cancelled", [*events[: cut + 1], request])
    engine = await Tooled.open(Home(tmp_path / "cancelled"), Config(), on_restart="resume")
    assert ((await engine.row(job_id)).status, engine.calls) == ("cancelled", [])
    await engine.close()

    def moved(event: Event) -> Event:
        return Event(event.kind, {**event.data, "workspace": "/elsewhere"}, event.job_id, proposal_id=event.proposal_id)

    change: Callable[[Event], Event] = lambda e: moved(e) if e.kind == kinds.JOB_STARTED else e  # noqa: E731
    await die_after(tmp_path / "moved", [change(event) for event in events[: cut + 1]])
    engine = await Tooled.open(Home(tmp_path / "moved"), Config(), on_restart="resume")
    assert ((await engine.row(job_id)).outcome, engine.calls) == ("interrupted", [])
    await engine.close()


@pytest.mark.parametrize("on_restart", ["resume", "fail"])
async def test_a_queued_job_starts_or_is_closed(tmp_path: Path, on_restart: str) -> None:
    events, job_id = await run_to_the_end(tmp_path / "whole")
    created = next(i for i, e in enumerate(events) if e.kind == kinds.JOB_CREATED)
    await die_after(tmp_path / "queued", events[: created + 1])
    engine = await Tooled.open(Home(tmp_path / "queued"), Config(), on_restart=on_restart)
    view = await asyncio.wait_for(engine.wait(job_id), 30)
    assert view.job.status == ("completed" if on_restart == "resume" else "failed")
    await engine.close()


async def test_the_configuration_says_what_becomes_of_unfinished_jobs_and_jobs_without_their_tools_are_closed(
    tmp_path: Path,
) -> None:
    events, job_id = await run_to_the_end(tmp_path / "whole")
    cut = next(i for i, e in enumerate(events) if e.kind == kinds.LEVEL_FINISHED)
    registry = ToolRegistry()
    tools(registry, [])
    for name, config, given, status in (
        ("resume", Config(), registry.entries(), "completed"),
        ("fail", Config(runtime=RuntimeConfig(on_restart="fail")), registry.entries(), "failed"),
        ("without", Config(), (), "failed"),
    ):
        await die_after(tmp_path / name, events[: cut + 1])
        engine = await Engine.open(Home(tmp_path / name), config, tools=given)
        try:
            job = (await engine.wait(job_id, 30)).job
            assert job.status == status, (name, job)
            if name == "without":
                assert str(job.error).endswith(
                    "tools that it has yet to call are not registered here: fails, flaky, step"
                )
        finally:
            await engine.close(grace=0)


async def test_a_checkpoint_is_kept_whole(tmp_path: Path) -> None:
    engine = await Tooled.open(Home(tmp_path), Config())
    try:
        row = await engine.submit(Submission(headway.parse_proposal(PLAN), context_id="c"))
        await engine.wait(row.job_id, 30)
        saved = await engine.save_checkpoint(job_id=row.job_id)
        checkpoint = await engine.reader.checkpoint(saved.checkpoint_id)
        assert (checkpoint.version, checkpoint.proposal["id"]) == (VERSION, "p")
        assert [action["id"] for action in checkpoint.graph["actions"]] == [a["id"] for a in PLAN["actions"]]  # type: ignore[index]
        assert (len(checkpoint.results), saved.done, saved.total, saved.keys) == (8, 7, 8, 2)
        fork = await engine.fork(saved.checkpoint_id)
        assert (await engine.wait(fork.job_id, 30)).job.status == "completed"
    finally:
        await engine.close(grace=0)
