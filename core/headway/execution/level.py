"""One level: its actions run concurrently, as far as slots, buckets and budgets allow.

The level is one coroutine that sleeps until something happens. Calls that end, tokens that are granted and backoffs
that run out only note it and wake the coroutine; all decisions are taken there, in one place and in list order.
A parked action holds no slot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from headway.errors import StoreError
from headway.events import kinds
from headway.events.event import Event
from headway.execution import stop as stops
from headway.execution.asking import APPROVAL, BUDGET
from headway.execution.attempt import Attempts
from headway.execution.pending import PendingAction, State, Wait
from headway.execution.resumption import Tried
from headway.execution.stages.stage import End, Exhausted, Refused
from headway.execution.state_action import perform
from headway.execution.stop import Stop
from headway.jsonvalue import copy_json
from headway.limits.flight import Hit
from headway.plan.format import FailureBehavior
from headway.plan.graph import Node
from headway.plan.results import ActionStatus, ErrorCode

if TYPE_CHECKING:
    from headway.execution.run import Run


_FOR_PEOPLE = frozenset({APPROVAL, BUDGET})
"""What actions are parked on while a person is asked; beside a call that asks, a budget's line is such a wait too."""


class Level:
    """The actions ``todo`` of level ``index`` of ``run``."""

    def __init__(self, run: Run, index: int, todo: list[Node]) -> None:
        self.run_ = run
        self.env = run.env
        self.index = index
        self.todo = todo
        self.stages = run.stages
        self.state = run.state.raw()  # what every action of the level sees
        self.since = run.env.reuse.moment()
        self.queue = deque(todo)
        self.ready: deque[PendingAction] = deque()  # back from a wait
        self.parked: dict[PendingAction, None] = {}
        self.launching: list[PendingAction] = []  # their action_executing is being committed
        self.attempts = Attempts(self)
        self.waker: asyncio.Future[None] | None = None  # while the level sleeps
        self._slots = 1 if self._one_by_one() else run.env.max_concurrency

    def _one_by_one(self) -> bool:
        """Return True where CAR's rule holds: a level with an ``abort`` action runs one by one."""
        if self.env.concurrency != "car":
            return False
        nodes, members = self.run_.plan.nodes, self.run_.plan.levels[self.index]
        return any(nodes[i].action.failure_behavior is FailureBehavior.ABORT for i in members)

    async def run(self) -> None:
        """Run the level to its end: every action settled, nothing in flight."""
        run, attempts = self.run_, self.attempts
        run.emit(kinds.LEVEL_STARTED, {"actions": len(self.queue)}, level=self.index)
        while True:
            attempts.settle_ended()
            batch = self._fill()
            if batch and not self._dropped(batch):
                await self._launch(batch)
                continue
            if run.stopping:
                self._drop()
            elif run.pausing is not None:
                self._put_aside()
            if not (attempts.in_flight or self.parked or self.ready or self.queue or attempts.ended):
                return
            if run.busy >= stops.BREATH:
                run.busy = 0
                await asyncio.sleep(0)
            else:
                await self._sleep()

    # -- waking --------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Have the level look at what has changed."""
        waker, self.waker = self.waker, None
        if waker is not None and not waker.done():
            waker.set_result(None)

    async def _sleep(self) -> None:
        if self.attempts.ended or (self.ready and self._free() > 0):
            return
        seat = self.run_.seat if self.waits_for_people() else None
        self.waker = waker = asyncio.get_running_loop().create_future()
        if seat is not None:
            seat.leave()
        try:
            await waker
        finally:
            self.waker = None
        if seat is not None:
            await seat.take()

    def waits_for_people(self) -> bool:
        """Return True if nothing of the level can proceed before a person answers."""
        attempts = self.attempts
        if not (self.parked or attempts.asking) or attempts.ended or self.ready or self.queue:
            return False
        return len(attempts.in_flight) == attempts.asking and all(a.parked_on in _FOR_PEOPLE for a in self.parked)

    def stop_requested(self, kill: bool) -> None:
        """The token was pulled."""
        if kill:
            self.attempts.kill()
        self.wake()

    def give_up(self, text: str, code: ErrorCode) -> None:
        """Settle everything here and now; calls in flight are cut off, left behind and failed with ``code``."""
        run = self.run_
        self.attempts.give_up(text, code, self.launching)
        self._drop()
        for node in self.todo:
            if run.results[node.index] is None:  # it was in the hands of what failed
                assert run.stop is not None
                run.settle(node, ActionStatus.SKIPPED, error=run.stop.here, code=run.stop.code)

    # -- starting ------------------------------------------------------------------------------------------------

    def _fill(self) -> list[PendingAction]:
        """Return the actions that may start now; settle on the way what needs no call."""
        batch: list[PendingAction] = []
        run = self.run_
        free = self._free()
        while len(batch) < free and (self.ready or self.queue) and run.busy < stops.BREATH and self._may_go_on():
            action = self.ready.popleft() if self.ready else self._take(self.queue.popleft())
            if action is not None and self._may_start(action):
                batch.append(action)
            else:
                run.busy += 1
        return batch

    def _may_go_on(self) -> bool:
        run = self.run_
        return run.pausing is None and not run.stopping

    def _free(self) -> int:
        """Return how many slots are free; a call that waits for a person holds none."""
        return self._slots - len(self.attempts.in_flight) + self.attempts.asking

    def _take(self, node: Node) -> PendingAction | None:
        """Return a fresh action; None if it is settled, as something that it needs did not succeed."""
        run = self.run_
        if node.needs:
            missing = run.needs_met(node.needs)
            if missing is not None:
                text = f"dependency '{missing}' did not succeed"
                run.settle(node, ActionStatus.SKIPPED, error=text, code=ErrorCode.DEPENDENCY)
                return None
        return self._pending(node) if run.tried else PendingAction(node)

    def _pending(self, node: Node) -> PendingAction:
        """Return the pending action of a node; a restart may have come between its attempts."""
        action = PendingAction(node)
        tried = self.run_.tried.get(node.index)
        if tried is not None:
            action.attempt, action.error, action.code, action.duration = tried
        return action

    def _may_start(self, action: PendingAction) -> bool:
        """Take an action through the stages; False if it was parked or settled."""
        try:
            if not self.stages.enter(action, self):
                return False
            if action.needs_call:
                return True
            self._settle_without_call(action)
        except Refused as refusal:
            self.refuse(action, refusal)
        return False

    def _settle_without_call(self, action: PendingAction) -> None:
        """Settle a state action, or one that reuses a result."""
        hit = action.reused
        if hit is not None:
            self._use(action, hit)
            return
        output, changes = perform(action, self.state)
        action.move(State.SETTLED)
        self.stages.leave(action, End())
        self.run_.settle(action.node, ActionStatus.SUCCEEDED, output=output, changes=changes)

    def _use(self, action: PendingAction, hit: Hit) -> None:
        """Settle an action with the result of an earlier call."""
        run, node = self.run_, action.node
        beyond = self.env.gates.effects_denied(hit.effects) if hit.effects else None
        if beyond is not None:
            raise Refused(f"tool '{node.tool}' set what it may not: {beyond}", ErrorCode.CAPABILITY, failed=True)
        action.move(State.SETTLED)
        run.emit(kinds.ACTION_DEDUPLICATED, {"source": hit.source}, node=node)
        self.stages.leave(action, End())
        effects = node.action.expected_effects if hit.effects is None else hit.effects
        if hit.kept and not self.env.reuse.idempotency.keep:  # they were written, and the state has moved on since
            effects = {key: value for key, value in effects.items() if key not in self.state}
        changes = {key: {"op": "set", "value": copy_json(value)} for key, value in effects.items()}
        run.settle(
            node,
            ActionStatus.SUCCEEDED,
            output=hit.output,
            changes=changes,
            duration=0.0,
            waited=action.waited,
            artifacts=hit.artifacts,
        )

    # -- what stages ask for -------------------------------------------------------------------------------------

    def park(self, action: PendingAction, on: str, wait: Wait) -> None:
        """Let an action wait for something, of which ``wait`` is its place in line or its timer."""
        action.park(on, wait, self.env.clock.now())
        self.parked[action] = None

    def resume(self, action: PendingAction) -> None:
        """Let a parked action resume when there is room."""
        action.resume(self.env.clock.now())
        self.parked.pop(action, None)
        self.ready.append(action)
        self.wake()

    def refuse(self, action: PendingAction, refusal: Refused) -> None:
        """Answer an action refused before dispatch (or a failed assertion) by its failure behaviour.

        One that was dispatched before is not refused any more: it fails.
        """
        node, run = action.node, self.run_
        action.give_up_wait(self.env.clock.now())
        self.parked.pop(action, None)
        self.wake()
        if isinstance(refusal, Exhausted):
            run.end_with(refusal.stop)
            self.not_started(action, refusal.stop)
            return
        self.stages.leave(action)
        action.move(State.SETTLED)
        failed = refusal.failed or action.attempt > 0
        skip = node.action.failure_behavior is FailureBehavior.SKIP and not refusal.abort
        run.settle(
            node,
            ActionStatus.SKIPPED if skip else ActionStatus.FAILED if failed else ActionStatus.REJECTED,
            error=refusal.text,
            code=refusal.code,
            duration=action.duration if action.attempt else None,
            waited=action.waited,
            attempts=action.attempt,
        )
        if not skip:
            run.end_with(stops.aborted(node.id, refusal.text))

    async def _launch(self, batch: list[PendingAction]) -> None:
        """Commit that the attempts start, in one transaction, then start them."""
        run = self.run_
        events = []
        for action in batch:
            action.attempt += 1
            action.move(State.LAUNCHING)
            node = action.node
            events.append(Event(kinds.ACTION_EXECUTING, {}, run.job_id, node.id, node.level, action.attempt))
        self.launching = batch
        try:
            await self.env.log.write(*events)
        except StoreError as error:
            self.launching = []
            run.broken(error)
            for action in batch:
                self.stages.leave(action)
                self.attempts.fail(action, f"interrupted: {error.message}", ErrorCode.INTERRUPTED)
            return
        self.launching = []
        for action in batch:
            self.attempts.start(action)
        if run.token.is_killed():
            self.attempts.kill()

    # -- stopping ------------------------------------------------------------------------------------------------

    def _dropped(self, batch: list[PendingAction]) -> bool:
        """Take back a batch that an abort or a cancel overtook; one that a budget still paid for may start."""
        run = self.run_
        if not run.stopping or (run.stop is not None and run.stop.code is ErrorCode.BUDGET_EXHAUSTED):
            return False
        self.ready.extendleft(reversed(batch))
        return True

    def _drop(self) -> None:
        """Settle everything that has not started, in list order, with the words of the stop."""
        stop = self.run_.stop
        assert stop is not None
        if stop.code is ErrorCode.CANCELED:
            self.attempts.withdraw()
        now = self.env.clock.now()
        for action in self.parked:
            action.give_up_wait(now)
        unstarted = [*self.ready, *self.parked, *map(self._pending, self.queue)]
        self.queue.clear()
        self.ready.clear()
        self.parked.clear()
        for action in sorted(unstarted, key=lambda action: action.node.index):
            self.not_started(action, stop)

    def _put_aside(self) -> None:
        """Leave everything that has not started as it is, for the run that continues this one."""
        now = self.env.clock.now()
        for action in self.parked:
            action.give_up_wait(now)
        for action in (*self.ready, *self.parked):
            self.stages.leave(action)
            if action.attempt:
                code = action.code or ErrorCode.TOOL_ERROR
                self.run_.tried[action.node.index] = Tried(action.attempt, action.error or "", code, action.duration)
        self.queue.clear()
        self.ready.clear()
        self.parked.clear()

    def not_started(self, action: PendingAction, stop: Stop) -> None:
        """Settle an action that a stop keeps from starting, or from its next attempt: then its last error stays."""
        self.stages.leave(action)
        if not action.attempt:
            action.move(State.SETTLED)
            self.run_.settle(action.node, ActionStatus.SKIPPED, error=stop.here, code=stop.code, waited=action.waited)
            return
        code = action.code or ErrorCode.TOOL_ERROR
        if stop.code in (ErrorCode.CANCELED, ErrorCode.BUDGET_EXHAUSTED) and code is not ErrorCode.INTERRUPTED:
            code = stop.code
        # Cut off by a restart: an action that may be skipped makes no second attempt.
        skip = action.node.action.failure_behavior is FailureBehavior.SKIP
        status = ActionStatus.SKIPPED if skip else ActionStatus.FAILED
        self.attempts.fail(action, action.error or "", code, status=status)
