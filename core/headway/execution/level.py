"""One level: its actions run at once, as far as slots, buckets and budgets allow.

The level is one coroutine that sleeps until something happens. Calls that end, tokens that are granted and backoffs
that run out only note it and wake the coroutine; all decisions are taken there, in one place and in list order.
A waiter holds no slot.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from headway.errors import StoreError
from headway.events import kinds
from headway.events.event import Event
from headway.execution import stop as stops
from headway.execution.attempt import Attempts
from headway.execution.prepare import Refused, ask_policies, prepare, state_operation
from headway.execution.slot import Slot
from headway.execution.spending import Spending
from headway.execution.stop import Stop
from headway.jsonvalue import copy_json
from headway.limits.flight import Hit
from headway.limits.reuse import Asking, Lead
from headway.plan.format import ActionType, FailureBehavior
from headway.plan.graph import Node
from headway.plan.results import ActionStatus, ErrorCode

if TYPE_CHECKING:
    from headway.clock import TimerHandle
    from headway.execution.run import Run
    from headway.limits.bucket import Waiter
    from headway.limits.budget import Place


class Level:
    """The actions ``todo`` of level ``index`` of ``run``."""

    def __init__(self, run: Run, index: int, todo: list[Node]) -> None:
        self.run_ = run
        self.env = run.env
        self.index = index
        self.todo = todo
        self.queue = deque(todo)
        self.launching: list[Slot] = []  # their action_executing is being committed
        self.ready: deque[Slot] = deque()  # granted a token, or back from backoff
        self.parked: dict[Slot, None] = {}  # waiting for a token or for the end of a backoff
        self.snapshot = run.state.raw()  # what every action of the level sees
        self.attempts = Attempts(self)
        self.spending = Spending(self)
        self._waker: asyncio.Future[None] | None = None
        self._slots = run.env.max_concurrency
        if run.env.concurrency == "car" and any(n.action.failure_behavior is FailureBehavior.ABORT for n in todo):
            self._slots = 1

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
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)

    async def _sleep(self) -> None:
        if self.attempts.ended or (self.ready and len(self.attempts.in_flight) < self._slots):
            return
        self._waker = asyncio.get_running_loop().create_future()
        try:
            await self._waker
        finally:
            self._waker = None

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

    def _fill(self) -> list[Slot]:
        """Return the slots that may start now; settle on the way what needs no call."""
        batch: list[Slot] = []
        run = self.run_
        free = self._slots - len(self.attempts.in_flight)
        while len(batch) < free and (self.ready or self.queue) and run.busy < stops.BREATH and not run.stopping:
            slot = self.ready.popleft() if self.ready else self._admit(self.queue.popleft())
            if slot is not None and self._may_start(slot):
                batch.append(slot)
            else:
                run.busy += 1
        return batch

    def _admit(self, node: Node) -> Slot | None:
        """Check a fresh action; return its slot if it is a call to make, None if it is settled."""
        run = self.run_
        if node.needs:
            missing = run.needs_met(node.needs)
            if missing is not None:
                text = f"dependency '{missing}' did not succeed"
                run.settle(node, ActionStatus.SKIPPED, error=text, code=ErrorCode.DEPENDENCY)
                return None
        slot = self._slot(node)
        try:
            prepare(slot, run, self.snapshot)
            if node.type is ActionType.TOOL_CALL:
                return slot if self._ask_caches(slot) else None
            if self.spending.reserve_action(slot):
                output, changes = state_operation(slot, self.snapshot)
                run.settle(node, ActionStatus.SUCCEEDED, output=output, changes=changes)
                self.spending.spend_action(slot)
        except Refused as refusal:
            self.spending.release(slot)
            self._refuse(slot, refusal)
        return None

    def _slot(self, node: Node) -> Slot:
        """Return the slot of an action from the queue; a restart may have come between its attempts."""
        slot = Slot(node)
        tried = self.run_.tried.get(node.index)
        if tried is not None:
            slot.attempt, slot.error, slot.code, slot.duration = tried
        return slot

    def _refuse(self, slot: Slot, refusal: Refused) -> None:
        """Answer an action refused before dispatch (or a failed assertion) by its failure behaviour.

        One that was dispatched before a restart is not refused any more: it fails.
        """
        node, run = slot.node, self.run_
        failed = refusal.failed or slot.attempt > 0
        skip = node.action.failure_behavior is FailureBehavior.SKIP
        run.settle(
            node,
            ActionStatus.SKIPPED if skip else ActionStatus.FAILED if failed else ActionStatus.REJECTED,
            error=refusal.text,
            code=refusal.code,
            duration=slot.duration if slot.attempt else None,
            attempts=slot.attempt,
        )
        if not skip:
            run.end_with(stops.aborted(node.id, refusal.text))

    def _may_start(self, slot: Slot) -> bool:
        """Reserve budget and take a token for the next attempt; False if the slot was parked or settled."""
        if isinstance(slot.reuse, Hit):
            self._use(slot, slot.reuse)
            return False
        if slot.again and not self._allowed_again(slot):
            return False
        if not slot.reserved and not self.spending.reserve_call(slot):
            return False
        bucket = self.env.limiter.get(slot.node.tool)
        if bucket is None or slot.token:
            return True
        if bucket.take():
            slot.token = True
            data = {**bucket.statistics(), "waited_ms": 0.0}
            self.run_.emit(kinds.RATE_LIMIT_GRANT, data, node=slot.node, attempt=slot.attempt + 1)
            return True

        def granted(waited: float) -> None:
            slot.token, slot.parked = True, None
            slot.waited += waited
            data = {**bucket.statistics(), "waited_ms": round(waited * 1000, 3)}
            self.run_.emit(kinds.RATE_LIMIT_GRANT, data, node=slot.node, attempt=slot.attempt + 1)
            self.unpark(slot)

        self.park(slot, bucket.wait(granted))
        data = bucket.statistics()
        data["next_ms"] = data["at_ms"] + round(bucket.next_grant_s() * 1000)
        self.run_.emit(kinds.RATE_LIMIT_WAIT, data, node=slot.node, attempt=slot.attempt + 1)
        return False

    def _allowed_again(self, slot: Slot) -> bool:
        """Ask the policies of a further attempt; False if they deny it: the action keeps the error of the last one."""
        run, slot.again = self.run_, False
        if (run.session is None and run.env.gates.policies.idle) or not ask_policies(
            run, slot.node, slot.parameters, self.snapshot
        ):
            return True
        self.attempts.fail(slot, slot.error or "", ErrorCode.POLICY_DENIED)
        run.end_with(stops.aborted(slot.node.id, slot.error))
        return False

    def _ask_caches(self, slot: Slot) -> bool:
        """Ask whether the call was made before; False if the slot was parked until another has made it."""
        action, tool = slot.node.action, slot.node.tool or ""
        if not (action.idempotent or self.env.results.enabled(tool)):
            return True

        def answered(found: Hit | Lead, waited: float) -> None:
            slot.reuse, slot.parked = found, None
            slot.waited += waited
            self.unpark(slot)

        found = self.env.reuse.begin(tool, slot.parameters, answered, idempotent=action.idempotent)
        if isinstance(found, Asking):
            self.park(slot, found)
            return False
        slot.reuse = found
        return True

    def _use(self, slot: Slot, hit: Hit) -> None:
        """Settle an action with the result of an earlier call."""
        run, node = self.run_, slot.node
        beyond = self.env.gates.effects_denied(hit.effects) if hit.effects else None
        if beyond is not None:
            self._refuse(slot, Refused(f"tool '{node.tool}' set what it may not: {beyond}", ErrorCode.CAPABILITY, True))
            return
        if not self.spending.reserve_action(slot):
            return
        run.emit(kinds.ACTION_DEDUPLICATED, {"source": hit.source}, node=node)
        effects = node.action.expected_effects if hit.effects is None else hit.effects
        changes = {key: {"op": "set", "value": copy_json(value)} for key, value in effects.items()}
        run.settle(
            node,
            ActionStatus.SUCCEEDED,
            output=hit.output,
            changes=changes,
            duration=0.0,
            waited=slot.waited,
            artifacts=hit.artifacts,
        )
        self.spending.spend_action(slot)

    def park(self, slot: Slot, waiting: Waiter | Place | Asking | TimerHandle) -> None:
        """Let a slot wait for something, which has its place in line or its timer."""
        slot.parked, slot.parked_at = waiting, self.env.clock.now()
        self.parked[slot] = None

    def unpark(self, slot: Slot) -> None:
        """Let a parked slot start when there is room."""
        self.parked.pop(slot, None)
        self.ready.append(slot)
        self.wake()

    async def _launch(self, batch: list[Slot]) -> None:
        """Commit that the attempts start, in one transaction, then start them."""
        run = self.run_
        events = []
        for slot in batch:
            slot.attempt += 1
            node = slot.node
            events.append(Event(kinds.ACTION_EXECUTING, {}, run.job_id, node.id, node.level, slot.attempt))
        self.launching = batch
        try:
            await self.env.log.write(*events)
        except StoreError as error:
            self.launching = []
            run.broken(error)
            for slot in batch:
                self.let_go(slot)
                self.attempts.fail(slot, f"interrupted: {error.message}", ErrorCode.INTERRUPTED)
            return
        self.launching = []
        for slot in batch:
            self.attempts.start(slot)

    def let_go(self, slot: Slot) -> None:
        """Give back what is held for an attempt that is not made: budget, and the token."""
        self.spending.release(slot)
        self.return_token(slot)

    def return_token(self, slot: Slot) -> None:
        """Give back the token that an attempt took and has no use for, if it took one."""
        if not slot.token:
            return
        slot.token = False
        bucket = self.env.limiter.get(slot.node.tool)
        if bucket is not None:
            bucket.give_back()
            data = bucket.statistics()
            if data["waiters"]:
                data["next_ms"] = data["at_ms"] + round(bucket.next_grant_s() * 1000)
            self.run_.emit(kinds.RATE_LIMIT_RETURNED, data, node=slot.node)

    # -- stopping ------------------------------------------------------------------------------------------------

    def _dropped(self, batch: list[Slot]) -> bool:
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
        for slot in self.parked:
            if slot.parked is not None:
                slot.parked.cancel()
                slot.waited += max(0.0, self.env.clock.now() - slot.parked_at)
        fresh = [self._slot(node) for node in self.queue]
        unstarted = [*self.ready, *self.parked, *fresh]
        self.queue.clear()
        self.ready.clear()
        self.parked.clear()
        for slot in sorted(unstarted, key=lambda s: s.node.index):
            slot.give_way()
            self.let_go(slot)
            if slot.attempt:  # it has run and failed: its next attempt is what does not start
                self.not_again(slot, stop)
            else:
                self.run_.settle(slot.node, ActionStatus.SKIPPED, error=stop.here, code=stop.code, waited=slot.waited)

    def not_again(self, slot: Slot, stop: Stop) -> None:
        """Settle an action that gets no further attempt: with the error of the last one."""
        code = slot.code or ErrorCode.TOOL_ERROR
        if stop.code in (ErrorCode.CANCELED, ErrorCode.BUDGET_EXHAUSTED) and code is not ErrorCode.INTERRUPTED:
            code = stop.code
        skip = slot.node.action.failure_behavior is FailureBehavior.SKIP  # cut off by a restart: it makes no second one
        status = ActionStatus.SKIPPED if skip else ActionStatus.FAILED
        self.attempts.fail(slot, slot.error or "", code, status=status)
