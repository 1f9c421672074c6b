"""Lanes: processes that are measured in turn, Headway in one and each peer in another, in its own environment.

A request is a case and its numbers, ``flat 1000``; every lane gives the same case in the same unit. Rounds go through
all lanes before the next round begins, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._figure import Bar, Figure, Rival
from benchmarks._pace import CASE_S, PACE, Round

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"
START_S = 60.0
ANSWER_S = 60.0
BREATH_S = 0.3
"""The time that the next round waits after one that does not count."""

peers_wanted = True
"""True if peers that need an environment of their own are measured."""


class Peer(NamedTuple):
    """Whom to measure: the module that serves it, and its environment (None: this one)."""

    name: str
    module: str
    environment: str | None = None


OURS = Peer("headway", "benchmarks._ours")
ASYNCIO = Peer("asyncio.TaskGroup", "benchmarks.peers.taskgroup")
CAR_58 = Peer("car-runtime 0.58", "benchmarks.peers.car", "car-0.58")
CAR_7 = Peer("car-runtime 0.7", "benchmarks.peers.car", "car-0.7")
LANGGRAPH = Peer("langgraph", "benchmarks.peers.langgraph", "langgraph")
DBOS = Peer("dbos", "benchmarks.peers.dbos", "dbos")


class LaneError(Exception):
    """A lane gave no figure; the text says why."""


class Lane:
    """One process that answers requests. It starts with the first one."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._process: subprocess.Popen[str] | None = None
        self._dead = ""
        self.name = peer.name

    def ask(self, request: str) -> Round:
        """Return the figure and the pace beside it; raises :class:`LaneError` if there is none."""
        if self._dead:
            raise LaneError(self._dead)
        if self._process is None:
            self._start()
        answer = self._exchange(request, ANSWER_S)
        if "value" not in answer:
            raise LaneError(answer["why"])
        return PACE.note(Round(answer["value"], answer["pace"]))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> None:
        python = sys.executable
        if self._peer.environment is not None:
            found = ENVIRONMENTS / self._peer.environment / "bin" / "python"
            if not peers_wanted:
                raise self._end("left out")
            if not found.exists():
                raise self._end("not installed: make bench-peers")
            python = str(found)
        self._process = subprocess.Popen(
            [python, "-W", "ignore", "-m", self._peer.module],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        version = str(self._exchange(None, START_S)["version"])
        self.name = version if self._peer.environment is None else f"{self._peer.name.split()[0]} {version}"

    def _exchange(self, request: str | None, limit_s: float) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # it has died: the answer below is missing
            if request is not None:
                process.stdin.write(f"{request}\n")
        if not select.select([process.stdout], [], [], limit_s)[0]:
            raise self._end(f"gave no answer within {limit_s:.0f} s")
        line = process.stdout.readline()
        if not line:
            raise self._end("does not start here" if request is None else "died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _end(self, why: str) -> LaneError:
        self.close()
        self._dead = why
        return LaneError(why)


class Lanes:
    """The lanes of one benchmark, opened as they are needed."""

    def __init__(self) -> None:
        self._lanes: dict[Peer, Lane] = {}

    def figure(
        self,
        what: str,
        request: str,
        unit: str,
        bar: Bar | None = None,
        peers: tuple[Peer, ...] = (),
        *,
        rounds: int = 7,
        slow: int = 7,
        fresh: bool = False,
        seconds: float = CASE_S,
        against: tuple[Peer, Bar] | None = None,
    ) -> Iterator[Figure]:
        """Measure a case in all lanes by turns, until each has ``rounds`` that count; yield the medians.

        A peer needs no more than ``slow`` rounds. ``fresh`` takes new processes each round, whose pace is no matter.
        No round begins after ``seconds``. With ``against`` a second row follows: how many times what that peer needs
        Headway needs, the median over the rounds that they made in turn.
        """
        PACE.case(seconds)
        made: dict[Peer, list[Round]] = {peer: [] for peer in (OURS, *peers)}
        wanted = {peer: rounds if peer is OURS else min(rounds, slow) for peer in made}
        why: dict[Peer, str] = {}
        while left := [p for p, got in made.items() if p not in why and not PACE.enough(got, wanted[p])]:
            for peer in left:
                try:
                    made[peer].append(self._lane(peer, fresh=fresh).ask(request))
                except LaneError as error:
                    if peer is OURS:
                        raise
                    why[peer] = str(error)
            if not fresh and any(made[peer] and not PACE.steady(made[peer][-1:]) for peer in left):
                time.sleep(BREATH_S)  # what slows the machine often ends within seconds
        rivals = tuple(
            Rival(self._lanes[peer].name, None if peer in why else PACE.median(made[peer]), why.get(peer, ""))
            for peer in peers
        )
        slowed = not fresh and any(PACE.slowed(got, wanted[peer]) for peer, got in made.items() if peer not in why)
        yield Figure(what, PACE.median(made[OURS]), unit, bar, rivals, slowed)
        if against is not None and against[0] not in why:
            peer, limit = against
            pairs = list(zip(made[OURS], made[peer], strict=False))
            ratios = [Round(ours.value / theirs.value, max(ours.pace, theirs.pace)) for ours, theirs in pairs]
            yield Figure(f"{what}, against {peer.name}", PACE.median(ratios), "times", limit, (), slowed)

    def close(self) -> None:
        """End all lanes."""
        for lane in self._lanes.values():
            lane.close()

    def _lane(self, peer: Peer, *, fresh: bool) -> Lane:
        lane = self._lanes.get(peer)
        if lane is None or fresh:
            if lane is not None:
                lane.close()
            lane = self._lanes[peer] = Lane(peer)
        return lane


@contextlib.contextmanager
def lanes() -> Iterator[Lanes]:
    """Open lanes, and end them all in the end."""
    opened = Lanes()
    try:
        yield opened
    finally:
        opened.close()
