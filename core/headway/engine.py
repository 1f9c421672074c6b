"""``Engine``: one process's Headway, the only writer of one home.

It ties the rooms together: the store's log, the tools and limits that the configuration names, the scheduler and its
runs. The daemon serves it, ``headway run`` uses it in process. Its methods acknowledge nothing before it is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from headway._version import __version__
from headway.arguments import expect, expect_many, expect_one_of, plain, plain_or_empty
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import Conflict, InvalidInput, InvalidPlan, LogFull, NotFound, StoreError, Unavailable
from headway.events import kinds
from headway.events.checkpoint import Checkpoint, CheckpointInfo, StateDiff, diff_states, kept_results
from headway.events.event import Event
from headway.events.fold import fold
from headway.events.snapshot import Snapshot
from headway.events.subscription import Subscription
from headway.events.views import JobRow, RunView
from headway.execution.environment import Environment
from headway.jobs import admission
from headway.jobs.closing import WHY, closing_events
from headway.jobs.history import History
from headway.jobs.live import LiveJob
from headway.jobs.policy_files import PolicyFiles
from headway.jobs.revival import CannotGoOn, revive
from headway.jobs.scheduler import Scheduler, Scope
from headway.jobs.state_log import committed, parts, setting
from headway.jobs.tool_limits import Declared
from headway.jsonvalue import to_json
from headway.limits.bucket import RateLimiter
from headway.limits.budget import CostBudget
from headway.numbers import LONGEST_S, number_between, whole_number
from headway.plan.format import ActionProposal, new_id
from headway.plan.graph import plan_from_graph
from headway.plan.parse import as_proposal, recorded_proposal
from headway.plan.verify import Issue, VerifyReport, verify
from headway.policy.gates import Gates
from headway.state import StateStore
from headway.store import HomeLock, StoreLog, StoreReader, store_of
from headway.tools.basics import register_agent_basics
from headway.tools.decorator import entry_of
from headway.tools.files.workspace import Workspace
from headway.tools.loader import load_tool_files
from headway.tools.registry import ToolEntry, ToolRegistry

if TYPE_CHECKING:
    from headway.config import Config
    from headway.home import Home

T = TypeVar("T")

MAX_ID = 1024
"""The longest id that a caller may choose, in characters."""
MAX_TEXT = 64 * 1024
"""The longest title, reason and so on."""

PRIVATE_SCOPE = "job:"
"""How the scopes of jobs without a context begin."""

CLOSE_GRACE_S = 5.0
KILL_WAIT_S = 2.0


class Engine:
    """Use :meth:`open`; the constructor only takes what that has made."""

    def __init__(
        self, home: Home, config: Config, lock: HomeLock, log: StoreLog, reader: StoreReader, env: Environment
    ) -> None:
        self.home = home
        self.config = config
        self.log = log
        self.reader = reader
        self.env = env
        self.clock = env.clock
        self.registry = env.registry
        self.workspace = env.workspace
        self.history = History(reader)
        self._lock = lock
        self._budget = _budget(config)
        self._scheduler = Scheduler(env, self._load_state, self._close_job, self._budget)
        self._declared: Declared | None = None
        self._draining: str | None = None
        self._resources = contextlib.AsyncExitStack()
        self._begun: set[asyncio.Task[Any]] = set()  # what is carried through though who asked for it went away
        self._untold: dict[asyncio.Future[None], LiveJob] = {}
        self._closing: asyncio.Task[None] | None = None

    # -- life ----------------------------------------------------------------------------------------------------

    @classmethod
    async def open(
        cls,
        home: Home,
        config: Config | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_restart: str | None = None,
        tools: Iterable[Callable[..., Any] | ToolEntry] = (),
    ) -> Engine:
        """Take the home's lock, open (or make) its store, load the tools and see to what a dead process left behind.

        ``tools`` are registered beside those that the configuration names: functions or entries. What unfinished jobs
        have yet to call must be among them.

        By ``on_restart``, else the configuration's ``[runtime] on_restart``, unfinished jobs go on from their log
        ("resume") or are closed as interrupted ("fail"), as those are that cannot go on here or were cancelled.

        Raises :class:`headway.errors.HomeLocked`, :class:`headway.errors.StoreError` or
        :class:`headway.errors.InvalidConfig`; then nothing is left open and nothing was changed.
        """
        from headway.config import Config as Settings
        from headway.home import Home as Folder

        expect(home, Folder, "home")
        config = Settings() if config is None else expect(config, Settings, "config")
        if on_restart is not None:
            expect_one_of(on_restart, ("fail", "resume"), "on_restart")
        clock_of(clock)
        registry = _tools(config)
        for tool in expect_many(tools, "tools"):
            registry.register(tool if isinstance(tool, ToolEntry) else entry_of(tool))
        gates = Gates()
        files = PolicyFiles(gates.policies, config.file.parent if config.file is not None else config.workspace)
        home.prepare()
        lock = HomeLock(home)
        async with contextlib.AsyncExitStack() as opened:
            lock.acquire()
            opened.callback(lock.release)
            log = await StoreLog.open(home, clock=clock)
            opened.push_async_callback(log.close)
            reader = await StoreReader.open(home.db)
            opened.push_async_callback(reader.close)
            env = Environment(
                log=log,
                registry=registry,
                limiter=RateLimiter(clock),
                clock=clock,
                max_concurrency=config.runtime.max_concurrency,
                concurrency=config.runtime.concurrency,
                workspace=config.workspace,
                gates=gates,
            )
            opened.callback(env.threads.close)
            opened.push_async_callback(registry.aclose)
            engine = cls(home, config, lock, log, reader, env)
            await engine._start((on_restart or config.runtime.on_restart) == "resume")
            files.follow(log)
            opened.push_async_callback(files.aclose)
            engine._resources = opened.pop_all()
        return engine

    async def _start(self, resume: bool) -> None:
        recovered, revived = await self._recover(resume)
        self.log.append(
            Event(kinds.STORE_OPENED, {"version": __version__, "pid": self._lock.pid, "recovered": recovered})
        )
        limits = {tool: (limit.max_calls, limit.interval_secs) for tool, limit in self.config.rate_limits.items()}
        self._declared = Declared(self.env, limits)
        await self.log.flush()
        for job in revived:
            async with self._scheduler.hold(job.spec.scope) as scope:
                self._scheduler.add(job, scope)

    async def _recover(self, resume: bool) -> tuple[list[str], list[LiveJob]]:
        """Return (ids of all jobs found unfinished, those that go on); the others are closed."""
        recovered: list[str] = []
        revived: list[LiveJob] = []
        for row in await self.history.unfinished():
            recovered.append(row.job_id)
            try:
                if not resume:
                    raise CannotGoOn(WHY)
                revived.append(await revive(self.reader, row, self.workspace, self.registry, self.env.gates))
            except CannotGoOn as reason:
                await self.log.write(*closing_events(await self.reader.run_view(row.job_id), str(reason)))
        return recovered, revived

    def drain(self, reason: str = "shutdown") -> None:
        """Take no new work from here on."""
        self._draining = self._draining or plain(reason, "a reason", MAX_TEXT)

    async def close(self, reason: str = "shutdown", grace: float = CLOSE_GRACE_S) -> None:
        """Cancel the runs with ``reason``, kill what is left after ``grace`` seconds, close the store, free the home.

        Closing twice is harmless: both wait for the same end.
        """
        if self._closing is None:
            number_between(grace, "grace", 0, LONGEST_S)
            self.drain(reason)
            self._closing = asyncio.create_task(self._close(reason, grace))
        await asyncio.shield(self._closing)

    async def _close(self, reason: str, grace: float) -> None:
        async with self._resources:
            if self._begun:
                await asyncio.wait(self._begun)
            jobs = list(self._scheduler)
            for job in jobs:
                job.token.cancel(reason)
            if not await self._all_done(jobs, grace):
                for job in jobs:
                    job.token.kill(reason)
                await self._all_done(jobs, KILL_WAIT_S)
            untold = [told for told, job in self._untold.items() if job.done.is_set()]
            if untold:  # who waited for a job reads its end before the store closes
                await asyncio.wait(untold)

    async def _all_done(self, jobs: Sequence[LiveJob], seconds: float | None) -> bool:
        """Wait for the end of all ``jobs``, at most ``seconds``; return whether it came."""
        ended = asyncio.ensure_future(_all_ended(jobs))
        timer = self.clock.call_later(seconds, ended.cancel) if seconds is not None else None
        try:
            await asyncio.wait([ended])
        finally:
            ended.cancel()
            if timer is not None:
                timer.cancel()
        return all(job.done.is_set() for job in jobs)

    async def _carry_through(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` to its end though the task that asked for it is cancelled: nothing may stop half-way."""
        task = asyncio.create_task(work)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    # -- jobs ----------------------------------------------------------------------------------------------------

    async def verify(self, proposal: ActionProposal, context_id: str | None = None) -> VerifyReport:
        """Check a proposal against the tools there are and the state of its thread."""
        proposal = as_proposal(proposal)
        _optional(context_id, "a context id")
        state = await self._scheduler.state(context_id) if context_id else StateStore()
        return verify(proposal, state.raw(), self.registry)

    async def submit(
        self,
        proposal: ActionProposal,
        *,
        context_id: str | None = None,
        title: str | None = None,
        source: str | None = None,
        principal: str | None = None,
        origin: dict[str, Any] | None = None,
        job_id: str | None = None,
        record_rejected: bool = False,
        refused: Sequence[Issue] = (),
    ) -> JobRow:
        """Queue a proposal as a job and return its row; the job is on disk when this returns.

        ``refused`` are the caller's own findings against it; with any, it is not admitted.
        Raises :class:`InvalidPlan` with the issues of a plan that admission refuses, and records nothing; with
        ``record_rejected`` the job is recorded as failed, outcome rejected. :class:`Unavailable` while shutting down,
        :class:`LogFull` while the disk is full.
        """
        self._ready_for_work()
        proposal = as_proposal(proposal)
        for what, text in (("a context id", context_id), ("a job id", job_id)):
            _optional(text, what)
        for what, text in (("a title", title), ("a source", source), ("a principal", principal)):
            _optional(text, what, MAX_TEXT)
        origin = to_json(expect(origin, dict, "origin")) if origin else {}
        expect(record_rejected, bool, "record_rejected")
        refused = [expect(issue, Issue, "a finding") for issue in expect_many(refused, "refused")]
        if context_id is not None and context_id.startswith(PRIVATE_SCOPE):
            raise InvalidInput(f"a context id does not start with '{PRIVATE_SCOPE}': such scopes belong to one job")
        if job_id is not None and await self._known(job_id):
            raise Conflict(f"there is a job '{job_id}' already")
        job_id = job_id or new_id()
        scope = context_id or f"{PRIVATE_SCOPE}{job_id}"
        spec = admission.JobSpec(
            job_id,
            scope,
            source if source is not None else proposal.source,
            title or admission.title_of(proposal),
            context_id,
            principal,
            origin,
        )
        return await self._carry_through(self._submit(spec, proposal, record_rejected, refused))

    async def _submit(
        self, spec: admission.JobSpec, proposal: ActionProposal, record_rejected: bool, refused: Sequence[Issue]
    ) -> JobRow:
        kept = proposal.to_dict()
        async with self._scheduler.hold(spec.scope, fresh=spec.context_id is None) as scope:
            self._ready_for_work()
            try:
                plan = admission.check(self.env, proposal, scope.state.raw(), refused)
            except InvalidPlan as error:
                if not record_rejected:
                    raise
                await self.log.write(*admission.rejection(spec, kept, error))
                return await self.row(spec.job_id)
            await self._enqueue(spec.created(kept, plan.to_json()), LiveJob(spec, plan), scope)
        return await self.row(spec.job_id)

    async def _enqueue(self, created: Event, job: LiveJob, scope: Scope, more: Sequence[Event] = ()) -> None:
        """Commit a job, then hand it to the scheduler. One that the disk refuses has ended when the log takes it."""
        try:
            await self.log.write(created, *more)
        except StoreError as error:
            with contextlib.suppress(StoreError):  # the log did not keep the job either
                self.log.append(*closing_events(fold(RunView(job=JobRow(job_id=job.job_id)), created), error.message))
            raise
        self._scheduler.add(job, scope)

    def _ready_for_work(self) -> None:
        if self._draining is not None:
            raise Unavailable(f"no new work is taken: {self._draining}")
        if self.log.full:
            raise LogFull

    async def wait(self, job_id: str, timeout: float | None = None) -> RunView:
        """Wait for the job's end, at most ``timeout`` seconds, and return its view as it then is."""
        if timeout is not None:
            number_between(timeout, "timeout", 0, LONGEST_S)
        job = self._scheduler.get(expect(job_id, str, "a job id"))
        if job is None:
            return await self.run(job_id)
        told = asyncio.get_running_loop().create_future()
        self._untold[told] = job
        try:
            await self._all_done([job], timeout)
            return await self.run(job_id)
        finally:
            del self._untold[told]
            told.set_result(None)

    async def cancel(self, job_id: str, reason: str = "canceled by operator", by: str = "") -> str:
        """Ask a job to stop; the request is on disk when this returns.

        Returns "forced" (it had not started, and has ended), "requested", or "already_finished".
        """
        job = self._scheduler.get(expect(job_id, str, "a job id"))
        plain_or_empty(reason, "a reason", MAX_TEXT)
        plain_or_empty(by, "who asks", MAX_TEXT)
        if job is None and self._begun and not (await self.row(job_id)).finished:
            await asyncio.wait(self._begun)  # it is on disk, and on its way to the scheduler
            job = self._scheduler.get(job_id)
        if job is not None and job.ending:
            await job.done.wait()  # its end is told once it is on disk
        if job is None or job.ending:
            await self.row(job_id)
            return "already_finished"
        if job.run is None:
            job.token.cancel(reason, by)
            if await self._scheduler.drop_queued(job):
                return "forced"
        job.token.cancel(reason, by)
        await self.log.flush()
        return "requested"

    async def kill(self, job_id: str, reason: str = "killed by operator", by: str = "") -> str:
        """Stop a job hard: calls in flight are cut off. Answers as :meth:`cancel` does."""
        job = self._scheduler.get(expect(job_id, str, "a job id"))
        plain_or_empty(reason, "a reason", MAX_TEXT)
        plain_or_empty(by, "who asks", MAX_TEXT)
        if job is None or job.ending or job.run is None:
            return await self.cancel(job_id, reason, by)
        job.token.kill(reason, by)
        await self.log.flush()
        return "requested"

    async def _known(self, job_id: str) -> bool:
        try:
            await self.row(job_id)
        except NotFound:
            return False
        return True

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row; :class:`NotFound` if there is no such job."""
        return await self.reader.job(job_id)

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        """Return jobs, newest first; ``before`` is the ``first_seq`` of the last one seen."""
        whole_number(limit, "limit", 0)
        if before is not None:
            whole_number(before, "before", 0)
        return await self.reader.jobs(status=status, limit=limit, before=before)

    async def run(self, job_id: str) -> RunView:
        """Return the job's view; :class:`NotFound` if there is no such job."""
        return await self.reader.run_view(job_id)

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return all views, and one job's run."""
        return await store_of(self.log).snapshot(job_id)

    def subscribe(self, after: int = 0, job_id: str | None = None) -> Subscription:
        """Follow the log from just after ``after``."""
        return self.log.subscribe(after, job_id=job_id)

    async def audit(self, who: str, what: str, target: str | None = None, detail: Any = None) -> None:
        """Record what an operator did."""
        data: dict[str, Any] = {"who": who, "what": what}
        if target is not None:
            data["target"] = target
        if detail is not None:
            data["detail"] = detail
        await self.log.write(Event(kinds.OPERATOR_ACTION, data))

    async def prune(self) -> dict[str, Any]:
        """Apply the configured retention now; return what was removed."""
        return await self.log.prune(keep_days=self.config.store.keep_days, max_bytes=self.config.store.max_bytes)

    # -- checkpoints ---------------------------------------------------------------------------------------------

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints of a job or a scope, or of everything recent, oldest first."""
        return await self.history.checkpoints(job_id, scope)

    async def save_checkpoint(
        self, *, job_id: str | None = None, scope: str | None = None, name: str | None = None, by: str = ""
    ) -> CheckpointInfo:
        """Save what there is now: the state of a scope and, for a job, its results."""
        if (job_id is None) == (scope is None):
            raise InvalidInput("a checkpoint is of a job or of a scope: name one of them")
        _optional(job_id, "a job id")
        _optional(scope, "a scope")
        _optional(name, "a checkpoint's name", MAX_TEXT)
        plain_or_empty(by, "who asks", MAX_TEXT)
        self._ready_for_work()
        await self.log.flush()
        checkpoint = await self.history.capture(
            f"ckpt_{new_id()}", job_id=job_id, scope=scope, name=name, created_ms=self.clock.time_ms()
        )
        await self.log.save_checkpoint(checkpoint, by)
        return checkpoint.info

    async def diff(self, checkpoint_id: str) -> StateDiff:
        """Return what restoring a checkpoint would change."""
        checkpoint = await self.history.checkpoint(expect(checkpoint_id, str, "a checkpoint id"))
        state = await self._scheduler.state(checkpoint.info.scope)
        return diff_states(checkpoint, state.snapshot())

    async def restore(self, checkpoint_id: str, by: str = "") -> StateDiff:
        """Set the scope's state to the checkpoint's; :class:`Conflict` while a job runs there."""
        expect(checkpoint_id, str, "a checkpoint id")
        plain_or_empty(by, "who asks", MAX_TEXT)
        return await self._carry_through(self._restore(checkpoint_id, by))

    async def _restore(self, checkpoint_id: str, by: str) -> StateDiff:
        checkpoint = await self.history.checkpoint(checkpoint_id)
        name = checkpoint.info.scope
        async with self._scheduler.hold(name) as scope:
            self._ready_for_work()
            if scope.jobs:
                raise Conflict(f"a job is running in scope '{name}': cancel it or wait for its end")
            diff = diff_states(checkpoint, scope.state.snapshot())
            await self.log.write(*admission.checkpoint_restored(checkpoint_id, name, checkpoint.state, by))
            scope.state.replace(checkpoint.state)
        return diff

    async def fork(self, checkpoint_id: str, by: str = "") -> JobRow:
        """Start a new job, in a scope of its own, that goes on from a job's checkpoint; the old run stays as it is."""
        expect(checkpoint_id, str, "a checkpoint id")
        plain_or_empty(by, "who asks", MAX_TEXT)
        return await self._carry_through(self._fork(checkpoint_id, by))

    async def _fork(self, checkpoint_id: str, by: str) -> JobRow:
        checkpoint = await self.history.fork_point(checkpoint_id)
        parent = checkpoint.info.job_id
        if parent is None:
            raise Conflict(f"checkpoint '{checkpoint_id}' is of a state, not of a job: there is no plan to go on with")
        if not checkpoint.graph:
            raise Conflict(f"job {parent} was rejected: there is no plan to go on with")
        plan = plan_from_graph(recorded_proposal(checkpoint.proposal), checkpoint.graph)
        results = kept_results(checkpoint.results)
        state = StateStore(checkpoint.state)
        state.apply(checkpoint.pending)
        by_id = {result.action_id: result for result in results}
        job_id = new_id()
        row = await self.row(parent)
        spec = admission.JobSpec(job_id, f"{PRIVATE_SCOPE}{job_id}", row.source, row.title, principal=by or None)
        first, *more = parts(state.snapshot().copy())
        rest = [committed(spec.scope, setting(part)) for part in more]
        event = spec.created(
            checkpoint.proposal,
            checkpoint.graph,
            forked_from={
                "job_id": parent,
                "checkpoint_id": checkpoint_id,
                "level": checkpoint.info.level,
                "seq": checkpoint.info.seq,
            },
            state=first,
            results=msgspec.to_builtins(results),
            spent=checkpoint.spent,
        )
        prior = [by_id.get(node.id) for node in plan.nodes]
        async with self._scheduler.hold(spec.scope, fresh=True) as scope:
            self._ready_for_work()
            scope.state.replace(state.raw())
            await self._enqueue(event, LiveJob(spec, plan, prior, checkpoint.spent), scope, rest)
        return await self.row(job_id)

    async def _close_job(self, job_id: str) -> None:
        """End a job as the log has it, if it has no end there."""
        await self.log.flush()
        view = await self.reader.run_view(job_id)
        if not view.job.finished:
            await self.log.write(*closing_events(view, "the log could not take all that it did"))

    async def _load_state(self, scope: str) -> StateStore:
        return StateStore(await self.reader.scope_state(scope))


def _optional(text: str | None, what: str, longest: int = MAX_ID) -> None:
    """Refuse what is neither None nor a text that an event can hold."""
    if text is not None:
        plain_or_empty(text, what, longest)


async def _all_ended(jobs: Sequence[LiveJob]) -> None:
    for job in jobs:
        await job.done.wait()


def _budget(config: Config) -> CostBudget | None:
    limits = {name: value for name, value in config.budgets.model_dump().items() if value is not None}
    return CostBudget(**limits) if limits else None


def _tools(config: Config) -> ToolRegistry:
    registry = ToolRegistry()
    register_agent_basics(registry, Workspace(config.workspace))
    load_tool_files(config.tools.python, registry)
    return registry


__all__ = ["Checkpoint", "Engine", "NotFound", "Snapshot"]
