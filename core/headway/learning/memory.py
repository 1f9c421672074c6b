"""``Memgine``: what is remembered between runs: facts and skills, found by what is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec

from headway.arguments import expect, expect_call
from headway.clock import SYSTEM_CLOCK, Clock, clock_of
from headway.errors import Conflict, InvalidInput, one_line
from headway.learning import consolidation
from headway.learning.consolidation import Consolidation
from headway.learning.context import Context, compose
from headway.learning.embedding import Embedder, Vectors
from headway.learning.fact import LASTING, Fact, FactKind, kind_of
from headway.learning.memory_file import read_memory, write_memory
from headway.learning.retrieval import Index, spread, tokens
from headway.learning.skill_store import SkillStore
from headway.numbers import whole_number

LONGEST_QUERY = 64 * 1024
MOST_UNKNOWN = 10
_SHORTEST_UNKNOWN = 4
_MOST_SHARING = 256


class Hit(msgspec.Struct, frozen=True):
    """A fact that was found. ``score`` is from 0 to 1."""

    fact: Fact
    score: float


class Memgine:
    """Facts and ``skills``. At most ``max_facts``: for one more, the least certain and then the oldest goes.

    Retrieval is by words, and by what shares a subject with what was found; with an ``embedder`` also by meaning.
    All methods belong to one thread.
    """

    def __init__(
        self,
        *,
        clock: Clock = SYSTEM_CLOCK,
        embedder: Embedder | None = None,
        max_facts: int = 10_000,
        skills: SkillStore | None = None,
    ) -> None:
        self._clock = clock_of(clock)
        self._most = whole_number(max_facts, "max_facts", 1)
        self._facts: dict[str, Fact] = {}
        self._subjects: dict[str, dict[str, None]] = {}
        self._index = Index()
        if embedder is not None:
            expect_call(getattr(embedder, "embed", None), "the embed of an embedder")
        self._vectors = Vectors(embedder) if embedder is not None else None
        self.skills = expect(skills, SkillStore, "skills") if skills is not None else SkillStore(clock=clock)

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[Fact]:
        return iter(list(self._facts.values()))

    @property
    def embedding_problem(self) -> str | None:
        """Why the last query went by words alone, in one line; None if it did not, or there is no embedder."""
        return self._vectors.problem if self._vectors is not None else None

    # -- facts -----------------------------------------------------------------------------------------------------

    def add(
        self,
        subject: str,
        body: str,
        kind: FactKind | str = FactKind.FACT,
        confidence: float = 1.0,
        timestamp: int | None = None,
    ) -> Fact:
        """Remember a fact and return it; one told again is renewed, with the higher confidence of the two.

        ``timestamp`` is ms since 1970, now unless given. Raises :class:`InvalidInput`, and :class:`Conflict` if the
        memory is full of hard constraints and identity.
        """
        now = self._clock.time_ms() if timestamp is None else whole_number(timestamp, "timestamp", 0)
        fact = Fact(subject, body, kind_of(kind), confidence, now, now)
        known = self._facts.get(fact.id)
        if known is not None:
            fact = msgspec.structs.replace(
                fact,
                confidence=max(fact.confidence, known.confidence),
                timestamp=max(fact.timestamp, known.timestamp),
                decayed_ms=max(fact.decayed_ms, known.decayed_ms),
            )
        elif len(self._facts) >= self._most:
            self._make_room()
        self._put(fact)
        return fact

    def get(self, fact_id: object) -> Fact | None:
        """Return the fact of that id, or None."""
        return self._facts.get(fact_id) if isinstance(fact_id, str) else None

    def remove(self, fact_id: str) -> bool:
        """Forget a fact; return whether there was one."""
        fact = self.get(fact_id)
        if fact is None:
            return False
        del self._facts[fact_id]
        self._index.remove(fact_id)
        key = fact.subject.casefold()
        del self._subjects[key][fact_id]
        if not self._subjects[key]:
            del self._subjects[key]
        if self._vectors is not None:
            self._vectors.forget(fact_id)
        return True

    # -- retrieval -------------------------------------------------------------------------------------------------

    async def query(self, text: str, limit: int = 10) -> list[Hit]:
        """Return the facts that bear on ``text``, the most relevant first.

        With an embedder, half of a fact's rank is its likeness in meaning. An embedder that fails or answers nonsense
        leaves :meth:`query_fast`; :attr:`embedding_problem` says why.
        """
        most = whole_number(limit, "limit", 0)
        ranks = self._by_words(_query(text))
        return self._hits(await self._by_meaning(text, ranks), most)

    def query_fast(self, text: str, limit: int = 10) -> list[Hit]:
        """Return what :meth:`query` does without an embedder: deterministic, and no model is asked."""
        most = whole_number(limit, "limit", 0)
        return self._hits(self._by_words(_query(text)), most)

    async def build_context(self, query: str, token_budget: int) -> Context:
        """Return what a model should know to answer ``query``, in layers, within ``token_budget`` tokens (chars / 4).

        Hard constraints are always in it. See :mod:`headway.learning.context`.
        """
        budget = whole_number(token_budget, "token_budget", 0)
        ranks = await self._by_meaning(query, self._by_words(_query(query)))
        return self._compose(query, ranks, budget)

    def build_context_fast(self, query: str, token_budget: int) -> Context:
        """Return what :meth:`build_context` does without an embedder."""
        budget = whole_number(token_budget, "token_budget", 0)
        return self._compose(query, self._by_words(_query(query)), budget)

    # -- keeping ---------------------------------------------------------------------------------------------------

    def consolidate(self) -> Consolidation:
        """Merge what says the same, let what is old fade, forget what has faded; return what was done.

        Confidence halves every 30 days since a fact was last told, but for constraints and identity. Twice at one
        time changes nothing.
        """
        kept, done = consolidation.consolidate(list(self._facts.values()), self._clock.time_ms())
        wanted = {fact.id: fact for fact in kept}
        for fact_id in [fact_id for fact_id in self._facts if fact_id not in wanted]:
            self.remove(fact_id)
        self._facts.update(wanted)
        return done

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write facts and skills to a JSON file, which is replaced whole. Raises :class:`InvalidInput`."""
        write_memory(path, list(self._facts.values()), list(self.skills))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        clock: Clock = SYSTEM_CLOCK,
        embedder: Embedder | None = None,
        max_facts: int = 10_000,
        skills: SkillStore | None = None,
    ) -> Memgine:
        """Return the memory of a file. Raises :class:`InvalidInput` that names what in it does not fit.

        ``skills`` is the store that the file's skills fill, in place of what it holds; without one they are at most
        1,000.
        """
        facts, found = read_memory(path)
        memory = cls(clock=clock, embedder=embedder, max_facts=max_facts, skills=skills)
        if len(facts) > memory._most:
            raise InvalidInput(f"{one_line(str(path), 300)} holds {len(facts):,} facts; the limit is {memory._most:,}")
        for fact in facts:
            memory._put(fact)
        memory.skills.replace_all(found)
        return memory

    # -- inside ----------------------------------------------------------------------------------------------------

    def _put(self, fact: Fact) -> None:
        name = fact.id
        if name not in self._facts:
            self._index.add(name, f"{fact.subject} {fact.body}")
            self._subjects.setdefault(fact.subject.casefold(), {})[name] = None
        self._facts[name] = fact

    def _make_room(self) -> None:
        fading = (fact for fact in self._facts.values() if fact.kind not in LASTING)
        least = min(fading, key=lambda fact: (fact.confidence, fact.timestamp), default=None)
        if least is None:
            raise Conflict(f"the memory is full: {self._most:,} facts, all of them constraints or identity")
        self.remove(least.id)

    def _related(self, fact_id: str) -> set[str]:
        """Return the facts of the same subject, of subjects that this one names, and those that name its subject.

        What more than 256 facts share tells nothing, and is not followed.
        """
        subject = self._facts[fact_id].subject.casefold()
        groups = [self._subjects.get(subject, ()), self._index.keys(subject)]
        groups += [self._subjects.get(word, ()) for word in self._index.words(fact_id)]
        return {other for group in groups if len(group) <= _MOST_SHARING for other in group}

    def _by_words(self, text: str) -> dict[str, float]:
        return spread(self._index.search(text), self._related)

    async def _by_meaning(self, text: str, ranks: dict[str, float]) -> dict[str, float]:
        if self._vectors is None or not text.strip():
            return ranks
        likeness = await self._vectors.likeness(text, {k: f"{f.subject}: {f.body}" for k, f in self._facts.items()})
        if likeness is None:
            return ranks
        names = sorted({*ranks, *likeness} & self._facts.keys())
        return {name: (ranks.get(name, 0.0) + likeness.get(name, 0.0)) / 2 for name in names}

    def _hits(self, ranks: dict[str, float], limit: int) -> list[Hit]:
        found = [
            (-rank * (0.5 + 0.5 * fact.confidence), -fact.timestamp, name, fact)
            for name, rank in ranks.items()
            if rank > 0 and (fact := self._facts.get(name)) is not None
        ]
        found.sort(key=lambda entry: entry[:3])
        return [Hit(fact, -score) for score, _, _, fact in found[:limit]]

    def _compose(self, query: str, ranks: dict[str, float], budget: int) -> Context:
        layers: dict[FactKind, list[Fact]] = {kind: [] for kind in FactKind}
        relevant = [hit.fact for hit in self._hits(ranks, len(ranks))]
        for fact in relevant:
            layers[fact.kind].append(fact)
        for kind in (FactKind.IDENTITY, FactKind.CONSTRAINT, FactKind.CONVERSATION, FactKind.ENVIRONMENT):
            newest = sorted(self._of(kind), key=lambda fact: (-fact.timestamp, fact.id))
            layers[kind] = list(dict.fromkeys([*layers[kind], *newest]))
        words = dict.fromkeys(word for word in tokens(query) if len(word) >= _SHORTEST_UNKNOWN)
        unknown = [one_line(word, 40) for word in words if not self._index.keys(word)]
        return compose(dict(layers), budget, unknown[:MOST_UNKNOWN])

    def _of(self, kind: FactKind) -> list[Fact]:
        return [fact for fact in self._facts.values() if fact.kind is kind]


def _query(text: object) -> str:
    if not isinstance(text, str):
        raise InvalidInput(f"a query is a string, not {type(text).__name__}")
    if len(text) > LONGEST_QUERY:
        raise InvalidInput(f"a query is at most {LONGEST_QUERY:,} characters")
    return text
