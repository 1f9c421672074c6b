"""Checkpoints of an embedded runtime: its state and its last run, to go back to or to go on from.

A checkpoint is data: it can be kept in a file and loaded by another process. Restoring sets the state; continuing
starts a new run that does what the checkpoint's run had left to do. What a runtime has besides (tools, policies,
limits) is not restored: the names of the tools, the levels of the buckets and the keys of the caches are there to be
compared. A file is data from anywhere: nothing of it is used before all of it has been looked at.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from headway.arguments import expect
from headway.errors import Conflict, InvalidInput, NotFound, StoreError, one_line
from headway.jsonvalue import encode_json, to_json
from headway.limits.budget import DIMENSIONS
from headway.numbers import whole_number
from headway.plan.graph import Plan, plan_from_graph
from headway.plan.parse import parse_proposal
from headway.plan.recorded import check_graph
from headway.plan.result import FINAL, ActionResult
from headway.state import StateStore, state_key

if TYPE_CHECKING:
    from headway.tools.registry import ToolRegistry

VERSION = 1
MAX_BYTES = 256 * 1024 * 1024


class RuntimeCheckpoint(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """What a runtime was at one moment; ``version`` is that of this layout.

    ``state`` is the state as committed; ``results`` hold the settled actions of the run ``job_id``, ``graph`` and
    ``proposal`` its plan, ``committed`` the levels whose changes are in the state, ``spent`` its budget, ``session``
    the policy session that it ran under (all empty if nothing has run). ``created_ms`` is wall time.
    """

    version: int
    checkpoint_id: str
    created_ms: int
    state: dict[str, Any]
    tools: list[str] = []
    job_id: str | None = None
    proposal: dict[str, Any] = {}
    graph: dict[str, Any] = {}
    results: list[ActionResult] = []
    committed: list[int] = []
    spent: dict[str, int] = {}
    session: str | None = None
    buckets: list[dict[str, Any]] = []
    cache_keys: list[str] = []
    metadata: dict[str, Any] = {}

    def remaining(self) -> list[str]:
        """Return the ids of the actions that had not been settled."""
        settled = {result.action_id for result in self.results}
        return [action["id"] for action in self.graph.get("actions", ()) if action["id"] not in settled]


def write_checkpoint(checkpoint: RuntimeCheckpoint, path: Path) -> None:
    """Write ``checkpoint`` as JSON, atomically: the file is the old one or the new one, whatever happens.

    Raises :class:`StoreError` with one line if the file cannot be written.
    """
    body = msgspec.json.format(msgspec.json.encode(checkpoint), indent=1)
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


def read_checkpoint(path: Path) -> RuntimeCheckpoint:
    """Read a checkpoint file. Raises :class:`NotFound`, or :class:`InvalidInput` naming what does not fit."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"the checkpoint {path} is over {MAX_BYTES:,} bytes")
        body = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"there is no checkpoint file {path}") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot read the checkpoint {path}: {one_line(str(error), 200)}") from None
    try:
        checkpoint = msgspec.json.decode(body, type=RuntimeCheckpoint)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not a checkpoint: {one_line(str(error), 200)}") from None
    try:
        check(checkpoint)
    except InvalidInput as error:
        raise InvalidInput(f"{path} does not fit: {error.message}") from None
    return checkpoint


def plain_checkpoint(checkpoint: object) -> RuntimeCheckpoint:
    """Return a copy of a checkpoint that fits and is JSON all through; :class:`InvalidInput` for what is none."""
    try:
        encoded = encode_json(expect(checkpoint, RuntimeCheckpoint, "a checkpoint"))
        copied = msgspec.json.decode(encoded, type=RuntimeCheckpoint)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InvalidInput(f"the checkpoint does not fit: {one_line(str(error), 200)}") from None
    check(copied)
    return copied


def check(checkpoint: RuntimeCheckpoint) -> None:
    """Raise :class:`InvalidInput` that names what does not fit together in ``checkpoint``."""
    if not 1 <= checkpoint.version <= VERSION:
        raise InvalidInput(f"it has version {checkpoint.version}, this Headway reads {VERSION}")
    for key in checkpoint.state:
        state_key(key)
    to_json(checkpoint.state)
    for name, amount in checkpoint.spent.items():
        if name not in DIMENSIONS:
            raise InvalidInput(f"no budget has the dimension '{one_line(name, 60)}'")
        whole_number(amount, f"spent {name}", 0)
    if checkpoint.graph:
        plan_of(checkpoint)
    elif checkpoint.results or checkpoint.committed:
        raise InvalidInput("it has results and no plan")


def plan_of(checkpoint: RuntimeCheckpoint) -> Plan:
    """Return the plan of a checkpoint that holds one; :class:`InvalidInput` for one that does not fit its graph."""
    proposal = parse_proposal(checkpoint.proposal)
    check_graph(proposal, checkpoint.graph)
    plan = plan_from_graph(proposal, checkpoint.graph)
    known = {node.id for node in plan.nodes}
    seen: set[str] = set()
    for result in checkpoint.results:
        if result.action_id not in known or result.action_id in seen:
            raise InvalidInput(
                f"the result of action '{one_line(result.action_id, 60)}' is twice there or of no action"
            )
        if result.status not in FINAL:
            raise InvalidInput(f"the result of action '{one_line(result.action_id, 60)}' is not final")
        seen.add(result.action_id)
    if not all(0 <= level < len(plan.levels) for level in checkpoint.committed):
        raise InvalidInput("it has committed a level that its plan does not have")
    return plan


def plan_to_go_on(checkpoint: RuntimeCheckpoint) -> tuple[Plan, dict[str, Any]]:
    """Return the plan, and the state that goes on with it: with what finished actions of a half-done level changed.

    Raises :class:`Conflict` for a checkpoint without a plan, :class:`InvalidInput` for one that does not fit.
    """
    if not checkpoint.graph:
        raise Conflict(f"checkpoint '{checkpoint.checkpoint_id}' holds no plan to go on with")
    plan = plan_of(checkpoint)
    state = StateStore(checkpoint.state)
    results = {result.action_id: result for result in checkpoint.results}
    committed = set(checkpoint.committed)
    for node in plan.nodes:
        result = results.get(node.id)
        if result is not None and node.level not in committed and not result.rolled_back:
            state.apply(result.state_changes)
    return plan, dict(state.snapshot())


def missing_tools(checkpoint: RuntimeCheckpoint, registry: ToolRegistry) -> list[str]:
    """Return the names of the tools that the checkpoint's plan has yet to call and ``registry`` lacks, sorted."""
    left = set(checkpoint.remaining())
    actions = checkpoint.proposal.get("actions", ())
    wanted = {action.get("tool") for action in actions if action.get("id") in left}
    return sorted(name for name in wanted if isinstance(name, str) and name not in registry)
