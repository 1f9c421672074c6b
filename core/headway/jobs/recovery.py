"""Recovery: the jobs that a dead process left unfinished in a durable log resume in this one, or get their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from headway.cancellation import CancellationToken
from headway.elicitation.desk import desk_of
from headway.errors import Conflict
from headway.events import kinds
from headway.events.event import Event
from headway.execution.resumption import RESTART, RESUME
from headway.jobs.closing import WHY, closing_events
from headway.jobs.course import Course
from headway.jobs.retry import requeued
from headway.jobs.revival import Cancelled, CannotGoOn, Revived, revive, spec_of
from headway.jobs.submission import Submission
from headway.jobs.terms import terms_of
from headway.jobs.transitions import JobStatus
from headway.limits.budget import CostBudget
from headway.plan.format import ActionProposal, new_id
from headway.plan.parse import recorded_proposal
from headway.plan.results import ProposalResult
from headway.secrets.reference import held, names_held
from headway.store import Reader, store_of

if TYPE_CHECKING:
    from headway.events.log import EventLog
    from headway.events.views import JobRow
    from headway.execution.environment import Environment
    from headway.jobs.admission import JobSpec
    from headway.jobs.job import LiveJob
    from headway.jobs.powers import Powers
    from headway.jobs.supervisor import Supervisor

ON_RESTART = ("resume", "fail")
"""The choices for unfinished jobs: they resume, or are closed as interrupted."""


async def unfinished(log: EventLog, scope: str | None = None) -> list[str]:
    """Return the ids of the jobs (of one scope) that have no end in the log, oldest first."""
    return [row.job_id for row in await store_of(log).unfinished() if scope is None or row.scope == scope]


async def close(log: EventLog, job_id: str, why: str = WHY) -> ProposalResult:
    """End a job as its log left it, cancelled or interrupted, and return what came of it."""
    store = store_of(log)
    await log.write(*closing_events(await store.run_view(job_id), why))
    return (await store.run_view(job_id, resolve=True)).result()


async def submission_of(store: Reader, row: JobRow, by: str = "") -> Submission:
    """Return a submission of the plan of a job of the log, to be run anew, with the same rights, as another job.

    Raises :class:`Conflict` for a plan that was refused or held a Secret in memory.
    """
    created = await store.events(job_id=row.job_id, kinds=[kinds.JOB_CREATED], limit=1, resolve=True)
    if not created or not created[0].data.get("graph"):
        raise Conflict(f"job '{row.job_id}' was refused at admission: there is nothing to try again")
    data, spec = created[0].data, spec_of(row, created[0])
    proposal = recorded_proposal(data["proposal"])
    if any(held(name) is None for name in names_held(proposal)):
        raise Conflict(f"the plan of job '{row.job_id}' was given a Secret in memory, which ended with its process")
    origin = {**spec.origin, "retry_of": row.job_id, **({"retried_by": by} if by else {})}
    terms = msgspec.structs.replace(spec.terms, key="")
    again = msgspec.structs.replace(spec, origin=origin, terms=terms)
    return _submitted(again, msgspec.structs.replace(proposal, id=new_id()))


def _submitted(spec: JobSpec, proposal: ActionProposal) -> Submission:
    """Return the submission that a job of the log was, with its rights."""
    return Submission(
        proposal,
        context_id=spec.context_id,
        title=spec.title,
        source=spec.source,
        principal=spec.principal,
        tenant=spec.tenant,
        reach=spec.reach,
        origin=spec.origin,
        session=spec.session,
        budget=CostBudget(**spec.budget) if spec.budget is not None else None,
        remote=spec.remote,
        terms=spec.terms,
    )


async def recover(
    supervisor: Supervisor, powers: Powers, rows: Sequence[JobRow], *, resume: bool
) -> list[tuple[Course, list[Event]]]:
    """See to the jobs of ``rows``, which a dead process left: return the courses of those that resume, to be launched.

    Those that cannot, or that are not to ``resume``, get their end. What is paused stays so, what waits for a person is
    left waiting, and external jobs are their workers'.
    """
    courses = []
    store, env = supervisor.store, powers.env
    for row in rows:
        if row.external:
            created = await store.events(job_id=row.job_id, kinds=[kinds.JOB_CREATED], limit=1)
            await supervisor.externals.recover(row, terms_of(created[0].data.get("terms") if created else None))
            continue
        if not resume and row.waiting_for:
            continue  # it is left waiting, and resumes with the answer
        try:
            if not (resume or row.status == JobStatus.PAUSED):
                raise CannotGoOn(WHY)
            courses.append(course_of(supervisor, powers, await revived(store, row.job_id, env), row))
        except CannotGoOn as reason:
            await close(env.log, row.job_id, str(reason))
    return courses


async def revived(store: Reader, job_id: str, env: Environment) -> Revived:
    """Return an unfinished job that can resume here; raises :class:`CannotGoOn` with the reason if it cannot."""
    found = await revive(
        store,
        await store.job(job_id),
        env.workspace,
        env.registry,
        env.gates,
        env.code.digest if env.code is not None else "",
        attended=env.asking.attended,
    )
    added = dict(found.added)
    for name, amount in (await _recall(env, job_id, found)).items():
        added[name] = added.get(name, 0) + amount
    return msgspec.structs.replace(found, added=added)


async def _recall(env: Environment, job_id: str, found: Revived) -> dict[str, int]:
    """Read what the job has asked, and take back what it will not ask again; return its budget's top-ups."""
    desk = desk_of(env.log)
    asked = await desk.recall(job_id)
    if found.past is None or not asked.open:
        return asked.added
    settled = {node.id for node, result in zip(found.plan.nodes, found.past.results, strict=True) if result is not None}
    cut_off = [found.plan.nodes[i] for i, tried in found.past.tried.items() if tried.cut_off]
    over = settled | {node.id for node in cut_off if not node.action.idempotent}
    desk.drop(job_id, [name for name, question in asked.open.items() if question.action_id in over])
    return asked.added


def course_of(supervisor: Supervisor, powers: Powers, found: Revived, row: JobRow) -> tuple[Course, list[Event]]:
    """Return the course of a job that resumes, in its scope, and what is to be recorded of it.

    Launching it is the caller's. One that was paused, or was about to be, is paused; one that ran is queued again.
    """
    spec = found.spec
    submission = _submitted(spec, found.plan.proposal)
    scope = supervisor.scope(spec.scope)
    course = Course(supervisor, powers, submission, scope, CancellationToken(), job_id=spec.job_id, resumes=True)
    job = course.jobs[0]
    take_up(course, job, found)
    job.attempt, job.due_ms = row.attempt, row.next_retry_ms
    if row.pause_reason is None:
        return course, [requeued(row.job_id, RESTART)] if row.status == JobStatus.RUNNING else []
    job.move(JobStatus.PAUSED)
    if job.past is not None:
        job.past = msgspec.structs.replace(job.past, why=RESUME)
    if row.status == JobStatus.PAUSED:
        return course, []
    return course, [Event(kinds.RUN_PAUSED, {"reason": row.pause_reason, "by": ""}, row.job_id)]


def take_up(course: Course, job: LiveJob, found: Revived) -> None:
    """Make a job of the log the first of a course."""
    spec, past = found.spec, found.past
    job.admitted(spec, found.plan)
    job.prior, job.past = found.prior, past
    course.spent.update(found.spent)
    course.added.update(found.added)
    course.session = course.submission.session or spec.session
    course.remote = course.remote or spec.remote
    course.pinned = spec.policies
    course.terms = spec.terms


async def resume(course: Course, job: LiveJob) -> ProposalResult | None:
    """Ready the course's first job, which an earlier process left unfinished; its result if all it gets is an end.

    The state becomes what the log says. Raises :class:`headway.errors.NotFound`, or :class:`Conflict` for a job that
    has ended, is not of the course's scope, or cannot resume here.
    """
    scope, env, job_id = course.scope, course.env, job.job_id
    store = store_of(env.log)
    row = await store.job(job_id)
    if row.finished:
        raise Conflict(f"job '{job_id}' has ended: it is {row.status}")
    if row.scope != scope.name:
        raise Conflict(f"job '{job_id}' works on the state of scope '{row.scope}', this runtime on '{scope.name}'")
    try:
        found = await revived(store, job_id, env)
    except Cancelled:
        ended = await close(env.log, job_id)
        await course.supervisor.take_state(scope)
        return ended
    except CannotGoOn as reason:
        raise Conflict(f"job '{job_id}' cannot resume here: {reason}") from None
    take_up(course, job, found)
    require_session(course, f"job '{job_id}'")
    await course.supervisor.take_state(scope)
    course.since = job.since = row.first_seq - 1
    if row.status == JobStatus.PAUSED:
        env.log.append(requeued(job_id, RESUME))
    job.attempt = row.attempt
    return None


def require_session(course: Course, whose: str) -> None:
    """Refuse to run on under a policy session that is closed: its rules must not be lost on the way."""
    session = course.session
    if session is not None and not course.env.gates.policies.is_open(session):
        raise Conflict(f"{whose} ran under the policy session '{session}', which is not open: name one that is")
