"""Likeness: whether two graphs can be laid one on the other, so that each action serves the match of whom it served.

Colours are refined until they tell no more actions apart (the Weisfeiler-Leman algorithm). Where some are still alike
they are paired in the order of the lists; if that does not fit, one of them gets a colour of its own in each graph,
and all are refined again. A pairing is checked link by link, so a yes is never wrong; the search has an end, so it may
find neither a yes nor a no.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

MAX_WORK = 2_000_000
"""The most actions and links that are looked at before the search is given up: one or two seconds."""

Links = Sequence[Sequence[tuple[str, int]]]
"""Per action, what it uses: how, and which action."""


def alike(colours: tuple[Sequence[Hashable], Sequence[Hashable]], links: tuple[Links, Links]) -> bool | None:
    """Return whether two graphs are one but for the order of their actions; None where that could not be told.

    Only actions of one colour may stand for each other, and both graphs have as many of each.
    """
    search = _Search(len(colours[0]), links)
    now = search.refined(_numbered([*colours[0], *colours[1]]))
    chosen = False
    while True:
        groups = _groups(now)
        if not all(search.halved(group) for group in groups):
            return None if chosen else False
        if search.fits(groups):
            return True
        group = min((group for group in groups if len(group) > 2), key=len, default=None)
        if group is None or search.left <= 0:
            return None
        one, others = group[0], group[len(group) // 2 :]
        marked = (search.refined(_marked(now, one, other)) for other in others)
        found = next((finer for finer in marked if all(map(search.halved, _groups(finer)))), None)
        if found is None:
            return None if chosen or search.left <= 0 else False
        now, chosen = found, True


class _Search:
    """Both graphs as one, the actions of the second after those of the first; ``left`` is what may still be done."""

    def __init__(self, half: int, links: tuple[Links, Links]) -> None:
        self.half = half
        self.left = MAX_WORK
        kinds: dict[str, int] = {}
        self.uses: list[list[tuple[int, int]]] = [[] for _ in range(2 * half)]
        self.used: list[list[tuple[int, int]]] = [[] for _ in range(2 * half)]
        for offset, graph in zip((0, half), links, strict=True):
            for i, targets in enumerate(graph, offset):
                for text, target in targets:
                    kind = kinds.setdefault(text, len(kinds))
                    self.uses[i].append((kind, offset + target))
                    self.used[offset + target].append((kind, i))
        self.cost = 2 * half + 2 * sum(map(len, self.uses))

    def refined(self, colours: list[int]) -> list[int]:
        """Return colours that also tell apart what uses, or is used by, actions of different colours."""
        while self.left > 0:
            self.left -= self.cost
            finer = _numbered(
                (colours[i], _seen(colours, self.uses[i]), _seen(colours, self.used[i])) for i in range(2 * self.half)
            )
            if max(finer, default=0) == max(colours, default=0):
                break
            colours = finer
        return colours

    def halved(self, group: list[int]) -> bool:
        """Return whether half of the group, which is in order, is in either graph."""
        middle = len(group) // 2
        return len(group) % 2 == 0 and group[middle - 1] < self.half <= group[middle]

    def fits(self, groups: Iterable[list[int]]) -> bool:
        """Return whether all links are the same if the actions of each group are paired in the order of the lists."""
        self.left -= self.cost
        match: dict[int, int] = {}
        for group in groups:
            match.update(zip(group, group[len(group) // 2 :], strict=False))
        return all(
            sorted((kind, match[used]) for kind, used in self.uses[i]) == sorted(self.uses[match[i]])
            for i in range(self.half)
        )


def _seen(colours: list[int], links: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((kind, colours[other]) for kind, other in links))


def _numbered(keys: Iterable[Hashable]) -> list[int]:
    """Return a number per key, from 0 in the order in which they are met."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _marked(colours: list[int], one: int, other: int) -> list[int]:
    """Return the colours with a new one for these two."""
    marked = colours.copy()
    marked[one] = marked[other] = max(colours) + 1
    return marked


def _groups(colours: list[int]) -> list[list[int]]:
    groups: dict[int, list[int]] = {}
    for i, colour in enumerate(colours):
        groups.setdefault(colour, []).append(i)
    return list(groups.values())
