"""Checkpoints of an embedded runtime: its state and its last run, to go back to or to continue from.

A checkpoint is data: it can be kept in a file and loaded by another process. Restoring sets the state; continuing
starts a new run that does what the checkpoint's run had left to do. What a runtime has besides (tools, policies,
limits) is not restored: the names of the tools, the levels of the buckets and the keys of the caches are there to be
compared. A file is data from anywhere: nothing of it is used before all of it has been looked at.

What an abort is about to roll back counts as rolled back in a checkpoint that is taken meanwhile: its compensations may
have run, and a run that continues from there has to do it again.
"""

from __future__ import annotations

import contextlib
import copy
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect
from headway.errors import Conflict, InvalidInput, NotFound, StoreError, one_line
from headway.events.checkpoint import VERSION, Checkpoint
from headway.events.fold.values import apply_changes
from headway.jsonvalue import MAX_CHECKPOINT_BYTES, copy_json, encode_json, to_json
from headway.limits.budget import DIMENSIONS
from headway.numbers import whole_number
from headway.plan.graph import Graph, check_graph, plan_from_graph
from headway.plan.parse import recorded_proposal
from headway.plan.results import FINAL, ROLLED_BACK, ActionResult, ActionStatus
from headway.policy.pinned import pinned_rules, sources_of
from headway.state import StateStore, state_key

if TYPE_CHECKING:
    from headway.execution.run import Run
    from headway.secrets.redactor import Redactor
    from headway.tools.registry import ToolRegistry


def state_of(run: Run | None, state: StateStore) -> dict[str, Any]:
    """Return a copy of the state that a checkpoint holds; ``run`` is working on it, if there is one."""
    values = state.raw().copy()
    if run is not None and _is_undone(run):
        apply_changes(values, run.before)
    copied: dict[str, Any] = copy_json(values)
    return copied


def results_of(run: Run) -> list[ActionResult]:
    """Return copies of the results that a checkpoint holds."""
    results = [copy.deepcopy(result) for result in run.results if result is not None]
    if _is_undone(run):
        own = {run.id_of(i) for i in run.own}
        for result in results:
            if result.action_id in own and result.status is ActionStatus.SUCCEEDED:
                result.rolled_back, result.state_changes, result.error = True, {}, ROLLED_BACK
    return results


def _is_undone(run: Run) -> bool:
    """Return whether an abort is on its way that has not rolled back yet."""
    return run.stop is not None and run.stop.rolls_back and not run.sealed


def write_checkpoint(checkpoint: Checkpoint, path: Path, redactor: Redactor) -> None:
    """Write ``checkpoint`` as JSON, atomically: the file is the old one or the new one, whatever happens.

    The secrets that ``redactor`` knows are not in it. Raises :class:`StoreError` with one line if the file cannot be
    written, or would be too large to be read.
    """
    import tempfile  # and shutil and the compressors with it, which a run without such a file does not need

    body = msgspec.json.format(redactor.encoded(msgspec.json.encode(checkpoint)), indent=1)
    if len(body) > MAX_CHECKPOINT_BYTES:
        raise StoreError(
            f"cannot write the checkpoint {path}: it has {len(body):,} bytes, the limit is {MAX_CHECKPOINT_BYTES:,}"
        )
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - beside mkstemp, which speaks in names
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
        raise StoreError(f"cannot write the checkpoint {path}: {one_line(error.strerror or str(error))}") from None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint file. Raises :class:`NotFound`, or :class:`InvalidInput` naming what does not fit."""
    try:
        if path.stat().st_size > MAX_CHECKPOINT_BYTES:
            raise InvalidInput(f"the checkpoint {path} is over {MAX_CHECKPOINT_BYTES:,} bytes")
        body = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no checkpoint file {path}") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read the checkpoint {path}: {one_line(str(error), 200)}") from None
    try:
        checkpoint = msgspec.json.decode(body, type=Checkpoint)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not a checkpoint: {one_line(str(error), 200)}") from None
    try:
        check(checkpoint)
    except InvalidInput as error:
        raise InvalidInput(f"{path} does not fit: {error.message}") from None
    return checkpoint


def plain_checkpoint(checkpoint: object) -> Checkpoint:
    """Return a copy of a checkpoint that fits and is JSON all through; :class:`InvalidInput` for what is none."""
    try:
        encoded = encode_json(expect(checkpoint, Checkpoint, "a checkpoint"))
        copied = msgspec.json.decode(encoded, type=Checkpoint)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput(f"the checkpoint does not fit: {one_line(str(error), 200)}") from None
    check(copied)
    return copied


def check(checkpoint: Checkpoint) -> None:
    """Raise :class:`InvalidInput` that names what does not fit together in ``checkpoint``."""
    if not 1 <= checkpoint.version <= VERSION:
        raise InvalidInput(f"it has version {checkpoint.version}, this Headway reads {VERSION}")
    for key, value in checkpoint.state.items():
        state_key(key)
        to_json(value)
    for name, amount in checkpoint.spent.items():
        if name not in DIMENSIONS:
            raise InvalidInput(f"no budget has the dimension '{one_line(name, 60)}'")
        whole_number(amount, f"spent {name}", 0)
    pinned_rules(sources_of(checkpoint.policies))
    if checkpoint.graph:
        plan_of(checkpoint)
    elif checkpoint.results or checkpoint.committed:
        raise InvalidInput("it has results and no plan")


def plan_of(checkpoint: Checkpoint) -> Graph:
    """Return the plan of a checkpoint that holds one; :class:`InvalidInput` for one that does not fit its graph."""
    proposal = recorded_proposal(checkpoint.proposal)
    check_graph(proposal, checkpoint.graph)
    plan = plan_from_graph(proposal, checkpoint.graph)
    for node, entry in zip(plan.nodes, checkpoint.graph["actions"], strict=True):
        for name, planned in (("type", node.type.value), ("tool", node.tool)):
            if entry.get(name, planned) != planned:
                raise InvalidInput(f"the graph's {name} of action '{one_line(node.id, 60)}' is not that of the plan")
    _check_results(checkpoint, {node.id for node in plan.nodes})
    if not all(0 <= level < len(plan.levels) for level in checkpoint.committed):
        raise InvalidInput("it has committed a level that its plan does not have")
    return plan


def _check_results(checkpoint: Checkpoint, known: set[str]) -> None:
    seen: set[str] = set()
    for result in checkpoint.results:
        name = f"the result of action '{one_line(result.action_id, 60)}'"
        if result.action_id not in known or result.action_id in seen:
            raise InvalidInput(f"{name} is twice there or of no action")
        if result.status not in FINAL:
            raise InvalidInput(f"{name} is not final")
        try:
            StateStore().apply(result.state_changes)
        except InvalidInput as error:
            raise InvalidInput(f"{name} does not fit: {error.message}") from None
        seen.add(result.action_id)


def plan_to_continue(checkpoint: Checkpoint) -> tuple[Graph, dict[str, Any]]:
    """Return the plan, and the state to continue on: with what finished actions of a half-done level changed.

    Raises :class:`Conflict` for a checkpoint without a plan, :class:`InvalidInput` for one that does not fit.
    """
    if not checkpoint.graph:
        raise Conflict(f"checkpoint '{checkpoint.checkpoint_id}' holds no plan to continue")
    plan = plan_of(checkpoint)
    state = StateStore(checkpoint.state)
    results = {result.action_id: result for result in checkpoint.results}
    committed = set(checkpoint.committed)
    for node in plan.nodes:
        result = results.get(node.id)
        if result is not None and node.level not in committed and not result.rolled_back:
            state.apply(result.state_changes)
    return plan, state.raw().copy()


def missing_tools(checkpoint: Checkpoint, registry: ToolRegistry) -> list[str]:
    """Return the names of the tools that ``registry`` lacks and the checkpoint's plan may yet call, sorted.

    That is by actions that are left, and to undo them should the run that continues abort.
    """
    left = set(checkpoint.remaining())
    actions = {action.id: action for action in plan_of(checkpoint).proposal.actions} if left else {}
    wanted: set[str | None] = set()
    for name in left:
        wanted.add(actions[name].tool)
        undo = actions[name].compensation
        if undo is not None:
            wanted.add(actions[undo.action_id].tool if undo.action_id in actions else undo.tool)
    return sorted(name for name in wanted if name is not None and name not in registry)
