"""Faults in jobs."""

from __future__ import annotations

from tests.mutants.mutant import WHOLE, Mutant

CALLERS = WHOLE + "bridge/a2a/test_callers.py"
MANAGER = "tests/unit/jobs/test_manager.py"
PAUSE = "tests/unit/jobs/test_pause.py"
RESTART = "tests/unit/jobs/test_restart.py"

ROWS = [
    Mutant(
        "a remote agent's plan calls what nobody opened",
        "jobs/admission.py",
        "if reach is not None and (found",
        "if False and (found",
        (CALLERS,),
    ),
    Mutant(
        "a context is everybody's",
        "jobs/scope.py",
        "if principal or tenant:",
        "if tenant:",
        (CALLERS,),
    ),
    Mutant(
        "what separates a scope's parts may occur in them",
        "jobs/scope.py",
        '.replace("/", "%2F")',
        "",
        (CALLERS,),
    ),
    Mutant(
        "an operator's state moves to an agent",
        "jobs/inheritance.py",
        "or not all(event.kind == kinds.JOB_CREATED and theirs(event) for event in past)",
        "",
        (CALLERS,),
    ),
    Mutant(
        "a state moves while a task works on it",
        "jobs/inheritance.py",
        "if any(row.scope == old for row in await store.unfinished()):",
        "if False:",
        (CALLERS,),
    ),
    Mutant(
        "a job of another workspace is resumed",
        "jobs/revival.py",
        'if started.data.get("workspace") != _text(workspace):',
        "if False:",
        (WHOLE + "test_resume.py",),
    ),
    Mutant(
        "an old token of a claim still counts",
        "jobs/external.py",
        "if claim is None or claim.token != token:",
        "if claim is None:",
        (MANAGER,),
    ),
    Mutant(
        "a job is tried once more than it may be",
        "jobs/retry.py",
        "if attempt > self.most:",
        "if attempt > self.most + 1:",
        (MANAGER,),
    ),
    Mutant(
        "what does not pass is tried again",
        "jobs/retry.py",
        "result.error_code in MAY_PASS and not result.terminal",
        "True",
        (MANAGER,),
    ),
    Mutant(
        "a paused job keeps its place",
        "jobs/course.py",
        "            self._place.leave()\n            if not job.paused",
        "            if not job.paused",
        (PAUSE,),
    ),
    Mutant(
        "a paused job runs after a restart",
        "jobs/recovery.py",
        "    job.move(JobStatus.PAUSED)\n",
        "",
        (RESTART,),
    ),
    Mutant(
        "one job that refuses keeps the others from being asked",
        "jobs/bulk.py",
        "    except HeadwayError as error:\n        return _item",
        "    except TypeError as error:\n        return _item",
        ("tests/unit/jobs/test_bulk.py",),
    ),
    Mutant(
        "a kill in line is a mere cancel",
        "jobs/supervisor.py",
        "        (job.token.kill if kill else job.token.cancel)(reason, by)\n        if job.standing:\n",
        "        job.token.cancel(reason, by)\n        if job.standing:\n",
        (WHOLE + "test_one_answer.py",),
    ),
    Mutant(
        "the next candidate is a successor",
        "jobs/supervisor.py",
        "if following is None or following.plan is None or following.replaces != job_id:",
        "if following is None:",
        (WHOLE + "test_one_answer.py",),
    ),
    Mutant(
        "a close does not wait for what is learned",
        "jobs/supervisor.py",
        "        await _tasks_over([course.task for course in chosen], grace, clock)\n",
        "",
        (WHOLE + "test_mended.py",),
    ),
    Mutant(
        "a job that resumes forgets its budget",
        "jobs/recovery.py",
        "budget=CostBudget(**spec.budget) if spec.budget is not None else None,",
        "budget=None,",
        (WHOLE + "test_mended.py",),
    ),
    Mutant(
        "one job more than the bound waits",
        "jobs/intake.py",
        "if waiting >= bounds.waiting:",
        "if waiting > bounds.waiting:",
        ("tests/unit/jobs/test_intake.py",),
    ),
    Mutant(
        "a plan that is larger than the room for plans never runs",
        "jobs/intake.py",
        "if bounds is not None and held and held + size",
        "if bounds is not None and held + size",
        ("tests/unit/jobs/test_intake.py",),
    ),
    Mutant(
        "an action takes no memory",
        "jobs/intake.py",
        "return size + actions * ACTION_BYTES",
        "return size",
        ("tests/unit/jobs/test_intake.py",),
    ),
    Mutant(
        "large plans are admitted together",
        "jobs/intake.py",
        "        async with self._turn():\n            return",
        "        if self._turn():\n            return",
        ("tests/unit/jobs/test_intake.py",),
    ),
    Mutant(
        "large plans are admitted on the loop",
        "jobs/intake.py",
        "return await asyncio.to_thread(do)",
        "return do()",
        ("tests/unit/jobs/test_intake.py",),
    ),
]
