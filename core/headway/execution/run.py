"""One run: a plan, level by level, to its terminal event.

The run owns what spans levels: results, state, the stop, the costs, the roll-back. Each level is a
:class:`headway.execution.level.Level`. Every transition becomes an event here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from headway.cancellation import CancellationToken, soon
from headway.errors import InvalidInput, StoreError, as_line, describe
from headway.events import kinds
from headway.events.event import Event
from headway.execution import stop as stops
from headway.execution.compensation import compensate, leave_undone
from headway.execution.environment import Environment
from headway.execution.level import Level
from headway.execution.pending import PendingAction
from headway.execution.resumption import RESTART, Resumption, Tried
from headway.execution.stages.table import Stages
from headway.execution.stop import Stop
from headway.limits.budget import BudgetMeter
from headway.plan.format import ActionType, FailureBehavior
from headway.plan.graph import Graph, Node
from headway.plan.results import ROLLED_BACK, ActionResult, ActionStatus, CostSummary, ErrorCode, ProposalResult
from headway.state import StateStore

if TYPE_CHECKING:
    from headway.execution.asking import Seat
    from headway.policy.pinned import Sources
    from headway.tools.registry import ToolEntry

_log = logging.getLogger("headway.runtime")

_KIND = {
    ActionStatus.SUCCEEDED: kinds.ACTION_SUCCEEDED,
    ActionStatus.FAILED: kinds.ACTION_FAILED,
    ActionStatus.REJECTED: kinds.ACTION_REJECTED,
    ActionStatus.SKIPPED: kinds.ACTION_SKIPPED,
}


class Run:
    """The execution of one plan. ``prior`` holds results of actions that ran before a fork, by index.

    ``pausing`` says why, and by whom, nothing starts any more. ``aside`` is "paused", or "queued" for a retry, once the
    run has ended and its job has not; ``on_aside`` is told of that. ``again`` is asked when the run fails: it returns
    the event that queues the job for another try, if there is to be one. ``heard`` is told of each event.
    """

    aside = ""
    pausing: tuple[str, str] | None = None
    on_aside: Callable[[Run], object] | None = None
    again: Callable[[Run, str | None], Event | None] | None = None
    heard: Callable[[], object] | None = None

    def __init__(
        self,
        env: Environment,
        job_id: str,
        plan: Graph,
        state: StateStore,
        token: CancellationToken,
        meter: BudgetMeter | None = None,
        prior: Sequence[ActionResult | None] = (),
        *,
        session: str | None = None,
        principal: str | None = None,
        past: Resumption | None = None,
        remote: bool = False,
        pinned: Sources = (),
        scope: str = "",
        approval: Any = None,
    ) -> None:
        self.approval, self.scope = approval, scope  # the mode of asking of its own; whose state it works on
        self.pinned = pinned  # the file policies of the job's start
        self.env = env
        self.job_id = job_id
        self.plan = plan
        self.state = state
        self.token = token
        self.meter = meter
        self.session = session  # of policies
        self.principal = principal  # on whose behalf
        self.remote = remote  # of a caller elsewhere, who gets the secrets that are declared for those
        self.results: list[ActionResult | None] = list(prior) or [None] * len(plan.nodes)
        self.own: dict[int, None] = {}  # indices settled by this run, in the order of settling
        self.cost = CostSummary()
        self.stop: Stop | None = None
        self.sealed = False  # the terminal event is in the log, or that of being set aside
        self.cancel_reason: str | None = None  # of the request that is in the log
        self.commits = 0  # changes made to the state
        self.committed: set[int] = set()  # levels whose changes are in the state
        self.busy = 0  # actions answered since the loop last had a turn
        self.tried: dict[int, Tried] = dict(past.tried) if past is not None else {}  # before this run, and not settled
        self.undoing: frozenset[int] = past.undoing if past is not None else frozenset()  # when a restart came
        self.seat: Seat | None = None
        self.edited: dict[int, dict[str, Any]] = dict(past.edited) if past is not None else {}  # parameters by people
        self.refused: StoreError | None = None  # what the log said to an event: none came after it
        self._kill_logged = past is not None and past.kill_reason is not None
        self.stages = Stages(self)
        self._time_ms = env.clock.time_ms
        self._stamped = -1
        self._stamp = ""
        self.before: dict[str, dict[str, Any]] = {}
        self._level: Level | None = None
        self._thread = 0
        self._past = past
        if past is not None:
            self.results, self.own = list(past.results), dict.fromkeys(past.own)
            self.before = dict(past.before)
            self.committed = set(past.committed)
            self.cancel_reason = past.cancel_reason
            for i in self.own:
                self._count(plan.nodes[i], _settled(self.results[i]))

    # -- the course of a run -------------------------------------------------------------------------------------

    async def execute(self) -> ProposalResult:
        """Run the plan and return its result once the terminal event is committed.

        Raises :class:`StoreError` if that event, or one before it, could not be committed; the run has ended all the
        same.
        """
        loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

        def on_request() -> None:
            if threading.get_ident() == self._thread:
                self._stop_requested()
            else:
                soon(loop, self._stop_requested)

        unlisten = self.token.listen(on_request)
        try:
            if self.token.is_cancelled() and (self._past is None or self._past.why != RESTART):
                self._stop_requested()  # cancelled in the queue, or paused: it never starts
            else:
                self._begin()
            if self._past is not None:
                self._settle_cut_off(self._past)
            await self._levels()
            if self.stop is not None and self.stop.rolls_back:
                await self._undo()
            result = self._set_aside() if self._unfinished() else self._finish()
        except asyncio.CancelledError:
            self._task_cancelled()
            raise
        except (KeyboardInterrupt, SystemExit) as error:  # out of a callback: the program ends, and the log says how
            if not self.sealed:
                self._give_up(stops.interrupted(describe(error)), ErrorCode.INTERRUPTED)
            raise
        except Exception as error:
            if self.sealed:
                raise
            _log.exception("job %s: the executor failed", self.job_id)
            result = self._give_up(stops.interrupted(f"internal error: {describe(error)}"), ErrorCode.INTERRUPTED)
        finally:
            unlisten()
        await self.env.log.flush()
        if self.refused is not None:
            raise self.refused
        return result

    def _begin(self) -> None:
        """Record that the run starts, or that it resumes after a restart and what the restart cut off."""
        past = self._past
        if past is None:
            data: dict[str, Any] = {"pid": os.getpid()}
            if self.env.workspace is not None:
                data["workspace"] = str(self.env.workspace)
            self.emit(kinds.JOB_STARTED, data, proposal_id=self.plan.proposal.id)
            self._set_budget()
            return
        self.emit(kinds.RUN_RESUMED, {"reason": past.why, "by": ""})
        self._set_budget()

    def _settle_cut_off(self, past: Resumption) -> None:
        """Settle what gets no further attempt, as the run stops or as it was cut off in flight."""
        if past.stopped is not None:
            self.stop = past.stopped.stop
            self._drop_level(past.stopped.level)
        for i, tried in past.tried.items():
            node = self.plan.nodes[i]
            if self.results[i] is None and (self.stopping or (tried.cut_off and not node.action.idempotent)):
                self._settle_tried(node, tried)
                if self.stop is not None:
                    self._drop_level(node.level)

    def _set_budget(self) -> None:
        if self.meter is None:
            return
        self.emit(kinds.BUDGET_SET, {"limits": dict(self.meter.limits)})
        if self._past is not None and self._past.unsettled:
            self.emit(kinds.BUDGET_SETTLED, self.meter.statistics())

    async def _undo(self) -> None:
        """Compensate; not after a kill that came before a restart."""
        if self._past is not None and self._past.kill_reason is not None:
            leave_undone(self, f"killed: {self._past.kill_reason}")
        else:
            await compensate(self)

    def _drop_level(self, level: int) -> None:
        """Settle what is left of the level in which the run stops as the stop would have done without a restart."""
        stop = self.stop
        assert stop is not None
        for i in self.plan.levels[level]:
            node, tried = self.plan.nodes[i], self.tried.get(i)
            if self.results[i] is not None:
                continue
            if tried is not None:
                self._settle_tried(node, tried)
            else:
                self.settle(node, ActionStatus.SKIPPED, error=stop.here, code=stop.code)

    def _settle_tried(self, node: Node, tried: Tried) -> None:
        """Answer an action that gets no further attempt: one that was cut off may have taken effect."""
        skip = node.action.failure_behavior is FailureBehavior.SKIP
        status = ActionStatus.SKIPPED if skip else ActionStatus.FAILED
        code = tried.code
        if not tried.cut_off and self.stop is not None and self.stop.code is ErrorCode.CANCELED:
            code = ErrorCode.CANCELED
        self.settle(node, status, error=tried.error, code=code, duration=tried.seconds, attempts=tried.attempts)
        if not skip:
            self.end_with(stops.aborted(node.id, tried.error))

    async def _levels(self) -> None:
        for index, members in enumerate(self.plan.levels):
            todo = [self.plan.nodes[i] for i in members if self.results[i] is None]
            if not (todo or self._half_done(index)):
                continue
            if self.stopping:
                if self._half_done(index) and not (self.stop is not None and self.stop.rolls_back):
                    self._commit_level(index, self._settled_here(members))
                return
            if self.pausing is None and todo:
                self._level = Level(self, index, todo)
                await self._level.run()
                self._level = None
            if self.pausing is not None and self.stop is None and any(self.results[i] is None for i in members):
                return
            if self.stop is None or not self.stop.rolls_back:
                self._commit_level(index, todo if self._past is None else self._settled_here(members))
            if self.busy >= stops.BREATH:
                self.busy = 0
                await asyncio.sleep(0)

    def _half_done(self, index: int) -> bool:
        """Return True if a restart came between a level's last action and its end."""
        past = self._past
        return past is not None and index not in past.committed and bool(self._settled_here(self.plan.levels[index]))

    def _settled_here(self, members: Iterable[int]) -> list[Node]:
        """Return those of ``members`` that this run settled itself, before or after a restart."""
        return [self.plan.nodes[i] for i in members if i in self.own]

    def _commit_level(self, index: int, todo: list[Node]) -> None:
        counts = dict.fromkeys(("succeeded", "failed", "skipped", "rejected"), 0)
        merged: dict[str, dict[str, Any]] = {}
        for node in todo:
            result = self.results[node.index]
            if result is None:
                continue
            counts[result.status.value] += 1
            if result.state_changes:
                merged.update(result.state_changes)
        if merged:
            self.before.update(self.state.undo_of(key for key in merged if key not in self.before))
            self._apply(merged)
        self.committed.add(index)
        self.emit(kinds.LEVEL_FINISHED, counts, level=index)

    def _roll_back(self) -> None:
        """Undo what this run changed in the state and mark what had succeeded."""
        undone = []
        for i in self.own:
            result = self.results[i]
            if result is not None and result.status is ActionStatus.SUCCEEDED:
                result.rolled_back, result.state_changes, result.error = True, {}, ROLLED_BACK
                undone.append(result.action_id)
        self._apply(self.before)
        if undone:
            self._emit_rollback(undone)

    def _apply(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        if changes:
            self.state.apply(changes)  # copies: events and results hold these values too
            self.commits += 1

    def _emit_rollback(self, undone: list[str]) -> None:
        """Record the roll-back: in one event, or in one a key where the old values are too large for that."""
        try:
            self.emit(kinds.STATE_ROLLBACK, {"restored": dict(self.before), "rolled_back": undone})
        except InvalidInput:
            for key, change in self.before.items():
                self.emit(kinds.STATE_ROLLBACK, {"restored": {key: change}, "rolled_back": undone})

    def _skip_the_rest(self) -> None:
        if self.stop is None:
            return
        for node in self.plan.nodes:
            if self.results[node.index] is None:
                self.settle(node, ActionStatus.SKIPPED, error=self.stop.later, code=self.stop.code)

    def _finish(self) -> ProposalResult:
        """Settle what did not run, append the terminal event and return the result."""
        if self.token.is_cancelled():
            self._stop_requested()
        if self.stop is not None and self.stop.rolls_back:
            self._roll_back()
        self._skip_the_rest()
        status, outcome, error = "completed", None, None
        if self.stop is not None:
            status, outcome, error = "failed", self.stop.outcome, self.stop.error
        if self.cancel_reason is not None:
            status, error = "cancelled", self.cancel_reason
            if self._kill_logged:
                outcome = "killed"
        elif status == "failed" and self.again is not None and (event := self.again(self, error)) is not None:
            self._leave("queued", event)
            return self._result("queued", outcome, error)
        kind = {"completed": kinds.JOB_COMPLETED, "failed": kinds.JOB_FAILED, "cancelled": kinds.JOB_CANCELLED}[status]
        self.cost.total_duration_ms = round(self.cost.total_duration_ms, 3)
        data: dict[str, Any] = {"cost": msgspec.to_builtins(self.cost)}
        if outcome:
            data["outcome"] = outcome
        if error:
            data["reason" if status == "cancelled" else "error"] = error
        self.sealed = True
        self.emit(kind, data, proposal_id=self.plan.proposal.id)
        return self._result(status, outcome, error)

    def _result(self, status: str, outcome: str | None, error: str | None) -> ProposalResult:
        results = [result.apart() for result in self.results if result is not None]
        return ProposalResult(self.plan.proposal.id, self.job_id, status, results, self.cost, outcome, error)

    @property
    def waits_for_people(self) -> bool:
        """True while nothing of the run can proceed before a person answers."""
        return self._level is not None and not self.sealed and not self.stopping and self._level.waits_for_people()

    # -- pausing -------------------------------------------------------------------------------------------------

    def pause(self, reason: str, by: str) -> None:
        """Start nothing from here on; once nothing is in flight, and something is left to do, the run is set aside."""
        if self.pausing is None:
            self.pausing = reason, by
            self.emit(kinds.RUN_PAUSE_REQUESTED, {"reason": reason, "by": by})
            if self._level is not None:
                self._level.wake()

    def _unfinished(self) -> bool:
        """Return whether a pause has kept something from starting; a stop that came meanwhile goes before it."""
        return self.pausing is not None and not self.stopping and None in self.results

    def _set_aside(self) -> ProposalResult:
        """Record that the run is paused; what it came to so far is :func:`so_far`'s."""
        assert self.pausing is not None
        reason, by = self.pausing
        self._leave("paused", Event(kinds.RUN_PAUSED, {"reason": reason, "by": by}, self.job_id))
        return self._result("paused", None, None)

    def _leave(self, aside: str, event: Event) -> None:
        """Record that the run ends without an end of its job."""
        self.sealed, self.aside = True, aside
        self._record(event)
        if self.on_aside is not None and self.refused is None:
            self.on_aside(self)

    @property
    def calling(self) -> bool:
        """True while calls of tools are in flight, those of compensations left out."""
        return self._level is not None and bool(self._level.attempts.in_flight)

    # -- stopping ------------------------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """True once nothing new may start."""
        if self.stop is None and self.token.is_cancelled():
            self.stop = stops.cancelled(self.token.reason)
            self._stop_requested()  # another thread's request may be here before its message to this loop is
        return self.stop is not None

    def end_with(self, stop: Stop) -> None:
        """Stop the run for this cause, unless it is stopping already."""
        if not self.stopping:
            self.stop = stop

    def _stop_requested(self) -> None:
        """A request of the token, on the loop's thread: record it and wake the level that must take note."""
        if self.sealed:
            return
        if self.cancel_reason is None:
            self.cancel_reason = self.token.reason
            self.emit(kinds.RUN_CANCEL_REQUESTED, {"reason": self.token.reason, "by": self.token.by})
        if self.token.is_killed() and not self._kill_logged:
            self._kill_logged = True
            self.emit(kinds.RUN_KILLED, {"reason": self.token.kill_reason, "by": self.token.kill_by})
        if self._level is not None:
            self._level.stop_requested(kill=self.token.is_killed())

    def _task_cancelled(self) -> None:
        """End everything here and now, as the task was cancelled: nothing leaks, and the log is true."""
        if self.sealed or self._thread != threading.get_ident():
            return
        reason = "the task that ran it was cancelled"
        if self.cancel_reason is None:
            self.cancel_reason = reason
            self.emit(kinds.RUN_CANCEL_REQUESTED, {"reason": reason, "by": ""})
        self._kill_logged = True
        self.emit(kinds.RUN_KILLED, {"reason": reason, "by": ""})
        self._give_up(stops.cancelled(reason), ErrorCode.KILLED)

    def _give_up(self, stop: Stop, code: ErrorCode) -> ProposalResult:
        """Stop here and now, with nothing left in flight; what was is failed with ``code``."""
        self.end_with(stop)
        level, self._level = self._level, None
        text = stop.later if code is ErrorCode.INTERRUPTED else f"killed: {self.cancel_reason}"
        if level is not None:
            level.give_up(text, code)
            if self.stop is None or not self.stop.rolls_back:
                members = self.plan.levels[level.index]
                self._commit_level(level.index, level.todo if self._past is None else self._settled_here(members))
        if self.stop is not None and self.stop.rolls_back:
            leave_undone(self, text)
        return self._finish()

    def expire(self, stop: Stop) -> None:
        """Stop for a limit of time: what is in flight is cut off."""
        self.end_with(stop)
        if self.stop is stop and self._level is not None:
            self._level.stop_requested(kill=True)

    @property
    def kill_reason(self) -> str:
        """Why calls in flight were cut off."""
        if self.token.is_killed() or self.stop is None:
            return self.token.kill_reason
        return self.stop.error or ""

    def broken(self, error: StoreError) -> None:
        """The log refuses events: stop, keep what is known."""
        self.end_with(stops.interrupted(error.message))
        if self._level is not None:
            self._level.wake()

    # -- settling and events -------------------------------------------------------------------------------------

    def settle(
        self,
        node: Node,
        status: ActionStatus,
        *,
        output: Any = None,
        error: str | None = None,
        code: ErrorCode | None = None,
        changes: dict[str, Any] | None = None,
        duration: float | None = None,
        waited: float = 0.0,
        attempts: int = 0,
        terminal: bool = False,
        artifacts: list[Any] | None = None,
        usage: dict[str, Any] | None = None,
        cost: int | None = None,
    ) -> None:
        """Record the outcome of ``node``: its result and its terminal event. Times are seconds."""
        ms = self._now_ms()
        data: dict[str, Any] = {}
        result = ActionResult(node.id, status, attempts=attempts, timestamp=self._stamp)
        if status is ActionStatus.SUCCEEDED:
            data["output"] = result.output = output
        if error is not None:
            data["error"] = result.error = as_line(error)
        if code is not None:
            result.error_code = code
            data["error_code"] = code.value
        if changes:
            data["state_changes"] = result.state_changes = changes
        if duration is not None:
            data["duration_ms"] = result.duration_ms = round(duration * 1000, 3)
        if waited > 0:
            data["waited_ms"] = result.waited_ms = round(waited * 1000, 3)
        if terminal:
            data["terminal"] = result.terminal = True
        if artifacts:
            data["artifacts"] = result.artifacts = artifacts
        if usage:
            data["usage"] = result.usage = usage
        if cost is not None:
            data["cost"] = result.cost = cost
        index = node.index
        self.results[index] = result
        self.own[index] = None
        self._count(node, result)
        self._record(Event(_KIND[status], data, self.job_id, node.id, node.level, attempts or None, ts=ms))

    def succeeded(self, action: PendingAction, output: Any) -> None:
        """Record the success of a call that gave its output and nothing else: what :meth:`settle` does, for less."""
        node, cost, ms = action.node, self.cost, self._now_ms()
        duration, attempts, index = round(action.duration * 1000, 3), action.attempt, node.index
        data = {"output": output, "duration_ms": duration}
        if action.waited > 0:
            waited = data["waited_ms"] = round(action.waited * 1000, 3)
        else:
            waited = None
        self.results[index] = ActionResult(
            node.id,
            ActionStatus.SUCCEEDED,
            output,
            duration_ms=duration,
            waited_ms=waited,
            attempts=attempts,
            timestamp=self._stamp,
        )
        self.own[index] = None
        cost.actions_executed += 1
        cost.tool_calls += 1
        cost.retries += attempts - 1
        cost.total_duration_ms += duration
        self._record(Event(kinds.ACTION_SUCCEEDED, data, self.job_id, node.id, node.level, attempts, ts=ms))

    def _now_ms(self) -> int:
        """Return the wall time in ms; its text is made once for all that settle in one ms."""
        ms = self._time_ms()
        if ms != self._stamped:
            self._stamped, self._stamp = ms, self.env.timestamp(ms)
        return ms

    def _count(self, node: Node, result: ActionResult) -> None:
        self.cost.count(
            result.status,
            tool_call=node.type is ActionType.TOOL_CALL,
            attempts=result.attempts,
            duration_ms=result.duration_ms,
            usage=result.usage,
            cost=result.cost,
        )

    def emit(
        self,
        kind: str,
        data: dict[str, Any],
        *,
        node: Node | None = None,
        level: int | None = None,
        attempt: int | None = None,
        proposal_id: str | None = None,
    ) -> None:
        """Append one event of this run."""
        if node is not None:
            level = node.level
        self._record(Event(kind, data, self.job_id, node.id if node is not None else None, level, attempt, proposal_id))

    def _record(self, event: Event) -> None:
        """Append an event. A log that takes none ends the run; it must not raise into a timer or a bucket's line.

        After one that was refused it gets no more, so that a restart finds the run as far as it is known.
        """
        if self.refused is not None:
            return
        if self.heard is not None:
            self.heard()
        try:
            self.env.log.append(event)
        except StoreError as error:
            self.refused = error
            self.broken(error)

    def id_of(self, index: int) -> str:
        """Return the id of the action at ``index``."""
        return self.plan.nodes[index].id

    def reveal(self, entry: ToolEntry) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """Return what puts the values of secrets into the parameters of one call of a tool that takes some."""
        assert entry.marks is not None
        return partial(self.env.vault.put, entry.marks, tool=entry.name, remote=self.remote)

    def needs_met(self, needs: Iterable[int]) -> str | None:
        """Return the id of a needed action that did not succeed, or None."""
        for i in needs:
            result = self.results[i]
            if result is None or result.status is not ActionStatus.SUCCEEDED:
                return self.plan.nodes[i].id
        return None


def _settled(result: ActionResult | None) -> ActionResult:
    assert result is not None
    return result
