"""The context of a question: what a model should know, in layers, within a budget of tokens.

The layers, in order: Identity, Constraints, Facts, Conversation, Environment, Known unknowns. A fact is a line of its
own, taken whole or not at all; its text cannot start a line, so it cannot pose as a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from headway.errors import one_line
from headway.learning.fact import LONGEST_BODY, LONGEST_SUBJECT, Fact, FactKind

LAYERS: tuple[tuple[str, FactKind, float], ...] = (
    ("Identity", FactKind.IDENTITY, 0.10),
    ("Constraints", FactKind.CONSTRAINT, 1.0),
    ("Facts", FactKind.FACT, 0.50),
    ("Conversation", FactKind.CONVERSATION, 0.20),
    ("Environment", FactKind.ENVIRONMENT, 0.10),
    ("Known unknowns", FactKind.UNKNOWN, 0.10),
)
"""Title, kind and share of what the constraints leave; what a layer does not need goes to the others, in order."""

CHARS_PER_TOKEN = 4


class Context(msgspec.Struct, frozen=True):
    """A context as text. ``facts`` are the ids of what is in it; ``left_out`` counts what found no room.

    ``tokens`` is an estimate: characters / 4. ``over_budget``: the hard constraints alone are more than the budget.
    """

    text: str
    tokens: int
    facts: list[str]
    left_out: int
    over_budget: bool


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text is: a quarter of its characters, rounded up."""
    return -(-len(text) // CHARS_PER_TOKEN)


def compose(layers: dict[FactKind, Sequence[Fact]], token_budget: int, unknown: Sequence[str] = ()) -> Context:
    """Return the context of these facts, each layer's the most important first. ``unknown`` are words nobody knows.

    Hard constraints are always in it; for the others there is what they leave of the budget.
    """
    budget = token_budget * CHARS_PER_TOKEN
    page = _Page()
    for fact in layers.get(FactKind.CONSTRAINT, ()):
        page.take(FactKind.CONSTRAINT, _line(fact), fact.id)
    over = page.length > budget
    free = max(0, budget - page.length)
    asked = f"- nothing is known of: {', '.join(unknown)}" if unknown else None
    waiting: dict[FactKind, list[Fact]] = {}
    for _, kind, share in LAYERS:
        if kind is FactKind.CONSTRAINT:
            continue
        limit = page.length + int(free * share)
        if kind is FactKind.UNKNOWN and asked is not None:
            page.fit(kind, asked, None, min(limit, budget))
        facts = layers.get(kind, ())
        waiting[kind] = [fact for fact in facts if not page.fit(kind, _line(fact), fact.id, min(limit, budget))]
    left_out = 0
    for kind, facts in waiting.items():
        left_out += sum(not page.fit(kind, _line(fact), fact.id, budget) for fact in facts)
    text = page.text()
    return Context(text, estimate_tokens(text), page.ids(), left_out, over)


class _Page:
    """Lines by layer, and the length of the whole."""

    def __init__(self) -> None:
        self.lines: dict[FactKind, list[tuple[str, str | None]]] = {}
        self.length = 0

    def fit(self, kind: FactKind, line: str, fact_id: str | None, limit: int) -> bool:
        """Take a line if the page is then no longer than ``limit`` characters."""
        if self.length + self._cost(kind, line) > limit:
            return False
        self.take(kind, line, fact_id)
        return True

    def take(self, kind: FactKind, line: str, fact_id: str | None) -> None:
        self.length += self._cost(kind, line)
        self.lines.setdefault(kind, []).append((line, fact_id))

    def text(self) -> str:
        return "\n".join(_layer(title, (line for line, _ in self.lines[kind])) for title, kind in self._used())

    def ids(self) -> list[str]:
        return [fact_id for _, kind in self._used() for _, fact_id in self.lines[kind] if fact_id is not None]

    def _used(self) -> list[tuple[str, FactKind]]:
        return [(title, kind) for title, kind, _ in LAYERS if kind in self.lines]

    def _cost(self, kind: FactKind, line: str) -> int:
        heading = 0 if kind in self.lines else len(_layer(_TITLES[kind], ())) + (1 if self.lines else 0)
        return heading + len(line) + 1


_TITLES = {kind: title for title, kind, _ in LAYERS}


def _layer(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n" + "".join(f"{line}\n" for line in lines)


def _line(fact: Fact) -> str:
    return f"- {one_line(fact.subject, LONGEST_SUBJECT)}: {one_line(fact.body, LONGEST_BODY)}"
