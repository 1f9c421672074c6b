"""Checkpoints of both faces: taken from a live run or from the log, restored, continued, forked.

Restoring sets a scope's state and is refused while a job works there. Continuing runs, in the same scope, what the
checkpoint's plan had left to do; forking does so in a new scope. Either way the old run is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headway.cancellation import CancellationToken
from headway.errors import Conflict
from headway.events import kinds
from headway.events.checkpoint import VERSION, Checkpoint, StateDiff, diff_states, kept_results
from headway.events.event import Event
from headway.jobs import admission
from headway.jobs.admission import is_remote
from headway.jobs.checkpoint_file import plan_to_continue, results_of, state_of
from headway.jobs.course import Course
from headway.jobs.recovery import require_session
from headway.jobs.scope import PRIVATE, Scope, fresh_scope
from headway.jobs.state_log import committed, parts, setting
from headway.jobs.submission import Submission
from headway.jsonvalue import to_json
from headway.limits.budget import CostBudget
from headway.plan.format import new_id
from headway.plan.graph import Graph
from headway.policy.pinned import kept, sources_of

if TYPE_CHECKING:
    from headway.jobs.job import LiveJob
    from headway.jobs.powers import Powers
    from headway.jobs.supervisor import Supervisor
    from headway.plan.results import ActionResult


def capture(supervisor: Supervisor, powers: Powers, scope: Scope, metadata: dict[str, Any]) -> Checkpoint:
    """Return what a scope is now: its committed state, and its last run as far as that has come."""
    env, run = powers.env, scope.last
    checkpoint = Checkpoint(
        VERSION,
        f"ckpt_{new_id()}",
        env.clock.time_ms(),
        state_of(scope.turn.run, scope.state),
        tools=env.registry.names(),
        buckets=[bucket.statistics() for bucket in env.limiter],
        cache_keys=[*env.results.keys(), *env.reuse.idempotency.keys()],
        metadata=to_json(metadata),
        scope=scope.name,
        seq=supervisor.log.last_seq,
    )
    if run is not None:
        checkpoint.job_id = run.job_id
        checkpoint.proposal = run.plan.proposal.to_dict()
        checkpoint.graph = run.plan.to_json()
        checkpoint.results = results_of(run)
        checkpoint.committed = sorted(run.committed)
        checkpoint.spent = dict(run.meter.spent) if run.meter is not None else {}
        checkpoint.session = run.session
        checkpoint.policies = kept(run.pinned)
    return checkpoint


def set_state(supervisor: Supervisor, scope: Scope, checkpoint: Checkpoint, by: str = "", *more: Event) -> StateDiff:
    """Record that the checkpoint's state is the scope's from now on, and ``more``; return what that changes.

    The caller waits until it is committed. Raises :class:`Conflict` while a job works in the scope, unless the caller
    has its turn.
    """
    diff = diff_states(checkpoint, scope.state.raw())
    diff.scope = scope.name
    events = admission.checkpoint_restored(checkpoint.checkpoint_id, scope.name, checkpoint.state, by)
    supervisor.log.append(*events, *more)
    scope.state.replace(checkpoint.state)
    scope.record.note(scope.state)
    return diff


def require_idle(scope: Scope) -> None:
    """Raise :class:`Conflict` while a job works in ``scope`` or waits to."""
    if scope.busy:
        raise Conflict(f"a job is running in scope '{scope.name}': cancel it or wait for its end")


async def restore(supervisor: Supervisor, checkpoint: Checkpoint, by: str = "") -> StateDiff:
    """Set the state of the checkpoint's scope; on disk when this returns. Raises :class:`Conflict` while it is busy."""
    async with supervisor.hold(supervisor.scope(checkpoint.scope)) as scope:
        supervisor.ready()
        require_idle(scope)
        diff = set_state(supervisor, scope, checkpoint, by)
        await supervisor.log.flush()
    return diff


async def continue_from(course: Course, job: LiveJob, checkpoint: Checkpoint) -> None:
    """Ready the course's first job: restore the checkpoint, and run what its plan had left to do."""
    plan, state = plan_to_continue(checkpoint)
    results = kept_results(checkpoint.results)
    course.remote = course.remote or await _was_remote(course.supervisor, checkpoint.job_id)
    origin = _origin(checkpoint, seq=0)
    spec = course.spec(job.job_id, plan.proposal)
    created = spec.created(
        checkpoint.proposal,
        checkpoint.graph,
        forked_from=origin,
        results=msgspec.to_builtins(results),
        **({"spent": dict(checkpoint.spent)} if checkpoint.spent else {}),
    )
    set_state(course.supervisor, course.scope, msgspec.structs.replace(checkpoint, state=state), "", created)
    job.admitted(spec, plan)
    job.prior = _prior(plan, results)
    course.spent.update(checkpoint.spent)


def course_from(
    supervisor: Supervisor,
    powers: Powers,
    checkpoint: Checkpoint,
    scope: Scope,
    token: CancellationToken,
    *,
    session: str | None = None,
) -> Course:
    """Return a course that continues from ``checkpoint`` in ``scope``, admitted but not launched.

    Raises :class:`Conflict` for a checkpoint without a plan or whose policy session is closed, :class:`InvalidPlan` if
    admission refuses the plan; then nothing was changed.
    """
    supervisor.ready()
    plan, _ = plan_to_continue(checkpoint)
    submission = Submission(plan.proposal, session=session)
    admission.check(powers.env, plan.proposal, checkpoint.state, recorded=True)

    async def begin(course: Course, job: LiveJob) -> None:
        await continue_from(course, job, checkpoint)

    course = Course(supervisor, powers, submission, scope, token, begin=begin)
    course.pinned = sources_of(checkpoint.policies)
    course.session = session if session is not None else checkpoint.session
    try:
        require_session(course, f"checkpoint '{checkpoint.checkpoint_id}'")
    except Conflict:
        supervisor.ended(course.jobs[0])
        raise
    return course


async def fork(supervisor: Supervisor, powers: Powers, checkpoint: Checkpoint, by: str = "") -> Course:
    """Start a new job, in a scope of its own, that continues from a job's checkpoint; committed when this returns."""
    named, parent = f"checkpoint '{checkpoint.checkpoint_id}'", checkpoint.job_id
    if parent is None:
        raise Conflict(f"{named} is of a state, not of a job: there is no plan to continue")
    if not checkpoint.graph:
        raise Conflict(f"job {parent} was rejected: there is no plan to continue")
    plan, state = plan_to_continue(checkpoint)
    results = kept_results(checkpoint.results)
    about = await _about(supervisor, parent)
    admission.check(powers.env, plan.proposal, state, recorded=True, remote=about.get("remote", False))
    job_id = new_id()
    if by:
        about["principal"] = by
    submission = Submission(plan.proposal, session=checkpoint.session, **about)
    scope = supervisor.adopt(fresh_scope(f"{PRIVATE}{job_id}"))
    pinned = sources_of(checkpoint.policies)
    course = Course(supervisor, powers, submission, scope, CancellationToken(), job_id=job_id)
    course.pinned, job = pinned, course.jobs[0]
    try:
        require_session(course, named)
        first, *more = parts(state)
        spec = course.spec(job_id, plan.proposal)
        created = spec.created(
            checkpoint.proposal,
            checkpoint.graph,
            forked_from=_origin(checkpoint, seq=checkpoint.seq),
            state=first,
            results=msgspec.to_builtins(results),
            spent=checkpoint.spent,
        )
        async with supervisor.hold(scope):
            supervisor.ready()
            scope.state.replace(state)
            scope.record.note(scope.state)
            job.admitted(spec, plan)
            job.prior = _prior(plan, results)
            course.spent.update(checkpoint.spent)
            await supervisor.enqueue(course, created, *(committed(scope.name, setting(part)) for part in more))
    except BaseException:
        supervisor.ended(job)
        raise
    return course


async def _about(supervisor: Supervisor, parent: str) -> dict[str, Any]:
    """Return what a fork takes from its parent's row; nothing if that is of another log."""
    if not await supervisor.known(parent):
        return {}
    row = await supervisor.store.job(parent)
    created = await supervisor.store.events(job_id=parent, kinds=[kinds.JOB_CREATED], limit=1)
    limits = created[0].data.get("budget") if created else None
    budget = CostBudget(**limits) if limits else None
    remote = is_remote(created[0].data) if created else False
    return {"source": row.source, "title": row.title, "principal": row.principal, "budget": budget, "remote": remote}


async def _was_remote(supervisor: Supervisor, job_id: str | None) -> bool:
    """Return whether the job that a checkpoint is of was asked for by a caller elsewhere; its log may be another."""
    if job_id is None or not await supervisor.known(job_id):
        return False
    created = await supervisor.store.events(job_id=job_id, kinds=[kinds.JOB_CREATED], limit=1)
    return bool(created) and is_remote(created[0].data)


def _origin(checkpoint: Checkpoint, *, seq: int) -> dict[str, Any]:
    return {
        "job_id": checkpoint.job_id,
        "checkpoint_id": checkpoint.checkpoint_id,
        "level": checkpoint.level,
        "seq": seq,
    }


def _prior(plan: Graph, results: list[ActionResult]) -> list[ActionResult | None]:
    by_id = {result.action_id: result for result in results}
    return [by_id.get(node.id) for node in plan.nodes]
