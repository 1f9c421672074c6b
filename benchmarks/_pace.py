"""The machine's pace: how long a fixed loop takes beside each measurement. Standard library alone.

On a shared machine the same work takes twice the CPU time while a neighbour uses the other half of a core. A round
counts if the loop ran at about its best just before and just after it; other rounds are made again.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

_LOOPS = 60_000
SLOWED = 1.25
"""A round that ran this much slower than the best pace seen does not count."""
FEWEST = 3
"""If no round counts, so many do: those of the best pace."""
TRIES = 3
"""The most rounds that are made for each that is to count."""


CASE_S = 5.0
"""The most seconds of wall time that the rounds of one case may take."""


class Round(NamedTuple):
    """One measured value, and the slower of the loops beside it, in seconds."""

    value: float
    pace: float


def loop(clock: Callable[[], float] = time.process_time) -> float:
    """Return the time of the fixed loop, in seconds: some ms. By the wall's clock it shows who else wants the CPU."""
    began = clock()
    total = 0
    for number in range(_LOOPS):
        total += number
    return clock() - began


def sync(folder: str, count: int = 30) -> float:
    """Return how long the disk takes to keep 4 KiB, in seconds of wall time: the median of some."""
    times = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(count):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


class Pace:
    """The pace of the machine, as far as this run knows it."""

    def __init__(self) -> None:
        self.best = min(loop() for _ in range(20))
        self.made = 0
        self.left_out = 0
        self._end = self._until = float("inf")

    def end_within(self, seconds: float) -> None:
        """Let all that is measured from now on end in ``seconds`` of wall time, as far as rounds can be left out."""
        self._end = self._until = time.monotonic() + seconds

    def case(self, seconds: float = CASE_S) -> None:
        """Begin a case: its rounds end after ``seconds`` of wall time, but for the first."""
        self._until = min(self._end, time.monotonic() + seconds)

    def slowed(self, rounds: Sequence[Round], wanted: int) -> bool:
        """Return whether too few of the rounds that were wanted count."""
        return len(self.steady(rounds)) < min(wanted, FEWEST)

    def steady(self, rounds: Sequence[Round]) -> list[float]:
        """Return the values of the rounds that count."""
        return [made.value for made in rounds if made.pace <= self.best * SLOWED]

    def note(self, made: Round) -> Round:
        """Take a round into account; return it."""
        self.best = min(self.best, made.pace)
        return made

    def median(self, rounds: Sequence[Round]) -> float:
        """Return the median of the rounds that count."""
        values = self.steady(rounds)
        if not values:
            values = [made.value for made in sorted(rounds, key=lambda made: made.pace)[:FEWEST]]
        self.made += len(rounds)
        self.left_out += len(rounds) - len(values)
        return statistics.median(values)

    def measure(self, work: Callable[[], float], rounds: int) -> float:
        """Return the median of what ``work`` measures: of ``rounds`` that count, if there are so many."""
        made: list[Round] = []
        while not self.enough(made, rounds):
            before = loop()
            value = work()
            made.append(self.note(Round(value, max(before, loop()))))
        return self.median(made)

    def best_of(self, work: Callable[[], float], rounds: int = 5, seconds: float = 2.0) -> float:
        """Return the least that ``work`` measures in some rounds, of which none begins after ``seconds``."""
        self.case(seconds)
        best = work()
        for _ in range(rounds - 1):
            if time.monotonic() < self._until:
                best = min(best, work())
        return best

    async def measure_async(self, work: Callable[[], Awaitable[float]], rounds: int) -> float:
        """Do what :meth:`measure` does with a coroutine function."""
        made: list[Round] = []
        while not self.enough(made, rounds):
            before = loop()
            value = await work()
            made.append(self.note(Round(value, max(before, loop()))))
        return self.median(made)

    def ratio(self, work: Callable[[], float], base: Callable[[], float], rounds: int) -> float:
        """Return the median of what ``work`` measures against ``base``, which takes its turn just before it."""

        def pair() -> float:
            before = base()
            return work() / before

        return self.measure(pair, rounds)

    async def ratio_async(
        self, work: Callable[[], Awaitable[float]], base: Callable[[], Awaitable[float]], rounds: int
    ) -> float:
        """Do what :meth:`ratio` does with coroutine functions."""

        async def pair() -> float:
            before = await base()
            return await work() / before

        return await self.measure_async(pair, rounds)

    def enough(self, made: Sequence[Round], wanted: int) -> bool:
        """Return whether so many of the rounds count, too many were made, or the time of the case is over."""
        if made and time.monotonic() >= self._until:
            return True
        return len(made) >= TRIES * wanted or len(self.steady(made)) >= wanted


PACE = Pace()
"""Of this process, which starts the lanes."""
