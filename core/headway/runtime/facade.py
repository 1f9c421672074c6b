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

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headway.clock import SYSTEM_CLOCK, Clock
from headway.errors import Conflict, InvalidInput, InvalidPlan
from headway.events.log import EventLog
from headway.limits.budget import BudgetMeter, CostBudget
from headway.plan.model import ActionProposal, new_id
from headway.plan.parse import parse_proposal
from headway.plan.result import ProposalResult
from headway.runtime import admission
from headway.runtime.cancel import CancellationToken
from headway.runtime.environment import Environment
from headway.runtime.run import Run
from headway.state import StateStore
from headway.tools.decorator import entry_of
from headway.tools.registry import ToolRegistry

_outer: contextvars.ContextVar[tuple[Run, ...]] = contextvars.ContextVar("headway_outer_runs", default=())
"""The runs that this code is a tool of; tasks and tool threads inherit it."""

SCOPE = "runtime"
"""The scope of an embedded runtime's runs: its own ``state``."""


class Runtime:
    """Verifies plans and runs them on one state, one at a time, recording every step in ``log``.

    ``log`` is an :class:`EventLog` in memory unless one is given; ``execute`` returns after the run's terminal event
    is committed in it. ``max_concurrency`` bounds the calls in flight; ``concurrency="car"`` runs a level that has an
    ``abort`` action one by one, as CAR does.
    """

    def __init__(
        self,
        *,
        state: StateStore | Mapping[str, Any] | None = None,
        log: EventLog | None = None,
        registry: ToolRegistry | None = None,
        clock: Clock = SYSTEM_CLOCK,
        max_concurrency: int = 64,
        concurrency: str = "level",
        workspace: Path | None = None,
    ) -> None:
        self._env = Environment(
            log=log,
            registry=registry,
            clock=clock,
            max_concurrency=max_concurrency,
            concurrency=concurrency,
            workspace=workspace,
        )
        self.state = state if isinstance(state, StateStore) else StateStore(state)
        self.log = self._env.log
        self.registry = self._env.registry
        self.rate_limiter = self._env.limiter
        self.result_cache = self._env.results
        self._budget: CostBudget | None = None
        self._turn = asyncio.Lock()
        self._in_line = 0
        self._run: Run | None = None

    def register_tool(self, function: Callable[..., Any]) -> None:
        """Register a function, async or sync, as a tool: decorated with :func:`headway.tool`, or as it is."""
        entry = entry_of(function)
        self.registry.register(entry)
        schema = entry.schema
        if schema.rate_limit is not None:
            self.set_rate_limit(schema.name, schema.rate_limit.max_calls, schema.rate_limit.interval_secs)
        if schema.cache_ttl_secs:
            self.enable_tool_cache(schema.name, schema.cache_ttl_secs)

    def set_rate_limit(self, tool: str, max_calls: int, interval_secs: float) -> None:
        """Give ``tool`` a token bucket: ``max_calls`` tokens, refilled evenly over ``interval_secs`` seconds."""
        bucket = self.rate_limiter.set_limit(tool, max_calls, interval_secs)
        self.log.append(admission.limit_configured(bucket))

    def enable_tool_cache(self, tool: str, ttl_secs: float) -> None:
        """Keep the results of ``tool`` for ``ttl_secs`` seconds, by its parameters, for this and later runs."""
        self.result_cache.enable(tool, ttl_secs)

    def set_cost_budget(self, budget: CostBudget | None) -> None:
        """Limit what each following run may spend; None lifts the limit."""
        if not (budget is None or isinstance(budget, CostBudget)):
            raise InvalidInput(f"a budget is a CostBudget, not {type(budget).__name__}")
        self._budget = budget

    async def execute(self, proposal: ActionProposal | Mapping[str, Any] | str | bytes) -> ProposalResult:
        """Run a proposal and return what became of each action.

        A proposal that cannot be parsed raises :class:`InvalidPlan`; one that admission refuses gives a result with
        status failed and outcome rejected. Nothing else that happens to a run raises, except that a durable log whose
        disk is full raises :class:`headway.errors.LogFull`. A tool that executes a plan on the runtime that runs it
        would wait for itself: it gets a :class:`Conflict`.
        """
        return await self.execute_with_cancel(proposal, CancellationToken())

    async def execute_with_cancel(
        self, proposal: ActionProposal | Mapping[str, Any] | str | bytes, cancel: CancellationToken
    ) -> ProposalResult:
        """Run a proposal that ``cancel`` can stop.

        The token is looked at before every start and in every wait. What had not started is then Skipped with error
        ``"canceled: <reason>"``; what is in flight runs to its end and is recorded; finished changes stay.
        """
        if not isinstance(cancel, CancellationToken):
            raise InvalidInput(f"cancel is a CancellationToken, not {type(cancel).__name__}")
        if not isinstance(proposal, ActionProposal):
            proposal = parse_proposal(proposal)
        if self._run is not None and self._run in _outer.get():
            raise Conflict("a tool cannot execute a plan on the runtime that runs it: give it a Runtime of its own")
        if not await self._turn_comes(cancel):
            return await self._execute(proposal, cancel)  # cancelled in line: it starts nothing and needs no turn
        try:
            return await self._execute(proposal, cancel)
        finally:
            self._turn.release()

    async def _turn_comes(self, cancel: CancellationToken) -> bool:
        """Wait for this run's turn; return False if it is cancelled before it comes."""
        if not (self._turn.locked() or self._in_line):
            return await self._turn.acquire()
        loop = asyncio.get_running_loop()
        waiting = loop.create_task(self._turn.acquire())
        unlisten = cancel.listen(lambda: loop.call_soon_threadsafe(waiting.cancel))
        if cancel.is_cancelled():
            waiting.cancel()
        self._in_line += 1
        try:
            await asyncio.wait([waiting])
        except asyncio.CancelledError:
            if not waiting.cancel() and not waiting.cancelled():
                self._turn.release()
            raise
        finally:
            self._in_line -= 1
            unlisten()
        return not waiting.cancelled()

    async def _execute(self, proposal: ActionProposal, cancel: CancellationToken) -> ProposalResult:
        spec = admission.JobSpec(new_id(), SCOPE, proposal.source, admission.title_of(proposal))
        kept = admission.proposal_json(proposal)
        try:
            plan = admission.check(self._env, proposal, self.state.snapshot())
        except InvalidPlan as error:
            await self.log.write(*admission.rejection(spec, kept, error))
            return admission.rejected_result(spec.job_id, proposal, error)
        self.log.append(spec.created(kept, plan.to_json()))
        meter = BudgetMeter(self._budget) if self._budget is not None else None
        run = Run(self._env, spec.job_id, plan, self.state, cancel, meter)
        if cancel.is_cancelled():
            return await run.execute()
        self._run = run
        inside = _outer.set((*_outer.get(), run))
        try:
            return await run.execute()
        finally:
            _outer.reset(inside)
            self._run = None
