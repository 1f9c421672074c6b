"""Exclusion: calls that run alone, and those that run beside each other. Who comes first goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Exclusion:
    """Calls of one environment: any number of shared ones, or one exclusive call.

    A shared call that comes after an exclusive one that waits stands in line behind it, so that none waits for ever.
    """

    __slots__ = ("_alone", "_line", "_shared")

    def __init__(self) -> None:
        self._alone = False
        self._shared = 0
        self._line: deque[Place] = deque()

    def take(self, *, alone: bool) -> bool:
        """Begin a call if nothing is in its way; return whether it may begin."""
        if self._line or not self._free(alone):
            return False
        self._begin(alone)
        return True

    def wait(self, granted: Callable[[], object], *, alone: bool) -> Place:
        """Stand in line; ``granted()`` is called when the call has begun."""
        place = Place(self, granted, alone)
        self._line.append(place)
        return place

    def give_back(self, *, alone: bool) -> None:
        """End a call: whoever may go now begins."""
        if alone:
            self._alone = False
        else:
            self._shared -= 1
        self._advance()

    def _free(self, alone: bool) -> bool:
        return not self._alone and not (alone and self._shared)

    def _begin(self, alone: bool) -> None:
        if alone:
            self._alone = True
        else:
            self._shared += 1

    def _advance(self) -> None:
        while self._line and self._free(self._line[0].alone):
            place = self._line.popleft()
            self._begin(place.alone)
            place.granted()

    def _leave(self, place: Place) -> None:
        if place in self._line:
            self._line.remove(place)
            self._advance()


class Place:
    """A place in line."""

    __slots__ = ("_exclusion", "alone", "granted")

    def __init__(self, exclusion: Exclusion, granted: Callable[[], object], alone: bool) -> None:
        self._exclusion = exclusion
        self.granted = granted
        self.alone = alone

    def cancel(self) -> None:
        """Leave the line; harmless once the call has begun."""
        self._exclusion._leave(self)
