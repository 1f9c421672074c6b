"""Glob patterns over paths: ``*``, ``?``, ``[a-z]`` within a name, ``**`` for any number of folders.

A pattern without ``/`` matches names at any depth, as in ``.gitignore``: ``*.py`` is ``**/*.py``. Matching goes one
name at a time and keeps the set of places reached in the pattern, so its cost is bounded by path length x pattern
length, and a walk can leave out a folder in which nothing can match.
"""

from __future__ import annotations

import fnmatch
import re

from headway.errors import InvalidInput

MAX_PATTERN = 1000
"""Characters a pattern may have."""

Places = frozenset[int]


class Glob:
    """A compiled pattern. Raises ``InvalidInput`` for one that is empty, absolute, too long or leaves with ``..``."""

    def __init__(self, pattern: str) -> None:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if not parts or len(pattern) > MAX_PATTERN or "\0" in pattern:
            raise InvalidInput(f"a glob pattern has 1 to {MAX_PATTERN} characters and names something")
        if pattern.startswith("/") or ".." in parts:
            raise InvalidInput("a glob pattern is relative to the folder and has no '..'")
        if len(parts) == 1 and parts[0] != "**":
            parts.insert(0, "**")
        if parts[-1] == "**":
            parts.append("*")  # everything beneath
        # None stands for "**". fnmatch writes expressions that do not backtrack across stars.
        self._names = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]
        self.start: Places = self._closed({0})

    def _closed(self, places: set[int]) -> Places:
        """Add the places that are reached by letting ``**`` stand for nothing."""
        found = set(places)
        for place in range(len(self._names)):
            if place in found and self._names[place] is None:
                found.add(place + 1)
        return frozenset(found)

    def enter(self, places: Places, name: str) -> Places:
        """Return the places reached by going into a folder ``name``; an empty set if nothing beneath it can match."""
        return self._closed(self._step(places, name) - {len(self._names)})

    def matches(self, places: Places, name: str) -> bool:
        """Return whether ``name``, in a folder reached with ``places``, ends a match."""
        return len(self._names) in self._step(places, name)

    def _step(self, places: Places, name: str) -> set[int]:
        reached = set()
        for place in places:
            if place < len(self._names):
                expression = self._names[place]
                if expression is None:
                    reached.add(place)
                elif expression.match(name):
                    reached.add(place + 1)
        return reached
