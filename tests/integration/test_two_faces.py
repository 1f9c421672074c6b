"""An engine and an embedded runtime on one log are two faces of one supervisor: one line a scope, one state.

Random sequences of starts, cancels, kills, forks, saves and restores, each through a face drawn by chance, are
compared after every step with a small model.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import headway
from headway import Runtime, Scope, Submission
from headway.config import Config
from headway.engine import Engine
from headway.errors import Conflict
from headway.events import kinds
from headway.home import Home
from headway.testing import VirtualClock
from tests import seeds
from tests.sizes import cases
from tests.unit.execution.kit import call, write

INTERLEAVINGS = cases(200)
STEPS = 14
PATIENCE_S = 60  # bounds a failure


class Calls:
    """The tool ``hold``: each call waits until the test lets it go."""

    def __init__(self) -> None:
        self.in_flight: dict[tuple[str, str], asyncio.Event] = {}
        self.changed = asyncio.Condition()

    async def __call__(self, phase: str, ctx: headway.ToolContext) -> str:
        mine, go = (ctx.job_id, phase), asyncio.Event()
        assert mine not in self.in_flight
        self.in_flight[mine] = go
        try:
            async with self.changed:
                self.changed.notify_all()
            await go.wait()
            return phase
        finally:
            del self.in_flight[mine]

    async def until(self, expected: set[tuple[str, str]]) -> None:
        """Wait until exactly these calls are in flight."""
        async with self.changed, asyncio.timeout(PATIENCE_S):
            await self.changed.wait_for(lambda: expected <= set(self.in_flight))
        assert set(self.in_flight) == expected


def plan_of(name: str) -> dict[str, Any]:
    """Return a plan of three levels: a call, a write, a call; both calls set the key of the job's name."""
    return {
        "actions": [
            call("a", "hold", parameters={"phase": "a"}, expected_effects={name: 1}),
            write("w", "last", name, dependencies=["a"]),
            call("b", "hold", parameters={"phase": "b"}, expected_effects={name: 2}, dependencies=["w"]),
        ]
    }


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Engine, Calls]]:
    """Yield an engine, and the calls of its tool."""
    calls = Calls()

    @headway.tool
    async def hold(phase: str, ctx: headway.ToolContext) -> str:
        return await calls(phase, ctx)

    engine = await Engine.open(Home(path), Config(), clock=VirtualClock(), tools=[hold])
    try:
        yield engine, calls
    finally:
        await engine.close(grace=0)


async def submitted(engine: Engine, name: str, scope: str, job_id: str | None = None) -> str:
    """Submit the plan of that name to the engine; return the job's id."""
    return (await engine.submit(Submission(plan_of(name), context_id=scope, job_id=job_id))).job_id


# -- one tool at a time, one state -------------------------------------------------------------------------------------


async def test_one_scope_runs_one_tool_at_a_time_and_has_one_state(tmp_path: Path) -> None:
    async with opened(tmp_path) as (engine, calls):
        runtime = await engine.runtime(scope="c")
        first = await submitted(engine, "first", "c")
        await calls.until({(first, "a")})
        second = runtime.start(plan_of("second"))
        third = await submitted(engine, "third", "c")
        elsewhere = (await engine.runtime(scope="d")).start(plan_of("elsewhere"))
        await calls.until({(first, "a"), (elsewhere.job_id, "a")})
        for job_id in (first, second.job_id, third):
            for phase in "ab":
                await calls.until({(job_id, phase), (elsewhere.job_id, "a")})
                calls.in_flight[job_id, phase].set()
        assert (await second).ok
        assert [(await engine.wait(job_id)).job.status for job_id in (first, third)] == ["completed"] * 2
        state = {"first": 2, "second": 2, "third": 2, "last": "third"}
        assert dict(runtime.state.snapshot()) == await engine.reader.scope_state("c") == state
        assert (await engine.row(second.job_id)).scope == "c"
        elsewhere.kill("enough")
        assert (await elsewhere).outcome == "killed"


async def test_a_runtime_made_by_hand_on_the_engines_log_is_a_face_of_it_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as (engine, calls):
        first = await submitted(engine, "first", "c")
        await calls.until({(first, "a")})
        runtime = Runtime(log=engine.log, scope="c", registry=engine.registry)
        second = runtime.start(plan_of("second"))
        with pytest.raises(Conflict):
            await runtime.load_state()
        for job_id in (first, second.job_id):
            for phase in "ab":
                await calls.until({(job_id, phase)})
                calls.in_flight[job_id, phase].set()
        assert (await second).ok
        state = {"first": 2, "second": 2, "last": "second"}
        assert dict(runtime.state.snapshot()) == await engine.reader.scope_state("c") == state


async def test_what_the_engine_says_of_a_run_of_the_other_face(tmp_path: Path) -> None:
    async with opened(tmp_path) as (engine, calls):
        runtime = await engine.runtime(scope="c")
        run = runtime.start(plan_of("mine"))
        behind = runtime.start(plan_of("behind"))
        await calls.until({(run.job_id, "a")})
        assert (await engine.row(run.job_id)).status == run.view.job.status == "running"
        assert await engine.cancel(behind.job_id, "no need") == "forced"
        assert (await behind).status == "cancelled"
        assert await engine.cancel(run.job_id, "enough", by="me") == "requested"
        assert not run.cancel("too late")
        calls.in_flight[run.job_id, "a"].set()
        result = await run
        assert (result.status, result["a"].status, result["b"].error) == ("cancelled", "succeeded", "canceled: enough")
        assert await engine.cancel(run.job_id) == "already_finished"
        seen = [event async for event in run.events()]
        assert (seen[0].kind, seen[-1].kind) == (kinds.JOB_CREATED, kinds.JOB_CANCELLED)
        assert {event.job_id for event in seen} == {run.job_id}


async def test_runs_of_one_runtime_in_new_scopes_go_side_by_side(tmp_path: Path) -> None:
    async with opened(tmp_path) as (engine, calls):
        runtime = await engine.runtime(scope="c")
        await calls.until(set())
        runs = [runtime.start(plan_of(f"n{n}"), scope=Scope.new()) for n in range(10)]
        for phase in "ab":
            await calls.until({(run.job_id, phase) for run in runs})
            for go in list(calls.in_flight.values()):
                go.set()
        for n, run in enumerate(runs):
            assert (await run).ok
            assert await engine.reader.scope_state(run.scope.name) == {f"n{n}": 2, "last": f"n{n}"}
        assert dict(runtime.state.snapshot()) == {}


# -- random interleavings and the model --------------------------------------------------------------------------------


class Job:
    """A job, as the model knows it."""

    def __init__(self, job_id: str, name: str, scope: str, phase: str = "a") -> None:
        self.job_id = job_id
        self.name = name
        self.scope = scope
        self.phase = phase  # of the call that is in flight, once it runs
        self.stopping = False
        self.end: str | None = None
        self.after: dict[int, dict[str, Any]] = {}  # the state at the end of levels
        self.handle: Any = None


class Model:
    """Scopes with their state and line of jobs; the first of a line is the one that runs."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, list[Job]] = {}
        self.jobs: list[Job] = []
        self.saved: list[tuple[str, dict[str, Any], Any]] = []  # scope, state, checkpoint (an id, or the object)

    def add(self, job: Job, state: dict[str, Any] | None = None) -> None:
        """Put a job in the line of its scope."""
        self.states.setdefault(job.scope, dict(state or {}))
        self.lines.setdefault(job.scope, []).append(job)
        self.jobs.append(job)

    def running(self) -> list[Job]:
        """Return the jobs whose call is in flight."""
        return [line[0] for line in self.lines.values() if line]

    def returned(self, job: Job) -> None:
        """The call of a job that runs has returned."""
        state = self.states[job.scope]
        state[job.name] = 1 if job.phase == "a" else 2
        job.after[0 if job.phase == "a" else 2] = dict(state)
        if job.stopping:
            self.ended(job, "cancelled")
        elif job.phase == "a":
            state["last"] = job.name
            job.after[1] = dict(state)
            job.phase = "b"
        else:
            self.ended(job, "completed")

    def stopped(self, job: Job, kill: bool) -> None:
        """A cancel or a kill has come."""
        line = self.lines[job.scope]
        if job.end is not None:
            return
        if job is not line[0] or kill:
            self.ended(job, "cancelled")
        else:
            job.stopping = True

    def ended(self, job: Job, how: str) -> None:
        """A job has ended."""
        job.end = how
        self.lines[job.scope].remove(job)


class Story:
    """One random sequence of steps, done for real and in the model."""

    def __init__(self, engine: Engine, calls: Calls, chance: random.Random, number: int) -> None:
        self.engine = engine
        self.calls = calls
        self.chance = chance
        self.number = number
        self.model = Model()
        self.told: list[str] = []
        self.scopes = [f"s{number}-{n}" for n in range(2)]

    async def tell(self) -> None:
        """Do the steps, then let everything come to its end."""
        steps = [self.start, self.start, self.go_on, self.go_on, self.stop, self.stop, self.fork, self.save,
                 self.restore]  # fmt: skip
        for _ in range(STEPS):
            await self.chance.choice(steps)()
            await self.compare()
        while self.model.running():
            await self.go_on()
            await self.compare()

    def step(self, what: str, *about: object) -> bool:
        """Note a step, and draw its face: True for the engine."""
        engine = self.chance.random() < 0.5
        self.told.append(f"{'engine' if engine else 'runtime'} {what} {' '.join(map(str, about))}")
        return engine

    async def start(self) -> None:
        scope, name = self.chance.choice(self.scopes), f"j{len(self.model.jobs)}"
        job = Job("", name, scope)
        if self.step("start", name, scope):
            job.job_id = await submitted(self.engine, name, scope)
        else:
            job.handle = (await self.engine.runtime(scope=scope)).start(plan_of(name))
            job.job_id = job.handle.job_id
        self.model.add(job)

    async def go_on(self) -> None:
        if running := self.model.running():
            job = self.chance.choice(running)
            self.told.append(f"return {job.name} {job.phase}")
            self.calls.in_flight[job.job_id, job.phase].set()
            self.model.returned(job)

    async def stop(self) -> None:
        if not self.model.jobs:
            return
        job, kill = self.chance.choice(self.model.jobs), self.chance.random() < 0.4
        line = self.model.lines[job.scope]
        if self.step("kill" if kill else "cancel", job.name) or job.handle is None:
            answer = await (self.engine.kill if kill else self.engine.cancel)(job.job_id, "enough")
            queued = "forced" if job in line and job is not line[0] else "requested"
            assert answer == ("already_finished" if job.end else queued)
        else:
            asked = job.handle.kill("enough") if kill else job.handle.cancel("enough")
            assert asked is (job.end is None and (kill or not job.stopping))
        self.model.stopped(job, kill)

    async def fork(self) -> None:
        places = [(job, level) for job in self.model.jobs for level in job.after if level < 2]
        if not places:
            return
        parent, level = self.chance.choice(places)
        if self.step("fork", parent.name, level):
            row = await self.engine.fork(f"{parent.job_id}@L{level}")
            job = Job(row.job_id, parent.name, row.scope, "b")
        else:
            handle = await (await self.engine.runtime(scope=parent.scope)).fork(f"{parent.job_id}@L{level}")
            job = Job(handle.job_id, parent.name, handle.scope.name, "b")
            job.handle = handle
        state = {**parent.after[level], "last": parent.name}
        job.after[1] = dict(state)
        self.model.add(job, state)

    async def save(self) -> None:
        scope = self.chance.choice(self.scopes)
        if scope not in self.model.states:
            return
        if self.step("save", scope):
            checkpoint: Any = (await self.engine.save_checkpoint(scope=scope)).checkpoint_id
        else:
            checkpoint = (await self.engine.runtime(scope=scope)).save_checkpoint()
        self.model.saved.append((scope, dict(self.model.states[scope]), checkpoint))

    async def restore(self) -> None:
        if not self.model.saved:
            return
        scope, state, checkpoint = self.chance.choice(self.model.saved)
        by_id = isinstance(checkpoint, str)
        self.told.append(f"{'engine' if by_id else 'runtime'} restore {scope} {state}")
        before = dict(self.model.states[scope])
        try:
            if by_id:
                await self.engine.restore(checkpoint)
            else:
                (await self.engine.runtime(scope=scope)).restore_checkpoint(checkpoint)
        except Conflict:
            assert self.model.lines[scope]
            assert self.model.states[scope] == before
        else:
            assert not self.model.lines[scope]
            self.model.states[scope] = dict(state)

    async def compare(self) -> None:
        """Wait until all has happened that the model says, and find that nothing else has."""
        for job in self.model.jobs:
            if job.end is not None:
                async with asyncio.timeout(PATIENCE_S):
                    view = await self.engine.wait(job.job_id)
                assert view.job.status == job.end, job.name
                if job.handle is not None:
                    assert (await job.handle).status == job.handle.view.job.status == job.end
        await self.calls.until({(job.job_id, job.phase) for job in self.model.running()})
        await self.engine.log.flush()
        for scope, state in self.model.states.items():
            runtime = await self.engine.runtime(scope=scope)
            assert dict(runtime.state.snapshot()) == state, scope
            assert await self.engine.reader.scope_state(scope) == state, scope
        for job in self.model.jobs:
            if job.end is None:
                running = job is self.model.lines[job.scope][0]
                if running or job.handle is None:  # one that waits in the line of a runtime is not in the log yet
                    assert (await self.engine.row(job.job_id)).status == ("running" if running else "queued")


async def check_turns(engine: Engine, story: Story) -> None:
    """Assert that the log has the runs of each scope one after the other, and each job's events in one story."""
    scope_of = {job.job_id: job.scope for job in story.model.jobs}
    running: dict[str, str] = {}
    ended: set[str] = set()
    for event in await engine.log.read(limit=1_000_000, kinds=[kinds.JOB_STARTED, *kinds.TERMINAL_JOB]):
        scope = scope_of.get(event.job_id or "")
        if scope is None or event.job_id is None:
            continue
        if event.kind == kinds.JOB_STARTED:
            assert scope not in running, f"{event.job_id} starts while {running[scope]} runs"
            running[scope] = event.job_id
        else:
            assert event.job_id not in ended
            ended.add(event.job_id)
            if running.get(scope) == event.job_id:
                del running[scope]
    assert running == {}
    assert ended == set(scope_of)


@pytest.mark.timeout(900)
async def test_random_interleavings_agree_with_the_model(tmp_path: Path) -> None:
    chance = seeds.chance()
    async with opened(tmp_path) as (engine, calls):
        for number in range(INTERLEAVINGS):
            story = Story(engine, calls, chance, number)
            try:
                await story.tell()
                await check_turns(engine, story)
            except BaseException:
                print(f"interleaving {number}:", *story.told, sep="\n  ")
                raise
