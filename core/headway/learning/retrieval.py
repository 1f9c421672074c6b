"""Finding texts: an inverted index with BM25 ranks, and activation that spreads to what is related."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable

K1 = 1.2
B = 0.75
MOST_TOKENS = 1024
"""The most words of one text that are looked at."""
MOST_QUERY_TOKENS = 64
HOPS = 2
DECAY = 0.5
"""The share of the activation that is left after one hop."""
MOST_SPREADING = 64
"""The most texts that hand their activation on, in one hop."""

_WORD = re.compile(r"\w+")
_LONGEST_TEXT = 64 * 1024


def tokens(text: str) -> list[str]:
    """Return the words of a text, case folded, at most 1024 of its first 64 Ki characters."""
    return _WORD.findall(text[:_LONGEST_TEXT].casefold())[:MOST_TOKENS]


class Index:
    """Texts by key, found by their words."""

    def __init__(self) -> None:
        self._postings: dict[str, dict[str, int]] = {}
        self._words: dict[str, Counter[str]] = {}
        self._lengths: dict[str, int] = {}
        self._length = 0

    def __len__(self) -> int:
        return len(self._words)

    def add(self, key: str, text: str) -> None:
        """Add a text, or replace the one of that key."""
        self.remove(key)
        words = Counter(tokens(text))
        self._words[key] = words
        self._lengths[key] = words.total()
        self._length += self._lengths[key]
        for word, count in words.items():
            self._postings.setdefault(word, {})[key] = count

    def remove(self, key: str) -> None:
        """Forget a text; one that is not there is no error."""
        words = self._words.pop(key, None)
        if words is None:
            return
        self._length -= self._lengths.pop(key)
        for word in words:
            places = self._postings[word]
            del places[key]
            if not places:
                del self._postings[word]

    def words(self, key: str) -> Collection[str]:
        """Return the different words of a text."""
        return self._words.get(key, {})

    def keys(self, word: str) -> Collection[str]:
        """Return the texts that have a word (case folded)."""
        return self._postings.get(word, {})

    def search(self, query: str) -> dict[str, float]:
        """Return the BM25 rank, above 0, of each text that shares a word with the query, of which 64 words count."""
        ranks: dict[str, float] = {}
        count = len(self._words)
        if not count:
            return ranks
        average = self._length / count
        for word in list(dict.fromkeys(tokens(query)))[:MOST_QUERY_TOKENS]:
            places = self._postings.get(word, {})
            weight = math.log(1 + (count - len(places) + 0.5) / (len(places) + 0.5))
            for key, times in places.items():
                norm = K1 * (1 - B + B * self._lengths[key] / average)
                ranks[key] = ranks.get(key, 0.0) + weight * times * (K1 + 1) / (times + norm)
        return ranks


def spread(seeds: dict[str, float], related: Callable[[str], Iterable[str]]) -> dict[str, float]:
    """Return the activation of ``seeds`` (scaled to 1 at most) and of what is related to them, over two hops.

    Each hop halves what is handed on and shares it out: the more something is related to, the less each gets. The
    order of ``related`` does not count.
    """
    top = max(seeds.values(), default=0.0)
    if top <= 0:
        return {}
    active = {key: rank / top for key, rank in seeds.items()}
    front = dict(active)
    for _ in range(HOPS):
        gained: dict[str, float] = {}
        for key in sorted(front, key=lambda key: (-front[key], key))[:MOST_SPREADING]:
            others = sorted(set(related(key)) - {key})
            for other in others:
                gained[other] = gained.get(other, 0.0) + front[key] * DECAY / math.sqrt(len(others))
        front = {key: gain for key, gain in gained.items() if gain > active.get(key, 0.0)}
        active.update(front)
    return active
