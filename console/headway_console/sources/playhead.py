"""Recorded time as a function of real time."""

from __future__ import annotations

import math

from headway.clock import Clock


class Playhead:
    """The place of a replay, in ms since its first event. ``speed`` is recorded seconds a second; ``inf``: no waiting.

    It does not know how long the recording is: who plays it stops it.
    """

    def __init__(self, clock: Clock, speed: float = 1.0) -> None:
        self._clock = clock
        self._base = 0.0
        self._since = clock.now()
        self._speed = speed
        self._playing = False

    @property
    def playing(self) -> bool:
        """True if it moves."""
        return self._playing

    @property
    def speed(self) -> float:
        """Recorded seconds a second."""
        return self._speed

    @property
    def position_ms(self) -> float:
        """The place where it stands now."""
        if not self._playing:
            return self._base
        passed = self._clock.now() - self._since
        if passed <= 0:  # also where the speed is infinite
            return self._base
        return self._base + passed * 1000 * self._speed

    def place(self, position_ms: float) -> None:
        """Stand there from now on; if it moves, move on from there."""
        self._base = position_ms
        self._since = self._clock.now()

    def play(self) -> None:
        """Move on from where it stands."""
        self.place(self.position_ms)
        self._playing = True

    def pause(self) -> None:
        """Stand still where it is; with an infinite speed, where it was placed last."""
        position = self.position_ms
        self.place(self._base if math.isinf(position) else position)
        self._playing = False

    def set_speed(self, speed: float) -> None:
        """Move with that speed from now on; :class:`ValueError` if it is not positive."""
        if not speed > 0:
            raise ValueError(f"a speed must be above 0, not {speed}")
        position = self.position_ms
        self.place(self._base if math.isinf(position) else position)
        self._speed = speed

    def seconds_until(self, position_ms: float) -> float:
        """Return the real seconds until it gets there, 0 if it is there or beyond; ``inf`` if it stands still."""
        missing = position_ms - self.position_ms
        if missing <= 0:
            return 0.0
        return missing / 1000 / self._speed if self._playing else math.inf
