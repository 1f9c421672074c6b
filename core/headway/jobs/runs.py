"""The runs of a runtime: one at a time on its state, replanned when they abort, learned from, resumed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from headway.cancellation import CancellationToken
from headway.errors import Conflict, InvalidPlan, StoreError
from headway.events.checkpoint import kept_results
from headway.execution.environment import Environment
from headway.execution.run import Run
from headway.jobs import admission
from headway.jobs import takeover as recovery
from headway.jobs.checkpoint_file import RuntimeCheckpoint, plan_to_go_on
from headway.jobs.learning import learn
from headway.jobs.replan import Replan, execute_and_replan
from headway.jobs.state_log import recorded_in
from headway.jobs.turn import turn_of
from headway.limits.budget import BudgetMeter, CostBudget
from headway.plan.format import ActionProposal, new_id
from headway.plan.results import ProposalResult
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.events.event import Event
    from headway.learning.learner import Learner

Spent = dict[str, int]
"""What the runs of one call have spent of its budget so far, by dimension; it goes on from run to run."""

Execute = Callable[[ActionProposal], Awaitable[ProposalResult]]
"""Runs a plan, and other ones while it aborts and the replan callback has one."""


class Runs:
    """Executes plans on one state. ``last`` is the latest run, on its way or ended."""

    def __init__(self, env: Environment, state: StateStore, scope: str, principal: str | None) -> None:
        self.env = env
        self.state = state
        self.scope = scope
        self.principal = principal
        self.recorded = recorded_in(env.log, scope)
        self.replan = Replan()
        self.learner: Learner | None = None
        self.budget: CostBudget | None = None
        self.last: Run | None = None

    @property
    def busy(self) -> bool:
        """Whether a run is working on the state."""
        return turn_of(self.state).occupied

    async def execute(self, proposal: ActionProposal, cancel: CancellationToken, session: str | None) -> ProposalResult:
        """Run a plan in its turn, and other ones while it aborts and the replan callback has one."""
        return await self.in_turn(lambda execute: execute(proposal), cancel, session)

    async def in_turn(
        self, work: Callable[[Execute], Awaitable[ProposalResult]], cancel: CancellationToken, session: str | None
    ) -> ProposalResult:
        """Let ``work`` execute plans, all of them in one turn and on one budget; learn from the result's lineage."""
        call = _Call(self, cancel, session, {})
        since = self.env.log.last_seq
        async with turn_of(self.state).taken(cancel) as mine:
            if not mine:  # cancelled in line: it starts nothing and needs no turn
                return await work(call.run_without_turn)
            result = await work(call.run_and_replan)
        return await self._learned(since, result)

    async def rejected(self, proposal: ActionProposal, session: str | None, error: InvalidPlan) -> ProposalResult:
        """Record that a plan is refused, as a job that never ran, and return its result."""
        spec = self._spec(proposal, session)
        await self.env.log.write(*admission.rejection(spec, proposal.to_dict(), error))
        now = self.env.timestamp(self.env.clock.time_ms())
        return admission.rejected_result(spec.job_id, proposal, error, now)

    async def continue_from(
        self, checkpoint: RuntimeCheckpoint, cancel: CancellationToken, session: str | None
    ) -> ProposalResult:
        """Restore a checkpoint and run what its plan had left to do, as a new run."""
        plan, state = plan_to_go_on(checkpoint)
        session = self.open_session(session, checkpoint.session, f"checkpoint '{checkpoint.checkpoint_id}'")
        admission.check(self.env, plan.proposal, checkpoint.state)
        since = self.env.log.last_seq
        async with turn_of(self.state).taken(cancel) as mine:
            if not mine:
                raise Conflict("cancelled before its turn came")
            kept = {result.action_id: result for result in kept_results(checkpoint.results)}
            origin = {"job_id": checkpoint.job_id, "checkpoint_id": checkpoint.checkpoint_id, "level": None, "seq": 0}
            results = msgspec.to_builtins(list(kept.values()))
            spent = dict(checkpoint.spent)
            spec = self._spec(plan.proposal, session)
            created = spec.created(
                checkpoint.proposal, checkpoint.graph, forked_from=origin, results=results, **_spent(spent)
            )
            self.restore(checkpoint.checkpoint_id, state, created)
            prior = [kept.get(node.id) for node in plan.nodes]
            run = Run(
                self.env,
                spec.job_id,
                plan,
                self.state,
                cancel,
                self._meter(spent),
                prior,
                session=session,
                principal=self.principal,
            )
            result = await _Call(self, cancel, session, spent, run).run_and_replan(plan.proposal)
        return await self._learned(since, result)

    async def resume(self, job_id: str, cancel: CancellationToken, session: str | None) -> ProposalResult:
        """Go on with a job that a dead process left in the durable log."""
        async with turn_of(self.state).taken(cancel) as mine:
            if not mine:
                raise Conflict("cancelled before its turn came")
            log, env = self.env.log, self.env
            row, job = await recovery.take_up(log, self.scope, job_id, env.workspace, env.registry, env.gates)
            if job is not None:
                session = self.open_session(session, job.spec.session, f"job '{job_id}'")
            if job is None:
                closed = await recovery.close(self.env.log, job_id)
                await self.take_state()
                return closed
            await self.take_state()
            spent = dict(job.spent or {})
            run = Run(
                self.env,
                job_id,
                job.plan,
                self.state,
                cancel,
                self._meter(spent),
                job.prior,
                session=session,
                principal=job.spec.principal,
                past=job.past,
            )
            result = await _Call(self, cancel, session, spent, run).run_and_replan(job.plan.proposal)
        return await self._learned(row.first_seq - 1, result)

    def restore(self, checkpoint_id: str, state: dict[str, Any], *more: Event) -> None:
        """Record that ``state`` is the state from now on, and ``more``; then make it so, if the log took it."""
        self.env.log.append(*admission.checkpoint_restored(checkpoint_id, self.scope, state), *more)
        self.state.replace(state)
        self.recorded.note(self.state)

    async def take_state(self) -> None:
        """Make the state what the durable log says."""
        self.state.replace(await recovery.state_of(self.env.log, self.scope))
        self.recorded.note(self.state)

    def open_session(self, given: str | None, kept: str | None, whose: str) -> str | None:
        """Return the policy session to go on under: the rules of the one before must not be lost on the way."""
        session = given if given is not None else kept
        if session is not None and not self.env.gates.policies.is_open(session):
            raise Conflict(f"{whose} ran under the policy session '{session}', which is not open: name one that is")
        return session

    async def admitted(
        self, proposal: ActionProposal, call: _Call, *, takes_turn: bool, **lineage: Any
    ) -> Run | ProposalResult:
        """Return the run of a plan that admission lets pass, its job created in the log; or the rejection."""
        spec = self._spec(proposal, call.session)
        kept = proposal.to_dict()
        try:
            plan = admission.check(self.env, proposal, self.state.raw())
        except InvalidPlan as error:
            return await self.rejected(proposal, call.session, error)
        if takes_turn:
            lineage |= self.recorded.catch_up(self.env.log, self.state)
        self.env.log.append(spec.created(kept, plan.to_json(), **lineage, **_spent(call.spent)))
        meter = self._meter(call.spent)
        return Run(
            self.env, spec.job_id, plan, self.state, call.cancel, meter, session=call.session, principal=self.principal
        )

    async def run(self, run: Run) -> ProposalResult:
        """Execute the run whose turn it is."""
        turn_of(self.state).run = self.last = run
        before = self.state.revision
        refused = False
        try:
            return await run.execute()
        except StoreError:
            refused = True
            raise
        finally:
            if self.state.revision == before + run.commits and not refused:
                self.recorded.note(self.state)
            else:  # a tool changed the state behind the run's back, or the log did not take what the run changed
                self.recorded.forget()

    def _spec(self, proposal: ActionProposal, session: str | None) -> admission.JobSpec:
        title = admission.title_of(proposal)
        return admission.JobSpec(
            new_id(), self.scope, proposal.source, title, principal=self.principal, session=session
        )

    def _meter(self, spent: Spent) -> BudgetMeter | None:
        return BudgetMeter(self.budget, spent) if self.budget is not None else None

    async def _learned(self, since: int, result: ProposalResult) -> ProposalResult:
        if self.learner is not None:
            await learn(self.learner, self.env.log, since, result)
        return result


class _Call:
    """One call for a plan: its token, its policy session, and what its runs have spent. ``first`` may be ready."""

    def __init__(
        self, runs: Runs, cancel: CancellationToken, session: str | None, spent: Spent, first: Run | None = None
    ) -> None:
        self.runs = runs
        self.cancel = cancel
        self.session = session
        self.spent = spent
        self._first = first

    async def run_and_replan(self, proposal: ActionProposal) -> ProposalResult:
        """Run ``proposal``, and other plans while runs abort."""
        runs = self.runs
        return await execute_and_replan(self._once, proposal, runs.replan, runs.env, runs.state, self.cancel)

    async def run_without_turn(self, proposal: ActionProposal) -> ProposalResult:
        """Let a plan whose token was pulled in line end as it must: every action skipped."""
        run = await self.runs.admitted(proposal, self, takes_turn=False)
        return await run.execute() if isinstance(run, Run) else run

    async def _once(self, plan: ActionProposal, **lineage: Any) -> ProposalResult:
        run: Run | ProposalResult | None = self._first
        self._first = None
        if run is None:
            run = await self.runs.admitted(plan, self, takes_turn=True, **lineage)
        if not isinstance(run, Run):
            return run
        result = await self.runs.run(run)
        if run.meter is not None:
            self.spent.update(run.meter.spent)
        return result


def _spent(spent: Spent) -> dict[str, Any]:
    return {"spent": dict(spent)} if spent else {}
