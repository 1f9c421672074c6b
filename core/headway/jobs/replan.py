"""Replanning: when a run aborts, ask for another plan and run that instead.

Each plan is a run of its own, with its own job: what failed stays in the log as it was. The events between them say
why one followed the other, and the result of the last carries the lineage.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from copy import deepcopy
from typing import Any, Protocol, TypeVar

import msgspec

from headway.cancellation import CancellationToken, soon
from headway.errors import HeadwayError, InvalidInput, describe
from headway.events import kinds
from headway.events.event import Event
from headway.execution.environment import Environment
from headway.execution.parameters import fill_in
from headway.execution.stages.stage import Refused
from headway.jsonvalue import copy_json
from headway.numbers import LONGEST_S, number_between, whole_number
from headway.plan.format import ActionProposal
from headway.plan.parse import Compat, PlanLike, as_proposal
from headway.plan.references import find_references
from headway.plan.results import CANCELED_PREFIX, ActionStatus, ProposalResult, ReplanStep
from headway.plan.verify import verify
from headway.state import StateStore

T = TypeVar("T")


class FailedAction(msgspec.Struct, frozen=True):
    """An action that failed, as a replan callback sees it: with the parameters that it was called with."""

    action_id: str
    tool: str | None
    error: str
    error_code: str | None
    parameters: dict[str, Any]


class ReplanContext(msgspec.Struct, frozen=True):
    """The facts that a replan callback is told. ``attempt`` counts from 1; ``state`` is the state after the roll-back.

    All of it is the callback's own: what it changes here changes no state, no event and no result.
    """

    goal: str
    attempt: int
    proposal: ActionProposal
    failed: list[FailedAction]
    state: dict[str, Any]
    result: ProposalResult


Answer = PlanLike | None
Ask = Callable[[ReplanContext], Awaitable[Answer]]


class Replanner(Protocol):
    """An object that makes another plan, as CAR's trait ``ReplanCallback``."""

    async def replan(self, context: ReplanContext, /) -> Answer:
        """Return another plan, or None to give up."""


ReplanCallback = Ask | Replanner
"""Returns another plan, or None to give up. What it raises gives up too. A function, or an object with ``replan``."""


def callback_of(callback: ReplanCallback) -> Ask:
    """Return what is called for another plan; :class:`InvalidInput` for what cannot be."""
    ask: Any = getattr(callback, "replan", callback)
    if not callable(ask):
        raise InvalidInput("a replan callback takes a ReplanContext, or has a method `async def replan(context)`")
    found: Ask = ask
    return found


class ReplanConfig(msgspec.Struct, frozen=True):
    """Settings of replanning: at most ``max_replans`` times (0: never), ``delay_ms`` after each failure; with
    ``verify_before_execute`` a plan that ``verify`` finds invalid in the present state is not run.
    """

    max_replans: int = 0
    delay_ms: int = 0
    verify_before_execute: bool = True

    def __post_init__(self) -> None:
        whole_number(self.max_replans, "max_replans", 0)
        number_between(whole_number(self.delay_ms, "delay_ms", 0), "delay_ms", 0, LONGEST_S * 1000)


class Replan:
    """The replanning of runs: none at all until both a callback and a config with ``max_replans`` are set."""

    def __init__(self, callback: ReplanCallback | None = None, config: ReplanConfig | None = None) -> None:
        self.callback: Ask | None = None
        self.config = ReplanConfig()
        self.set_callback(callback)
        if config is not None:
            self.set_config(config)

    @property
    def enabled(self) -> bool:
        """True if an abort leads to another plan."""
        return self.callback is not None and self.config.max_replans > 0

    def set_callback(self, callback: ReplanCallback | None) -> None:
        """Use ``callback``; None switches replanning off."""
        self.callback = None if callback is None else callback_of(callback)

    def set_config(self, config: ReplanConfig) -> None:
        """Use ``config``."""
        if not isinstance(config, ReplanConfig):
            raise InvalidInput(f"a replan config is a ReplanConfig, not {type(config).__name__}")
        self.config = config


class Once(Protocol):
    """Runs one plan; ``lineage`` goes into its ``job_created``."""

    async def __call__(self, plan: ActionProposal, **lineage: Any) -> ProposalResult:
        """Return the result of the run."""


async def execute_and_replan(
    once: Once,
    proposal: ActionProposal,
    replan: Replan,
    env: Environment,
    state: StateStore,
    cancel: CancellationToken,
    compat: Compat | None = None,
) -> ProposalResult:
    """Run ``proposal``; as long as runs abort and the callback has another plan, run that, read by ``compat``.

    A plan that admission refuses does not replace the failed run: the result stays that one's, the lineage says why.
    """
    result = await once(proposal)
    if replan.callback is None or not replan.enabled:
        return result
    lineage = [step_of(result)]
    current = proposal
    for attempt in range(1, replan.config.max_replans + 1):
        if result.outcome != "aborted" or cancel.is_cancelled():
            break
        _tell(env, kinds.REPLAN_ATTEMPTED, result, {"attempt": attempt, "error": result.error or ""})
        plan: ActionProposal | None = None
        try:
            if replan.config.delay_ms:
                await _unless_cancelled(env.clock.sleep(replan.config.delay_ms / 1000), cancel, env)
            asking = _ask(replan.callback, _context(current, result, state, attempt), compat)
            plan = await _unless_cancelled(asking, cancel, env)
            if plan is None:
                _tell(env, kinds.REPLAN_REJECTED, result, {"attempt": attempt, "error": "the callback gave up"})
                break
            _tell(env, kinds.REPLAN_PROPOSAL_RECEIVED, result, {"attempt": attempt, "proposal_id": plan.id})
            _check(plan, replan.config, env, state)
        except Exception as error:  # noqa: BLE001 - a callback may raise anything; the failed run stands
            _tell(env, kinds.REPLAN_REJECTED, result, {"attempt": attempt, "error": describe(error)})
            lineage.append(ReplanStep(attempt, plan.id if plan is not None else "", "", "rejected", describe(error)))
            break
        following = await once(plan, replan_of={"job_id": result.job_id, "attempt": attempt})
        lineage.append(step_of(following, attempt))
        if following.outcome == "rejected":
            _tell(env, kinds.REPLAN_REJECTED, result, {"attempt": attempt, "error": following.error or ""})
            break
        current, result = plan, following
    else:
        if result.outcome == "aborted":
            _tell(env, kinds.REPLAN_EXHAUSTED, result, {"attempts": replan.config.max_replans})
    if len(lineage) > 1:
        result = msgspec.structs.replace(result, original_proposal_id=proposal.id, replan_lineage=lineage)
    await env.log.flush()
    return result


async def _unless_cancelled(work: Coroutine[Any, Any, T], cancel: CancellationToken, env: Environment) -> T:
    """Return what ``work`` returns; raise once the token is pulled, whether or not ``work`` takes note of that.

    A ``CancelledError`` that comes out of here is always the caller's own: one that ``work`` ends with is an error.
    """
    loop = asyncio.get_running_loop()
    task: asyncio.Future[Any] = loop.create_task(work)
    pulled = loop.create_future()

    def pull() -> None:
        if not pulled.done():
            pulled.set_result(None)

    unlisten = cancel.listen(lambda: soon(loop, pull))
    if cancel.is_cancelled():
        pull()
    try:
        await asyncio.wait([task, pulled], return_when=asyncio.FIRST_COMPLETED)
    finally:
        unlisten()
        if not task.done():
            task.cancel()
            env.left_behind.add(task)
    if not task.done():
        raise HeadwayError(f"{CANCELED_PREFIX}{cancel.reason}")
    if task.cancelled():
        raise HeadwayError("the callback was cancelled")
    found: T = task.result()
    return found


async def _ask(callback: Ask, context: ReplanContext, compat: Compat | None) -> ActionProposal | None:
    try:
        answer: Any = callback(context)
        if inspect.isawaitable(answer):
            answer = await answer
    except SystemExit as error:  # asyncio would let it end the process
        raise HeadwayError(describe(error)) from error
    return None if answer is None else as_proposal(answer, compat=compat)


def _check(plan: ActionProposal, config: ReplanConfig, env: Environment, state: StateStore) -> None:
    if not config.verify_before_execute:
        return
    report = verify(plan, state.raw(), env.registry)
    if not report.valid:
        first = next(issue for issue in report.issues if issue.severity == "error")
        raise HeadwayError(f"the new plan is not valid: {first.message}")


def _context(proposal: ActionProposal, result: ProposalResult, state: StateStore, attempt: int) -> ReplanContext:
    by_id = {action.id: action for action in proposal.actions}
    past = _Ended(proposal, result)
    failed = [
        FailedAction(r.action_id, by_id[r.action_id].tool, r.error or "", r.error_code, past.parameters(r.action_id))
        for r in result.results
        if r.status in (ActionStatus.FAILED, ActionStatus.REJECTED)
    ]
    goal = proposal.context.get("goal")
    return ReplanContext(
        goal if isinstance(goal, str) else "",
        attempt,
        deepcopy(proposal),
        failed,
        state.snapshot().copy(),
        _apart(result),
    )


def _apart(result: ProposalResult) -> ProposalResult:
    """Return a copy of a run's result that shares nothing with it."""
    return msgspec.structs.replace(
        result,
        results=[msgspec.structs.replace(r.apart()) for r in result.results],  # apart: itself if it has no lists
        cost=msgspec.structs.replace(result.cost),
        replan_lineage=[msgspec.structs.replace(step) for step in result.replan_lineage],
    )


class _Ended:
    """A run that has ended, to fill in the references of its actions from."""

    def __init__(self, proposal: ActionProposal, result: ProposalResult) -> None:
        self._actions = proposal.actions
        self._index = {action.id: i for i, action in enumerate(proposal.actions)}
        by_id = {r.action_id: r for r in result.results}
        self.results = [by_id.get(action.id) for action in proposal.actions]

    def id_of(self, index: int) -> str:
        return self._actions[index].id

    def parameters(self, action_id: str) -> dict[str, Any]:
        """Return what the action was called with; as the plan has it where something it refers to has no value."""
        parameters = self._actions[self._index[action_id]].parameters
        with suppress(Refused, KeyError):
            parameters = fill_in(parameters, *find_references(parameters, self._index), self)
        own: dict[str, Any] = copy_json(parameters)
        return own


def step_of(result: ProposalResult, generation: int = 0) -> ReplanStep:
    """Return a run's place in a lineage: its status, or that admission refused it, and why."""
    refused = result.outcome == "rejected"
    return ReplanStep(
        generation,
        result.proposal_id,
        result.job_id,
        "rejected" if refused else result.status,
        result.error if refused else None,
    )


def _tell(env: Environment, kind: str, result: ProposalResult, data: dict[str, Any]) -> None:
    """Record a step between two runs: it belongs to neither, and names the one that failed."""
    env.log.append(Event(kind, {"failed_job": result.job_id, **data}))
