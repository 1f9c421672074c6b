"""``transaction_check``: where a plan's actions meet on the same state without saying so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headway.plan.checks import equal
from headway.plan.graph import Node, compile_plan, indirect, reads
from headway.plan.parse import PlanLike, as_proposal, as_state
from headway.state import StateStore


class TransactionConflict(msgspec.Struct, omit_defaults=True):
    """One finding. ``kind``: write_write, read_write (both name two actions) or stale_assumption (names one)."""

    kind: str
    key: str
    message: str
    actions: list[str]


def transaction_check(
    proposal: PlanLike, state: StateStore | Mapping[str, Any] | None = None
) -> list[TransactionConflict]:
    """Return the conflicts of ``proposal``, in list order.

    write_write: two actions write one key and neither needs the other. read_write: an action reads a key that a later
    one overwrites and does not need it. The executor orders both as listed; whoever wrote the plan may have meant
    something else. Needs count through any number of actions. stale_assumption: the state no longer is what the plan
    was made under. Only neighbours in the list of a key's writers are compared.
    """
    known = state if isinstance(state, StateStore) else as_state(state)
    plan = compile_plan(as_proposal(proposal), known)
    needs = [frozenset(node.needs) for node in plan.nodes]
    found: list[tuple[TransactionConflict, tuple[int, int] | None]] = []
    writer: dict[str, Node] = {}
    readers: dict[str, list[Node]] = {}
    for node in plan.nodes:
        found.extend((stale, None) for stale in _stale(node, state))
        for key in node.writes:
            before = writer.get(key)
            if before is not None and before.index not in needs[node.index]:
                found.append((_write_write(before, node, key), (node.index, before.index)))
            for reader in readers.pop(key, ()):
                if node.index in needs[reader.index]:
                    readers.setdefault(key, []).append(reader)  # it waits for this writer: the next one overwrites
                elif reader.index not in needs[node.index]:
                    found.append((_read_write(reader, node, key), (node.index, reader.index)))
            writer[key] = node
        for key in set(reads(node.action)).difference(node.writes):
            readers.setdefault(key, []).append(node)
    declared = indirect(plan, (pair for _, pair in found if pair is not None))
    return [conflict for conflict, pair in found if pair is None or pair not in declared]


def _write_write(before: Node, node: Node, key: str) -> TransactionConflict:
    text = f"'{before.id}' and '{node.id}' both write '{key}' and neither depends on the other"
    return TransactionConflict("write_write", key, text, [before.id, node.id])


def _read_write(reader: Node, node: Node, key: str) -> TransactionConflict:
    text = f"'{reader.id}' reads '{key}' before '{node.id}' overwrites it"
    return TransactionConflict("read_write", key, text, [reader.id, node.id])


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
