"""The course of one submission: its plan, or the best of several, and what replaces it when it aborts.

All of it takes place in one turn of the scope, on one budget and under one token. Each plan is a run, and a job, of
its own. This is the only place that makes a :class:`Run`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from headway.errors import Conflict, InvalidPlan, LogFull, StoreError, describe
from headway.execution.resumption import RESUME, so_far
from headway.execution.run import Run
from headway.jobs import admission
from headway.jobs.job import LiveJob
from headway.jobs.replan import execute_and_replan
from headway.jobs.transitions import JobStatus
from headway.jobs.turn import is_nested
from headway.limits.budget import BudgetMeter
from headway.plan.format import ActionProposal, new_id
from headway.plan.results import ProposalResult

if TYPE_CHECKING:
    from headway.cancellation import CancellationToken
    from headway.events.event import Event
    from headway.jobs.powers import Powers
    from headway.jobs.room import Place
    from headway.jobs.scope import Scope
    from headway.jobs.submission import Submission
    from headway.jobs.supervisor import Supervisor
    from headway.policy.pinned import Sources

_log = logging.getLogger("headway.jobs")

Begin = Callable[["Course", LiveJob], Awaitable[ProposalResult | None]]
"""Readies the first job in its turn, from a checkpoint say; returns a result where there is nothing to run."""


class Course:
    """The runs that a submission leads to. ``jobs`` are those that there were so far, the present one last.

    One that ``resumes`` began before; any other is refused (:class:`Conflict`) when the code of tools has changed.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        powers: Powers,
        submission: Submission,
        scope: Scope,
        token: CancellationToken,
        *,
        job_id: str | None = None,
        begin: Begin | None = None,
        resumes: bool = False,
    ) -> None:
        if not resumes:  # whatever door it comes through
            powers.env.require_current()
        admission.refuse_secrets(
            powers.env,
            context_id=submission.context_id,
            job_id=submission.job_id,
            principal=submission.principal,
            session=submission.session,
        )
        self.supervisor = supervisor
        self.powers = powers
        self.env = powers.env
        self.submission = submission
        self.scope = scope
        self.asked = token  # the caller's, which may serve others
        self.token, self.unlink = token.linked()  # what stops this course stops no other
        self.session = submission.session
        self.remote = submission.remote
        self.terms = submission.terms
        self.pinned: Sources = ()  # file policies of an earlier job that this one continues
        self.replanning = False  # its last job has aborted, and the callback may have another plan
        self.spent: dict[str, int] = {}  # of the budget, by all runs so far
        self.added: dict[str, int] = {}  # to the budget, by people
        self.jobs: list[LiveJob] = []
        self.task: asyncio.Task[ProposalResult]
        self._place: Place
        self.since = supervisor.log.last_seq
        self._begin = begin
        self._next: asyncio.Future[None] | None = None  # who follows the course waits for its next job
        self._fresh: LiveJob | None = self._job(job_id or submission.job_id or new_id())

    # -- from its start to its end -----------------------------------------------------------------------------------

    async def run(self) -> ProposalResult:
        """Take the turn, run the plans, learn from them; return the result of the last."""
        nested = is_nested()  # who runs already has a place: two of them could wait for each other
        try:
            async with self.scope.turn.taken(self.token) as mine:
                if not mine:  # cancelled in line: it starts nothing and needs no turn
                    return await self._without_turn()
                await self._take_place(nested)
                try:
                    await self.supervisor.load(self.scope)
                    if self.env.asking.attended:
                        from headway.elicitation.desk import desk_of

                        await desk_of(self.env.log).load()
                    result = await self._in_turn()
                finally:
                    self._place.leave()
            if self.powers.learner is not None:
                from headway.jobs.learning import learn

                await learn(self.powers.learner, self.env.log, self.since, result)
            return result
        except Exception as error:
            await self._close_what_is_open(error)
            raise
        finally:
            self._end()

    async def _take_place(self, nested: bool) -> None:
        about, job = self.submission, self.jobs[0]
        principal = about.principal if about.principal is not None else self.powers.principal
        priority = self.terms.priority
        self._place = self.powers.room.place(self.token, principal=principal, priority=priority, nested=nested)
        if not job.is_aside():
            await self._place.take()

    async def _until_it_may_run(self, job: LiveJob) -> None:
        """Wait without a place, but in the turn, while the job is paused or waits for its retry; not once cancelled."""
        clock = self.env.clock
        while job.is_aside() and not self.token.is_cancelled():
            self._place.leave()
            if not job.paused and job.due_ms is not None and job.due_ms <= clock.time_ms():
                job.due_ms = None
            else:
                await job.changed(clock, None if job.paused else job.due_ms)
            if not job.is_aside():
                await self._place.take()  # and meanwhile it may be paused again
        job.due_ms = None

    async def _close_what_is_open(self, error: Exception) -> None:
        """Give a job that was recorded, and that a fault of ours kept from running, its end."""
        job = self.jobs[-1]
        if job.plan is not None and job.run is None and not job.end_recorded and not isinstance(error, StoreError):
            _log.exception("job %s: it could not be run", job.job_id)
            with suppress(StoreError):
                await self.supervisor.close_job(job.job_id, describe(error))

    async def _in_turn(self) -> ProposalResult:
        if self._begin is not None:
            ended = await self._begin(self, self.jobs[0])
            if ended is not None:
                return ended
        return await self._work(self._replanned)

    async def _without_turn(self) -> ProposalResult:
        job_id = self.jobs[0].job_id
        if self._begin is not None and await self.supervisor.history.known(job_id):
            raise Conflict(f"job '{job_id}' was to resume, and was cancelled before its turn came: it may resume later")
        return await self._work(lambda plan: self._once(plan, in_turn=False))

    async def _work(self, execute: Callable[[ActionProposal], Awaitable[ProposalResult]]) -> ProposalResult:
        candidates = self.submission.candidates
        if candidates is not None:
            from headway.jobs.candidates import run_best

            return await run_best(self, candidates, execute)
        job = self.jobs[0]
        plan = job.plan.proposal if job.plan is not None else self.submission.proposal
        return await execute(plan)

    async def _replanned(self, plan: ActionProposal) -> ProposalResult:
        """Run ``plan``, and other plans while runs abort and the replan callback has one."""
        own = self.submission.replanning
        replan = own if own is not None else self.powers.replan

        left = replan.config.max_replans

        async def once(plan: ActionProposal, **lineage: Any) -> ProposalResult:
            nonlocal left
            self.replanning = False
            result = await self._once(plan, **lineage)
            self.replanning = replan.enabled and left > 0 and result.outcome == "aborted"
            left -= 1
            return result

        try:
            compat = self.submission.compat or self.powers.compat
            return await execute_and_replan(once, plan, replan, self.env, self.scope.state, self.token, compat)
        finally:
            self.replanning = False

    def _end(self) -> None:
        self.unlink()
        for job in self.jobs:
            self.supervisor.ended(job)
        self._tell()

    def spec(self, job_id: str, plan: ActionProposal) -> admission.JobSpec:
        """Return what the log keeps of one of the course's jobs beside its plan."""
        about = self.submission
        return admission.JobSpec(
            job_id,
            self.scope.name,
            about.source if about.source is not None else plan.source,
            about.title or admission.title_of(plan),
            about.context_id,
            about.principal if about.principal is not None else self.powers.principal,
            dict(about.origin or {}),
            self.session,
            about.budget.to_dict() if about.budget is not None else None,
            self.remote,
            about.tenant,
            sorted(about.reach) if about.reach is not None else None,
            self.env.code.digest if self.env.code is not None else "",
            self._policies(),
            self.terms,
        )

    def _policies(self) -> Sources:
        """Return the file policies of the start of a job that begins now: those of today, and of what it continues."""
        present = self.env.gates.policies.sources
        return (*self.pinned, *(pair for pair in present if pair not in self.pinned))

    # -- one plan ----------------------------------------------------------------------------------------------------

    async def _once(self, plan: ActionProposal, *, in_turn: bool = True, **lineage: Any) -> ProposalResult:
        job, self._fresh = self._fresh, None
        if job is None:
            job = self._job(new_id(), lineage.get("replan_of", {}).get("job_id"))
        if job.plan is None:
            rejected = await self._admit(job, plan, in_turn, lineage)
            if rejected is not None:
                return rejected
        return await self._execute(job, in_turn)

    def _job(self, job_id: str, replaces: str | None = None) -> LiveJob:
        job = LiveJob(job_id, self.token, self.supervisor.log.last_seq)
        job.replaces = replaces
        self.supervisor.hold_job(job)
        self.jobs.append(job)
        self._tell()
        return job

    async def _admit(
        self, job: LiveJob, proposal: ActionProposal, in_turn: bool, lineage: dict[str, Any]
    ) -> ProposalResult | None:
        """Record the job of a plan that admission lets pass; return the rejection of one that it does not."""
        if self.env.log.full:
            raise LogFull
        if job.job_id == self.submission.job_id and await self.supervisor.history.known(job.job_id):
            raise Conflict(f"there is a job '{job.job_id}' already")
        spec = self.spec(job.job_id, proposal)
        kept = admission.plain(proposal)
        log, scope = self.env.log, self.scope
        try:
            about = self.submission
            state = scope.state.raw()
            plan = admission.check(self.env, proposal, state, about.refused, about.reach, remote=self.remote)
        except InvalidPlan as error:
            return await self.rejected(proposal, error, job)
        if in_turn:
            lineage |= scope.record.catch_up(log, scope.state)
        if self.spent:
            lineage["spent"] = dict(self.spent)
        if self.added:
            lineage["topped_up"] = dict(self.added)
        created = spec.created(kept, plan.to_json(), **lineage)
        log.append(created)
        job.admitted(spec, plan)
        return None

    async def rejected(
        self, proposal: ActionProposal, error: InvalidPlan, job: LiveJob | None = None
    ) -> ProposalResult:
        """Record that a plan is refused, as a job that never ran, and return its result."""
        if job is None:
            job, self._fresh = self._fresh or self._job(new_id()), None
        env = self.env
        await self.refuse(job, proposal, error)
        return admission.rejected_result(job.job_id, proposal, error, env.timestamp(env.clock.time_ms()))

    async def refuse(self, job: LiveJob, proposal: ActionProposal, error: InvalidPlan) -> None:
        """Record that a plan is refused, as ``job``, which never ran."""
        spec, log = self.spec(job.job_id, proposal), self.env.log

        def make() -> list[Event]:
            return [log.pack(event)[0] for event in admission.rejection(spec, admission.plain(proposal), error)]

        await log.write(*await self.supervisor.intake.work(len(proposal.actions), make))
        job.end_recorded = True
        self.supervisor.ended(job)

    async def _execute(self, job: LiveJob, in_turn: bool) -> ProposalResult:
        """Run a job to its end; where it is paused, or fails and is tried again, by several runs."""
        while True:
            if in_turn:
                await self._until_it_may_run(job)
            run = self._run_of(job)
            result = await self._run(job, run, in_turn)
            if not run.aside:
                return result
            job.run = None

    def _again(self, run: Run, error: str | None) -> Event | None:
        """Return the event that queues a job for another try: it aborted, and what failed may pass."""
        from headway.jobs.retry import Retries, may_pass  # few jobs are tried again

        job, terms = self.jobs[-1], self.terms
        if run.stop is None or not run.stop.rolls_back or not may_pass(run.results):
            return None
        return Retries(job.attempt, terms.max_retries).next(job.job_id, error, self.env.clock.time_ms())

    def _aside(self, run: Run) -> None:
        """Take note that a run has ended and its job has not: what is asked of the job from now on finds it so."""
        job = self.jobs[-1]
        job.move(JobStatus(run.aside))
        if job.paused:
            job.past = so_far(run, RESUME)
            self.supervisor.changed()
        else:
            from headway.jobs.retry import delay_s

            job.past = None
            job.attempt += 1
            job.due_ms = self.env.clock.time_ms() + round(delay_s(job.attempt) * 1000)

    @property
    def waiting(self) -> bool:
        """True while the course only waits for people: it has no place, and may stay so for long."""
        run = self.jobs[-1].run
        return run is not None and run.waits_for_people

    def leave_waiting(self, run: Run) -> None:
        """End a run without an end of its job, whose questions stay open; the task is to be cancelled next."""
        run.sealed, run.aside = True, "waiting"

    def leave(self) -> None:
        """Leave the place of its run, which only waits for people."""
        self._place.leave()
        self.supervisor.changed()

    async def take(self) -> None:
        """Wait for the place again."""
        await self._place.take()

    def _run_of(self, job: LiveJob) -> Run:
        assert job.plan is not None
        budget, spec = self.submission.budget or self.powers.budget, job.spec
        run = Run(
            self.env,
            job.job_id,
            job.plan,
            self.scope.state,
            self.token,
            BudgetMeter(budget, self.spent, self.added) if budget is not None else None,
            job.prior,
            session=self.session,
            principal=spec.principal if spec is not None else self.powers.principal,
            past=job.past,
            remote=self.remote,
            pinned=spec.policies if spec is not None else self.pinned,
            scope=self.scope.name,
            approval=self.terms.approval,
        )
        run.on_aside = self._aside
        run.seat = self
        if self.terms.max_retries:
            run.again = self._again
        return run

    async def _run(self, job: LiveJob, run: Run, in_turn: bool) -> ProposalResult:
        scope, state = self.scope, self.scope.state
        if in_turn:  # also of a job that was admitted before its turn: other code may have set the state since
            scope.record.catch_up(self.env.log, state)
        job.run = run
        if in_turn:
            scope.turn.run = scope.last = run
        if not self.token.is_cancelled():
            job.move(JobStatus.RUNNING)
        before = state.revision
        try:
            with self._watched(run):
                result = await run.execute()
            if not run.aside:
                job.move(JobStatus(result.status))
        except StoreError as error:
            await self._broken(job, run, error)
            raise
        finally:
            job.end_recorded = run.sealed and not run.aside and run.refused is None
            if run.meter is not None:
                self.spent.update(run.meter.spent)
                self.added = dict(run.meter.added)
            if in_turn and run.refused is None and state.revision == before + run.commits:
                scope.record.note(state)
            elif in_turn and not scope.follows_log:
                scope.record.forget()  # other code changed the state meanwhile, or the log did not take all of it
            if not run.aside:
                self.supervisor.ended(job)
            run.on_aside = run.again = run.seat = None  # a course that has ended is gone: nothing leads around to it
        return result

    def _watched(self, run: Run) -> AbstractContextManager[object]:
        if not self.terms.limited:
            return nullcontext()
        from headway.jobs.watch import Watch

        return Watch(run, self.terms, self.env.clock)

    async def _broken(self, job: LiveJob, run: Run, error: StoreError) -> None:
        """See to a job whose end is not on disk: who waits for it may have to wait until the log takes one."""
        if not self.scope.follows_log:
            return
        _log.error("job %s: its end is not on disk yet: %s", job.job_id, error)
        if run.refused is not None:
            await self.supervisor.close_when_possible(job)
            self.scope.loaded = False  # what it changed is not in the log
            await self.supervisor.load(self.scope)

    # -- for those who follow it -------------------------------------------------------------------------------------

    async def job_at(self, index: int) -> LiveJob | None:
        """Return the course's job number ``index``, waiting until there is one; None if the course ends before."""
        while index >= len(self.jobs):
            if self.task.done():
                return None
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            waiting: list[asyncio.Future[Any]] = [self._next, self.task]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        return self.jobs[index]

    def _tell(self) -> None:
        following, self._next = self._next, None
        if following is not None and not following.done():
            following.set_result(None)
