"""The supervisor: the one owner of running on a log. It holds the scopes and the live jobs, and starts every run.

:class:`headway.Runtime` and :class:`headway.Engine` are faces over it; those on one log share one supervisor, so that
a scope has one state and one line whoever works on it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from headway.cancellation import CancellationToken
from headway.clock import Clock
from headway.errors import Closing, Conflict, InvalidInput, InvalidPlan, LogFull, StoreError
from headway.events import kinds
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.log import EventLog
from headway.events.views import JobRow, RunView
from headway.execution.resumption import RESUME
from headway.jobs import admission
from headway.jobs.course import Begin, Course
from headway.jobs.job import LiveJob
from headway.jobs.scope import PRIVATE, Scope, fresh_scope
from headway.jobs.state_log import StateLog
from headway.jobs.transitions import JobStatus, Operation, require
from headway.plan.format import new_id
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.jobs.external import ExternalJob, Externals
    from headway.jobs.history import History
    from headway.jobs.intake import Intake
    from headway.jobs.powers import Powers
    from headway.jobs.submission import Submission
    from headway.plan.graph import Graph
    from headway.plan.results import ProposalResult
    from headway.store import Store

T = TypeVar("T")

RETRY_S = 1.0
"""Seconds between two attempts to give a job its end in a log that takes nothing."""

CLOSE_GRACE_S = 5.0
KILL_WAIT_S = 2.0


class Supervisor:
    """Use :func:`supervisor_of`."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.draining: str | None = None
        self.shared = False  # an Engine's: a face that brings no state takes what the log has
        self.plan_bytes = 0
        self._owned: dict[str, Scope] = {}  # by faces with a state of their own: a later one finds it
        self._scopes: WeakValueDictionary[str, Scope] = WeakValueDictionary()
        self._jobs: dict[str, LiveJob] = {}
        self._courses: dict[Course, None] = {}
        self._news: asyncio.Future[None] | None = None  # who waits until nothing works is told of pauses
        self._begun: set[asyncio.Task[Any]] = set()  # what is carried through though who asked for it went away

    @property
    def store(self) -> Store:
        """The store that the log's past is read from."""
        from headway.store import store_of

        return store_of(self.log)

    @property
    def history(self) -> History:
        """The history of jobs of any age, as the log has it."""
        from headway.jobs.history import History

        return History(self.store)

    @cached_property
    def intake(self) -> Intake:
        """How much is taken, and where large plans are admitted."""
        from headway.jobs.intake import Intake  # a program that only executes needs none

        return Intake(self)

    @cached_property
    def externals(self) -> Externals:
        """The jobs that are done elsewhere."""
        from headway.jobs.external import Externals

        return Externals(self)

    # -- scopes ------------------------------------------------------------------------------------------------------

    def scope(self, name: str) -> Scope:
        """Return the scope of that name; its state is loaded from the log before it is first used."""
        found = self._scopes.get(name)
        return found if found is not None else self.adopt(Scope(name))

    def uses(self, name: str) -> bool:
        """Return whether somebody still holds the scope of that name: a run, a face or a program."""
        return name in self._scopes

    def adopt(self, scope: Scope) -> Scope:
        """Make ``scope`` the one of its name; :class:`Conflict` if there is another, or it is another log's."""
        if scope.log is not None and scope.log is not self.log:
            raise Conflict(f"scope '{scope.name}' is in use on another log, which knows its state: take a new one")
        found = self._scopes.setdefault(scope.name, scope)
        if found is not scope:
            raise Conflict(f"this log has a scope '{scope.name}' in use already, with another state")
        scope.log = self.log
        return scope

    def own(self, name: str, state: StateStore | Mapping[str, Any] | None) -> Scope:
        """Return the scope of a face that brings its state along, or shares that of a face before it.

        Raises :class:`Conflict` for a state object other than the one in use, or while a run works on that.
        """
        found = self._scopes.get(name)
        if found is None and state is None and self.shared:
            return self.scope(name)
        if found is None:
            found = self._owned[name] = Scope(name, state if state is not None else {})
            found.record = StateLog(name, {} if self.log.last_seq == 0 else None)
            return self.adopt(found)
        if state is None or state is found.state:
            return found
        if isinstance(state, StateStore):
            raise Conflict(f"scope '{name}' of this log has a state already: share that, or name another scope")
        if found.busy:
            raise Conflict(f"a run is working on scope '{name}': its state cannot be set now")
        found.state.replace(state)
        return found

    async def load(self, scope: Scope) -> None:
        """Read the state of a scope that the log decides, if that has not been done."""
        if scope.loaded:
            return
        await self.log.flush()  # what waits for the disk counts
        values = await self.store.scope_state(scope.name)
        if not scope.loaded:  # nobody has been faster: what runs on it since must not be lost
            scope.state.replace(values)
            scope.record.note(scope.state)
            scope.loaded = True

    async def take_state(self, scope: Scope) -> None:
        """Make the state of ``scope`` what the log says."""
        scope.state.replace(await self.store.scope_state(scope.name))
        scope.record.note(scope.state)

    @asynccontextmanager
    async def hold(self, scope: Scope) -> AsyncIterator[Scope]:
        """Hold a scope, its state loaded, so that submissions and restores come to it one after the other."""
        async with scope.lock:
            await self.load(scope)
            yield scope

    # -- live jobs ---------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[LiveJob]:
        return iter(list(self._jobs.values()))

    def get(self, job_id: str) -> LiveJob | None:
        """Return the live job of that id."""
        return self._jobs.get(job_id)

    def held(self, job_id: str) -> LiveJob | ExternalJob | None:
        """Return the job of that id whose end this process will hear of: live, or done elsewhere."""
        return self._jobs.get(job_id) or self.externals.get(job_id)

    def hold_job(self, job: LiveJob) -> None:
        """Keep a job until :meth:`ended`; :class:`Conflict` if there is one of its id."""
        if self._jobs.setdefault(job.job_id, job) is not job:
            raise Conflict(f"there is a job '{job.job_id}' already")

    def ended(self, job: LiveJob) -> None:
        """Let go of a job that has its end, and tell who waits for it."""
        if self._jobs.pop(job.job_id, None) is not None:
            self.plan_bytes -= job.size
            if self.log.desk is not None:
                self.log.desk.forget(job.job_id)
        job.done.set()

    def waiting(self, most: int) -> int:
        """Return how many jobs wait for their turn, or are being admitted; from ``most`` on exactly."""
        admitting = len(self._begun)
        if len(self._courses) + admitting < most:
            return len(self._courses) + admitting
        return admitting + sum(course.jobs[-1].run is None for course in self._courses)

    # -- starting ----------------------------------------------------------------------------------------------------

    def ready(self) -> None:
        """Raise :class:`Closing` while shutting down, :class:`LogFull` while the disk is full."""
        if self.draining is not None:
            raise Closing(f"no new work is taken: {self.draining}")
        if self.log.full:
            raise LogFull

    def start(
        self,
        powers: Powers,
        submission: Submission,
        scope: Scope,
        token: CancellationToken | None = None,
        *,
        job_id: str | None = None,
        begin: Begin | None = None,
    ) -> Course:
        """Put a submission in the line of its scope and return its course immediately.

        Raises :class:`Conflict` where no event loop runs.
        """
        if self.draining is not None:
            raise Closing(f"no new work is taken: {self.draining}")
        _require_loop()
        course = Course(self, powers, submission, scope, token or CancellationToken(), job_id=job_id, begin=begin)
        self.launch(course)
        return course

    def launch(self, course: Course) -> None:
        """Let a course run, in the line of its scope."""
        course.scope.courses[course] = None
        self._courses[course] = None
        course.task = asyncio.get_running_loop().create_task(course.run(), name=f"headway-{course.jobs[0].job_id}")
        course.task.add_done_callback(lambda task: self._over(course, task))

    def _over(self, course: Course, task: asyncio.Task[ProposalResult]) -> None:
        self._courses.pop(course, None)
        course.scope.courses.pop(course, None)
        for job in course.jobs:
            self.ended(job)  # a task cancelled before its first step has not done so itself
        if not task.cancelled():
            task.exception()  # seen: who awaits the course gets it, and the log has told it

    async def submit(self, powers: Powers, submission: Submission) -> Course:
        """Admit a submission, commit its job and put it in the line of its scope; see :meth:`Engine.submit`."""
        self.ready()
        self.intake.check(submission.proposal)
        if submission.job_id is not None and await self.known(submission.job_id):
            raise Conflict(f"there is a job '{submission.job_id}' already")
        return await self.carry_through(self._submit(powers, submission))

    async def _submit(self, powers: Powers, submission: Submission) -> Course:
        if submission.candidates is not None:
            raise InvalidInput("candidates are ranked when their turn comes: hand them to plan_and_execute")
        job_id, name = submission.job_id or new_id(), submission.scope
        scope = self.scope(name) if name is not None else self.adopt(fresh_scope(f"{PRIVATE}{job_id}"))
        course = Course(self, powers, submission, scope, CancellationToken(), job_id=job_id)
        proposal, job = submission.proposal, course.jobs[0]
        spec, count = course.spec(job_id, proposal), len(proposal.actions)
        try:
            async with self.hold(scope):
                self.ready()
                state = scope.state.raw()

                def admit() -> tuple[Graph, Event, int]:
                    plan = admission.check(
                        powers.env, proposal, state, submission.refused, submission.reach, remote=course.remote
                    )
                    return plan, *self.log.pack(spec.created(admission.plain(proposal), plan.to_json()))

                try:
                    plan, created, size = await self.intake.work(count, admit)
                except InvalidPlan as error:
                    if not submission.record_rejected:
                        raise
                    await course.refuse(job, proposal, error)
                    return course
                size = self.intake.weight(size, count)
                self.intake.room_for(size)
                job.size = size
                self.plan_bytes += size
                job.admitted(spec, plan)
                scope.admitting += 1
                try:
                    await self.enqueue(course, created)
                finally:
                    scope.admitting -= 1
        except BaseException:
            self.ended(job)
            raise
        return course

    async def enqueue(self, course: Course, created: Event, *more: Event) -> None:
        """Commit a course's first job and start it. One that the disk refuses has ended when the log takes it."""
        try:
            await self.log.write(created, *more)
        except StoreError as error:
            from headway.jobs.closing import closing_events

            with contextlib.suppress(StoreError):  # the log did not keep the job either
                view = fold(RunView(job=JobRow(job_id=course.jobs[0].job_id)), created)
                self.log.append(*closing_events(view, error.message))
            raise
        self.launch(course)

    async def known(self, job_id: str) -> bool:
        """Return whether there is a job of that id, live or in the log."""
        return job_id in self._jobs or await self.history.known(job_id)

    async def carry_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` to its end though the task that asked for it is cancelled: nothing may stop half-way."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    # -- steering ----------------------------------------------------------------------------------------------------

    async def wait(self, job: LiveJob | ExternalJob, timeout: float | None, clock: Clock) -> bool:
        """Wait for a live job's end, at most ``timeout`` seconds; return whether it came."""
        came = await _all_done([job], timeout, clock)
        if came:
            with contextlib.suppress(StoreError):
                await self.log.flush()  # the end of one whose task was cancelled may be on its way
        return came

    async def cancel(self, job_id: str, reason: str, by: str = "", *, kill: bool = False) -> str:
        """Ask a job to stop; the request is on disk when this returns. See :meth:`headway.Engine.cancel`.

        Of a job that has aborted and is being replanned, the replanning stops.
        """
        if job_id in self.externals:
            return await self.externals.cancel(job_id, reason, by, kill=kill)
        job = self._jobs.get(job_id)
        if job is None and self._begun and not (await self.store.job(job_id)).finished:
            await asyncio.wait(self._begun)  # it is on disk, and on its way into its line
            job = self._jobs.get(job_id)
        for course in self._courses if job is None else ():
            if course.replanning and course.jobs[-1].job_id == job_id:  # it has ended, what replaces it is yet to come
                (course.token.kill if kill else course.token.cancel)(reason, by)
                await self.log.flush()
                return "requested"
        if job is not None and job.ending:
            await job.done.wait()  # its end is told once it is on disk
        if job is None or job.ending:
            await self.log.flush()  # what is told is on disk
            if not (await self.store.job(job_id)).finished:
                raise Conflict(f"job '{job_id}' does not run here, and has no end in the log")
            return "already_finished"
        (job.token.kill if kill else job.token.cancel)(reason, by)
        if job.standing:
            await job.done.wait()
            if not (await self.store.job(job_id)).finished:
                raise Conflict(f"job '{job_id}' was to resume and does not any more; it has no end in the log")
            return "forced"
        await self.log.flush()
        return "requested"

    async def pause(self, job_id: str, reason: str, by: str = "") -> str:
        """Have a job start nothing more; the request is on disk when this returns.

        Returns "paused", or "requested" while calls are in flight. Raises :class:`InvalidTransition` for a job that is
        paused or has ended, :class:`Conflict` for one that is being stopped, :class:`NotFound`.
        """
        if job_id in self.externals:
            return await self.externals.pause(job_id, reason, by)
        job = await self._steered(job_id, Operation.PAUSE)
        run = job.run
        if run is None or job.standing:
            job.move(JobStatus.PAUSED)
            self.log.append(Event(kinds.RUN_PAUSED, {"reason": reason, "by": by}, job_id))
            job.tell()
            self.changed()
            answer = "paused"
        elif run.stopping:
            raise Conflict(f"job '{job_id}' is being stopped: it cannot be paused")
        else:
            run.pause(reason, by)
            answer = "requested"
        await self.log.flush()
        return answer

    async def resume(self, job_id: str, by: str = "") -> str:
        """Put a paused job back into the queue, on disk when this returns; return "queued".

        Raises :class:`InvalidTransition` for one that is not paused, :class:`NotFound`.
        """
        if job_id in self.externals:
            return await self.externals.resume(job_id, by)
        from headway.jobs.retry import requeued

        job = await self._steered(job_id, Operation.RESUME)
        job.move(JobStatus.QUEUED)
        self.log.append(requeued(job_id, RESUME, by=by))
        job.tell()
        await self.log.flush()
        return "queued"

    async def retry_now(self, job_id: str) -> None:
        """Let a job that waits for its retry run as soon as there is a place; :class:`Conflict` for any other."""
        if job_id in self.externals:
            self.externals.due_now(job_id)
            return
        job = self._jobs.get(job_id)
        if job is None or job.due_ms is None or job.paused:
            raise Conflict(f"job '{job_id}' does not wait for a retry")
        job.due_ms = None
        job.tell()

    async def _steered(self, job_id: str, operation: Operation) -> LiveJob:
        """Return a live job of which ``operation`` may be asked now."""
        job = self._jobs.get(job_id)
        if job is not None and job.ending:
            await job.done.wait()
            job = None
        if job is None or job.plan is None:
            require(job_id, (await self.store.job(job_id)).status, operation)
            raise Conflict(f"job '{job_id}' does not run here")
        require(job_id, job.status, operation)
        if job.token.is_cancelled():
            raise Conflict(f"job '{job_id}' is being cancelled")
        return job

    def changed(self) -> None:
        """Have who waits until nothing works look again: a job was paused."""
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)

    async def close_when_possible(self, job: LiveJob) -> None:
        """Wait until a job whose run the log did not take whole has its end there: somebody may wait for that.

        A log that is closed leaves it to the next process.
        """
        while not self.log.closed:
            await self.log.clock.sleep(RETRY_S)
            with contextlib.suppress(StoreError):
                await self.close_job(job.job_id, "the log could not take all that it did")
                return

    async def close_job(self, job_id: str, *why: str) -> None:
        """End a job as the log has it, if it has no end there."""
        from headway.jobs.closing import closing_events

        await self.log.flush()
        view = await self.store.run_view(job_id)
        if not view.job.finished:
            await self.log.write(*closing_events(view, *why))

    def busy(self) -> int:
        """Return the number of submissions that have something to come: a run, or the plan that replaces it."""
        courses = [
            c
            for c in self._courses
            if c.replanning or not (c.waiting or all(job.done.is_set() or job.paused for job in c.jobs))  # may stay so
        ]
        return len(courses) or len(self._begun)

    async def idle(self) -> None:
        """Wait until nothing runs, waits or is on its way, but for what is paused. What comes meanwhile counts too."""
        while True:
            first = next((c for c in self._courses if not (c.jobs[-1].paused or c.waiting)), None)
            if self._begun:
                await asyncio.wait(self._begun)
            elif first is None:
                return
            else:
                if self._news is None:
                    self._news = asyncio.get_running_loop().create_future()
                either: list[asyncio.Future[Any]] = [first.task, self._news]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)

    async def stop(self, reason: str, grace: float, clock: Clock, courses: Iterable[Course] | None = None) -> None:
        """Cancel courses (all, by default), kill what is left after ``grace`` seconds, and wait for their end."""
        aside: list[Course] = []
        if courses is None:
            while self._begun:
                await asyncio.wait(list(self._begun))
        chosen = [c for c in (self._courses if courses is None else courses) if not c.task.get_loop().is_closed()]
        if courses is None:  # what waits to be resumed, or for its retry, does so again in the next process
            self.externals.close()
            for course in chosen:
                run = course.jobs[-1].run
                if run is not None and course.waiting and not run.calling:  # and what waits for a person
                    course.leave_waiting(run)
                    aside.append(course)
                elif course.jobs[-1].is_aside():
                    aside.append(course)
            chosen = [course for course in chosen if course not in aside]
        jobs = [job for course in chosen for job in course.jobs]
        for course in chosen:
            course.token.cancel(reason)
        for course in aside:  # after those that would have its turn
            course.task.cancel()
        if aside:
            await asyncio.wait([course.task for course in aside])
        if not await _all_done(jobs, grace, clock):
            for course in chosen:
                course.token.kill(reason)
            await _all_done(jobs, KILL_WAIT_S, clock)
        await _tasks_over([course.task for course in chosen], grace, clock)

    async def successor(self, job_id: str) -> str | None:
        """Return the id of the job that replaced ``job_id`` when it aborted, once that is decided; None if none did."""
        for course in self._courses:
            ids = [job.job_id for job in course.jobs]
            if job_id in ids:
                following = await course.job_at(ids.index(job_id) + 1)
                await self.log.flush()  # an id is told once its job is on disk
                if following is None or following.plan is None or following.replaces != job_id:
                    return None  # none, or one that admission refused, or the next candidate: the log says the same
                return following.job_id
        return await self.history.successor(job_id)

    def courses_of(self, powers: Powers) -> list[Course]:
        """Return the courses that one face has started and that have not ended."""
        return [course for course in self._courses if course.powers is powers]


def _require_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise Conflict("a run needs an event loop: in a script, use headway.run_sync(plan)") from None


def supervisor_of(log: EventLog) -> Supervisor:
    """Return the supervisor of a log: one, whoever asks."""
    found = log.supervisor
    if found is None:
        found = log.supervisor = Supervisor(log)
    assert isinstance(found, Supervisor)
    return found


async def _all_done(jobs: Iterable[LiveJob | ExternalJob], seconds: float | None, clock: Clock) -> bool:
    """Wait for the end of all ``jobs``, at most ``seconds``; return whether it came."""
    jobs = list(jobs)
    if all(job.done.is_set() for job in jobs):
        return True
    if seconds is None:
        await _all_ended(jobs)
        return True
    ended = asyncio.ensure_future(_all_ended(jobs))
    timer = clock.call_later(seconds, ended.cancel)
    try:
        await asyncio.wait([ended])
    finally:
        ended.cancel()
        timer.cancel()
    return all(job.done.is_set() for job in jobs)


async def _tasks_over(tasks: list[asyncio.Task[Any]], seconds: float, clock: Clock) -> None:
    """Wait until courses have learned from their runs too, at most ``seconds``; then cancel what has not ended."""
    if not any(not task.done() for task in tasks):
        return
    waiting = asyncio.ensure_future(asyncio.wait(tasks))
    timer = clock.call_later(seconds, waiting.cancel)
    try:
        await asyncio.wait([waiting])
    finally:
        timer.cancel()
        for task in tasks:
            task.cancel()


async def _all_ended(jobs: Iterable[LiveJob | ExternalJob]) -> None:
    for job in jobs:
        await job.done.wait()
