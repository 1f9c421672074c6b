"""Looking at values that an agent made up: with an end, whatever their shape, and without repeating them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from headway.errors import one_line

MAX_ITEMS = 250_000
"""The part of one value that a rule looks at: items, and hundreds of characters."""
MAX_DEPTH = 100
MAX_KEY = 1024
MAX_PATTERN = 1000

_BRANCHES = (dict, list, tuple, Mapping)


class Unreadable(Exception):
    """A value that a rule cannot look at. Its action is denied; the message has no part of the value in it."""


def texts(value: Any, what: str = "parameters") -> Iterator[str]:
    """Yield every text in ``value``: strings and keys at any depth, numbers and the like as JSON writes them.

    Raises :class:`Unreadable`, which calls it ``what``, for what is larger than :data:`MAX_ITEMS` or no JSON.
    """
    left = MAX_ITEMS
    stack = [value]
    while stack:
        item = stack.pop()
        left -= 1
        if left < 0:
            raise Unreadable(f"the {what} are too large to look at")
        if isinstance(item, str):
            yield item
        elif isinstance(item, _BRANCHES):
            if isinstance(item, Mapping):
                stack.extend(item)
                item = item.values()
            stack.extend(item)
        elif item is None or isinstance(item, bool | int | float):
            try:
                yield json.dumps(item)
            except ValueError:
                raise Unreadable(f"the {what} hold a number that is too large") from None
        else:
            raise Unreadable(f"the {what} are not JSON")


def weigh(values: Iterable[Any], limit: int) -> None:
    """Raise :class:`Unreadable` if ``values`` together hold more than ``limit`` items or are nested too deep.

    Goes level by level, so that neither depth nor a value that contains itself can keep it busy.
    """
    level: list[Any] = list(values)
    weight = 0
    for _ in range(MAX_DEPTH):
        weight += len(level)
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                weight += len(item) // 100
            elif isinstance(item, _BRANCHES):
                if weight + len(below) + len(item) > limit:
                    raise Unreadable("the values that it reads are too large")
                below.extend(item)
                if isinstance(item, Mapping):
                    below.extend(item.values())
        if weight > limit:
            raise Unreadable("the values that it reads are too large")
        if not below:
            return
        level = below
    raise Unreadable("the values that it reads are nested too deep")


def shown(text: str) -> str:
    """Return ``text`` as a reason shows it: on one line, cut when it is long."""
    return one_line(text, 200)
