"""Runs jobs on one home until it is killed: the program that ``test_job_kill`` kills.

It has loaded everything once and then forks a process for each line of JSON on its stdin, so that a life costs its
work and no start-up. It answers each line with one of its own, the wait status of the dead.

A life goes on with the jobs that the last one left, and submits more. What it calls and what it was told is on disk,
it notes in a side file, one JSON array a line. It dies by its own SIGKILL at the nth commit (before anybody hears of
it), the nth start or the nth end of a call, or is killed from outside after so many seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import headway
from headway.config import Config
from headway.engine import Engine
from headway.events.event import Event
from headway.home import Home
from headway.jobs.submission import Submission
from headway.plan.format import ActionProposal, new_id
from headway.plan.parse import parse_proposal
from headway.store import StoreLog
from headway.tools.decorator import entry_of

SUBMITTERS = 4
SCOPES = 3
CHAIN = "abc"
"""The output of action ``c``: each of the three adds its letter to what the one before it returned."""


class Death:
    """Kills this process at the ``nth`` time that ``moment`` comes: "commit", "start" or "end" of a call."""

    def __init__(self, moment: str = "", nth: int = 0) -> None:
        self._moment = moment
        self._left = nth

    def passes(self, moment: str) -> None:
        """Say that ``moment`` has come."""
        if moment == self._moment:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class Notes:
    """The side file. A note is on disk when the method returns."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def add(self, *notes: list[Any]) -> None:
        """Append notes, one a line, in one write."""
        os.write(self._fd, b"".join(json.dumps(note).encode() + b"\n" for note in notes))
        os.fsync(self._fd)


class Runner(Engine):
    """An engine with tools that note each call and may kill their process."""

    notes: Notes
    death: Death

    async def _start(self, resume: bool) -> None:
        for function in tools(self.notes, self.death):
            self.registry.register(entry_of(function))
        await super()._start(resume)


def tools(notes: Notes, death: Death) -> list[Callable[..., Any]]:
    """Return ``step`` (a coroutine), ``threaded`` (the same in a thread) and ``flaky`` (fails the first time)."""

    def begin(ctx: headway.ToolContext) -> None:
        notes.add(["call", ctx.job_id, ctx.action_id, ctx.attempt])
        death.passes("start")

    @headway.tool
    async def step(name: str, ctx: headway.ToolContext, given: str = "") -> str:
        begin(ctx)
        await asyncio.sleep(0.001)
        death.passes("end")
        return given + name

    @headway.tool
    def threaded(name: str, ctx: headway.ToolContext, given: str = "") -> str:
        begin(ctx)
        death.passes("end")
        return given + name

    @headway.tool
    async def flaky(name: str, ctx: headway.ToolContext, given: str = "") -> str:
        begin(ctx)
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        death.passes("end")
        return given + name

    return [step, threaded, flaky]


def plan(job_id: str, rng: random.Random) -> ActionProposal:
    """Return a plan of writes and calls; ``o`` alone may not run twice, and what it leaves open may fail the job."""

    def call(name: str, tool: str, after: list[str], **fields: Any) -> dict[str, Any]:
        parameters = {"name": name, **fields.pop("more", {})}
        return {"id": name, "type": "tool_call", "tool": tool, "parameters": parameters, "dependencies": after} | fields

    def key(name: str) -> dict[str, Any]:
        return {f"{job_id}.{name}": 1}

    b = rng.choice(["step", "threaded", "flaky"])
    retry: dict[str, Any] = {"failure_behavior": "retry", "max_retries": 50, "idempotent": True}
    actions = [
        {"id": "w", "type": "state_write", "parameters": {"key": f"{job_id}.w", "value": 1}},
        call("a", "step", ["w"], idempotent=True, expected_effects=key("a")),
        call("o", "step", ["w"], failure_behavior=rng.choice(["skip", "abort"])),
        call("b", b, ["a"], more={"given": "$a.output"}, **retry),
        call("c", "threaded", ["b"], more={"given": "$b.output"}, idempotent=True, expected_effects=key("c")),
    ]
    return parse_proposal({"id": f"plan-{job_id}", "actions": actions})


async def submit_for_ever(engine: Runner, scopes: str, rng: random.Random) -> None:
    """Submit a job, note that it is on disk, wait for its end, note that too, and so on."""
    while True:
        job_id = new_id()
        context = rng.choice([None, *(f"{scopes}-{n}" for n in range(SCOPES))])
        await engine.submit(Submission(plan(job_id, rng), context_id=context, job_id=job_id))
        engine.notes.add(["submitted", job_id])
        view = await engine.wait(job_id)
        engine.notes.add(["finished", job_id, view.job.status])


async def follow(engine: Runner) -> None:
    """Note every event that this life is told of."""
    async for batch in engine.subscribe(engine.log.last_seq):
        engine.notes.add(*(["event", e.seq, e.kind, e.job_id, e.action_id] for e in batch))


async def live(home: Home, notes: Notes, order: dict[str, Any]) -> None:
    """Run jobs until this process is killed."""
    Runner.notes, Runner.death = notes, Death(order["moment"], order["nth"])
    committed = StoreLog.committed

    def counted(log: StoreLog, events: list[Event], count: int) -> None:
        Runner.death.passes("commit")
        committed(log, events, count)

    StoreLog.committed = counted  # type: ignore[method-assign]
    engine = await Runner.open(home, Config(), on_restart="resume")
    rng = random.Random(order["seed"])
    submitters = (submit_for_ever(engine, order["scopes"], rng) for _ in range(SUBMITTERS))
    await asyncio.gather(follow(engine), *submitters)


def killed(pid: int, seconds: float) -> int:
    """Kill the child ``pid`` if it lives on for ``seconds``; return its wait status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:  # the moment is random: that is the point
        if (found := os.waitpid(pid, os.WNOHANG))[0]:
            return found[1]
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def main() -> None:
    """Fork a life for each line on stdin."""
    home, side = Home(Path(sys.argv[1])), Path(sys.argv[2])
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(live(home, Notes(side), order))
            except BaseException:  # noqa: BLE001 - whatever it is, it is shown, and this fork ends here
                traceback.print_exc()
            finally:
                os._exit(1)  # a life has no other end than being killed
        print(killed(pid, order["seconds"]), flush=True)


if __name__ == "__main__":
    main()
