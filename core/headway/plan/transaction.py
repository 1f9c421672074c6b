"""``transaction_check``: where a plan's actions meet on the same state without saying so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headway.plan.checks import equal
from headway.plan.graph import Node, compile_plan, reads, writes
from headway.plan.model import ActionProposal
from headway.state import StateStore


class TransactionConflict(msgspec.Struct, omit_defaults=True):
    """One finding. ``kind``: write_write, read_write (both name two actions) or stale_assumption (names one)."""

    kind: str
    key: str
    message: str
    actions: list[str]


def transaction_check(
    proposal: ActionProposal, state: StateStore | Mapping[str, Any] | None = None
) -> list[TransactionConflict]:
    """Return the conflicts of ``proposal``, in list order.

    write_write: two actions write one key and neither needs the other. read_write: an action reads a key that a later
    one overwrites. The executor orders both as listed; whoever wrote the plan may have meant something else.
    stale_assumption: the state no longer is what the plan was made under. Only neighbours in the list of a key's
    writers are compared, so the check is linear.
    """
    plan = compile_plan(proposal, {} if state is None else state)
    found: list[TransactionConflict] = []
    writer: dict[str, Node] = {}
    readers: dict[str, list[Node]] = {}
    for node in plan.nodes:
        found.extend(_stale(node, state))
        written = dict.fromkeys(writes(node.action))
        for key in written:
            before = writer.get(key)
            if before is not None and before.index not in node.needs:
                text = f"'{before.id}' and '{node.id}' both write '{key}' and neither depends on the other"
                found.append(TransactionConflict("write_write", key, text, [before.id, node.id]))
            for reader in readers.pop(key, ()):
                if reader.index not in node.needs:
                    text = f"'{reader.id}' reads '{key}' before '{node.id}' overwrites it"
                    found.append(TransactionConflict("read_write", key, text, [reader.id, node.id]))
            writer[key] = node
        for key in dict.fromkeys(reads(node.action)):
            if key not in written:
                readers.setdefault(key, []).append(node)
    return found


def _stale(node: Node, state: StateStore | Mapping[str, Any] | None) -> list[TransactionConflict]:
    found = []
    for assumption in node.action.assumptions:
        key = assumption.key
        value = None if state is None else state.get(key)
        problem = ""
        if assumption.expected_value is not None and not equal(value, assumption.expected_value):
            problem = f"'{node.id}' assumes a value of '{key}' that the state does not have"
        elif assumption.read_version is not None and isinstance(state, StateStore):
            version = state.version(key)
            if version != assumption.read_version:
                problem = f"'{node.id}' read version {assumption.read_version} of '{key}', now it is {version}"
        if problem:
            found.append(TransactionConflict("stale_assumption", key, problem, [node.id]))
    return found
