"""``Runtime``: Headway inside one Python program, without a daemon.

::

    import headway

    @headway.tool
    async def greet(name: str) -> str:
        return f"hello {name}"

    runtime = headway.Runtime()
    runtime.register_tool(greet)
    result = await runtime.execute({"actions": [{"id": "a", "type": "tool_call", "tool": "greet",
                                                 "parameters": {"name": "you"}}]})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headway.arguments import expect, path_of, plain, shown_value
from headway.cancellation import CancellationToken
from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import Conflict, InvalidInput
from headway.events.log import EventLog
from headway.execution.environment import Environment
from headway.jobs import admission
from headway.jobs import takeover as recovery
from headway.jobs.candidates import plan_and_execute
from headway.jobs.checkpoint_file import (
    VERSION,
    RuntimeCheckpoint,
    missing_tools,
    plain_checkpoint,
    read_checkpoint,
    results_of,
    state_of,
    write_checkpoint,
)
from headway.jobs.replan import ReplanCallback, ReplanConfig, callback_of
from headway.jobs.runs import Runs
from headway.jobs.state_log import recorded_in
from headway.jobs.tool_limits import Declared
from headway.jobs.turn import turn_of
from headway.jsonvalue import to_json
from headway.limits.bucket import RateLimiter
from headway.limits.budget import CostBudget
from headway.plan.format import new_id
from headway.plan.parse import PlanLike, as_proposal
from headway.plan.results import ProposalResult
from headway.policy.engine import PolicyEngine
from headway.policy.gates import Gates
from headway.state import StateStore
from headway.tools.decorator import entry_of
from headway.tools.executor import Executor, ExecutorTools
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.schema import ToolSchema

if TYPE_CHECKING:
    from headway.analysis.scoring import PlannerConfig, ToolFeedback
    from headway.inference.provider import InferenceProvider
    from headway.learning.distill import Distiller
    from headway.learning.learner import Learner
    from headway.learning.memory import Memgine
    from headway.learning.trajectory_store import TrajectoryStore
    from headway.policy.capabilities import CapabilitySet
    from headway.policy.risk import PermissionGrant, Tier
    from headway.tools.process.subprocess import SubprocessTool

SCOPE = "runtime"
"""What the log calls an embedded runtime's own ``state``, unless told otherwise."""

Proposal = PlanLike
"""A plan: the model, or JSON that :func:`headway.parse_proposal` takes."""


class Runtime:
    """Verifies plans and runs them on one state, one at a time, recording every step in ``log``.

    ``log`` is an :class:`EventLog` in memory unless one is given; ``execute`` returns after the run's terminal event
    is committed in it. ``policies`` are asked before each action. ``executor`` runs the tools that were registered by
    name or schema alone. ``inference`` brings the tools infer, embed and classify. ``memgine``, ``auto_distill`` and
    ``trajectory_store`` let the runtime learn from its runs. ``replan`` is a callback that proposes another plan when
    a run aborts (see :meth:`set_replan_callback`).

    ``max_concurrency`` bounds the calls in flight; ``concurrency="car"`` runs a level that has an ``abort`` action one
    by one, as CAR does. ``workspace`` is the folder that file tools work in. ``scope`` names the state in the log: give
    runtimes with states of their own on one log scopes of their own. ``principal`` is on whose behalf it runs: policies
    see it. The log knows a bucket by its tool's name: runtimes on one log whose limited tools have names in common
    should share a ``limiter``, or the view of the limits shows one bucket for all.
    """

    def __init__(
        self,
        *,
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
        workspace: Path | None = None,
        scope: str = SCOPE,
        principal: str | None = None,
    ) -> None:
        gates = Gates(expect(policies, PolicyEngine, "policies") if policies is not None else None)
        self._env = Environment(
            log=log,
            registry=registry,
            limiter=limiter,
            clock=clock,
            max_concurrency=max_concurrency,
            concurrency=concurrency,
            workspace=workspace,
            gates=gates,
        )
        self.state = state if isinstance(state, StateStore) else StateStore(state)
        self.scope = plain(scope, "scope")
        self.log = self._env.log
        self.policies = gates.policies
        self.registry = self._env.registry
        self.rate_limiter = self._env.limiter
        self.result_cache = self._env.results
        self._declared = Declared(self._env)
        self._executor = ExecutorTools(executor)
        principal = plain(principal, "principal") if principal is not None else None
        self._runs = Runs(self._env, self.state, scope, principal)
        self._inference: InferenceProvider | None = None
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

    def with_executor(self, executor: Executor) -> Runtime:
        """Set the executor (:meth:`set_executor`); return this runtime."""
        self.set_executor(executor)
        return self

    def with_event_log(self, log: EventLog) -> Runtime:
        """Record in ``log`` from here on; return this runtime. Raises :class:`Conflict` once something has run."""
        if not isinstance(log, EventLog):
            raise InvalidInput(f"log must be an EventLog, not {type(log).__name__}")
        if self._runs.last is not None:
            raise Conflict("the log of a runtime cannot change once it has run a plan")
        self.log = self._env.log = log
        self._runs.recorded = recorded_in(log, self.scope)
        for bucket in self.rate_limiter:
            log.append(admission.limit_configured(bucket))
        return self

    def with_replan(self, callback: ReplanCallback, config: ReplanConfig) -> Runtime:
        """Set the replan callback (see :meth:`set_replan_callback`) and its config; return this runtime."""
        callback_of(callback)  # before anything is set
        self.set_replan_config(config)
        self.set_replan_callback(callback)
        return self

    def with_inference(self, provider: InferenceProvider) -> Runtime:
        """Register ``infer``, ``embed`` and ``classify`` as tools of ``provider``; return this runtime.

        What it learns from then on is put into words by the provider's model (:class:`headway.LLMDistiller`).
        """
        from headway.tools.inference import inference_tools

        for entry in inference_tools(provider):
            self.register_tool_entry(entry)
        self._inference = provider
        if self._runs.learner is not None:
            self._distil_with(self._runs.learner, None)
        return self

    def with_learning(self, memgine: Memgine, auto_distill: bool, *, distiller: Distiller | None = None) -> Runtime:
        """Learn into ``memgine`` after each run, distilling skills if ``auto_distill``; return this runtime.

        ``distiller`` says how; by default the model of :meth:`with_inference` if there is one, else rules alone.
        """
        learner = self._learn()
        before = learner.distiller
        self._distil_with(learner, distiller)
        try:
            learner.with_learning(memgine, auto_distill)
        except InvalidInput:
            learner.distiller = before
            raise
        self._runs.learner = learner
        return self

    def _distil_with(self, learner: Learner, distiller: Distiller | None) -> None:
        from headway.learning.distill import DeterministicDistiller
        from headway.learning.llm import LLMDistiller

        if distiller is not None:
            learner.use(distiller)
        elif self._inference is not None and type(learner.distiller) in (DeterministicDistiller, LLMDistiller):
            learner.use(LLMDistiller(self._inference, clock=self._env.clock))

    def with_memgine(self, memgine: Memgine) -> Runtime:
        """Learn into ``memgine``, distilling skills after each run; return this runtime."""
        return self.with_learning(memgine, True)

    def with_trajectory_store(self, store: TrajectoryStore) -> Runtime:
        """Keep the trajectory of each run in ``store``; return this runtime."""
        self._runs.learner = self._learn().with_trajectory_store(store)
        return self

    def _learn(self) -> Learner:
        from headway.learning.learner import Learner

        return self._runs.learner if self._runs.learner is not None else Learner(auto_distill=False)

    # -- tools -----------------------------------------------------------------------------------------------------

    @property
    def tools(self) -> dict[str, ToolSchema]:
        """The schemas of the registered tools, by name: a copy."""
        return {schema.name: schema for schema in self.registry.schemas()}

    def tool_schemas(self) -> list[ToolSchema]:
        """Return the schemas of the registered tools, sorted by name, for a model's prompt."""
        return self.registry.schemas()

    def register_tool(self, tool: Callable[..., Any] | str) -> None:
        """Register a function, async or sync (decorated with :func:`headway.tool` or as it is), or a mere name.

        The executor runs a tool that is only a name; it takes any parameters.
        """
        if isinstance(tool, str):
            self.register_tool_schema(ToolSchema(name=plain(tool, "a tool's name")))
        else:
            self.register_tool_entry(entry_of(tool))

    def register_tool_schema(self, schema: ToolSchema) -> None:
        """Register a tool by its schema; the executor runs it."""
        expect(schema, ToolSchema, "a tool's schema")
        self.register_tool_entry(self._executor.entry(schema))

    def register_tool_entry(self, entry: ToolEntry) -> None:
        """Register a tool with all that is known of it; its rate limit and time to live are set too."""
        expect(entry, ToolEntry, "a tool's entry")
        self.registry.register(entry)

    def register_subprocess_tool(self, name: str, tool: SubprocessTool) -> None:
        """Register a program that answers JSON-RPC on its standard streams as the tool ``name``."""
        from headway.tools.process.subprocess import SubprocessTool as Program

        if not isinstance(tool, Program):
            raise InvalidInput(f"a subprocess tool is a SubprocessTool, not {type(tool).__name__}")
        self.register_tool_entry(tool.entry(name))

    async def aclose(self) -> None:
        """End what the tools hold, such as child processes; the runtime may be used on."""
        await self.registry.aclose()

    def register_agent_basics(self, workspace: Path | str | None = None) -> list[str]:
        """Register the seven basics on files, confined to ``workspace`` (default: the runtime's own, else the working
        folder); return their names.
        """
        from headway.tools.basics import register_agent_basics
        from headway.tools.files.workspace import Workspace

        root = workspace if workspace is not None else self._env.workspace or Path.cwd()
        return register_agent_basics(self.registry, Workspace(path_of(root)))

    def set_executor(self, executor: Executor | None) -> None:
        """Let ``executor`` run, from the next call on, the tools that have no function of their own."""
        self._executor.set(executor)

    # -- limits and gates --------------------------------------------------------------------------------------------

    def set_rate_limit(self, tool: str, max_calls: int, interval_secs: float) -> None:
        """Give ``tool`` a token bucket: ``max_calls`` tokens, refilled evenly over ``interval_secs`` seconds."""
        bucket = self.rate_limiter.set_limit(tool, max_calls, interval_secs)
        self.log.append(admission.limit_configured(bucket))

    def remove_rate_limit(self, tool: str) -> bool:
        """Take the bucket of ``tool`` away, so that who waits for a token goes on; return False if there was none."""
        if not self.rate_limiter.remove(tool):
            return False
        self.log.append(admission.limit_removed(tool))
        return True

    def enable_tool_cache(self, tool: str, ttl_secs: float) -> None:
        """Keep the results of ``tool`` for ``ttl_secs`` seconds, by its parameters, for this and later runs."""
        self.result_cache.enable(tool, ttl_secs)

    def set_cost_budget(self, budget: CostBudget | None) -> None:
        """Limit what each following call may spend, replans and further candidates included; None lifts it."""
        if not (budget is None or isinstance(budget, CostBudget)):
            raise InvalidInput(f"a budget is a CostBudget, not {type(budget).__name__}")
        self._runs.budget = budget

    def set_capabilities(self, capabilities: CapabilitySet | None) -> None:
        """Refuse plans that go beyond these tools, state keys and number of actions; None lifts the limit."""
        from headway.policy.capabilities import CapabilitySet as Capabilities

        if not (capabilities is None or isinstance(capabilities, Capabilities)):
            raise InvalidInput(f"capabilities are a CapabilitySet, not {type(capabilities).__name__}")
        self._env.gates.capabilities = capabilities

    def set_permission_grant(self, grant: PermissionGrant | Tier | str | None) -> None:
        """Refuse plans with an action above this tier (read_only, sandbox_edit, full_access); None grants what the
        permissions of the tools allow: those that ask need full_access, those that deny never run.
        """
        from headway.policy.risk import PermissionGrant as Grant

        self._env.gates.grant = grant if grant is None or isinstance(grant, Grant) else Grant(grant)

    def set_replan_callback(self, callback: ReplanCallback | None) -> None:
        """Ask ``callback`` for another plan when a run aborts; how often is :meth:`set_replan_config`'s.

        A coroutine function that takes a :class:`ReplanContext`, or an object with one as ``replan``; None: never ask.
        """
        self._runs.replan.set_callback(callback)

    def set_replan_config(self, config: ReplanConfig) -> None:
        """Set how often and how carefully to replan."""
        self._runs.replan.set_config(config)

    # -- checkpoints -------------------------------------------------------------------------------------------------

    def save_checkpoint(self, **metadata: Any) -> RuntimeCheckpoint:
        """Return what the runtime is now: its committed state, and its last run as far as that has come.

        ``metadata`` is kept with it, as JSON. Also while a run is on its way: then with what is settled, and while it
        aborts without what that undoes. That it was saved is on disk when this returns, if the log is: a durable one
        blocks for its commit.
        """
        checkpoint = self._checkpoint(metadata)
        self._note_saved(checkpoint)
        return checkpoint

    def _checkpoint(self, metadata: dict[str, Any]) -> RuntimeCheckpoint:
        run = self._runs.last
        checkpoint = RuntimeCheckpoint(
            VERSION,
            f"ckpt_{new_id()}",
            self._env.clock.time_ms(),
            state_of(turn_of(self.state).run, self.state),
            tools=self.registry.names(),
            buckets=[bucket.statistics() for bucket in self.rate_limiter],
            cache_keys=[*self.result_cache.keys(), *self._env.reuse.idempotency.keys()],
            metadata=to_json(metadata),
        )
        if run is not None:
            checkpoint.job_id = run.job_id
            checkpoint.proposal = run.plan.proposal.to_dict()
            checkpoint.graph = run.plan.to_json()
            checkpoint.results = results_of(run)
            checkpoint.committed = sorted(run.committed)
            checkpoint.spent = dict(run.meter.spent) if run.meter is not None else {}
            checkpoint.session = run.session
        return checkpoint

    def _note_saved(self, checkpoint: RuntimeCheckpoint) -> None:
        self.log.append(admission.checkpoint_saved(checkpoint, self.scope, self.log.last_seq))
        self.log.sync()

    def save_checkpoint_to_file(self, path: Path | str) -> RuntimeCheckpoint:
        """Save a checkpoint as a JSON file, at most 256 MiB, atomically. Raises :class:`headway.errors.StoreError`."""
        target = path_of(path)
        checkpoint = self._checkpoint({})
        write_checkpoint(checkpoint, target)
        self._note_saved(checkpoint)
        return checkpoint

    def load_checkpoint_from_file(self, path: Path | str) -> RuntimeCheckpoint:
        """Read a checkpoint file, restore its state and return it. Nothing changes if it does not fit.

        Also if going on from it may call tools that are not registered here, also to undo what it does: they are named.
        """
        checkpoint = read_checkpoint(path_of(path))
        missing = missing_tools(checkpoint, self.registry)
        if missing:
            raise InvalidInput(f"its plan has yet to call tools that are not registered: {', '.join(missing)}")
        self.restore_checkpoint(checkpoint)
        return checkpoint

    def restore_checkpoint(self, checkpoint: RuntimeCheckpoint) -> None:
        """Make the checkpoint's state the runtime's; it is on disk when this returns, if the log is.

        Raises :class:`Conflict` while a run works on the state, :class:`InvalidInput` for one that does not fit.
        """
        checkpoint = plain_checkpoint(checkpoint)
        self._idle()
        self._runs.restore(checkpoint.checkpoint_id, checkpoint.state)
        self.log.sync()

    async def continue_from(
        self,
        checkpoint: RuntimeCheckpoint,
        cancel: CancellationToken | None = None,
        *,
        session: str | None = None,
    ) -> ProposalResult:
        """Restore a checkpoint and run what its plan had left to do, as a new run.

        What had succeeded is not run again, its changes are there; budgets go on from what was spent, and the rules of
        the policy session that it ran under apply unless another is named. Raises :class:`Conflict` if the checkpoint
        holds no plan or its session is closed, :class:`InvalidPlan` if admission refuses it, for a tool that is missing
        here say; then nothing was changed.
        """
        return await self._runs.continue_from(plain_checkpoint(checkpoint), _token(cancel), session)

    # -- running -----------------------------------------------------------------------------------------------------

    async def execute(self, proposal: Proposal, *, session: str | None = None) -> ProposalResult:
        """Run a proposal and return what became of each action.

        When it aborts and a replan callback is set, its state is rolled back and the callback's plan runs instead. The
        rules of the policy ``session`` apply too.

        A proposal that cannot be parsed raises :class:`InvalidPlan`; one that admission refuses gives a result with
        status failed and outcome rejected. Nothing else that happens to a run raises, except that a durable log whose
        disk is full raises :class:`headway.errors.LogFull`. A tool that executes a plan on the runtime that runs it
        would wait for itself: it gets a :class:`Conflict`.
        """
        return await self.execute_with_cancel(proposal, CancellationToken(), session=session)

    async def execute_with_cancel(
        self, proposal: Proposal, cancel: CancellationToken, *, session: str | None = None
    ) -> ProposalResult:
        """Run a proposal that ``cancel`` can stop.

        The token is looked at before every start and in every wait. What had not started is then Skipped with error
        ``"canceled: <reason>"``; what is in flight runs to its end and is recorded; finished changes stay.
        """
        expect(cancel, CancellationToken, "cancel")
        return await self._runs.execute(as_proposal(proposal), cancel, _session_of(session))

    async def plan_and_execute(
        self,
        candidates: Sequence[Proposal],
        planner_config: PlannerConfig | None = None,
        feedback: ToolFeedback | None = None,
        *,
        cancel: CancellationToken | None = None,
        session: str | None = None,
    ) -> ProposalResult:
        """Rank the candidates and run the best valid one; when it fails, the next best.

        All run in one turn, ranked on the state as it is then and anew before each. ``feedback`` is how well the tools
        have done, by default what the trajectories say. Valid is what ``verify`` passes and admission would: tools
        that are denied here make a plan invalid. Returns the result of the first that completed, else of the last
        that ran, with all that were tried as its ``replan_lineage``. If none is valid, nothing runs: the answer is
        the rejection of the first, or :class:`InvalidPlan` raised if that cannot be parsed. Raises
        :class:`InvalidInput` without candidates.
        """
        from headway.analysis.scoring import PlannerConfig as Config
        from headway.analysis.scoring import ToolFeedback as Feedback

        if planner_config is not None:
            expect(planner_config, Config, "planner_config")
        if feedback is not None:
            expect(feedback, Feedback, "feedback")
        token, under = _token(cancel), _session_of(session)
        if feedback is None and self._runs.learner is not None:
            feedback = self._runs.learner.feedback()
        return await plan_and_execute(self._runs, candidates, planner_config, feedback, token, under)

    # -- after a restart ---------------------------------------------------------------------------------------------

    async def unfinished(self) -> list[str]:
        """Return the ids of the jobs that an earlier process left unfinished in the durable log, oldest first."""
        run = turn_of(self.state).run
        found = await recovery.unfinished(self.log, self.scope)
        return [job_id for job_id in found if run is None or job_id != run.job_id]

    async def resume(
        self, job_id: str, cancel: CancellationToken | None = None, *, session: str | None = None
    ) -> ProposalResult:
        """Go on with a job that a dead process left unfinished in the durable log, and return what came of it.

        The state becomes what the log says. What had finished is not run again; what was in flight is, if it is
        idempotent, and fails as ``interrupted`` otherwise, answered by its ``failure_behavior``. A job whose cancel had
        been asked for is only ended, unless it had aborted before: what an abort undoes is undone.

        Raises :class:`headway.errors.NotFound`, or :class:`Conflict` for a job that has ended, is not of this runtime's
        scope or workspace, has yet to call tools that are not registered or to do what capabilities and permissions
        do not allow here, or a log in memory.
        """
        expect(job_id, str, "job_id")
        return await self._runs.resume(job_id, _token(cancel), session)

    async def recover(self, on_restart: str = "resume") -> list[ProposalResult]:
        """See to all :meth:`unfinished` jobs, and make the state what the log says.

        ``on_restart`` "resume" goes on with each job, "fail" ends them as interrupted; finished changes stay.
        """
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
        """Make the state what the durable log says. Raises :class:`Conflict` while a run works on it."""
        self._idle()
        await self._runs.take_state()

    def _idle(self) -> None:
        if self._runs.busy:
            raise Conflict("a run is working on the state: cancel it or wait for its end")


def _token(cancel: CancellationToken | None) -> CancellationToken:
    if cancel is None:
        return CancellationToken()
    expect(cancel, CancellationToken, "cancel")
    return cancel


def _session_of(session: str | None) -> str | None:
    return None if session is None else plain(session, "a policy session's id")
