"""Putting a memory in order: what says the same becomes one, what is old fades."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headway.learning.fact import LASTING, Fact, FactKind

HALF_LIFE_MS = 30 * 24 * 3600 * 1000
"""After this long without being told again, a fact's confidence is half."""
FORGOTTEN = 0.05
"""A fact of less confidence is forgotten."""


class Consolidation(msgspec.Struct, frozen=True):
    """The report of a consolidation: how many facts there were, there are, were merged into others, were forgotten."""

    before: int
    after: int
    merged: int
    dropped: int


def consolidate(facts: Sequence[Fact], now_ms: int) -> tuple[list[Fact], Consolidation]:
    """Return the facts that stay, in their order, and what was done."""
    groups: dict[tuple[FactKind, str], list[Fact]] = {}
    for fact in facts:
        groups.setdefault((fact.kind, " ".join(fact.subject.casefold().split())), []).append(fact)
    merged = {fact.id: fact for group in groups.values() for fact in _merge(group)}
    faded = {name: fade(fact, now_ms) for name, fact in merged.items()}
    kept = [faded[fact.id] for fact in facts if fact.id in faded and _stays(faded[fact.id])]
    return kept, Consolidation(len(facts), len(kept), len(facts) - len(merged), len(merged) - len(kept))


def fade(fact: Fact, now_ms: int) -> Fact:
    """Return a fact with the confidence that the time since it last faded has left it."""
    since = max(fact.timestamp, fact.decayed_ms)
    if fact.kind in LASTING or now_ms <= since:
        return fact
    left = fact.confidence * 0.5 ** ((now_ms - since) / HALF_LIFE_MS)
    return msgspec.structs.replace(fact, confidence=left, decayed_ms=now_ms)


def _stays(fact: Fact) -> bool:
    return fact.kind in LASTING or fact.confidence >= FORGOTTEN


def _merge(group: list[Fact]) -> list[Fact]:
    """Return a group of one kind and subject with duplicates merged: the newest stays, with the highest confidence.

    Only case, spaces and a full stop at the end may differ: one word more can turn what is said into its opposite.
    """
    kept: dict[str, Fact] = {}
    for fact in sorted(group, key=lambda fact: (-fact.timestamp, fact.id)):
        said = " ".join(fact.body.casefold().split()).rstrip(".!;, ")
        kept[said] = _join(kept[said], fact) if said in kept else fact
    return list(kept.values())


def _join(newer: Fact, older: Fact) -> Fact:
    return msgspec.structs.replace(newer, confidence=max(newer.confidence, older.confidence))
