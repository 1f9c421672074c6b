"""Compensation: when a run aborts, what its plan says how to undo is undone, the last first.

Only actions that succeeded in this run, are ``compensable`` and carry a ``compensation`` are undone. A compensation
that fails is recorded and does not keep the others from running. State is rolled back afterwards, all the same.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from headway.errors import ToolError, ToolTimeout, describe
from headway.events import kinds
from headway.jsonvalue import copy_json, to_json
from headway.plan.graph import Node, find_references
from headway.plan.model import Compensation, Reversibility
from headway.plan.result import ActionStatus
from headway.runtime.prepare import ask_policies, fill_in
from headway.tools.context import ToolContext, ToolResult

if TYPE_CHECKING:
    from headway.runtime.run import Run

TIMEOUT_S = 30.0
"""How long a compensation may take whose action has no ``timeout_ms``."""


async def compensate(run: Run) -> None:
    """Undo what the aborted ``run`` did, as far as its plan says how."""
    for i in reversed(run.own):
        node, result = run.plan.nodes[i], run.results[i]
        action = node.action
        if (
            result is not None
            and result.status is ActionStatus.SUCCEEDED
            and action.compensation is not None
            and action.reversibility is Reversibility.COMPENSABLE
        ):
            result.compensated = await _undo(run, node, action.compensation)


async def _undo(run: Run, node: Node, compensation: Compensation) -> bool:
    """Run one compensation; return whether it succeeded."""
    run.emit(kinds.COMPENSATION_STARTED, {"tool": compensation.tool or compensation.action_id}, node=node)
    started = run.env.clock.now()
    try:
        await run.env.log.flush()
        tool, parameters = _call_of(run, compensation)
        output = await _call(run, node, tool, parameters)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - a tool may raise anything
        data = {"error": describe(error), "duration_ms": _ms(run, started)}
        run.emit(kinds.COMPENSATION_FAILED, data, node=node)
        return False
    run.emit(kinds.COMPENSATION_SUCCEEDED, {"output": output, "duration_ms": _ms(run, started)}, node=node)
    undone = fill_in(node.action.parameters, node.references, node.escapes, run)
    run.env.reuse.idempotency.forget(node.tool or "", undone)
    return True


def _ms(run: Run, started: float) -> float:
    return round((run.env.clock.now() - started) * 1000, 3)


def _call_of(run: Run, compensation: Compensation) -> tuple[str, dict[str, Any]]:
    """Return the tool and the parameters of a compensation: its own, or those of the action that it names."""
    index = {other.id: other.index for other in run.plan.nodes}
    tool, given = compensation.tool, compensation.parameters
    if compensation.type == "action_ref":
        other = run.plan.nodes[index[compensation.action_id or ""]].action
        tool, given = other.tool, other.parameters
    return tool or "", fill_in(given, *find_references(given, index), run)


async def _call(run: Run, node: Node, tool: str, parameters: dict[str, Any]) -> Any:
    entry = run.env.registry.get(tool)
    if entry is None:
        raise ToolError(f"tool '{tool}' is not registered")
    problems = entry.validate(parameters) or ask_policies(run, node, parameters, run.state.snapshot(), tool)
    if problems:
        raise ToolError("; ".join(problems))
    parameters = copy_json(parameters)
    if entry.context_param is not None:
        key = f"{run.job_id}:{node.id}:compensation"
        parameters[entry.context_param] = ToolContext(
            run.job_id, node.id, idempotency_key=key, workspace=run.env.workspace, clock=run.env.clock
        )
    call: asyncio.Future[Any]
    if entry.is_async:
        call = asyncio.ensure_future(entry.call(**parameters))
    else:
        call = run.env.threads.submit(partial(entry.call, **parameters))
    timeout_ms = node.action.timeout_ms
    seconds = timeout_ms / 1000 if timeout_ms is not None else TIMEOUT_S
    timer = run.env.clock.call_later(seconds, call.cancel)
    loop = asyncio.get_running_loop()
    unlisten = run.token.listen(lambda: loop.call_soon_threadsafe(call.cancel) if run.token.is_killed() else None)
    try:
        await asyncio.wait([call])
    except asyncio.CancelledError:
        call.cancel()
        run.env.leave_behind(call)
        raise
    finally:
        timer.cancel()
        unlisten()
    if call.cancelled():
        raise ToolTimeout("the compensation was cut off by its time limit or a kill")
    value = call.result()
    return to_json(value.output if isinstance(value, ToolResult) else value)
