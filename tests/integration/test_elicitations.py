"""Questions of a durable home: they outlive the process that asked, and answers given meanwhile count."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.config import Config
from headway.config.model import BudgetsConfig, InboxConfig, RuntimeConfig
from headway.engine import Engine
from headway.errors import Conflict
from headway.events import kinds
from headway.events.views import Elicitation
from headway.home import Home
from headway.jobs.submission import Submission
from headway.store import StoreLog, StoreReader
from headway.tools.decorator import entry_of
from tests.unit.execution.kit import call

PLAN = [
    call("first", "step", parameters={"name": "first"}),
    call("ask", "deploy", parameters={"env": "x"}, dependencies=["first"]),
    call("beside", "step", parameters={"name": "beside"}, dependencies=["first"]),
    call("last", "step", parameters={"name": "last"}, dependencies=["ask"]),
]


class Rig:
    """An engine whose tool "deploy" asks; the calls of its tools are noted."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls
        self.engine: Engine

    async def open(self, path: Path, config: Config | None = None, **options: Any) -> Rig:
        @headway.tool
        async def step(name: str) -> str:
            self.calls.append(name)
            return name

        @headway.tool(permission="ask")
        async def deploy(env: str) -> str:
            self.calls.append(f"deploy {env}")
            return env

        tools = [entry_of(step), entry_of(deploy)]
        self.engine = await Engine.open(Home(path), config or Config(), tools=tools, **options)
        return self

    async def submit(self) -> str:
        return (await self.engine.submit(Submission({"actions": PLAN}))).job_id

    async def question(self) -> Elicitation:
        """Wait until one question is open, and the other actions of its level have ended, and return it."""
        subscription = self.engine.subscribe()
        try:
            async for _ in subscription:
                inbox = await self.engine.elicitations.inbox()
                if inbox.open and "beside" in self.calls:
                    (question,) = inbox.waiting()
                    return question
        finally:
            subscription.close()
        raise AssertionError("the log ended")


async def died(path: Path, calls: list[str]) -> tuple[Path, Elicitation, list[str]]:
    """Run the plan until it waits; return a home as its process would leave it, dying there."""
    rig = await Rig(calls).open(path / "one")
    await rig.submit()
    question = await rig.question()
    await rig.engine.log.flush()
    events = await rig.engine.log.read(limit=10_000)
    made = list(calls)
    await rig.engine.close(grace=0)
    calls[:] = made
    home = path / "two"
    log = await StoreLog.open(Home(home))
    await log.write(*events)
    await log.close()
    return home, question, made


@pytest.mark.parametrize("choice", ["allow", "deny", "edit"])
async def test_a_question_outlives_its_process(tmp_path: Path, choice: str) -> None:
    home, question, _ = await died(tmp_path, calls := [])
    rig = await Rig(calls).open(home)
    try:
        again = await rig.question()
        assert (again.id, again.asked_ms, again.expires_ms) == (question.id, question.asked_ms, question.expires_ms)
        assert (await rig.engine.row(question.job_id)).waiting_for == "approval"
        value = {"env": "y"} if choice == "edit" else None
        await rig.engine.elicitations.answer(question.id, choice, value, by="mia")
        run = await rig.engine.wait(question.job_id, 60)
        expected = {"allow": ["deploy x", "last"], "deny": [], "edit": ["deploy y", "last"]}
        assert calls == ["first", "beside", *expected[choice]]
        assert run.job.status == ("failed" if choice == "deny" else "completed")
        events = await rig.engine.log.read(kinds=kinds.ELICITATION, limit=100)
        assert [event.kind for event in events] == ["elicitation_requested", "elicitation_answered"]
        with pytest.raises(Conflict, match=f"was answered already by mia: {choice}"):
            await rig.engine.elicitations.answer(question.id, "allow")
    finally:
        await rig.engine.close(grace=0)


@pytest.mark.parametrize("choice", ["allow", "edit"])
async def test_an_answer_is_kept_for_a_process_that_died_before_it_acted(tmp_path: Path, choice: str) -> None:
    home, question, _ = await died(tmp_path, calls := [])
    rig = await Rig(calls).open(home, on_restart="fail")  # leaves it waiting
    rig.engine.drain()  # and starts nothing
    value = {"env": "y"} if choice == "edit" else None
    answered = await rig.engine.elicitations.answer(question.id, choice, value)
    assert answered.state == "answered"
    events = await rig.engine.log.read(limit=10_000)
    await rig.engine.close(grace=0)
    assert calls == ["first", "beside"]
    log = await StoreLog.open(Home(tmp_path / "three"))
    await log.write(*events)
    await log.close()
    rig = await Rig(calls).open(tmp_path / "three")
    try:
        assert (await rig.engine.wait(question.job_id, 60)).job.status == "completed"
        assert calls == ["first", "beside", f"deploy {'y' if choice == 'edit' else 'x'}", "last"]
        assert len(await rig.engine.log.read(kinds=kinds.ELICITATION)) == 2
    finally:
        await rig.engine.close(grace=0)


async def test_a_job_that_was_left_waiting_resumes_with_its_answer(tmp_path: Path) -> None:
    home, question, _ = await died(tmp_path, calls := [])
    rig = await Rig(calls).open(home, Config(runtime=RuntimeConfig(on_restart="fail")))
    try:
        row = await rig.engine.row(question.job_id)
        assert (row.status, row.waiting_for, rig.engine.busy) == ("running", "approval", 0)
        with pytest.raises(Conflict):
            await asyncio.gather(*(rig.engine.elicitations.answer(question.id, "allow") for _ in range(5)))
        subscription = rig.engine.subscribe(job_id=question.job_id)
        async for batch in subscription:
            if any(event.kind in kinds.TERMINAL_JOB for event in batch):
                break
        subscription.close()
        assert (await rig.engine.run(question.job_id)).job.status == "completed"
        assert calls == ["first", "beside", "deploy x", "last"]
    finally:
        await rig.engine.close(grace=0)


async def test_a_question_that_ran_out_while_nobody_was_there_expires_at_the_start(tmp_path: Path) -> None:
    rig = await Rig(calls := []).open(tmp_path / "one", Config(inbox=InboxConfig(expires_secs=3600)))
    await rig.submit()
    question = await rig.question()
    await rig.engine.log.flush()
    events = await rig.engine.log.read(limit=10_000)
    await rig.engine.close(grace=0)
    for event in events:
        if event.kind == kinds.ELICITATION_REQUESTED:
            event.data["expires_ms"] = event.ts - 1
    log = await StoreLog.open(Home(tmp_path / "two"))
    await log.write(*events)
    await log.close()
    rig = await Rig(calls).open(tmp_path / "two")
    try:
        run = await rig.engine.wait(question.job_id, 60)
        assert run.action("ask").error == "the approval was denied: nobody answered in time"
    finally:
        await rig.engine.close(grace=0)


async def test_every_reader_sees_the_same_inbox(tmp_path: Path) -> None:
    rig = await Rig([]).open(tmp_path)
    try:
        await rig.submit()
        question = await rig.question()
        await rig.engine.log.flush()
        reader = await StoreReader.open(Home(tmp_path).db)
        try:
            assert await reader.inbox_view() == (await rig.engine.snapshot()).inbox
            assert (await reader.inbox_view()).waiting() == [question]
        finally:
            await reader.close()
    finally:
        await rig.engine.close(grace=0)


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_tool_that_asked_gets_its_answer_after_a_restart_if_it_may_be_called_again(
    tmp_path: Path, idempotent: bool
) -> None:
    calls: list[str] = []

    @headway.tool
    async def greet(context: headway.ToolContext) -> str:
        calls.append("greet")
        return f"hello {await context.ask(str, 'who?')}"

    async def opened(path: Path, **options: Any) -> Engine:
        return await Engine.open(Home(path), Config(), tools=[entry_of(greet)], **options)

    first = await opened(tmp_path / "one")
    plan = {"actions": [call("a", "greet", idempotent=idempotent, failure_behavior="skip")]}
    job_id = (await first.submit(Submission(plan))).job_id
    rig = Rig(["beside"])
    rig.engine = first
    question = await rig.question()
    await first.log.flush()
    events = await first.log.read(limit=1000)
    await first.close(grace=0)
    log = await StoreLog.open(Home(tmp_path / "two"))
    await log.write(*events)
    await log.close()
    second = await opened(tmp_path / "two")
    try:
        if idempotent:
            rig.engine = second
            assert (await rig.question()).id == question.id
            await second.elicitations.answer(question.id, "answer", "mia")
        action = (await second.wait(job_id, 60)).action("a")
        if idempotent:
            assert (action.output, calls) == ("hello mia", ["greet", "greet"])
            return
        assert (action.error_code, calls) == ("interrupted", ["greet"])
        with pytest.raises(Conflict, match="is withdrawn: the process that asked ended"):
            await second.elicitations.answer(question.id, "answer", "mia")
    finally:
        await second.close(grace=0)


@pytest.mark.parametrize("answered", [True, False])
async def test_a_budget_that_waits_outlives_its_process(tmp_path: Path, answered: bool) -> None:
    calls: list[str] = []
    config = Config(budgets=BudgetsConfig(tool_calls=1, on_exhausted="ask"))
    plan = [call("a", "step", parameters={"name": "beside"})]
    plan += [call(n, "step", parameters={"name": n}, dependencies=["a"]) for n in "bc"]
    rig = await Rig(calls).open(tmp_path / "one", config)
    job_id = (await rig.engine.submit(Submission({"actions": plan}))).job_id
    question = await rig.question()
    if answered:
        await rig.engine.elicitations.answer(question.id, "top_up", {"tool_calls": 1})
        question = await rig.question()
    await rig.engine.log.flush()
    events = await rig.engine.log.read(limit=1000)
    made = list(calls)
    await rig.engine.close(grace=0)
    calls[:] = made
    log = await StoreLog.open(Home(tmp_path / "two"))
    await log.write(*events)
    await log.close()
    rig = await Rig(calls).open(tmp_path / "two", config)
    try:
        assert (await rig.question()).id == question.id
        await rig.engine.elicitations.answer(question.id, "top_up", {"tool_calls": 1 if answered else 2})
        assert (await rig.engine.wait(job_id, 60)).job.status == "completed"
        assert sorted(calls) == ["b", "beside", "c"], "nothing that had finished ran again"
    finally:
        await rig.engine.close(grace=0)


async def test_a_daemon_that_ends_leaves_what_waits_for_a_person_to_the_next(tmp_path: Path) -> None:
    rig = await Rig(calls := []).open(tmp_path)
    job_id = await rig.submit()
    question = await rig.question()
    assert rig.engine.busy == 0, "a restart need not wait for it"
    await rig.engine.idle()
    await rig.engine.close()
    rig = await Rig(calls).open(tmp_path)
    try:
        assert (await rig.question()).id == question.id
        await rig.engine.elicitations.answer(question.id, "allow")
        assert (await rig.engine.wait(job_id, 60)).job.status == "completed"
        assert calls == ["first", "beside", "deploy x", "last"]
        events = await rig.engine.log.read(kinds=kinds.ELICITATION)
        assert [event.kind for event in events] == ["elicitation_requested", "elicitation_answered"]
    finally:
        await rig.engine.close(grace=0)


async def test_a_job_that_waits_leaves_its_place_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headway.engine.MAX_JOBS", 1)
    rig = await Rig(calls := []).open(tmp_path)
    try:
        waiting = [await rig.submit() for _ in range(3)]
        subscription = rig.engine.subscribe()
        async for _ in subscription:
            if len((await rig.engine.elicitations.inbox()).open) == 3:
                break
        subscription.close()
        other = (await rig.engine.submit(Submission({"actions": [call("o", "step", parameters={"name": "o"})]}))).job_id
        assert (await rig.engine.wait(other, 60)).job.status == "completed"
        for question in (await rig.engine.elicitations.inbox()).waiting():
            await rig.engine.elicitations.answer(question.id, "allow")
        for job_id in waiting:
            assert (await rig.engine.wait(job_id, 60)).job.status == "completed"
        assert calls.count("deploy x") == 3
    finally:
        await rig.engine.close(grace=0)


async def test_a_job_that_waits_can_be_paused_and_asks_again_when_it_resumes(tmp_path: Path) -> None:
    rig = await Rig(calls := []).open(tmp_path)
    try:
        job_id = await rig.submit()
        first = await rig.question()
        await rig.engine.manager.pause_job(job_id)
        subscription = rig.engine.subscribe(job_id=job_id)
        async for batch in subscription:
            if any(event.kind == kinds.RUN_PAUSED for event in batch):
                break
        subscription.close()
        row = await rig.engine.row(job_id)
        assert (row.status, row.waiting_for) == ("paused", "")
        with pytest.raises(Conflict, match="is withdrawn"):
            await rig.engine.elicitations.answer(first.id, "allow")
        await rig.engine.manager.resume_job(job_id)
        second = await rig.question()
        assert (second.id, second.digest) == (f"{job_id}.2", first.digest)
        await rig.engine.elicitations.answer(second.id, "allow")
        assert (await rig.engine.wait(job_id, 60)).job.status == "completed"
        assert calls == ["first", "beside", "deploy x", "last"]
    finally:
        await rig.engine.close(grace=0)
