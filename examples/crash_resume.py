"""A process is killed in the middle of a job; another opens the same home and finishes it.

The child submits a job of five steps and hangs in the third, where it is killed with SIGKILL. What had finished is not
run again; the step in flight is, for it is idempotent.

    python examples/crash_resume.py
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

import headway

STEPS = 5
HANGS_AT = 3


@headway.tool
async def work(ctx: headway.ToolContext, step: int, ledger: Path, before: str) -> str:
    """Note the step in a file. The first attempt at one of them never ends."""
    with ledger.open("a", encoding="utf-8") as out:
        out.write(f"{step}\n")
    if step == HANGS_AT and ctx.attempt == 1:
        print(ctx.job_id, flush=True)  # the parent waits for this, and kills
        await asyncio.Event().wait()
    return f"{before}, {step}"


def make_plan(ledger: Path) -> headway.Plan:
    """Return a chain of steps that are safe to repeat: each takes what the one before returned."""
    plan, before = headway.Plan(goal="survive"), "start"
    for step in range(1, STEPS + 1):
        before = plan.call(work, step, ledger, before).options(id=f"step{step}", idempotent=True).output
    return plan


async def child(folder: Path) -> None:
    """Submit the job and wait for its end, which this process does not live to see."""
    async with await headway.Engine.open(folder / "home", tools=[work]) as engine:
        job = await engine.submit(make_plan(folder / "ledger"))
        await engine.wait(job.job_id)


def crash(folder: Path) -> str:
    """Start a child, kill it in the middle of its job, and return the job's id."""
    command = [sys.executable, __file__, "child", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        job_id = process.stdout.readline().strip()
        process.kill()  # SIGKILL: it cannot clean up
    return job_id


async def resume(folder: Path, job_id: str) -> headway.RunView:
    """Open the home, which resumes what was left, and return the job's view at its end."""
    async with await headway.Engine.open(folder / "home", tools=[work]) as engine:
        return await engine.wait(job_id)


def main() -> None:
    """Crash and resume, and print what ran how often."""
    if sys.argv[1:2] == ["child"]:
        asyncio.run(child(Path(sys.argv[2])))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job_id = crash(folder)
        print(f"killed in step {HANGS_AT}; steps begun: {(folder / 'ledger').read_text().split()}")
        result = asyncio.run(resume(folder, job_id)).result()
        print(f"{result.status}; steps begun: {(folder / 'ledger').read_text().split()}")
        for action in result.results:
            print(f"  {action.action_id} returned '{action.output}', attempts: {action.attempts}")


if __name__ == "__main__":
    main()
