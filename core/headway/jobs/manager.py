"""The job API: what may be done with jobs by name, over the supervisor and the store.

A job runs a plan, a named workflow or a registered tool in the pool of this process, or is external: done elsewhere, by
a worker who claims it. Every change is an event; what a method returns is on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from headway.arguments import expect, expect_call, expect_one_of, plain, plain_or_empty
from headway.client.wire import BulkReport, JobHistory
from headway.errors import Conflict, InvalidInput, NotFound
from headway.events.views import EXTERNAL, JobRow
from headway.jobs.admission import JobSpec
from headway.jobs.admission import plain as recorded
from headway.jobs.bulk import bulk
from headway.jobs.checkpoints import fork
from headway.jobs.recovery import submission_of
from headway.jobs.scope import PRIVATE
from headway.jobs.submission import MAX_ID, MAX_TEXT, Proposal, Submission
from headway.jobs.terms import GRACE_S, MAX_RETRIES, Terms
from headway.jobs.transitions import JobStatus
from headway.jsonvalue import encode_plain, to_json
from headway.numbers import number_between, positive_seconds, whole_number
from headway.plan.builder import Plan
from headway.plan.format import ActionProposal, new_id
from headway.plan.parse import as_proposal
from headway.store.protocol import Claim

if TYPE_CHECKING:
    from pathlib import Path

    from headway.jobs.invocation import Invocation, ToolCall
    from headway.jobs.powers import Powers
    from headway.jobs.supervisor import Supervisor
    from headway.limits.budget import CostBudget

_status = attrgetter("status")

LEASE_S = 30.0
"""Seconds for which a worker has an external job, unless it reports; by default."""

LONGEST_LEASE_S = 86_400.0

PAGE = 100
"""Jobs or events of a page, by default."""

MOST = 1000
"""The most that a page may have."""

Workflow = Callable[[str], Awaitable[ActionProposal]]
"""Reads the plan of a workflow by its name; raises :class:`NotFound` for one that there is not."""


class AppStatus(msgspec.Struct, frozen=True):
    """A page of the jobs, newest first, as of the event ``as_of_seq``: the events after it lead on from there.

    ``next_before`` is where the next page goes on, if there is one. ``unfinished`` counts the jobs that this process
    holds and that have not ended, by status.
    """

    as_of_seq: int
    jobs: list[JobRow]
    unfinished: dict[str, int]
    next_before: int | None = None
    complete: bool = True


class JobManager:
    """The job API of one log, with the powers of one face. ``workflow`` reads workflows by name."""

    def __init__(self, supervisor: Supervisor, powers: Powers, workflow: Workflow | None = None) -> None:
        self._supervisor = supervisor
        self._powers = powers
        self._workflow = workflow
        self._keys = asyncio.Lock()  # requests with a key, one after the other: the second finds the first

    # -- in ----------------------------------------------------------------------------------------------------------

    async def enqueue_job(
        self,
        name: str,
        plan: Proposal | None = None,
        *,
        workflow: str | None = None,
        call: str | Callable[..., Any] | None = None,
        arguments: Mapping[str, Any] | None = None,
        key: str | None = None,
        priority: int = 0,
        max_retries: int = MAX_RETRIES,
        wall_s: float | None = None,
        idle_s: float | None = None,
        grace_s: float | None = GRACE_S,
        principal: str | None = None,
        tenant: str | None = None,
        context_id: str | None = None,
        budget: CostBudget | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> JobRow:
        """Queue a job, called ``name`` in lists, and return its row.

        It runs a ``plan``, the ``workflow`` of that name, or makes one ``call`` of a registered tool with
        ``arguments``; with none of them it is external, and waits for :meth:`set_job_running`. The same ``key`` (of a
        principal) gives the same job, once; with another request it is a :class:`Conflict`. See :class:`Terms` for
        priority, retries and limits. Raises :class:`InvalidPlan` for what admission refuses, :class:`Overloaded`.
        """
        plain(name, "a job's name", 500)
        if key is not None:
            plain(key, "an idempotency key", MAX_ID)
        work, proposal = await self._work(plan, workflow, call, arguments)
        terms = Terms(
            work=work,
            priority=priority,
            max_retries=max_retries,
            wall_s=wall_s,
            idle_s=idle_s,
            grace_s=grace_s,
        )
        given = {"principal": principal, "tenant": tenant, "context_id": context_id}
        about = Submission(
            proposal if proposal is not None else ActionProposal(actions=[]),
            title=name,
            source="jobs",
            origin=origin,
            job_id=f"job-{new_id()}",
            budget=budget,
            terms=terms,
            **given,  # type: ignore[arg-type]  # texts or None, each of its field
        )
        self._supervisor.ready()
        if key is None:
            return await self._enqueue(about)
        job_id = _id_of(key, principal, tenant)  # of texts: the submission has checked them
        terms = replace(terms, key=_digest(name, work, proposal, context_id))
        async with self._keys:
            if await self._supervisor.known(job_id):
                return await self._same(job_id, terms)
            return await self._enqueue(replace(about, job_id=job_id, terms=terms))

    async def invoke_tool(
        self, call: ToolCall, approval: Any = None, cwd: Path | str | None = None, *, confined: bool = False
    ) -> Invocation:
        """Make one call of a tool as a job, judged in a mode of its own: see :func:`headway.jobs.invocation.invoke`."""
        from headway.jobs.invocation import invoke

        return await invoke(self._supervisor, self._powers, call, approval, cwd, confined=confined)

    async def _work(
        self,
        plan: Proposal | None,
        workflow: str | None,
        call: str | Callable[..., Any] | None,
        arguments: Mapping[str, Any] | None,
    ) -> tuple[str, ActionProposal | None]:
        """Return what the terms call the work, and its plan; None for work that is done elsewhere."""
        if sum(given is not None for given in (plan, workflow, call)) > 1:
            raise InvalidInput("a job runs a plan, a workflow or a call: give one of them")
        if arguments is not None and call is None:
            raise InvalidInput("arguments are those of a call: name the tool")
        if plan is not None:
            return "", as_proposal(plan, compat=self._powers.compat)
        if workflow is not None:
            plain(workflow, "a workflow's name")
            if self._workflow is None:
                raise NotFound(f"there is no workflow '{workflow}'")
            return f"workflow:{workflow}", await self._workflow(workflow)
        if call is None:
            return EXTERNAL, None
        if not isinstance(call, str):
            from headway.tools.decorator import entry_of

            call = entry_of(expect_call(call, "a call")).name
        built = Plan(source="jobs")
        built.call(plain(call, "a tool's name"), **to_json(expect(arguments or {}, Mapping, "arguments")))
        return f"call:{call}", built.proposal()

    async def _enqueue(self, about: Submission) -> JobRow:
        assert about.job_id is not None
        if not about.terms.external:
            course = await self._supervisor.submit(self._powers, about)
            return await self._supervisor.store.job(course.jobs[0].job_id)
        from headway.jobs.admission import refuse_secrets

        refuse_secrets(self._powers.env, job_id=about.job_id, principal=about.principal, context_id=about.context_id)
        spec = JobSpec(
            about.job_id,
            f"{PRIVATE}{about.job_id}",
            source="jobs",
            title=about.title or "",
            context_id=about.context_id,
            principal=about.principal if about.principal is not None else self._powers.principal,
            origin=dict(about.origin or {}),
            tenant=about.tenant,
            terms=about.terms,
        )
        created = spec.created({"id": about.job_id, "actions": []}, {})
        await self._supervisor.externals.enqueue(created, about.terms)
        return await self._supervisor.store.job(about.job_id)

    async def _same(self, job_id: str, terms: Terms) -> JobRow:
        """Return the job of a key that was used before; :class:`Conflict` where that was for another request."""
        from headway.events.kinds import JOB_CREATED

        store = self._supervisor.store
        found = await store.events(job_id=job_id, kinds=[JOB_CREATED], limit=1)
        if found and found[0].data.get("terms", {}).get("key") != terms.key:
            raise Conflict(f"the idempotency key was used for another request: job {job_id}")
        return await store.job(job_id)

    # -- external jobs -----------------------------------------------------------------------------------------------

    async def set_job_running(self, job_id: str, worker: str = "", *, lease_s: float = LEASE_S) -> Claim:
        """Claim a queued external job and return the claim: its ``token`` is what the other calls ask for.

        The lease runs for ``lease_s`` seconds; a report renews it. Without one the job is queued again. Raises
        :class:`InvalidTransition` for one that is not queued or waits for its retry, :class:`Conflict` for one of the
        pool, and for all but one of several workers.
        """
        expect(job_id, str, "a job id")
        plain_or_empty(worker, "a worker's name", MAX_ID)
        number_between(positive_seconds(lease_s, "a lease"), "a lease", 0, LONGEST_LEASE_S)
        return await self._supervisor.externals.claim(job_id, worker, float(lease_s))

    async def update_job_progress(
        self, job_id: str, token: int | Claim, progress: float | None = None, detail: str | None = None
    ) -> JobRow:
        """Report the progress of an external job, in percent, renew its lease, and return its row.

        What is None stays as it was. Reports that come quickly are recorded together, ten a second; the row has them
        all. Its ``cancel_reason`` says that the work is to stop. Raises :class:`Conflict` for a stale token or a lease
        that has run out, :class:`InvalidTransition` for a job that does not run.
        """
        if progress is not None:
            number_between(progress, "a progress", 0, 100)
        if detail is not None:
            plain_or_empty(detail, "a detail", MAX_TEXT)
        number = _token(job_id, token)
        told = await self._supervisor.externals.progress(job_id, number, progress, detail)
        row = await self._supervisor.store.job(job_id)
        row.progress = told.get("progress", row.progress)
        row.detail = told.get("detail", row.detail)
        return row

    async def complete_job(self, job_id: str, token: int | Claim, output: Any = None) -> JobRow:
        """End an external job well, with what it came to; return its row. Raises as :meth:`update_job_progress`."""
        made = to_json(output)
        await self._supervisor.externals.complete(job_id, _token(job_id, token), made)
        return await self._supervisor.store.job(job_id)

    async def fail_job(self, job_id: str, token: int | Claim, error: str, *, retryable: bool = True) -> JobRow:
        """End a try of an external job that failed; return its row.

        It is queued for a retry 0.5, 1, 2 … seconds later, as often as its terms allow, and then, or where it is not
        ``retryable``, failed. One that was asked to stop is cancelled. Raises as :meth:`update_job_progress`.
        """
        plain(error, "an error", MAX_TEXT)
        expect(retryable, bool, "retryable")
        await self._supervisor.externals.fail(job_id, _token(job_id, token), error, retryable=retryable)
        return await self._supervisor.store.job(job_id)

    # -- steering ----------------------------------------------------------------------------------------------------

    async def cancel_job(self, job_id: str, reason: str = "canceled by operator", by: str = "") -> str:
        """Cancel a job: "forced" (it has ended), "requested" (what is in flight ends, or is killed after the grace of
        its terms) or "already_finished".
        """
        _check(job_id, reason, by)
        return await self._supervisor.cancel(job_id, reason, by)

    async def pause_job(self, job_id: str, reason: str = "paused by operator", by: str = "") -> str:
        """Pause a job: "paused", or "requested" while calls are in flight, after which none starts.

        A paused job has no place among those that run. Raises :class:`InvalidTransition` for one that is paused or has
        ended, :class:`Conflict` for one that cannot be paused: it is being stopped, or a worker elsewhere has it.
        """
        _check(job_id, reason, by)
        return await self._supervisor.pause(job_id, reason, by)

    async def resume_job(self, job_id: str, by: str = "") -> str:
        """Queue a paused job again, from where it was paused; return "queued". Raises :class:`InvalidTransition`."""
        _check(job_id, "", by)
        return await self._supervisor.resume(job_id, by)

    async def kill_job(self, job_id: str, reason: str = "killed by operator", by: str = "") -> str:
        """Cancel a job and cut off what is in flight; answers as :meth:`cancel_job`."""
        _check(job_id, reason, by)
        return await self._supervisor.cancel(job_id, reason, by, kill=True)

    async def retry_job(self, job_id: str, by: str = "") -> str:
        """Have a job that waits for its retry run now, and return its id; or run the plan of one that failed, or was
        cancelled, anew, as another job, whose id is returned.

        Raises :class:`Conflict` for any other job, and for an external one that has ended: enqueue it again.
        """
        _check(job_id, "", by)
        row = await self._supervisor.store.job(job_id)
        if not row.finished:
            await self._supervisor.retry_now(job_id)
            return job_id
        if row.status == JobStatus.COMPLETED:
            raise Conflict(f"job {job_id} is completed: there is nothing to try again")
        if row.external:
            raise Conflict(f"job {job_id} was done elsewhere: enqueue it again")
        again = await submission_of(self._supervisor.store, row, by)
        return (await self._supervisor.submit(self._powers, again)).jobs[0].job_id

    async def fork_from_failure(self, job_id: str, by: str = "") -> str:
        """Continue a job that failed, or was cancelled, from the last level that it finished; return the new job's id.

        Raises :class:`Conflict` for a job of another status, or one without a finished level.
        """
        _check(job_id, "", by)
        row = await self._supervisor.store.job(job_id)
        if row.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise Conflict(f"job {job_id} is {row.status}: only a job that failed or was cancelled is forked so")
        history = self._supervisor.history
        last = next((info for info in reversed(await history.checkpoints(job_id, None))), None)
        if last is None:
            raise Conflict(f"job {job_id} finished no level: retry it")
        self._supervisor.ready()
        checkpoint = await history.fork_point(last.checkpoint_id)
        course = await self._supervisor.carry_through(fork(self._supervisor, self._powers, checkpoint, by))
        return course.jobs[0].job_id

    async def bulk(
        self, action: str, where: str, *, dry_run: bool = True, reason: str | None = None, by: str = ""
    ) -> BulkReport:
        """Ask ``action`` (cancel, kill, pause, resume, retry, fork) of all jobs that the filter ``where`` means.

        With ``dry_run`` nothing is done: the report lists the jobs. Else it has a verdict for each; one that refuses
        keeps no other from being asked. See :mod:`headway.jobs.filter`. Raises :class:`InvalidInput` for a filter that
        cannot be understood, :class:`Overloaded`.
        """
        why = plain_or_empty(reason, "a reason", MAX_TEXT) if reason is not None else f"{action} by filter"
        plain_or_empty(by, "who asks", MAX_TEXT)
        now_ms = self._supervisor.log.clock.time_ms()
        store = self._supervisor.store
        return await bulk(self, store, action, where, dry_run=dry_run, reason=why, by=by, now_ms=now_ms)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def job_history(self, job_id: str, after: int = 0, limit: int = PAGE) -> JobHistory:
        """Return a page of a job's events with a seq over ``after``, all there ever were; :class:`NotFound`."""
        whole_number(after, "after", 0)
        _limit(limit)
        store = self._supervisor.store
        row = await store.job(expect(job_id, str, "a job id"))
        found = await store.events(after, job_id=job_id, limit=limit + 1)
        page = found[:limit]
        return JobHistory(row, page, page[-1].seq if len(found) > limit else None)

    async def app_status(self, status: str | None = None, *, before: int | None = None, limit: int = PAGE) -> AppStatus:
        """Return a page of the jobs, newest first, as of one seq. ``before`` is the ``next_before`` of another page."""
        if status is not None:
            expect_one_of(status, tuple(JobStatus), "a status")
        if before is not None:
            whole_number(before, "before", 0)
        _limit(limit)
        store = self._supervisor.store
        seq, rows = await store.jobs_as_of(status, limit + 1, before)
        counts = Counter(map(_status, self._supervisor)) + Counter(map(_status, self._supervisor.externals))
        page = rows[:limit]
        following = page[-1].first_seq if len(rows) > limit else None
        return AppStatus(
            seq, page, {str(status): count for status, count in counts.items()}, following, await store.complete()
        )


def _limit(limit: int) -> None:
    if whole_number(limit, "limit", 1) > MOST:
        raise InvalidInput(f"limit must be at most {MOST}")


def _check(job_id: str, reason: str, by: str) -> None:
    expect(job_id, str, "a job id")
    plain_or_empty(reason, "a reason", MAX_TEXT)
    plain_or_empty(by, "who asks", MAX_TEXT)


def _token(job_id: str, token: int | Claim) -> int:
    expect(job_id, str, "a job id")
    return whole_number(token.token if isinstance(token, Claim) else token, "a token", 0)


def _id_of(key: str, principal: str | None, tenant: str | None) -> str:
    """Return the id of the job of a key: the same whenever, and another one for another principal."""
    text = msgspec.json.encode([tenant or "", principal or "", key])
    return f"job-{hashlib.sha256(text).hexdigest()[:32]}"


def _digest(name: str, work: str, proposal: ActionProposal | None, context_id: str | None) -> str:
    """Return the digest of a request. The id of a plan does not count: one that is made for a request has a new one."""
    plan = recorded(proposal) if proposal is not None else {}
    wanted = [name, work, context_id, plan.get("actions"), plan.get("context")]
    return hashlib.sha256(encode_plain(wanted)).hexdigest()
