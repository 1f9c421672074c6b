"""``Engine``: one process's Headway, the only writer of one home.

A face over the supervisor of the home's log, with the tools, limits and policies that the configuration names. The
daemon serves it, ``headway run`` uses it in process. Its methods acknowledge nothing before it is committed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headway._version import __version__
from headway.arguments import expect, expect_one_of, nearest, path_of, plain, plain_or_empty
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.elicitation.desk import desk_of
from headway.errors import Conflict, InvalidInput, NotFound, StoreError, one_line
from headway.events import kinds
from headway.events.checkpoint import Checkpoint, CheckpointInfo, StateDiff, diff_states
from headway.events.event import Event
from headway.events.snapshot import Snapshot
from headway.events.subscription import Subscription
from headway.events.views import JobRow, RunView, ScheduleRow
from headway.face import Face
from headway.jobs import checkpoints, recovery
from headway.jobs.history import History
from headway.jobs.inheritance import inherit
from headway.jobs.intake import Bounds
from headway.jobs.manager import JobManager
from headway.jobs.policy_files import PolicyFiles
from headway.jobs.powers import Powers
from headway.jobs.revival import CannotGoOn
from headway.jobs.room import Room
from headway.jobs.scope import PRIVATE, Scope, fresh_scope
from headway.jobs.submission import MAX_ID, MAX_TEXT, Proposal, Submission
from headway.jobs.supervisor import CLOSE_GRACE_S
from headway.numbers import LONGEST_S, number_between, whole_number
from headway.plan.format import ActionProposal, new_id
from headway.plan.parse import as_proposal
from headway.plan.verify import VerifyReport, verify
from headway.plan.workflow import read_workflow
from headway.policy.gates import Gates
from headway.project import Project, claim, project_at
from headway.provision import environment_of, provision, sandbox_of, secrets_of, start_mcp, tools_of
from headway.reload import ConfigFile, budget_of
from headway.runtime import Runtime
from headway.state import StateStore
from headway.store import HomeLock, Store, StoreLog, StoreReader, store_of
from headway.tools.code_files import CodeFiles
from headway.tools.recorded import record_tools
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.trust.ownership import check_path
from headway.watching import wakes

if TYPE_CHECKING:
    from headway.config import Config
    from headway.home import Home
    from headway.jobs.external import ExternalJob
    from headway.jobs.job import LiveJob
    from headway.jobs.schedules import Schedules
    from headway.tools.mcp.report import McpServerStatus, McpStartup
    from headway.tools.mcp.servers import McpServers

MAX_JOBS = 32
"""The number of jobs that run side by side; those beyond stay queued."""


class Engine(Face):
    """Use :meth:`open`; the constructor only takes what that has made. ``manager`` is the job API."""

    mcp: McpServers  # of headway.toml

    def __init__(self, home: Home, config: Config, lock: HomeLock, reader: StoreReader, powers: Powers) -> None:
        env = powers.env
        self.home = home
        self.config = config
        self.env = env
        self.log = env.log
        self.reader = reader
        self.clock = env.clock
        self.workspace = env.workspace
        self.sandbox = env.sandbox
        self.project = _project(config)
        self._file = ConfigFile(config)
        self.history = History(self._store)
        self._lock = lock
        self._resources = contextlib.AsyncExitStack()
        self._keeping = False
        self._untold: dict[asyncio.Future[None], LiveJob | ExternalJob] = {}
        self._closing: asyncio.Task[None] | None = None
        limits = {tool: (limit.max_calls, limit.interval_secs) for tool, limit in config.rate_limits.items()}
        self._empower(powers, limits)
        self._supervisor.shared = True
        self.elicitations.attend(expires_secs=config.inbox.expires_secs)
        desk_of(self.log).on_left = self._answered_left
        admission = config.admission
        self.manager = JobManager(self._supervisor, powers, self._workflow)
        self._supervisor.intake.bounds = Bounds(admission.max_actions, admission.max_waiting, admission.max_plan_bytes)

    @property
    def _store(self) -> Store:
        return store_of(self.env.log)

    # -- life --------------------------------------------------------------------------------------------------------

    @classmethod
    async def open(
        cls,
        home: Home | Path | str,
        config: Config | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_restart: str | None = None,
        tools: Iterable[Callable[..., Any] | ToolEntry] = (),
    ) -> Engine:
        """Take the home's lock, open (or make) its store, load the tools and see to what a dead process left behind.

        ``home`` is a folder, or a :class:`headway.Home`. ``tools`` are registered beside those that the configuration
        names: functions or entries. What unfinished jobs have yet to call must be among them.

        By ``on_restart``, else the configuration's ``[runtime] on_restart``, unfinished jobs resume from their log
        ("resume") or are closed as interrupted ("fail"), as those are that cannot resume here or were cancelled.

        A configuration that was read in a project's folder makes the home that project's.

        Raises :class:`headway.errors.HomeLocked`, :class:`headway.errors.Conflict` for a home of another project,
        :class:`headway.errors.StoreError` or :class:`headway.errors.InvalidConfig` (``NotTrusted`` for code that is
        not); then nothing is open or changed.
        """
        from headway.config import Config as Settings
        from headway.config import control_files

        home = _home_of(home)
        config = Settings() if config is None else expect(config, Settings, "config")
        if on_restart is not None:
            expect_one_of(on_restart, recovery.ON_RESTART, "on_restart")
        clock_of(clock)
        control = control_files(config, home)
        code = CodeFiles(config.code, config.tools.path if config.code else ())
        sandbox = sandbox_of(config, control)
        sandbox.check()
        registry = tools_of(config, control, tools)
        gates = Gates()
        files = PolicyFiles(gates.policies, config.project, config.start)
        async with contextlib.AsyncExitStack() as opened:
            lock = _locked(home, config, opened)
            opened.callback(control.close)
            log = await StoreLog.open(home, clock=clock)
            opened.push_async_callback(log.close)
            reader = await StoreReader.open(home.db)
            opened.push_async_callback(reader.close)
            env = environment_of(config, log, registry, gates, sandbox, await secrets_of(config))
            env.code = code
            opened.callback(env.threads.close)
            opened.push_async_callback(registry.aclose)
            powers = Powers(env, budget=budget_of(config), room=Room(MAX_JOBS), compat=config.runtime.compat)
            engine = cls(home, config, lock, reader, powers)
            provision(engine, config, opened)
            engine.mcp = await start_mcp(engine, config, opened)  # jobs that resume may have their tools to call
            await _record(home, config, registry)
            await engine._start((on_restart or config.runtime.on_restart) == "resume")
            files.follow(log)
            opened.push_async_callback(files.aclose)
            engine._resources = opened.pop_all()
        return engine

    async def _start(self, resume: bool) -> None:
        """Resume the unfinished jobs that can, close the others, and record that the store was opened."""
        found = await self._store.unfinished()
        courses = await recovery.recover(self._supervisor, self._powers, found, resume=resume)
        recovered = [row.job_id for row in found]
        self.log.append(
            Event(kinds.STORE_OPENED, {"version": __version__, "pid": self._lock.pid, "recovered": recovered})
        )
        for _, events in courses:
            self.log.append(*events)
        await self.log.flush()
        for course, _ in courses:
            self._supervisor.launch(course)

    def _answered_left(self, job_id: str) -> None:
        """Resume a job that was left waiting, now that a question of it is answered."""
        if self._closing is None and self._supervisor.draining is None:
            task = asyncio.get_running_loop().create_task(self._supervisor.carry_through(self._resume(job_id)))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _resume(self, job_id: str) -> None:
        if self._supervisor.get(job_id) is not None:
            return
        try:
            revived = await recovery.revived(self._store, job_id, self.env)
            row = await self._store.job(job_id)
            course, events = recovery.course_of(self._supervisor, self._powers, revived, row)
            if events:
                self.log.append(*events)
            self._supervisor.launch(course)
        except CannotGoOn as reason:
            await recovery.close(self.log, job_id, str(reason))
        except Conflict:
            return  # it runs by now

    def drain(self, reason: str = "shutdown") -> None:
        """Take no new work from here on."""
        supervisor = self._supervisor
        supervisor.draining = supervisor.draining or plain(reason, "a reason", MAX_TEXT)

    def reopen(self) -> None:
        """Take new work again after :meth:`drain`; nothing changes once the engine closes."""
        if self._closing is None:
            self._supervisor.draining = None

    @property
    def busy(self) -> int:
        """The number of submissions that have not come to their end."""
        return self._supervisor.busy()

    async def idle(self) -> None:
        """Wait until no job runs or waits. When this returns, nothing has been submitted that it did not wait for."""
        await self._supervisor.idle()

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
            if "schedules" in vars(self):
                await self.schedules.close()
            await self._supervisor.stop(reason, grace, self.clock)
            await self._end_turns()
            untold = [told for told, job in self._untold.items() if job.done.is_set()]
            if untold:  # who waited for a job reads its end before the store closes
                await asyncio.wait(untold)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def mcp_startup(self) -> McpStartup:
        """Return what became of the start of the MCP servers of ``headway.toml``; each is in one of its lists."""
        return await self.mcp.start()

    def mcp_servers(self) -> list[McpServerStatus]:
        """Return how the MCP servers of ``headway.toml`` are now, sorted by name."""
        return self.mcp.reports()

    # -- jobs --------------------------------------------------------------------------------------------------------

    def _scope_of(self, job_id: str | None) -> tuple[Scope, str | None]:
        job_id = job_id or new_id()
        return self._supervisor.adopt(fresh_scope(f"{PRIVATE}{job_id}")), job_id

    async def runtime(self, scope: str | Scope | None = None) -> Runtime:
        """Return an embedded face with this engine's powers, on one scope of its log; by default on a new one.

        Both faces work on one state and in one line. What is set on either holds for both.
        """
        supervisor = self._supervisor
        if scope is None:
            found = supervisor.adopt(Scope.new())
        elif isinstance(scope, Scope):
            found = supervisor.adopt(scope)
        else:
            found = supervisor.scope(plain(scope, "a scope", MAX_ID))
        async with supervisor.hold(found):
            return Runtime._of(self, found)

    async def verify(self, proposal: Proposal, context_id: str | None = None) -> VerifyReport:
        """Check a proposal against the tools there are and the state of its thread."""
        plan = await self._parsed(proposal)
        assert isinstance(plan, ActionProposal)
        _optional(context_id, "a context id")
        state = StateStore()
        if context_id:
            async with self._supervisor.hold(self._supervisor.scope(context_id)) as scope:
                state = scope.state
        values = state.raw()
        return await self._supervisor.intake.work(
            len(plan.actions), lambda: verify(plan, values, self.registry, secrets=self.env.vault)
        )

    async def submit(self, plan: Proposal | Submission) -> JobRow:
        """Queue a plan as a job and return its row; the job is on disk when this returns.

        Raises :class:`headway.errors.InvalidPlan` with the issues of a plan that admission refuses, and records
        nothing; with the submission's ``record_rejected`` the job is recorded as failed, outcome rejected.
        :class:`headway.errors.Unavailable` while shutting down, :class:`headway.errors.LogFull` while the disk is full,
        :class:`headway.errors.Overloaded` while too many jobs wait, or too much of plans.
        """
        course = await self._supervisor.submit(self._powers, self._submission(await self._parsed(plan)))
        return await self.row(course.jobs[0].job_id)

    async def inherit(self, scope: str, heir: str, theirs: Callable[[Event], bool]) -> bool:
        """Begin the scope ``heir`` with the state of ``scope``, if that is all ``theirs``; return whether it did.

        ``theirs`` is asked of the ``job_created`` event of each job of ``scope``. Nothing happens if ``heir`` was used
        before, or anything else ever set the state of ``scope``. Raises :class:`headway.errors.Conflict` while a job
        works on it.
        """
        plain(scope, "a scope", MAX_ID)
        plain(heir, "a scope", MAX_ID)
        return await self._supervisor.carry_through(inherit(self._supervisor, scope, heir, theirs))

    async def _parsed(self, plan: Proposal | Submission) -> Proposal | Submission:
        """Return the plan parsed, beside the event loop if it is large; what is parsed already as it is."""
        if isinstance(plan, Submission | ActionProposal):
            return plan
        compat, most = self._powers.compat, self.config.admission.max_actions
        return await self._supervisor.intake.work(
            _actions_of(plan), lambda: as_proposal(plan, compat=compat, max_actions=most)
        )

    async def wait(self, job_id: str, timeout: float | None = None) -> RunView:
        """Wait for the job's end, at most ``timeout`` seconds, and return its view as it then is."""
        if timeout is not None:
            number_between(timeout, "timeout", 0, LONGEST_S)
        job = self._supervisor.held(expect(job_id, str, "a job id"))
        if job is None:
            return await self.run(job_id)
        told = asyncio.get_running_loop().create_future()
        self._untold[told] = job
        try:
            await self._supervisor.wait(job, timeout, self.clock)
            return await self.run(job_id)
        finally:
            del self._untold[told]
            told.set_result(None)

    async def cancel(self, job_id: str, reason: str = "canceled by operator", by: str = "") -> str:
        """Ask a job to stop; the request is on disk when this returns.

        Returns "forced" (it had not started, and has ended), "requested", or "already_finished".
        """
        _check_request(job_id, reason, by)
        return await self._supervisor.cancel(job_id, reason, by)

    async def kill(self, job_id: str, reason: str = "killed by operator", by: str = "") -> str:
        """Stop a job hard: calls in flight are cut off. Answers as :meth:`cancel` does."""
        _check_request(job_id, reason, by)
        return await self._supervisor.cancel(job_id, reason, by, kill=True)

    async def successor(self, job_id: str, timeout: float | None = None) -> str | None:
        """Return the id of the job that replaces this one after its abort; None if none does.

        Waits, at most ``timeout`` seconds, while that is not decided; then raises :class:`TimeoutError`.
        """
        expect(job_id, str, "a job id")
        if timeout is not None:
            number_between(timeout, "timeout", 0, LONGEST_S)
        asking = asyncio.ensure_future(self._supervisor.successor(job_id))
        timer = self.clock.call_later(timeout, asking.cancel) if timeout is not None else None
        try:
            await asyncio.wait([asking])
        finally:
            asking.cancel()
            if timer is not None:
                timer.cancel()
        if asking.cancelled():
            raise TimeoutError(f"whether job '{job_id}' is replaced is not decided yet")
        return asking.result()

    async def row(self, job_id: str) -> JobRow:
        """Return the job's row; :class:`NotFound` if there is no such job."""
        return await self._store.job(expect(job_id, str, "a job id"))

    async def jobs(self, status: str | None = None, limit: int = 100, before: int | None = None) -> list[JobRow]:
        """Return jobs, newest first; ``before`` is the ``first_seq`` of the last one seen."""
        _optional(status, "a status")
        whole_number(limit, "limit", 0)
        if before is not None:
            whole_number(before, "before", 0)
        return await self.reader.jobs(status=status, limit=limit, before=before)

    async def run(self, job_id: str) -> RunView:
        """Return the job's view; :class:`NotFound` if there is no such job."""
        return await self._store.run_view(expect(job_id, str, "a job id"))

    async def snapshot(self, job_id: str | None = None) -> Snapshot:
        """Return all views, and one job's run."""
        return await self._store.snapshot(job_id)

    def subscribe(self, after: int = 0, job_id: str | None = None) -> Subscription:
        """Follow the log from just after ``after``."""
        return self.log.subscribe(after, job_id=job_id)

    def require_caller(self, root: str | None, digest: str | None) -> None:
        """Raise :class:`headway.errors.Conflict` if a caller means another project, or another configuration of it.

        ``root`` is the real path of the caller's project, ``digest`` its :attr:`Config.digest`; None: it does not say.
        """
        if root is not None and self.project is not None and root != self.project.root:
            raise Conflict(f"this daemon serves project {self.project}, not {project_at(root)}")
        if digest is None or digest == self.config.digest:
            return
        self.look()  # the file may have changed just now
        if digest != self.config.digest:
            waiting = ", ".join(self._file.waiting)
            what = f"{waiting} needs headway restart" if waiting else "HEADWAY_* variables and options must be the same"
            raise Conflict(
                f"the configuration of this command is not the one in force in project {self.project}: {what}"
            )

    def look(self) -> list[str]:
        """Take over what ``headway.toml`` says now, as far as that needs no restart; return the files that do need one.

        Those are the code of tools that has changed since it was loaded. The log is told of each change once.
        """
        for event in self._file.look(self):
            self.log.append(event)
        before, self.config = self.config.schedules, self._file.config
        if self._keeping and self.config.schedules != before:
            self.schedules.redeclare(self.config)
        code = self.env.code
        if code is None:
            return []
        if names := code.news():
            self.log.append(Event(kinds.TOOLS_CHANGED, {"files": names}))
        return [path.name for path in code.changed()]

    async def watch(self) -> AsyncGenerator[list[str], None]:
        """Look (:meth:`look`) whenever files of the project may have changed, for ever; yield what each look returned.

        Close the generator, or cancel the task that goes through it, to end the watching.
        """
        places = [self.config.folder, *(self.env.code.places if self.env.code is not None else ())]
        async with contextlib.aclosing(wakes([place for place in places if place is not None])) as looks:
            async for _ in looks:
                yield self.look()

    async def audit(
        self, who: str, what: str, target: str | None = None, detail: Any = None, peer: Mapping[str, Any] | None = None
    ) -> None:
        """Record what an operator did. ``who`` is their own word, ``peer`` the system's: user, process, address."""
        data: dict[str, Any] = {"who": who, "what": what}
        if target is not None:
            data["target"] = target
        if detail is not None:
            data["detail"] = detail
        if peer is not None:
            data["peer"] = dict(peer)
        await self.log.write(Event(kinds.OPERATOR_ACTION, data))

    async def prune(self) -> dict[str, Any]:
        """Apply the configured retention now; return what was removed."""
        return await self._store.prune(keep_days=self.config.store.keep_days, max_bytes=self.config.store.max_bytes)

    async def _workflow(self, name: str) -> ActionProposal:
        """Read the plan of a workflow that ``headway.toml`` names."""
        found = self.config.workflows.get(name)
        if found is None:
            near = nearest(name, self.config.workflows)
            hint = f": did you mean '{near}'?" if near is not None else ""
            raise NotFound(f"there is no workflow '{one_line(name, 100)}'{hint}")
        return await self._plan(found.plan)

    async def _plan(self, path: Path) -> ActionProposal:
        return as_proposal(await asyncio.to_thread(read_workflow, path), compat=self._powers.compat)

    @cached_property
    def schedules(self) -> Schedules:
        """The schedules of the home: those of ``headway.toml`` once :meth:`keep_schedules` was called, those added."""
        from headway.jobs.schedules import Schedules

        return Schedules(self.log, self._scheduled, lambda: self.config.workflows, attending=self._keeping)

    async def keep_schedules(self) -> None:
        """Start what the schedules name at their times, from now until the engine closes; first what was missed."""
        self._keeping = True
        if self.config.schedules or "schedules" in vars(self) or (await self._store.schedules_view()).schedules:
            await self.schedules.attend(self.config)

    async def _scheduled(self, row: ScheduleRow, job_id: str) -> str:
        plan = await (self._workflow(row.workflow) if row.workflow else self._plan(Path(row.plan or "")))
        about = Submission(plan, title=row.name, source=f"schedule:{row.name}", job_id=job_id, record_rejected=True)
        return (await self.submit(about)).job_id

    # -- checkpoints -------------------------------------------------------------------------------------------------

    async def checkpoints(self, job_id: str | None = None, scope: str | None = None) -> list[CheckpointInfo]:
        """Return the checkpoints of a job or a scope, or of everything recent, oldest first."""
        _optional(job_id, "a job id")
        _optional(scope, "a scope")
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
        self._supervisor.ready()
        await self.log.flush()
        checkpoint = await self.history.capture(
            f"ckpt_{new_id()}", job_id=job_id, scope=scope, name=name, created_ms=self.clock.time_ms()
        )
        await self._store.save_checkpoint(checkpoint, by)
        return checkpoint.info

    async def diff(self, checkpoint_id: str) -> StateDiff:
        """Return what restoring a checkpoint would change."""
        checkpoint = await self.history.checkpoint(expect(checkpoint_id, str, "a checkpoint id"))
        async with self._supervisor.hold(self._supervisor.scope(checkpoint.scope)) as scope:
            return diff_states(checkpoint, scope.state.raw())

    async def restore(self, checkpoint_id: str, by: str = "") -> StateDiff:
        """Set the scope's state to the checkpoint's; :class:`headway.errors.Conflict` while a job runs there."""
        expect(checkpoint_id, str, "a checkpoint id")
        plain_or_empty(by, "who asks", MAX_TEXT)
        checkpoint = await self.history.checkpoint(checkpoint_id)
        return await self._supervisor.carry_through(checkpoints.restore(self._supervisor, checkpoint, by))

    async def fork(self, checkpoint_id: str, by: str = "") -> JobRow:
        """Start a new job, in a scope of its own, that continues from a checkpoint; the old run is not changed."""
        expect(checkpoint_id, str, "a checkpoint id")
        plain_or_empty(by, "who asks", MAX_TEXT)
        supervisor = self._supervisor
        supervisor.ready()
        checkpoint = await self.history.fork_point(checkpoint_id)
        course = await supervisor.carry_through(checkpoints.fork(supervisor, self._powers, checkpoint, by))
        return await self.row(course.jobs[0].job_id)


async def _record(home: Home, config: Config, registry: ToolRegistry) -> None:
    """Keep in ``home`` what is known of the project's own tools; a configuration without any has nothing to say."""
    if config.tools.python:
        own = [entry for entry in registry.entries() if entry.source != "builtin"]
        await asyncio.to_thread(record_tools, home.tools_file, own)


def _locked(home: Home, config: Config, opened: contextlib.AsyncExitStack) -> HomeLock:
    """Return the home's lock, taken until ``opened`` closes; from now on the home is the project's."""
    _prepare(home)
    lock = HomeLock(home)
    lock.acquire()
    opened.callback(lock.release)
    project = _project(config)
    if project is not None:
        claim(home, project)
    return lock


def _project(config: Config) -> Project | None:
    return project_at(config.folder) if config.folder is not None else None


def _actions_of(plan: Proposal) -> int:
    """Return how many actions a plan has, or at least how large it is, counted in actions."""
    if isinstance(plan, str | bytes):
        return len(plan) // 128
    actions = plan.get("actions") if isinstance(plan, Mapping) else None
    return len(actions) if isinstance(actions, list) else 0


def _optional(text: str | None, what: str, longest: int = MAX_ID) -> None:
    """Refuse what is neither None nor a text that an event can hold."""
    if text is not None:
        plain_or_empty(text, what, longest)


def _check_request(job_id: str, reason: str, by: str) -> None:
    expect(job_id, str, "a job id")
    plain_or_empty(reason, "a reason", MAX_TEXT)
    plain_or_empty(by, "who asks", MAX_TEXT)


def _home_of(home: Home | Path | str) -> Home:
    from headway.home import Home as Folder

    return home if isinstance(home, Folder) else Folder(path_of(home, "home"))


def _prepare(home: Home) -> None:
    """Make the home. What it holds is run again after a crash: it must be this user's alone to write."""
    home.prepare()
    try:
        check_path(home.path)
    except OSError as error:
        raise StoreError(f"cannot look at {home}: {error.strerror or error}") from None


__all__ = ["Checkpoint", "Engine", "NotFound", "Snapshot"]
