"""Compensation: when a run aborts, what its plan says how to undo is undone, the last settled first.

Undone is what this run did: actions that succeeded, are ``compensable`` and carry a ``compensation``, and of tool calls
those that made the call. One that took the result of an equal call has done nothing that could be undone; whoever made
that call answers for it, perhaps a run that completed long ago. Equal calls of idempotent actions that were made twice
all the same, before a restart and after it, have done no more than one: they are undone once.

A compensation is a call like any other: checked, asked about, in line for its tool's rate limit, recorded before it
starts and after it ends, counted in the budget. A used-up budget does not stop it, though: what was paid for must not
stay done because the means to undo it are gone. One that fails is recorded and keeps no other from running. A kill cuts
off the one in flight and lets no other start. State is rolled back afterwards, all the same.

After a restart nothing that was recorded is undone again. By the write-ahead rule a compensation without an end was in
flight: it runs again if that does no harm, and has failed as ``interrupted`` if it might.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headway.cancellation import soon
from headway.dispatch.protocol import Call, CallRequest, Cause, Surroundings
from headway.errors import StoreError, ToolError, describe
from headway.events import kinds
from headway.execution import stop as stops
from headway.execution.attempt import SELF_CANCELLED
from headway.execution.outcome import Unrecordable, read_outcome
from headway.execution.parameters import fill_in
from headway.execution.pending import PendingAction, PendingCompensation, State, Wait, Written
from headway.execution.resumption import CUT_OFF
from headway.execution.stages.stage import End, Refused
from headway.limits.flight import call_key
from headway.plan.format import Action, ActionType, Reversibility
from headway.plan.graph import Node
from headway.plan.references import find_references
from headway.plan.results import ActionResult, ActionStatus

if TYPE_CHECKING:
    from headway.execution.run import Run

TIMEOUT_MS = 30_000
"""The time limit of a compensation whose action has no ``timeout_ms``."""


async def compensate(run: Run) -> None:
    """Undo what the aborted ``run`` did, as far as its plan says how and no record says that it was undone."""
    due = _due(run)
    if due:
        await Compensations(run).undo(due)


def leave_undone(run: Run, why: str) -> None:
    """Record of each compensation that is still due that it failed, for ``why``: the run ends here and now."""
    for node in _due(run):
        _failed(run, node, why, 0.0)


def _due(run: Run) -> list[Node]:
    """Return the actions to undo, the last settled first."""
    due: list[Node] = []
    made: set[str] = set()
    for i in run.own:
        node, result = run.plan.nodes[i], run.results[i]
        if result is None or not undoable(node, result):
            continue
        if node.action.idempotent and node.type is ActionType.TOOL_CALL:
            key = call_key(node.tool or "", _parameters(run, node))
            if key in made:
                continue
            made.add(key)
        if result.compensated is None:
            due.append(node)
    return due[::-1]


def undoable(node: Node, result: ActionResult) -> bool:
    """Return True for an action that did something which the plan says how to undo."""
    return (
        result.status is ActionStatus.SUCCEEDED
        and (result.attempts > 0 or node.type is not ActionType.TOOL_CALL)
        and node.action.compensation is not None
        and node.action.reversibility is Reversibility.COMPENSABLE
    )


def _parameters(run: Run, node: Node) -> dict[str, Any]:
    """Return the parameters that an action was called with."""
    edited = run.edited.get(node.index)
    if edited is not None:
        return edited
    return fill_in(node.action.parameters, node.references, node.escapes, run)


def _failed(run: Run, node: Node, why: str, seconds: float) -> None:
    result = run.results[node.index]
    assert result is not None
    result.compensated = False
    run.emit(kinds.COMPENSATION_FAILED, {"error": why, "duration_ms": _ms(seconds)}, node=node)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


class Compensations:
    """The compensations of one run: one at a time, each through the stages and the dispatcher as every call."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._env = run.env
        self._index = {node.id: node.index for node in run.plan.nodes}
        self._call: Call | None = None
        self._turn: asyncio.Future[None] | None = None

    async def undo(self, due: list[Node]) -> None:
        """Undo ``due``, in this order."""
        run, loop = self._run, asyncio.get_running_loop()
        unlisten = run.token.listen(lambda: soon(loop, self._stop_requested))
        try:
            for node in due:
                await self._undo(node)
                run.busy += 1
                if run.busy >= stops.BREATH:
                    run.busy = 0
                    await asyncio.sleep(0)
        finally:
            unlisten()

    async def _undo(self, node: Node) -> None:
        """Run one compensation, or record why it does not run."""
        run = self._run
        self._call = None
        action: PendingCompensation | None = None
        try:
            self._refuse_if_killed()
            action = self._pending(node)
            await self._pass(action)
            action.move(State.LAUNCHING)
            run.emit(kinds.COMPENSATION_STARTED, {"tool": action.tool}, node=node)
            await self._committed()
            output = await self._made(action)
        except Refused as refusal:
            _failed(run, node, refusal.text, 0.0)
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            _failed(run, node, self._env.log.redactor.text(describe(error)), self._seconds())
        else:
            self._succeeded(node, output)
        finally:
            if action is not None:
                if action.state is not State.ENDED:  # no call was made
                    run.stages.leave(action)
                action.move(State.SETTLED)

    def _succeeded(self, node: Node, output: Any) -> None:
        run = self._run
        result = run.results[node.index]
        assert result is not None
        result.compensated = True
        run.emit(kinds.COMPENSATION_SUCCEEDED, {"output": output, "duration_ms": _ms(self._seconds())}, node=node)
        if node.type is ActionType.TOOL_CALL:  # who asks for such a call from now on must get a new one
            entry = self._env.registry.get(node.tool or "")
            parameters = self._env.call_parameters(entry, _parameters(run, node))
            for principal in {None, run.principal}:  # of a shared tool, or of this principal's
                self._env.reuse.forget(node.tool or "", parameters, principal)

    def _seconds(self) -> float:
        return self._call.seconds if self._call is not None else 0.0

    # -- before the call -------------------------------------------------------------------------------------------

    def _pending(self, node: Node) -> PendingCompensation:
        """Return the call that undoes an action; refuse one that was cut off and might be made twice."""
        compensation = node.action.compensation
        assert compensation is not None
        named: Action | None = None
        tool, given = compensation.tool or "", compensation.parameters
        if compensation.type == "action_ref":
            named = self._run.plan.nodes[self._index[compensation.action_id or ""]].action
            tool, given = named.tool or "", named.parameters
        if node.index in self._run.undoing and not self._may_repeat(node.action, tool, named):
            raise ToolError(CUT_OFF)
        return PendingCompensation(node, tool, given, Written(*find_references(given, self._index)))

    def _may_repeat(self, undone: Action, tool: str, named: Action | None) -> bool:
        """Return True if a compensation that may have taken effect can run again without doing more than once."""
        entry = self._env.registry.get(tool)
        declared = entry is not None and entry.schema.idempotent
        return declared or undone.idempotent or (named is not None and named.idempotent)

    async def _pass(self, action: PendingCompensation) -> None:
        """Take a compensation through the stages, waiting where one parks it; a kill ends the wait."""
        while not self._run.stages.enter(action, self):
            self._turn = asyncio.get_running_loop().create_future()
            try:
                await self._turn
            finally:
                action.give_up_wait(self._env.clock.now())
                self._turn = None
            self._refuse_if_killed()

    async def _committed(self) -> None:
        """Wait until the log has it that the call starts: what nobody would know of must not be done."""
        try:
            await self._env.log.flush()
        except StoreError as error:
            raise ToolError(stops.interrupted(error.message).here) from None
        self._refuse_if_killed()

    # -- what stages ask for -----------------------------------------------------------------------------------------

    @property
    def state(self) -> Mapping[str, Any]:
        """The state as it is before the roll-back."""
        return self._run.state.raw()

    @property
    def since(self) -> int:
        """The present moment: no compensation shares a call."""
        return self._env.reuse.moment()

    def park(self, action: PendingAction, on: str, wait: Wait) -> None:
        """Let the compensation wait."""
        action.park(on, wait, self._env.clock.now())

    def resume(self, action: PendingAction) -> None:
        """Let the compensation resume."""
        action.resume(self._env.clock.now())
        self._go_on()

    def refuse(self, action: PendingAction, refusal: Refused) -> None:
        """End the wait of a compensation that may not run."""
        self._go_on(refusal)

    # -- the call --------------------------------------------------------------------------------------------------

    async def _made(self, action: PendingCompensation) -> Any:
        """Make the call, count what it used and return its output."""
        run, node, entry = self._run, action.node, action.entry
        assert entry is not None
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = CallRequest(
            entry=entry,
            parameters=action.parameters,
            on_end=lambda _: None if ended.done() else ended.set_result(None),
            job_id=run.job_id,
            action_id=node.id,
            timeout_ms=node.action.timeout_ms or TIMEOUT_MS,
            surroundings=Surroundings(run.token, self.state, self._env.workspace, self._env.sandbox),
            reveal=run.reveal(entry) if entry.marks is not None else None,
            redactor=self._env.log.redactor,
            compensates=True,
        )
        action.move(State.IN_FLIGHT)
        call = self._call = action.call = self._env.dispatcher.call(request)
        try:
            await ended
        except asyncio.CancelledError:
            self._env.dispatcher.kill(call, now=True)
            raise
        finally:
            action.move(State.ENDED)
            output, used, error = _read(entry.name, call, f"killed: {run.token.kill_reason}")
            if used:
                self._env.prices.note(entry.name, used)
            run.stages.leave(action, End(call.seconds, used))
        if error is not None:
            raise error
        problem = entry.output_problem(output)
        if problem is not None:
            raise ToolError(f"tool '{entry.name}' returned what its schema does not allow: {problem}")
        return self._env.log.redactor.clean(output, numbers=True)

    # -- stopping --------------------------------------------------------------------------------------------------

    def _stop_requested(self) -> None:
        """The token was pulled: a kill ends the wait or the call there is; a cancel does not stop undoing."""
        if not self._run.token.is_killed():
            return
        if self._call is not None:
            self._env.dispatcher.kill(self._call)
        self._go_on()

    def _go_on(self, refusal: Refused | None = None) -> None:
        if self._turn is None or self._turn.done():
            return
        if refusal is not None:
            self._turn.set_exception(refusal)
        else:
            self._turn.set_result(None)

    def _refuse_if_killed(self) -> None:
        if self._run.token.is_killed():
            raise ToolError(f"killed: {self._run.token.kill_reason}")


def _read(tool: str, call: Call, killed: str) -> tuple[Any, dict[str, int] | None, Exception | None]:
    """Return the output of a call that has ended, what it used, and why it has failed."""
    if call.cause is Cause.TIMEOUT:
        return None, None, ToolError(f"timed out after {call.request.timeout_ms} ms")
    if call.cause is not None:
        return None, None, ToolError(killed)
    if isinstance(call.error, Exception):
        return None, None, call.error
    if call.error is not None:
        return None, None, ToolError(SELF_CANCELLED)
    try:
        outcome = read_outcome(tool, call.value)
    except Unrecordable as error:
        return None, error.used, error
    return outcome.output, outcome.used, None
