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
from typing import TYPE_CHECKING, Any

from headway.cancellation import soon
from headway.dispatch.protocol import Call, CallRequest, Cause, Surroundings
from headway.errors import StoreError, ToolError, describe
from headway.events import kinds
from headway.execution import stop as stops
from headway.execution.attempt import SELF_CANCELLED, recordable
from headway.execution.prepare import Refused, ask_policies, fill_in
from headway.execution.resumption import CUT_OFF
from headway.limits.bucket import TokenBucket, Waiter
from headway.limits.flight import call_key
from headway.plan.format import Action, ActionType, Compensation, Reversibility
from headway.plan.graph import Node
from headway.plan.references import find_references
from headway.plan.results import ActionResult, ActionStatus

if TYPE_CHECKING:
    from headway.execution.run import Run
    from headway.tools.registry import ToolEntry

TIMEOUT_MS = 30_000
"""How long a compensation may take whose action has no ``timeout_ms``."""


async def compensate(run: Run) -> None:
    """Undo what the aborted ``run`` did, as far as its plan says how and no record says that it was undone."""
    due = _due(run)
    if due:
        await Undoing(run).undo(due)


def leave_undone(run: Run, why: str) -> None:
    """Record of each compensation that is still due that it failed, for ``why``: the run ends here and now."""
    for node in _due(run):
        _failed(run, node, why, 0.0)


def _due(run: Run) -> list[Node]:
    """Return what is to be undone, the last settled first."""
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
    """Whether an action did something that the plan says how to undo."""
    return (
        result.status is ActionStatus.SUCCEEDED
        and (result.attempts > 0 or node.type is not ActionType.TOOL_CALL)
        and node.action.compensation is not None
        and node.action.reversibility is Reversibility.COMPENSABLE
    )


def _parameters(run: Run, node: Node) -> dict[str, Any]:
    """Return the parameters that an action was called with."""
    return fill_in(node.action.parameters, node.references, node.escapes, run)


def _failed(run: Run, node: Node, why: str, seconds: float) -> None:
    result = run.results[node.index]
    assert result is not None
    result.compensated = False
    run.emit(kinds.COMPENSATION_FAILED, {"error": why, "duration_ms": _ms(seconds)}, node=node)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


class Undoing:
    """The compensations of one run: one at a time, each waiting for its token, its record and its call."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._env = run.env
        self._index = {node.id: node.index for node in run.plan.nodes}
        self._call: Call | None = None
        self._place: Waiter | None = None  # in the line of a bucket
        self._turn: asyncio.Future[None] | None = None
        self._token_of: TokenBucket | None = None  # held for the call that is to come

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
        run, compensation = self._run, node.action.compensation
        assert compensation is not None
        self._call = None
        try:
            self._refuse_if_killed()
            tool, given, named = self._what(compensation)
            if node.index in run.undoing and not self._may_repeat(node.action, tool, named):
                raise ToolError(CUT_OFF)
            parameters = fill_in(given, *find_references(given, self._index), run)
            entry = self._checked(node, tool, parameters)
            await self._take_token(node, tool)
            run.emit(kinds.COMPENSATION_STARTED, {"tool": tool}, node=node)
            await self._committed()
            output = await self._made(node, entry, parameters)
        except Refused as refusal:
            _failed(run, node, refusal.text, 0.0)
        except Exception as error:  # noqa: BLE001 - a tool may raise anything
            _failed(run, node, describe(error), self._seconds())
        else:
            self._succeeded(node, output)
        finally:
            self._return_token(node)

    def _succeeded(self, node: Node, output: Any) -> None:
        run = self._run
        result = run.results[node.index]
        assert result is not None
        result.compensated = True
        run.emit(kinds.COMPENSATION_SUCCEEDED, {"output": output, "duration_ms": _ms(self._seconds())}, node=node)
        if node.type is ActionType.TOOL_CALL:  # who asks for such a call from now on must get a new one
            self._env.reuse.forget(node.tool or "", _parameters(run, node))

    def _seconds(self) -> float:
        return self._call.seconds if self._call is not None else 0.0

    # -- before the call -------------------------------------------------------------------------------------------

    def _what(self, compensation: Compensation) -> tuple[str, dict[str, Any], Action | None]:
        """Return the tool and the parameters, of the compensation or of the action that it names, and that action."""
        if compensation.type != "action_ref":
            return compensation.tool or "", compensation.parameters, None
        named = self._run.plan.nodes[self._index[compensation.action_id or ""]].action
        return named.tool or "", named.parameters, named

    def _may_repeat(self, undone: Action, tool: str, named: Action | None) -> bool:
        """Whether a compensation that may have taken effect can run again without doing more than once."""
        entry = self._env.registry.get(tool)
        declared = entry is not None and entry.schema.idempotent
        return declared or undone.idempotent or (named is not None and named.idempotent)

    def _checked(self, node: Node, tool: str, parameters: dict[str, Any]) -> ToolEntry:
        """Return the tool if it may be called with ``parameters``; raise :class:`ToolError` with the reasons if not."""
        entry = self._env.registry.get(tool)
        if entry is None:
            raise ToolError(f"tool '{tool}' is not registered")
        problems = entry.validate(parameters, quote=False)
        problems = problems or ask_policies(self._run, node, parameters, self._run.state.raw(), tool)
        if problems:
            raise ToolError("; ".join(problems))
        return entry

    async def _take_token(self, node: Node, tool: str) -> None:
        """Take a token of the tool's bucket, standing in its line like everybody; a kill ends the wait."""
        run, bucket = self._run, self._env.limiter.get(tool)
        if bucket is None:
            return

        def granted(waited: float) -> None:
            run.emit(kinds.RATE_LIMIT_GRANT, {**bucket.statistics(), "waited_ms": _ms(waited)}, node=node)
            self._token_of = bucket
            self._go_on()

        if bucket.take():
            granted(0.0)
            return
        self._turn = asyncio.get_running_loop().create_future()
        self._place = bucket.wait(granted)
        data = bucket.statistics()
        data["next_ms"] = data["at_ms"] + round(bucket.next_grant_s() * 1000)
        run.emit(kinds.RATE_LIMIT_WAIT, data, node=node)
        try:
            await self._turn
        finally:
            self._place.cancel()
            self._place = self._turn = None
        self._refuse_if_killed()

    def _return_token(self, node: Node) -> None:
        """Give back the token of a call that was not made."""
        bucket, self._token_of = self._token_of, None
        if bucket is not None:
            bucket.give_back()
            data = bucket.statistics()
            if data["waiters"]:
                data["next_ms"] = data["at_ms"] + round(bucket.next_grant_s() * 1000)
            self._run.emit(kinds.RATE_LIMIT_RETURNED, data, node=node)

    async def _committed(self) -> None:
        """Wait until the log has it that the call starts: what nobody would know of must not be done."""
        try:
            await self._env.log.flush()
        except StoreError as error:
            raise ToolError(stops.interrupted(error.message).here) from None
        self._refuse_if_killed()

    # -- the call --------------------------------------------------------------------------------------------------

    async def _made(self, node: Node, entry: ToolEntry, parameters: dict[str, Any]) -> Any:
        """Make the call, count what it used and return its output."""
        run = self._run
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = CallRequest(
            entry,
            parameters,
            on_end=lambda _: None if ended.done() else ended.set_result(None),
            job_id=run.job_id,
            action_id=node.id,
            timeout_ms=node.action.timeout_ms or TIMEOUT_MS,
            surroundings=Surroundings(run.token, run.state.raw(), self._env.workspace),
            compensates=True,
        )
        call = self._call = self._env.dispatcher.call(request)
        self._token_of = None
        used: dict[str, int] = {}
        try:
            try:
                await ended
            except asyncio.CancelledError:
                self._env.dispatcher.kill(call, now=True)
                raise
            output = recordable(entry.name, self._value(call), used)
        finally:
            self._spend(node, entry.name, call.seconds, used)
        problem = entry.output_problem(output)
        if problem is not None:
            raise ToolError(f"tool '{entry.name}' returned what its schema does not allow: {problem}")
        return output

    def _value(self, call: Call) -> Any:
        """Return what the tool returned; raise what it raised, or :class:`ToolError` if the call was cut off."""
        if call.cause is Cause.TIMEOUT:
            raise ToolError(f"timed out after {call.request.timeout_ms} ms")
        if call.cause is not None:
            raise ToolError(self._killed())
        if isinstance(call.error, asyncio.CancelledError):
            raise ToolError(SELF_CANCELLED)
        if call.error is not None:
            raise call.error
        return call.value

    def _spend(self, node: Node, tool: str, seconds: float, used: dict[str, int]) -> None:
        """Count a call in the budget, whether or not there was anything left of it, and note what such a call uses."""
        run, meter = self._run, self._run.meter
        self._env.prices.note(tool, used)
        if meter is None:
            return
        warned = meter.settle({}, {"tool_calls": 1, "duration_ms": round(seconds * 1000), **used})
        run.emit(kinds.BUDGET_SETTLED, meter.statistics(), node=node)
        for dimension in warned:
            data = {"dimension": dimension, "spent": meter.spent[dimension], "limit": meter.limits[dimension]}
            run.emit(kinds.BUDGET_WARNING, data, node=node)

    # -- stopping --------------------------------------------------------------------------------------------------

    def _stop_requested(self) -> None:
        """The token was pulled: a kill ends the wait or the call there is; a cancel does not stop undoing."""
        if not self._run.token.is_killed():
            return
        if self._call is not None:
            self._env.dispatcher.kill(self._call)
        if self._place is not None:
            self._place.cancel()
        self._go_on()

    def _go_on(self) -> None:
        if self._turn is not None and not self._turn.done():
            self._turn.set_result(None)

    def _refuse_if_killed(self) -> None:
        if self._run.token.is_killed():
            raise ToolError(self._killed())

    def _killed(self) -> str:
        return f"killed: {self._run.token.kill_reason}"
