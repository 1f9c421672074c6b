"""The views: what can be read from the log.

A view is plain data made by :func:`headway.events.fold.fold` and by nothing else. It holds facts; what depends on
the present time is asked of it (``bucket.level(now_ms)``). Views are msgspec structs: they compare by value, encode
to JSON for the API and for snapshots, and decode back equal.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from headway.clock import rfc3339
from headway.plan.results import ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult


# gc=False: a view of an action or a level holds JSON, which has no circles, and a process with many jobs makes many.
class ActionView(msgspec.Struct, gc=False):
    """One action of a run. ``waiting_for`` is "" or words such as ``rate_limit:fetch``, ``retry`` or ``approval``.

    ``finished_seq`` is the seq of the event that settled it, its place in the order of settling; None if that was
    before a fork. While ``compensating`` the call that undoes it has started and not ended. ``edited`` are the
    parameters that a person gave it instead of the plan's.
    """

    id: str
    index: int
    level: int
    type: str = "tool_call"
    tool: str | None = None
    needs: list[str] = []
    after: list[str] = []
    status: ActionStatus = ActionStatus.PROPOSED
    attempt: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None
    duration_ms: float | None = None
    waited_ms: float | None = None
    waiting_for: str = ""
    waiting_until_ms: int | None = None
    progress: float | None = None
    progress_text: str = ""
    output: Any = None
    state_changes: dict[str, Any] = {}
    artifacts: list[Any] = []
    usage: dict[str, Any] = {}
    cost: int | None = None
    error: str | None = None
    error_code: ErrorCode | None = None
    rolled_back: bool = False
    compensated: bool | None = None
    terminal: bool = False
    finished_seq: int | None = None
    compensating: bool = False
    edited: dict[str, Any] | None = None

    @property
    def done(self) -> bool:
        """True once the action is settled."""
        return self.finished_ms is not None


class LevelView(msgspec.Struct, gc=False):
    """One level of the plan. ``actions`` are indices into :attr:`RunView.actions`."""

    index: int
    actions: list[int]
    started_ms: int | None = None
    finished_ms: int | None = None
    finished_seq: int | None = None
    settled: int = 0


EXTERNAL = "external"
"""The work of a job that is done elsewhere."""


class JobRow(msgspec.Struct):
    """One job as a list shows it. ``status``: queued, running, paused, completed, failed, cancelled.

    ``work`` is empty for a plan, else "call:TOOL", "workflow:NAME", or "external" for what somebody else does: the
    ``worker`` who has it. ``attempt`` counts the retries so far, of at most ``max_retries``; ``next_retry_ms`` is set
    while it waits for one. ``pause_reason`` is set from the request of a pause until it is resumed. ``progress`` is in
    percent.
    ``waiting_for`` names the kinds of the questions that wait for a person, with their number if there are several:
    ``approval``, ``approval 3, input``.
    """

    job_id: str
    status: str = "queued"
    outcome: str | None = None
    scope: str = ""
    context_id: str | None = None
    title: str = ""
    source: str = ""
    principal: str | None = None
    proposal_id: str = ""
    created_ms: int = 0
    started_ms: int | None = None
    finished_ms: int | None = None
    levels: int = 0
    levels_done: int = 0
    actions: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    rejected: int = 0
    error: str | None = None
    cancel_reason: str | None = None
    forked_from: str | None = None
    waiting_for: str = ""
    first_seq: int = 0
    last_seq: int = 0
    work: str = ""
    priority: int = 0
    attempt: int = 0
    max_retries: int = 0
    next_retry_ms: int | None = None
    pause_reason: str | None = None
    progress: float | None = None
    detail: str | None = None
    worker: str | None = None

    @property
    def finished(self) -> bool:
        """True once the job has reached a terminal status."""
        return self.status in ("completed", "failed", "cancelled")

    @property
    def external(self) -> bool:
        """True for a job that no run of ours does: somebody else claims it, and says how it goes."""
        return self.work == EXTERNAL


class RunView(msgspec.Struct, dict=True):
    """One run, whole: its job row, levels and actions, and the state it has committed.

    ``state`` holds what this run's finished levels wrote; the whole state of its scope is a :class:`StateView`.
    ``output`` is what an external job was completed with. It
    follows the events of its own job alone (``RunView(job=JobRow(job_id=…))`` says which): ``last_seq`` is the seq of
    the last of those, so that a view is the same whether the log was filtered or not.
    """

    job: JobRow
    levels: list[LevelView] = []
    actions: list[ActionView] = []
    issues: list[Any] = []
    cost: CostSummary = msgspec.field(default_factory=CostSummary)
    origin: dict[str, Any] = {}
    state: dict[str, Any] = {}
    last_seq: int = 0
    output: Any = None

    def action(self, action_id: str) -> ActionView:
        """Return the action with that id; ``KeyError`` if there is none."""
        return self.actions[self.positions[action_id]]

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each action id in :attr:`actions`; derived, so neither encoded nor compared."""
        return {view.id: position for position, view in reversed(list(enumerate(self.actions)))}

    def result(self) -> ProposalResult:
        """Return what ``execute`` returned for this run, rebuilt from its events."""
        results = [
            ActionResult(
                action_id=a.id,
                status=a.status,
                output=a.output,
                error=a.error,
                error_code=a.error_code,
                state_changes=a.state_changes,
                duration_ms=a.duration_ms,
                waited_ms=a.waited_ms,
                attempts=a.attempt,
                timestamp=rfc3339(a.finished_ms) if a.finished_ms is not None else None,
                rolled_back=a.rolled_back,
                terminal=a.terminal,
                compensated=a.compensated,
                artifacts=a.artifacts,
                usage=a.usage,
                cost=a.cost,
            )
            for a in self.actions
        ]
        job = self.job
        return ProposalResult(
            proposal_id=job.proposal_id,
            job_id=job.job_id,
            status=job.status,
            results=results,
            cost=self.cost,
            outcome=job.outcome,
            error=job.cancel_reason if job.status == "cancelled" else job.error,
        )


class JobsView(msgspec.Struct):
    """All jobs, by id, oldest first."""

    jobs: dict[str, JobRow] = {}
    last_seq: int = 0


class BucketView(msgspec.Struct):
    """A token bucket as of its last event: ``tokens`` at ``at_ms``, refilled at capacity / interval_s a second.

    ``queue`` says who waits: "job id/action id" to the time (ms since 1970) at which the wait began.
    """

    bucket: str
    capacity: float
    interval_s: float
    tokens: float
    at_ms: int
    waiters: int = 0
    next_ms: int | None = None
    grants: int = 0
    waits: int = 0
    waited_ms: float = 0.0
    queue: dict[str, int] = {}

    def level(self, now_ms: int) -> float:
        """Return the tokens there are at ``now_ms``, between 0 and the capacity."""
        gained = max(0, now_ms - self.at_ms) / 1000.0 * self.capacity / self.interval_s
        return min(self.capacity, max(0.0, self.tokens) + gained)


class LimitsView(msgspec.Struct):
    """Every token bucket, by name (a tool's name)."""

    buckets: dict[str, BucketView] = {}
    last_seq: int = 0


class BudgetRow(msgspec.Struct):
    """One job's budget. Dimensions: tool_calls, actions, duration_ms, tokens, usd_micros (integers)."""

    job_id: str
    limits: dict[str, int] = {}
    spent: dict[str, int] = {}
    reserved: dict[str, int] = {}
    warned: list[str] = []
    exhausted: str | None = None
    since_ms: int = 0
    at_ms: int = 0


class BudgetView(msgspec.Struct):
    """Every budget, by job id."""

    budgets: dict[str, BudgetRow] = {}
    last_seq: int = 0


class Elicitation(msgspec.Struct):
    """One question to a person: asked once, answered once.

    ``kind`` is approval, input, auth or budget. ``action_id`` is None where the job as a whole asks. ``choices`` are
    the names of the possible answers, ``schema`` is the JSON Schema of the value that goes with them. An approval is
    bound to ``digest``, that of tool, arguments and folder. ``blocking`` counts the actions that cannot start before
    the answer. Where nobody answers until ``expires_ms`` the choice is ``default``.

    ``state`` is open, answered, expired or withdrawn; ``choice``, ``value``, ``reason`` and ``by`` are the answer, and
    ``waited_ms`` how long it took.
    """

    id: str
    kind: str = "approval"
    job_id: str = ""
    action_id: str | None = None
    prompt: str = ""
    tool: str = ""
    parameters: dict[str, Any] | None = None
    choices: list[str] = []
    schema: Any = None
    digest: str = ""
    scope: str = ""
    principal: str | None = None
    blocking: int = 0
    default: str = "deny"
    default_value: Any = None
    detail: dict[str, Any] = {}
    asked_ms: int = 0
    expires_ms: int | None = None
    seq: int = 0
    state: str = "open"
    choice: str | None = None
    value: Any = None
    reason: str = ""
    by: str = ""
    closed_ms: int | None = None
    waited_ms: int | None = None

    @property
    def subject(self) -> str:
        """The action that asks, or the job: what an answer is about."""
        return f"action '{self.action_id}'" if self.action_id is not None else f"job {self.job_id}"


class FailedJob(msgspec.Struct):
    """A job that failed, and that somebody may have to look at."""

    job_id: str
    outcome: str | None = None
    error: str = ""
    at_ms: int = 0


class InboxPage(msgspec.Struct):
    """A page of what waits for a person: ``waiting`` questions, the most blocking first, of ``total``; failed jobs.

    Failed jobs are the newest first. ``seq`` is that of the last event that counted.
    """

    waiting: list[Elicitation] = []
    total: int = 0
    failed: list[FailedJob] = []
    seq: int = 0


class InboxView(msgspec.Struct):
    """All that waits for a person, over all jobs.

    ``open`` holds the open questions, by job id and id; ``recent`` the newest that are closed, oldest first; ``failed``
    the newest jobs that failed and were not run again, by id. ``allowed`` are the approvals that hold for a session: by
    :func:`session_key` the id of the question.
    """

    open: dict[str, dict[str, Elicitation]] = {}
    recent: list[Elicitation] = []
    failed: dict[str, FailedJob] = {}
    allowed: dict[str, str] = {}
    last_seq: int = 0

    def waiting(self) -> list[Elicitation]:
        """Return the open questions, the most blocking first, of those the oldest."""
        found = [question for questions in self.open.values() for question in questions.values()]
        return sorted(found, key=lambda question: (-question.blocking, question.asked_ms, question.seq))

    def page(self, limit: int, offset: int = 0) -> InboxPage:
        """Return up to ``limit`` open questions from number ``offset`` on, and as many failed jobs."""
        waiting = self.waiting()
        failed = list(reversed(self.failed.values()))[:limit]
        return InboxPage(waiting[offset : offset + limit], len(waiting), failed, self.last_seq)

    def find(self, elicitation_id: str) -> Elicitation | None:
        """Return the question of that id if it is open or was closed of late."""
        for questions in self.open.values():
            if elicitation_id in questions:
                return questions[elicitation_id]
        return next((question for question in reversed(self.recent) if question.id == elicitation_id), None)


def session_key(scope: str, principal: str | None, digest: str) -> str:
    """Return the key under which an approval holds for a session: a state scope, a principal, and the call."""
    return f"{digest}:{'' if principal is None else len(principal)}:{principal or ''}:{scope}"


class Goal(msgspec.Struct):
    """The goal of a thread: ``token_budget`` tokens may be used for it, None: as many as it takes.

    ``status`` is active, paused, blocked, usage_limited, budget_limited or complete; it becomes budget_limited by
    itself, and then no turn starts.
    """

    id: str = ""
    objective: str = ""
    status: str = "active"
    token_budget: int | None = None
    tokens_used: int = 0
    time_used_s: int = 0
    continuations: int = 0
    set_ms: int = 0


class ThreadRow(msgspec.Struct):
    """A thread. ``status`` is idle, running, failed (its last turn did) or archived; ``turn`` is the one that runs.

    ``messages`` counts all of its messages, ``base`` those of them that it has from ``forked_from``. ``checkpoints``
    maps names to the seqs of their states. ``model`` to ``sandbox`` are what its turns go by, None as configured;
    ``answered_by`` is the model that answered last. Usage is summed over the turns, ``cost`` in micro-dollars.
    """

    id: str
    status: str = "idle"
    name: str = ""
    preview: str = ""
    source: str = "api"
    principal: str | None = None
    metadata: dict[str, Any] = {}
    model: str | None = None
    provider: str | None = None
    cwd: str | None = None
    approval_policy: str | None = None
    sandbox: str | None = None
    forked_from: str | None = None
    base: int = 0
    messages: int = 0
    turns: int = 0
    turn: str | None = None
    error: str = ""
    answered_by: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0
    goal: Goal | None = None
    checkpoints: dict[str, int] = {}
    before_archive: str | None = None
    created_ms: int = 0
    updated_ms: int = 0
    first_seq: int = 0
    last_seq: int = 0


class ThreadsView(msgspec.Struct):
    """Every thread, in the order of their making.

    Of those that were deleted, whose messages forks may have yet, ``deleted`` has how many they inherited themselves,
    ``lineage`` from whom.
    """

    threads: dict[str, ThreadRow] = {}
    deleted: dict[str, int] = {}
    lineage: dict[str, str] = {}
    last_seq: int = 0


class ScheduleRow(msgspec.Struct):
    """A schedule: the ``workflow``, or the ``plan`` file, that it starts at the times of ``cron`` or once ``at``.

    ``source`` is config for one of ``headway.toml``, api for one that was added. ``missed`` says what becomes of times
    at which nothing could be started: skip, once or all. ``since_ms`` is the time up to which all is settled: the next
    slot is the first one after it. ``last_job`` came of the last fire, or ``error`` says why none did; ``missed_slots``
    counts those for which nothing was started. Times are ms since 1970.
    """

    name: str
    source: str = "api"
    workflow: str | None = None
    plan: str | None = None
    cron: str | None = None
    at: str | None = None
    timezone: str = "UTC"
    missed: str = "skip"
    enabled: bool = True
    paused: bool = False
    by: str = ""
    added_ms: int = 0
    since_ms: int = 0
    fires: int = 0
    missed_slots: int = 0
    last_slot_ms: int | None = None
    last_fired_ms: int | None = None
    last_job: str | None = None
    error: str = ""


class SchedulesView(msgspec.Struct):
    """Every schedule, in the order of their making."""

    schedules: dict[str, ScheduleRow] = {}
    last_seq: int = 0


class PendingChanges(msgspec.Struct):
    """The state changes of a succeeded action whose level has not finished. ``index`` is its place in the plan."""

    action_id: str
    index: int
    level: int
    changes: dict[str, Any] = {}


class StateView(msgspec.Struct):
    """The whole state of one scope: of all its jobs, of restores, of changes made outside runs.

    ``state`` is committed; ``pending`` holds, by job id, what waits for the end of its level (dropped if the job ends
    first). ``jobs`` maps the scope's unfinished jobs to their action ids in list order, the order of commits.
    """

    scope: str
    state: dict[str, Any] = {}
    pending: dict[str, list[PendingChanges]] = {}
    jobs: dict[str, dict[str, int]] = {}
    last_seq: int = 0
