"""The common part of :class:`headway.Runtime` and :class:`headway.Engine`: tools, limits, gates, and starting runs.

CAR's ``set_…``, ``with_…`` and ``register_…`` names stand here once. A face holds powers and hands them, with each
submission, to the supervisor of its log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from headway.arguments import expect, expect_call, expect_many, path_of, plain
from headway.cancellation import CancellationToken
from headway.errors import InvalidInput
from headway.jobs.handle import RunHandle
from headway.jobs.replan import ReplanCallback, ReplanConfig, callback_of
from headway.jobs.scope import Scope
from headway.jobs.submission import Proposal, Submission
from headway.jobs.supervisor import supervisor_of
from headway.jobs.tool_limits import ToolLimits, limit_configured, limit_removed
from headway.limits.budget import CostBudget
from headway.numbers import positive_seconds
from headway.tools.decorator import entry_of
from headway.tools.executor import Executor, ExecutorTools
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.schema import ToolSchema

if TYPE_CHECKING:
    from headway.analysis.scoring import PlannerConfig, ToolFeedback
    from headway.elicitation.elicitations import Elicitations
    from headway.events.views import RunView
    from headway.hooks.hooks import Hooks
    from headway.hooks.lane import HookStatus
    from headway.inference.provider import InferenceProvider
    from headway.inference.registry import ModelRegistry
    from headway.jobs.course import Course
    from headway.jobs.powers import Powers
    from headway.jobs.supervisor import Supervisor
    from headway.learning.distill import Distiller
    from headway.learning.learner import Learner
    from headway.learning.memory import Memgine
    from headway.learning.trajectory_store import TrajectoryStore
    from headway.limits.bucket import RateLimiter
    from headway.limits.cache import ResultCache
    from headway.plan.results import ProposalResult
    from headway.policy.capabilities import CapabilitySet
    from headway.policy.engine import PolicyEngine
    from headway.policy.risk import PermissionGrant, Tier
    from headway.secrets.vault import Vault
    from headway.threads.prompts import Prompts
    from headway.threads.requests import (
        CliRuntimeOverrides,
        PromptRequest,
        PromptResponse,
        ThreadRequest,
        ThreadResponse,
    )
    from headway.threads.threads import Threads
    from headway.tools.process.subprocess import SubprocessTool


Judging = TypeVar("Judging", bound=Callable[..., Any])


class Face(ABC):
    """The powers of a face, by CAR's names, and the calls that start runs with them."""

    _powers: Powers
    _borrowed = False
    _hooks: Hooks | None = None

    def _empower(self, powers: Powers, limits: dict[str, tuple[int, float]] | None = None) -> None:
        """Take ``powers`` as this face's own; ``limits`` are rate limits that hold whatever the tools declare."""
        self._powers = powers
        self._executor = ExecutorTools(None)
        self._inference: InferenceProvider | None = None
        self._models: ModelRegistry | None = None
        self._prompts: Prompts | None = None
        self._tool_limits = ToolLimits(powers.env, limits)

    def _borrow(self, face: Face) -> None:
        """Share all that another face has: what is set on either holds for both."""
        self._powers, self._executor = face._powers, face._executor
        self._inference, self._tool_limits = face._inference, face._tool_limits
        self._models, self._hooks = face._models, face._hooks
        self._prompts = None
        self._borrowed = True

    @property
    def _supervisor(self) -> Supervisor:
        return supervisor_of(self._powers.env.log)

    @abstractmethod
    def _scope_of(self, job_id: str | None) -> tuple[Scope, str | None]:
        """Return where a plan runs that names no scope, and the job's id if that follows from it."""

    # -- running -----------------------------------------------------------------------------------------------------

    def start(
        self,
        plan: Proposal | Submission,
        scope: Scope | str | None = None,
        *,
        budget: CostBudget | None = None,
        replan: ReplanCallback | None = None,
        session: str | None = None,
        cancel: CancellationToken | None = None,
        progress: Callable[[RunView], object] | None = None,
    ) -> RunHandle:
        """Start a run and return its handle immediately; many may be in progress.

        ``scope`` is a :class:`headway.Scope`, or the name of one that the log may know: ``Scope.new()`` is an empty
        state of its own; None is the face's own (a :class:`headway.Runtime`'s ``state``, for an
        :class:`headway.Engine` a new one). The runs of one scope take turns. ``budget`` and ``replan`` replace the
        face's own for this run, ``session`` is a policy session, ``progress`` is called with the run's view whenever
        there is news. Raises :class:`headway.errors.InvalidPlan` for a plan that cannot be parsed,
        :class:`headway.errors.Unavailable` while shutting down, :class:`headway.errors.Conflict` where no event loop
        runs and for a scope that is in use on another log.
        """
        submission = self._submission(plan, session, budget, replan)
        if progress is not None and not callable(progress):
            raise InvalidInput(f"progress must be a function, not {type(progress).__name__}")
        return RunHandle(self._begin(submission, _token(cancel), scope), progress)

    async def execute(self, proposal: Proposal | Submission, *, session: str | None = None) -> ProposalResult:
        """Run a proposal and return what became of each action.

        When it aborts and a replan callback is set, its state is rolled back and the callback's plan runs instead. The
        rules of the policy ``session`` apply too.

        A proposal that cannot be parsed raises :class:`InvalidPlan`; one that admission refuses gives a result with
        status failed and outcome rejected. Nothing else that happens to a run raises, except that a durable log whose
        disk is full raises :class:`headway.errors.LogFull`. A tool that executes a plan on the scope that it runs in
        would wait for itself: it gets a :class:`Conflict`.
        """
        return await self._begin(self._submission(proposal, session)).task

    async def execute_with_cancel(
        self, proposal: Proposal | Submission, cancel: CancellationToken, *, session: str | None = None
    ) -> ProposalResult:
        """Run a proposal that ``cancel`` can stop.

        The token is looked at before every start and in every wait. What had not started is then Skipped with error
        ``"canceled: <reason>"``; what is in flight runs to its end and is recorded; finished changes stay.
        """
        expect(cancel, CancellationToken, "cancel")
        return await self._begin(self._submission(proposal, session), cancel).task

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
        from headway.jobs.candidates import ranked

        if planner_config is not None:
            expect(planner_config, Config, "planner_config")
        if feedback is not None:
            expect(feedback, Feedback, "feedback")
        elif self._powers.learner is not None:
            feedback = self._powers.learner.feedback()
        token = _token(cancel)
        return await self._begin(ranked(candidates, planner_config, feedback, session, self._powers.compat), token).task

    def _submission(
        self,
        plan: Proposal | Submission,
        session: str | None = None,
        budget: CostBudget | None = None,
        replan: ReplanCallback | None = None,
    ) -> Submission:
        if not isinstance(plan, Submission):
            return Submission(plan, session=session, budget=budget, replan=replan, compat=self._powers.compat)
        if not (session is None and budget is None and replan is None):
            raise InvalidInput("a Submission has its own session, budget and replan: set them there")
        return plan

    def _begin(
        self, submission: Submission, token: CancellationToken | None = None, scope: Scope | str | None = None
    ) -> Course:
        supervisor, job_id = self._supervisor, submission.job_id
        if isinstance(scope, Scope):
            where = supervisor.adopt(scope)
        elif scope is not None:
            where = supervisor.scope(plain(scope, "a scope"))
        elif (name := submission.scope) is not None:
            where = supervisor.scope(name)
        else:
            where, job_id = self._scope_of(job_id)
        return supervisor.start(self._powers, submission, where, token, job_id=job_id)

    # -- tools -------------------------------------------------------------------------------------------------------

    @property
    def registry(self) -> ToolRegistry:
        """The registered tools."""
        return self._powers.env.registry

    @property
    def tools(self) -> dict[str, ToolSchema]:
        """The schemas of the registered tools, by name: a copy."""
        return {schema.name: schema for schema in self.registry.schemas()}

    def tool_schemas(self) -> list[ToolSchema]:
        """Return the schemas of the registered tools, sorted by name, for a model's prompt."""
        return self.registry.schemas()

    def register_tool(self, tool: Callable[..., Any] | ToolEntry | str) -> None:
        """Register a function, async or sync (decorated with :func:`headway.tool` or as it is), an entry, or a name.

        The executor runs a tool that is only a name; it takes any parameters.
        """
        self.register_tool_entry(self._entry(tool))

    def _entry(self, tool: Callable[..., Any] | ToolEntry | str) -> ToolEntry:
        if isinstance(tool, ToolEntry):
            return tool
        if isinstance(tool, str):
            return self._executor.entry(ToolSchema(name=plain(tool, "a tool's name")))
        return entry_of(tool)

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

    def register_agent_basics(self, workspace: Path | str | None = None) -> list[str]:
        """Register the seven basics on files, confined to ``workspace`` (default: the face's own, else the working
        folder); return their names.
        """
        from headway.tools.basics import register_agent_basics
        from headway.tools.files.workspace import Workspace

        root = workspace if workspace is not None else self._powers.env.workspace or Path.cwd()
        return register_agent_basics(self.registry, Workspace(path_of(root)))

    def set_executor(self, executor: Executor | None) -> None:
        """Let ``executor`` run, from the next call on, the tools that have no function of their own."""
        self._executor.set(executor)

    def with_executor(self, executor: Executor) -> Self:
        """Set the executor (:meth:`set_executor`); return this face."""
        self.set_executor(executor)
        return self

    # -- limits and gates --------------------------------------------------------------------------------------------

    @property
    def policies(self) -> PolicyEngine:
        """The policies that are asked before each attempt."""
        return self._powers.env.gates.policies

    @property
    def elicitations(self) -> Elicitations:
        """The questions that runs put to people: what waits, and the answers."""
        from headway.elicitation.elicitations import elicitations_of

        return elicitations_of(self._powers.env)

    @property
    def rate_limiter(self) -> RateLimiter:
        """The token buckets."""
        return self._powers.env.limiter

    @property
    def result_cache(self) -> ResultCache:
        """The results that are kept for a time."""
        return self._powers.env.results

    @property
    def secrets(self) -> Vault:
        """The secrets that plans may name."""
        return self._powers.env.vault

    def set_rate_limit(self, tool: str, max_calls: int, interval_secs: float) -> None:
        """Give ``tool`` a token bucket: ``max_calls`` tokens, refilled evenly over ``interval_secs`` seconds."""
        bucket = self.rate_limiter.set_limit(tool, max_calls, interval_secs)
        self._powers.env.log.append(limit_configured(bucket))

    def remove_rate_limit(self, tool: str) -> bool:
        """Remove the bucket of ``tool``: who waits for a token proceeds; return False if there was none."""
        if not self.rate_limiter.remove(tool):
            return False
        self._powers.env.log.append(limit_removed(tool))
        return True

    def enable_tool_cache(self, tool: str, ttl_secs: float) -> None:
        """Keep the results of ``tool`` for ``ttl_secs`` seconds, by its parameters, for this and later runs."""
        self.result_cache.enable(tool, ttl_secs)

    def set_cost_budget(self, budget: CostBudget | None) -> None:
        """Limit what each following call may spend, replans and further candidates included; None lifts it."""
        if not (budget is None or isinstance(budget, CostBudget)):
            raise InvalidInput(f"a budget is a CostBudget, not {type(budget).__name__}")
        self._powers.budget = budget

    def set_capabilities(self, capabilities: CapabilitySet | None) -> None:
        """Refuse plans that go beyond these tools, state keys and number of actions; None lifts the limit."""
        from headway.policy.capabilities import CapabilitySet as Capabilities

        if not (capabilities is None or isinstance(capabilities, Capabilities)):
            raise InvalidInput(f"capabilities are a CapabilitySet, not {type(capabilities).__name__}")
        self._powers.env.gates.capabilities = capabilities

    def set_permission_grant(self, grant: PermissionGrant | Tier | str | None) -> None:
        """Refuse plans with an action above this tier (read_only, sandbox_edit, full_access); None grants what the
        permissions of the tools allow: a person is asked about those that ask, if somebody is there to answer, and
        those that deny never run. Under full_access nobody is asked.
        """
        from headway.policy.risk import PermissionGrant as Grant

        self._powers.env.gates.grant = grant if grant is None or isinstance(grant, Grant) else Grant(grant)

    def hook_reports(self) -> list[HookStatus]:
        """Return how the hooks of ``[hooks]`` are now, sorted by name: what they were told, and what was dropped."""
        return self._hooks.reports() if self._hooks is not None else []

    def before_tool(
        self,
        judge: Judging,
        *,
        name: str | None = None,
        tools: Iterable[str] = (),
        strict: bool = True,
        timeout_secs: float = 10.0,
    ) -> Judging:
        """Have ``judge(call)`` judge each call before its first attempt; return it, so that this decorates functions.

        ``call`` is a :class:`headway.hooks.verdict.JudgedCall`; the answer a :class:`headway.hooks.verdict.Verdict`, an
        object like one, or True or False for allow and deny. A function runs in a thread, a coroutine function on the
        loop. ``tools`` are names, or patterns as ``git_*``; none: all. Without a verdict in ``timeout_secs`` seconds,
        or with an error or nonsense for one, the call is denied if ``strict``, else allowed. ``name`` is its function's
        unless one is given. Raises :class:`InvalidInput`, and :class:`Conflict` for a name that is taken.
        """
        from headway.hooks.gate import ToolHook
        from headway.hooks.judges import FunctionJudge

        expect_call(judge, "before_tool")
        named = plain(name if name is not None else getattr(judge, "__name__", type(judge).__name__), "a hook's name")
        patterns = tuple(plain(tool, "a tool's name") for tool in expect_many(tools, "tools"))
        timeout = positive_seconds(timeout_secs, "timeout_secs")
        strictly = expect(strict, bool, "strict")
        hook = ToolHook(named, FunctionJudge(judge), patterns, strict=strictly, timeout=timeout)
        self._powers.env.add_before_tool(hook)
        return judge

    def remove_before_tool(self, name: str) -> bool:
        """Have the hook of that name judge no further call; return whether there was one."""
        return self._powers.env.remove_before_tool(plain(name, "a hook's name"))

    # -- replanning, inference, learning -----------------------------------------------------------------------------

    def set_replan_callback(self, callback: ReplanCallback | None) -> None:
        """Ask ``callback`` for another plan when a run aborts; how often is :meth:`set_replan_config`'s.

        A coroutine function that takes a :class:`ReplanContext`, or an object with one as ``replan``; None: never ask.
        """
        self._powers.replan.set_callback(callback)

    def set_replan_config(self, config: ReplanConfig) -> None:
        """Set how often and how carefully to replan."""
        self._powers.replan.set_config(config)

    def with_replan(self, callback: ReplanCallback, config: ReplanConfig) -> Self:
        """Set the replan callback (see :meth:`set_replan_callback`) and its config; return this face."""
        callback_of(callback)  # before anything is set
        self.set_replan_config(config)
        self.set_replan_callback(callback)
        return self

    @property
    def models(self) -> ModelRegistry:
        """The models that are known by name; see :meth:`with_models`."""
        if self._models is None:
            from headway.inference.registry import ModelRegistry as Registry

            self._models = Registry()
        return self._models

    def with_models(self, registry: ModelRegistry) -> Self:
        """Know models by the names that ``registry`` has for them; return this face. It stays yours to close."""
        from headway.inference.registry import ModelRegistry as Registry

        self._models = expect(registry, Registry, "models")
        return self

    @property
    def threads(self) -> Threads:
        """The threads of this face's log: see :class:`headway.threads.Threads`."""
        from headway.threads.threads import threads_of

        return threads_of(self._powers.env.log)

    @property
    def prompts(self) -> Prompts:
        """What has models answer in threads: see :class:`headway.threads.Prompts`."""
        if self._prompts is None:
            from headway.threads.prompts import Prompts as Made

            self._prompts = Made(self.threads, lambda: self.models)
        return self._prompts

    async def _end_turns(self) -> None:
        """Cancel the turns of threads that run, as this face closes."""
        if self._prompts is not None:
            await self._prompts.aclose()

    async def handle_thread(self, request: ThreadRequest | dict[str, Any]) -> ThreadResponse:
        """Answer a request about threads: see :meth:`headway.threads.Prompts.handle_thread`."""
        return await self.prompts.handle_thread(request)

    async def handle_prompt(
        self, request: PromptRequest | dict[str, Any], overrides: CliRuntimeOverrides | None = None
    ) -> PromptResponse:
        """Have a model answer: see :meth:`headway.threads.Prompts.handle_prompt`."""
        return await self.prompts.handle_prompt(request, overrides)

    async def save_thread_checkpoint(self, thread_id: str, checkpoint_id: str, state: Any) -> int:
        """Save a state under a name: see :meth:`headway.threads.Threads.save_checkpoint`."""
        return await self.threads.save_checkpoint(thread_id, checkpoint_id, state)

    async def load_thread_checkpoint(
        self, thread_id: str, checkpoint_id: str | None = None, kind: type[Any] | None = None
    ) -> Any:
        """Return a state that was saved: see :meth:`headway.threads.Threads.load_checkpoint`."""
        return await self.threads.load_checkpoint(thread_id, checkpoint_id, kind)

    def with_inference(self, provider: InferenceProvider) -> Self:
        """Register ``infer``, ``embed`` and ``classify`` as tools of ``provider``; return this face.

        What it learns from then on is put into words by the provider's model (:class:`headway.learning.LLMDistiller`).
        """
        from headway.tools.inference import inference_tools

        for entry in inference_tools(provider):
            self.register_tool_entry(entry)
        self._inference = provider
        if self._powers.learner is not None:
            self._distil_with(self._powers.learner, None)
        return self

    def with_learning(self, memgine: Memgine, auto_distill: bool, *, distiller: Distiller | None = None) -> Self:
        """Learn into ``memgine`` after each run, distilling skills if ``auto_distill``; return this face.

        ``distiller`` says how; by default the model of :meth:`with_inference` if there is one, else rules alone.
        """
        learner = self._learner()
        before = learner.distiller
        self._distil_with(learner, distiller)
        try:
            learner.with_learning(memgine, auto_distill)
        except InvalidInput:
            learner.distiller = before
            raise
        self._powers.learner = learner
        return self

    def with_memgine(self, memgine: Memgine) -> Self:
        """Learn into ``memgine``, distilling skills after each run; return this face."""
        return self.with_learning(memgine, True)

    def with_trajectory_store(self, store: TrajectoryStore) -> Self:
        """Keep the trajectory of each run in ``store``; return this face."""
        self._powers.learner = self._learner().with_trajectory_store(store)
        return self

    def _distil_with(self, learner: Learner, distiller: Distiller | None) -> None:
        from headway.learning.distill import DeterministicDistiller
        from headway.learning.llm import LLMDistiller

        if distiller is not None:
            learner.use(distiller)
        elif self._inference is not None and type(learner.distiller) in (DeterministicDistiller, LLMDistiller):
            learner.use(LLMDistiller(self._inference, clock=self._powers.env.clock))

    def _learner(self) -> Learner:
        from headway.learning.learner import Learner

        return self._powers.learner if self._powers.learner is not None else Learner(auto_distill=False)


def _token(cancel: CancellationToken | None) -> CancellationToken:
    return CancellationToken() if cancel is None else expect(cancel, CancellationToken, "cancel")
