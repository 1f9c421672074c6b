"""External jobs: work that is done elsewhere. Somebody claims a job, says how it goes, and how it ended.

A claim has a lease and a fencing token: what comes with an older token, or after the lease has run out, is refused. A
job whose lease runs out is queued again. The claims are the store's, so that they outlive this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headway.errors import Conflict, InvalidTransition, NotFound, Overloaded
from headway.events import kinds
from headway.events.event import Event
from headway.jobs.retry import Retries, requeued
from headway.jobs.transitions import FINAL, JobStatus, Operation, move, require
from headway.plan.format import new_id
from headway.store.protocol import Claim

if TYPE_CHECKING:
    from headway.clock import TimerHandle
    from headway.events.views import JobRow
    from headway.jobs.supervisor import Supervisor
    from headway.jobs.terms import Terms

REPORT_S = 0.1
"""Seconds between two events of a job's progress; what comes in between is told by the next one."""

GRACE_S = 5.0
"""Seconds that a worker has to stop after a cancel, where the job's terms do not say."""

CLAIMS = "job:"
"""The beginning of the names of claims of jobs."""


class ExternalJob:
    """An external job that has not ended: ``claim`` is set while somebody has it. ``done`` is set with its end."""

    def __init__(self, job_id: str, terms: Terms) -> None:
        self.job_id = job_id
        self.terms = terms
        self.status = JobStatus.QUEUED
        self.done = asyncio.Event()
        self.attempt = 0
        self.due_ms: int | None = None
        self.claim: Claim | None = None
        self.lease_s = 0.0
        self.cancelled: tuple[str, str] | None = None  # why, and by whom
        self.told: dict[str, Any] = {}  # the progress of this try
        self.news: dict[str, Any] = {}  # what of it is not in the log yet
        self.timers: dict[str, TimerHandle] = {}

    def move(self, status: JobStatus) -> None:
        """Take the next status."""
        self.status = move(self.job_id, self.status, status)

    def stop(self, *names: str) -> None:
        """Stop timers: those named, or all."""
        for name in names or list(self.timers):
            timer = self.timers.pop(name, None)
            if timer is not None:
                timer.cancel()


class Externals:
    """The external jobs of one log that have not ended."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._log = supervisor.log
        self._clock = supervisor.log.clock
        self._jobs: dict[str, ExternalJob] = {}

    def __iter__(self) -> Iterator[ExternalJob]:
        return iter(list(self._jobs.values()))

    def get(self, job_id: str) -> ExternalJob | None:
        """Return the external job of that id, if it has not ended."""
        return self._jobs.get(job_id)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __len__(self) -> int:
        return len(self._jobs)

    # -- their life ------------------------------------------------------------------------------------------------

    async def enqueue(self, created: Event, terms: Terms) -> None:
        """Record a job and take it in; nothing is taken in that the log refuses."""
        bounds = self._supervisor.intake.bounds
        if bounds is not None and len(self._jobs) >= bounds.waiting:
            raise Overloaded(f"{len(self._jobs):,} external jobs have not ended, and no more are taken")
        await self._log.write(created)
        assert created.job_id is not None
        self._jobs[created.job_id] = ExternalJob(created.job_id, terms)

    async def recover(self, row: JobRow, terms: Terms) -> None:
        """Take in a job that an earlier process left: its worker may still be at it, as long as its lease runs."""
        job = self._jobs[row.job_id] = ExternalJob(row.job_id, terms)
        job.status, job.attempt, job.due_ms = JobStatus(row.status), row.attempt, row.next_retry_ms
        if job.status is not JobStatus.RUNNING:
            return
        if row.cancel_reason is not None:
            self._end(job, kinds.JOB_CANCELLED, JobStatus.CANCELLED, {"reason": row.cancel_reason})
            return
        claim = await self._supervisor.store.claimed(CLAIMS + row.job_id)
        now = self._clock.time_ms()
        if claim is None or claim.until_ms <= now:
            self._lapse(job, "restart")
            return
        job.claim, job.lease_s = claim, (claim.until_ms - now) / 1000
        self._watch_lease(job)
        self._watch_wall(job, (now - (row.started_ms or now)) / 1000)

    async def claim(self, job_id: str, worker: str, lease_s: float) -> Claim:
        """Give a queued job to a worker, for ``lease_s`` seconds, and record that it runs."""
        job = await self._of(job_id, Operation.START)
        if job.due_ms is not None and job.due_ms > self._clock.time_ms():
            raise InvalidTransition(f"job {job_id} waits for its retry and cannot be set running yet")
        # Of several workers the store gives the claim to one: each has an owner of its own.
        claim = await self._supervisor.store.claim(CLAIMS + job_id, f"{worker}#{new_id()}", lease_s)
        if job.status is not JobStatus.QUEUED:  # paused or cancelled meanwhile
            await self._supervisor.store.release(claim)
            require(job_id, job.status, Operation.START)
        data = {"worker": worker, "token": claim.token, "lease_until_ms": claim.until_ms}
        self._log.append(Event(kinds.JOB_STARTED, data, job_id))
        job.move(JobStatus.RUNNING)
        job.claim, job.lease_s, job.due_ms, job.told = claim, lease_s, None, {}
        self._watch_lease(job)
        self._watch_wall(job)
        await self._log.flush()
        return claim

    async def progress(self, job_id: str, token: int, progress: float | None, detail: str | None) -> dict[str, Any]:
        """Take note of a worker's progress, which also renews its lease; return what it has told so far."""
        job = await self._held(job_id, token, Operation.PROGRESS)
        given = {"progress": progress, "detail": detail}
        job.news |= {name: value for name, value in given.items() if value is not None}
        job.told |= job.news
        if "report" not in job.timers:
            self._report(job)
            job.timers["report"] = self._clock.call_later(REPORT_S, self._report_again, job)
        await self._renew(job)
        return dict(job.told)

    async def complete(self, job_id: str, token: int, output: Any) -> None:
        """End a job well."""
        job = await self._held(job_id, token, Operation.COMPLETE)
        data = {"output": output} if output is not None else {}
        await self._close(job, kinds.JOB_COMPLETED, JobStatus.COMPLETED, data)

    async def fail(self, job_id: str, token: int, error: str, *, retryable: bool) -> None:
        """End a try that failed: queue the job for its next one, or for good. After a cancel it is cancelled."""
        job = await self._held(job_id, token, Operation.FAIL)
        if job.cancelled is not None:
            await self._close(job, kinds.JOB_CANCELLED, JobStatus.CANCELLED, {"reason": job.cancelled[0]})
            return
        again = Retries(job.attempt, job.terms.max_retries).next(job_id, error, self._clock.time_ms())
        if not retryable or again is None:
            outcome = {"outcome": "retries_exhausted"} if retryable and job.terms.max_retries else {}
            await self._close(job, kinds.JOB_FAILED, JobStatus.FAILED, {"error": error, **outcome})
            return
        self._report(job)
        self._log.append(again)
        job.attempt, job.due_ms = again.data["attempt"], again.data["next_retry_ms"]
        await self._let_go(job)

    async def cancel(self, job_id: str, reason: str, by: str, *, kill: bool = False) -> str:
        """Cancel a job: see :meth:`Supervisor.cancel`. A worker who does not stop within the grace loses its claim."""
        job = self._jobs[job_id]
        if job.status is not JobStatus.RUNNING:
            self._request(job, reason, by)
            await self._close(job, kinds.JOB_CANCELLED, JobStatus.CANCELLED, {"reason": reason})
            return "forced"
        self._request(job, reason, by)
        if kill:
            await self._close(job, kinds.JOB_CANCELLED, JobStatus.CANCELLED, {"reason": reason, "outcome": "killed"})
            return "forced"
        if "grace" not in job.timers:
            grace = job.terms.grace_s if job.terms.grace_s is not None else GRACE_S
            job.timers["grace"] = self._clock.call_later(grace, self._overdue, job)
        await self._log.flush()
        return "requested"

    async def pause(self, job_id: str, reason: str, by: str) -> str:
        """Keep a queued job from being claimed; one that runs is its worker's, and cannot be paused."""
        job = await self._of(job_id, Operation.PAUSE)
        if job.status is JobStatus.RUNNING:
            raise Conflict(f"job {job_id} is in the hands of a worker elsewhere: it cannot be paused")
        job.move(JobStatus.PAUSED)
        self._log.append(Event(kinds.RUN_PAUSED, {"reason": reason, "by": by}, job_id))
        await self._log.flush()
        return "paused"

    async def resume(self, job_id: str, by: str) -> str:
        """Let a paused job be claimed again."""
        job = await self._of(job_id, Operation.RESUME)
        job.move(JobStatus.QUEUED)
        self._log.append(requeued(job_id, "resume", by=by))
        await self._log.flush()
        return "queued"

    def due_now(self, job_id: str) -> None:
        """Let a job that waits for its retry be claimed immediately; :class:`Conflict` for one that does not."""
        job = self._jobs[job_id]
        if job.status is not JobStatus.QUEUED or job.due_ms is None or job.due_ms <= self._clock.time_ms():
            raise Conflict(f"job '{job_id}' does not wait for a retry")
        job.due_ms = None

    def close(self) -> None:
        """Stop all timers: the log is about to close, and the next process goes by it."""
        for job in self._jobs.values():
            if job.news:
                self._report(job)
            job.stop()
            job.done.set()  # nothing more is heard of it here

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _of(self, job_id: str, operation: Operation) -> ExternalJob:
        """Return a job of which ``operation`` may be asked now."""
        job = self._jobs.get(job_id)
        if job is None:
            row = await self._supervisor.store.job(job_id)
            if not row.external:
                raise Conflict(f"job {job_id} is run here, not by a worker elsewhere: its run says how it goes")
            require(job_id, row.status, operation)
            raise NotFound(f"there is no job '{job_id}'")
        require(job_id, job.status, operation)
        return job

    async def _held(self, job_id: str, token: int, operation: Operation) -> ExternalJob:
        """Return a job whose claim has this token and still runs."""
        job = await self._of(job_id, operation)
        claim = job.claim
        if claim is None or claim.token != token:
            raise Conflict(f"the token of job {job_id} is stale: it has been claimed anew, or given back")
        if claim.until_ms <= self._clock.time_ms():
            raise Conflict(f"the lease of job {job_id} has run out")
        return job

    async def _renew(self, job: ExternalJob) -> None:
        """Renew a lease of which a third is gone; a worker that reports often costs no more writes than that."""
        claim = job.claim
        if claim is None or claim.until_ms - self._clock.time_ms() > job.lease_s * 1000 * 2 / 3:
            return
        renewed = await self._supervisor.store.renew(claim, job.lease_s)
        if job.claim is claim:
            job.claim = renewed

    def _watch_lease(self, job: ExternalJob) -> None:
        assert job.claim is not None
        left = (job.claim.until_ms - self._clock.time_ms()) / 1000
        job.timers["lease"] = self._clock.call_later(max(0.001, left), self._lease_over, job, job.claim.token)

    def _watch_wall(self, job: ExternalJob, gone: float = 0.0) -> None:
        if job.terms.wall_s is not None:
            job.timers["wall"] = self._clock.call_later(max(0.001, job.terms.wall_s - gone), self._too_long, job)

    def _lease_over(self, job: ExternalJob, token: int) -> None:
        if job.status is not JobStatus.RUNNING or job.claim is None or job.claim.token != token or self._log.closed:
            return
        if job.claim.until_ms > self._clock.time_ms():  # it has been renewed
            self._watch_lease(job)
        elif job.cancelled is not None:
            self._overdue(job)
        else:
            self._lapse(job, "lease")

    def _lapse(self, job: ExternalJob, why: str) -> None:
        """Queue a job again whose worker was not heard of."""
        self._report(job)
        self._log.append(requeued(job.job_id, why))
        job.move(JobStatus.QUEUED)
        job.claim, job.lease_s = None, 0.0
        job.stop()

    def _request(self, job: ExternalJob, reason: str, by: str) -> None:
        if job.cancelled is None:
            job.cancelled = reason, by
            self._log.append(Event(kinds.RUN_CANCEL_REQUESTED, {"reason": reason, "by": by}, job.job_id))

    def _overdue(self, job: ExternalJob) -> None:
        """The worker did not stop: it is cancelled all the same, and whatever the worker says comes too late."""
        if job.job_id in self._jobs and not self._log.closed:
            reason = job.cancelled[0] if job.cancelled is not None else ""
            self._end(job, kinds.JOB_CANCELLED, JobStatus.CANCELLED, {"reason": reason, "outcome": "cancel_timeout"})

    def _too_long(self, job: ExternalJob) -> None:
        if job.job_id in self._jobs and job.status is JobStatus.RUNNING and not self._log.closed:
            error = f"it ran longer than {job.terms.wall_s:g} s"
            self._end(job, kinds.JOB_FAILED, JobStatus.FAILED, {"error": error, "outcome": "wall_timeout"})

    def _report_again(self, job: ExternalJob) -> None:
        del job.timers["report"]
        if job.news and not self._log.closed:
            self._report(job)
            job.timers["report"] = self._clock.call_later(REPORT_S, self._report_again, job)

    def _report(self, job: ExternalJob) -> None:
        news, job.news = job.news, {}
        if news:
            self._log.append(Event(kinds.JOB_PROGRESS, news, job.job_id))

    def _end(self, job: ExternalJob, kind: str, status: JobStatus, data: dict[str, Any]) -> None:
        assert status in FINAL
        self._report(job)
        self._log.append(Event(kind, {**data, "cost": {}}, job.job_id, proposal_id=job.job_id))
        job.move(status)
        job.stop()
        job.done.set()
        del self._jobs[job.job_id]

    async def _close(self, job: ExternalJob, kind: str, status: JobStatus, data: dict[str, Any]) -> None:
        claim = job.claim
        self._end(job, kind, status, data)
        await self._log.flush()
        if claim is not None:
            await self._supervisor.store.release(claim)

    async def _let_go(self, job: ExternalJob) -> None:
        """Give a job back to the queue, with its claim."""
        claim, job.claim = job.claim, None
        job.move(JobStatus.QUEUED)
        job.stop()
        await self._log.flush()
        if claim is not None:
            await self._supervisor.store.release(claim)
