"""``Runtime``: Headway inside one Python program, without a daemon.

::

    import headway

    @headway.tool
    async def greet(name: str) -> str:
        return f"hello {name}"

    runtime = headway.Runtime(tools=[greet])
    result = await runtime.execute({"actions": [{"id": "a", "type": "tool_call", "tool": "greet",
                                                 "parameters": {"name": "you"}}]})
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headway.arguments import expect, expect_many, path_of, plain, shown_value
from headway.cancellation import CancellationToken
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import Conflict, InvalidInput
from headway.events.checkpoint import Checkpoint
from headway.events.log import EventLog
from headway.execution.environment import Environment
from headway.face import Face, _token
from headway.jobs.handle import RunHandle
from headway.jobs.powers import Powers
from headway.jobs.replan import ReplanCallback, ReplanConfig
from headway.jobs.scope import Scope
from headway.jobs.submission import Submission
from headway.jobs.supervisor import CLOSE_GRACE_S, supervisor_of
from headway.jobs.tool_limits import limit_configured
from headway.limits.bucket import RateLimiter
from headway.plan.format import ActionProposal
from headway.plan.parse import Compat
from headway.plan.results import ProposalResult
from headway.policy.engine import PolicyEngine
from headway.policy.gates import Gates
from headway.state import StateStore
from headway.tools.executor import Executor
from headway.tools.registry import ToolRegistry
from headway.tools.sandbox import Sandbox, SandboxMode

if TYPE_CHECKING:
    from headway.dispatch.protocol import Dispatcher
    from headway.elicitation.desk import Callback
    from headway.inference.provider import InferenceProvider
    from headway.learning.memory import Memgine
    from headway.learning.trajectory_store import TrajectoryStore
    from headway.secrets.vault import Vault
    from headway.tools.registry import ToolEntry

SCOPE = "runtime"
"""The name that the log gives an embedded runtime's own ``state``, unless told otherwise."""


class Runtime(Face):
    """Verifies plans and runs them on one state, one at a time, recording every step in ``log``.

    ``tools`` are registered first: functions, entries, or mere names that the ``executor`` runs.
    ``log`` is an :class:`EventLog` in memory unless one is given; ``execute`` returns after the run's terminal event
    is committed in it. ``policies`` are asked before each action. ``executor`` runs the tools that were registered by
    name or schema alone. ``inference`` brings the tools infer, embed and classify. ``memgine``, ``auto_distill`` and
    ``trajectory_store`` let the runtime learn from its runs. ``replan`` is a callback that proposes another plan when
    a run aborts (see :meth:`set_replan_callback`).

    ``max_concurrency`` bounds the calls in flight; ``concurrency="car"`` runs a level that has an ``abort`` action one
    by one, as CAR does. ``reuse="runtime"`` reuses the results of idempotent actions for as long as the runtime lives,
    as CAR does; by default ("ttl") only for the time that their tools or :meth:`enable_tool_cache` say.
    ``compat="car"`` takes plans with fields that the format does not know, and leaves those out.

    ``dispatcher`` calls the tools, by default in this process. ``workspace`` is the folder that file tools work in.
    ``scope`` names the state in the log: runtimes on one log and one scope share its state. ``principal`` is on whose
    behalf it runs: policies see it. ``sandbox`` is for tools that start programs: "auto" runs these in a sandbox
    and refuses them where there is none, "require" refuses the runtime there, "off" gives them all rights of this
    user; or a :class:`headway.tools.Sandbox` of one's own. ``secrets`` are those that plans may name
    (:class:`headway.secrets.Vault`). ``on_elicitation`` answers where a tool or a policy asks a person
    (:meth:`headway.elicitation.Elicitations.on_elicitation`). The log knows a bucket by its tool's name: runtimes on
    one log whose limited tools have names in common should share a ``limiter``, or the view of the limits shows one
    bucket for all.
    """

    def __init__(
        self,
        *,
        tools: Iterable[Callable[..., Any] | ToolEntry | str] = (),
        state: StateStore | Mapping[str, Any] | None = None,
        log: EventLog | None = None,
        policies: PolicyEngine | None = None,
        executor: Executor | None = None,
        inference: InferenceProvider | None = None,
        memgine: Memgine | None = None,
        auto_distill: bool = True,
        trajectory_store: TrajectoryStore | None = None,
        replan: ReplanCallback | None = None,
        registry: ToolRegistry | None = None,
        limiter: RateLimiter | None = None,
        clock: Clock = SYSTEM_CLOCK,
        max_concurrency: int = 64,
        concurrency: str = "level",
        reuse: str = "ttl",
        dispatcher: Dispatcher | None = None,
        workspace: Path | None = None,
        scope: str = SCOPE,
        principal: str | None = None,
        compat: Compat | None = None,
        sandbox: SandboxMode | Sandbox = "auto",
        secrets: Vault | None = None,
        on_elicitation: Callback | None = None,
    ) -> None:
        confined = _sandbox(sandbox, workspace)
        env = Environment(
            log=log,
            registry=registry,
            limiter=limiter,
            clock=clock,
            max_concurrency=max_concurrency,
            concurrency=concurrency,
            reuse=reuse,
            dispatcher=dispatcher,
            workspace=workspace,
            sandbox=confined,
            vault=secrets,
            gates=Gates(expect(policies, PolicyEngine, "policies") if policies is not None else None),
        )
        principal = plain(principal, "principal") if principal is not None else None
        self._empower(Powers(env, principal=principal, compat=compat))
        for entry in [self._entry(tool) for tool in expect_many(tools, "tools")]:
            self.register_tool_entry(entry)
        self._scope = self._supervisor.own(plain(scope, "scope"), state)
        if executor is not None:
            self.set_executor(executor)
        if on_elicitation is not None:
            self.elicitations.on_elicitation(on_elicitation)
        if replan is not None:
            self.with_replan(replan, ReplanConfig(max_replans=1))
        if inference is not None:
            self.with_inference(inference)
        if memgine is not None:
            self.with_learning(memgine, auto_distill)
        if trajectory_store is not None:
            self.with_trajectory_store(trajectory_store)

    @classmethod
    def with_shared(cls, state: StateStore, log: EventLog, policies: PolicyEngine, **options: Any) -> Runtime:
        """Return a runtime that shares state, log and policies with others.

        Each has its own tools, executor, limits and caches. Runs on the shared state take turns, whichever runtimes
        they belong to. ``options`` are those of the constructor.
        """
        return cls(state=state, log=log, policies=policies, **options)

    @classmethod
    def _of(cls, face: Face, scope: Scope) -> Runtime:
        """Return a runtime with the powers of another face, on a scope of the same log."""
        made = cls.__new__(cls)
        made._borrow(face)
        made._scope = scope
        return made

    @property
    def state(self) -> StateStore:
        """The state that plans work on unless they name a scope."""
        return self._scope.state

    @property
    def scope(self) -> str:
        """The name of the state in the log."""
        return self._scope.name

    @property
    def log(self) -> EventLog:
        """The log that every step is recorded in."""
        return self._powers.env.log

    def with_event_log(self, log: EventLog) -> Self:
        """Record in ``log`` from here on; return this runtime. Raises :class:`Conflict` once something has run."""
        if not isinstance(log, EventLog):
            raise InvalidInput(f"log must be an EventLog, not {type(log).__name__}")
        if self._scope.last is not None or self._scope.busy:
            raise Conflict("the log of a runtime cannot change once it has run a plan")
        self._scope = supervisor_of(log).own(self._scope.name, self._scope.state)  # refused, or all is changed
        self._powers.env.log = log
        for bucket in self.rate_limiter:
            log.append(limit_configured(bucket))
        return self

    def _scope_of(self, job_id: str | None) -> tuple[Scope, str | None]:
        return self._scope, job_id

    # -- its life ----------------------------------------------------------------------------------------------------

    async def aclose(self) -> None:
        """End what the tools hold, such as child processes; the runtime may be used on."""
        if not self._borrowed:
            await self.registry.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the runs still in progress, kill what has not ended after a grace, and end what the tools hold."""
        supervisor = self._supervisor
        courses = [
            course
            for course in supervisor.courses_of(self._powers)
            if not self._borrowed or course.scope is self._scope  # the other jobs of the powers' owner run on
        ]
        await supervisor.stop("the runtime is closed", CLOSE_GRACE_S, self._powers.env.clock, courses)
        await self._end_turns()
        await self.aclose()

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def save_checkpoint(self, **metadata: Any) -> Checkpoint:
        """Return what the runtime is now: its committed state, and its last run as far as that has come.

        ``metadata`` is kept with it, as JSON. Also while a run is on its way: then with what is settled, and while it
        aborts without what that undoes. That it was saved is on disk when this returns, if the log is: a durable one
        blocks for its commit.
        """
        from headway.jobs import checkpoints

        checkpoint = checkpoints.capture(self._supervisor, self._powers, self._scope, metadata)
        self._note_saved(checkpoint)
        return checkpoint

    def _note_saved(self, checkpoint: Checkpoint) -> None:
        from headway.store.checkpoints import checkpoint_saved

        self.log.append(checkpoint_saved(checkpoint, ""))
        self.log.sync()

    def save_checkpoint_to_file(self, path: Path | str) -> Checkpoint:
        """Save a checkpoint as a JSON file, at most 256 MiB, atomically. Raises :class:`headway.errors.StoreError`."""
        from headway.jobs import checkpoints
        from headway.jobs.checkpoint_file import write_checkpoint

        target = path_of(path)
        checkpoint = checkpoints.capture(self._supervisor, self._powers, self._scope, {})
        write_checkpoint(checkpoint, target, self.log.redactor)
        self._note_saved(checkpoint)
        return checkpoint

    def load_checkpoint_from_file(self, path: Path | str) -> Checkpoint:
        """Read a checkpoint file, restore its state and return it. Nothing changes if it does not fit.

        Also if continuing from it may call tools that are not registered here, also to undo what it does: they are
        named.
        """
        from headway.jobs.checkpoint_file import missing_tools, read_checkpoint

        checkpoint = read_checkpoint(path_of(path))
        missing = missing_tools(checkpoint, self.registry)
        if missing:
            raise InvalidInput(f"its plan has yet to call tools that are not registered: {', '.join(missing)}")
        self.restore_checkpoint(checkpoint)
        return checkpoint

    def restore_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Make the checkpoint's state the runtime's; it is on disk when this returns, if the log is.

        Raises :class:`Conflict` while a run works on the state, :class:`InvalidInput` for one that does not fit.
        """
        from headway.jobs import checkpoints
        from headway.jobs.checkpoint_file import plain_checkpoint

        checkpoint = plain_checkpoint(checkpoint)
        self._require_idle()
        checkpoints.set_state(self._supervisor, self._scope, checkpoint)
        self.log.sync()

    async def continue_from(
        self,
        checkpoint: Checkpoint,
        cancel: CancellationToken | None = None,
        *,
        session: str | None = None,
    ) -> ProposalResult:
        """Restore a checkpoint and run what its plan had left to do, as a new run.

        What had succeeded is not run again, its changes are there; budgets continue from what was spent, and the rules
        of the policy session that it ran under apply unless another is named. Raises :class:`Conflict` if the
        checkpoint holds no plan or its session is closed, :class:`InvalidPlan` if admission refuses it, for a tool that
        is missing here say; then nothing was changed.
        """
        from headway.jobs import checkpoints
        from headway.jobs.checkpoint_file import plain_checkpoint

        supervisor, token = self._supervisor, _token(cancel)
        checkpoint = plain_checkpoint(checkpoint)
        course = checkpoints.course_from(
            supervisor, self._powers, checkpoint, self._scope, token, session=_session_of(session)
        )
        supervisor.launch(course)
        return await course.task

    async def fork(self, checkpoint: Checkpoint | str) -> RunHandle:
        """Run, in a new scope, what a checkpoint's plan had left to do; return the handle. The old run is not changed.

        ``checkpoint`` is one, or the id of one that the log knows, such as the end of a level. Raises
        :class:`headway.errors.NotFound`, or :class:`Conflict` for a checkpoint without a plan.
        """
        from headway.jobs import checkpoints
        from headway.jobs.checkpoint_file import plain_checkpoint

        supervisor = self._supervisor
        if isinstance(checkpoint, str):
            checkpoint = await supervisor.history.fork_point(checkpoint)
        else:
            checkpoint = plain_checkpoint(checkpoint)
        work = checkpoints.fork(supervisor, self._powers, checkpoint)
        return RunHandle(await supervisor.carry_through(work))

    # -- after a restart ---------------------------------------------------------------------------------------------

    async def unfinished(self) -> list[str]:
        """Return the ids of the jobs that an earlier process left unfinished in the durable log, oldest first."""
        from headway.jobs import recovery

        found = await recovery.unfinished(self.log, self.scope)
        return [job_id for job_id in found if self._supervisor.get(job_id) is None]

    async def resume(
        self, job_id: str, cancel: CancellationToken | None = None, *, session: str | None = None
    ) -> ProposalResult:
        """Resume a job that a dead process left unfinished in the durable log, and return what came of it.

        The state becomes what the log says. What had finished is not run again; what was in flight is, if it is
        idempotent, and fails as ``interrupted`` otherwise, answered by its ``failure_behavior``. A job whose cancel had
        been asked for is only ended, unless it had aborted before: what an abort undoes is undone.

        Raises :class:`headway.errors.NotFound`, or :class:`Conflict` for a job that has ended or runs here, is not of
        this runtime's scope or workspace, or has yet to call tools that are not registered or to do what capabilities
        and permissions do not allow here.
        """
        from headway.jobs import recovery

        expect(job_id, str, "job_id")
        submission = Submission(ActionProposal(actions=[]), session=_session_of(session))
        return await self._supervisor.start(
            self._powers, submission, self._scope, _token(cancel), job_id=job_id, begin=recovery.resume
        ).task

    async def recover(self, on_restart: str = "resume") -> list[ProposalResult]:
        """See to all :meth:`unfinished` jobs, and make the state what the log says.

        ``on_restart`` "resume" resumes each job, "fail" ends them as interrupted; finished changes stay.
        """
        from headway.jobs import recovery

        if on_restart not in recovery.ON_RESTART:
            raise InvalidInput(f"on_restart is 'resume' or 'fail', not {shown_value(on_restart)}")
        await self.load_state()
        found = await self.unfinished()
        if on_restart == "fail":
            ended = [await recovery.close(self.log, job_id) for job_id in found]
            await self.load_state()
            return ended
        return [await self.resume(job_id) for job_id in found]

    async def load_state(self) -> None:
        """Make the state what the log says. Raises :class:`Conflict` while a run works on it."""
        self._require_idle()
        async with self._scope.turn.taken(CancellationToken()):
            await self._supervisor.take_state(self._scope)

    def _require_idle(self) -> None:
        if self._scope.busy:
            raise Conflict("a run is working on the state: cancel it or wait for its end")


def _session_of(session: str | None) -> str | None:
    return None if session is None else plain(session, "a policy session's id")


def _sandbox(given: SandboxMode | Sandbox, workspace: Path | None) -> Sandbox:
    """Return the sandbox of a runtime, which can do what it is to do."""
    folder = None if workspace is None else path_of(workspace, "workspace")
    made = given if isinstance(given, Sandbox) else Sandbox(given, workspace=folder)
    made.check()
    return made
