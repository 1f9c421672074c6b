"""kill -9 of a process that runs jobs: the next one goes on from the log, and nothing finished runs again.

``HEADWAY_CRASH_CYCLES`` sets the number of lives. What is drawn is who dies when by its own hand: where a kill from
outside finds its process is for the machine to say.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headway.config import Config
from headway.engine import Engine
from headway.events import kinds
from headway.home import Home
from tests import seeds
from tests.crash.job_runner import CHAIN, Death, Notes, Runner
from tests.sizes import cases

CYCLES = int(os.environ.get("HEADWAY_CRASH_CYCLES") or cases(200))
LIVES_PER_SCOPES = 20  # then come new scopes, so that no state grows without end
PATIENCE_S = 1.0  # for a life that was to kill itself at a moment that does not come

Row = tuple[str, str | None, str | None, int | None]  # kind, job, action, attempt


class Witness:
    """The remains of earlier lives, and what must therefore hold of the later ones."""

    def __init__(self, home: Home, side: Path) -> None:
        self.home = home
        self.side = side
        self.rows: dict[int, Row] = {}  # by seq
        self.finished: set[tuple[str, str]] = set()  # (job, action) whose end was on disk
        self.executing: set[tuple[str, str, int]] = set()
        self.ended: Counter[str] = Counter()
        self.created: set[str] = set()
        self.calls: Counter[tuple[str, str, int]] = Counter()
        self.submitted: set[str] = set()
        self._read = 0

    def look(self) -> None:
        """Check what the life that has just been killed did and left."""
        before = set(self.finished)
        with closing(sqlite3.connect(self.home.db)) as connection:
            assert connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            self._take_in(connection)
        for note in self._notes():
            if note[0] == "call":
                attempt = (note[1], note[2], note[3])
                assert attempt[:2] not in before, f"{attempt} ran after its action had finished"
                assert attempt in self.executing, f"{attempt} ran before it was on disk that it would"
                self.calls[attempt] += 1
                assert self.calls[attempt] == 1, f"{attempt} ran twice"
                assert note[2] != "o" or note[3] == 1, f"{attempt}: a call that may not be repeated was"
            elif note[0] == "event":
                assert self.rows[note[1]][:3] == tuple(note[2:]), f"{note} was told and is lost"
            elif note[0] == "submitted":
                self.submitted.add(note[1])
            else:
                assert self.ended[note[1]] == 1, f"{note} was told and is lost"
        assert self.submitted <= self.created

    def _take_in(self, connection: sqlite3.Connection) -> None:
        last = len(self.rows)
        found = connection.execute(
            "SELECT seq, kind, job_id, action_id, attempt FROM events WHERE seq > ? ORDER BY seq", (last,)
        ).fetchall()
        assert [row[0] for row in found] == list(range(last + 1, last + 1 + len(found)))  # no gap, none twice
        for seq, kind, job, action, attempt in found:
            self.rows[seq] = (kind, job, action, attempt)
            if kind == kinds.JOB_CREATED:
                self.created.add(job)
            elif kind == kinds.ACTION_EXECUTING:
                assert (job, action) not in self.finished, f"{job} {action} starts after its end"
                assert (job, action, attempt) not in self.executing, f"{job} {action} has attempt {attempt} twice"
                self.executing.add((job, action, attempt))
            elif kind in kinds.TERMINAL_ACTION:
                assert (job, action) not in self.finished, f"{job} {action} has two ends"
                self.finished.add((job, action))
            elif kind in kinds.TERMINAL_JOB:
                self.ended[job] += 1
                assert self.ended[job] == 1, f"{job} has two ends"

    def _notes(self) -> Iterator[list[Any]]:
        with self.side.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):  # else it was cut off
                    self._read += len(line)
                    yield json.loads(line)
        os.truncate(self.side, self._read)

    def check_history(self) -> None:
        """Check that nothing on disk has changed since it was first seen."""
        with closing(sqlite3.connect(self.home.db)) as connection:
            found = connection.execute("SELECT seq, kind, job_id, action_id, attempt FROM events").fetchall()
        assert {row[0]: row[1:] for row in found} == self.rows


def _order(cycle: int, rng: random.Random) -> dict[str, Any]:
    """Return how the life of this cycle is to go; without a moment it is killed from outside."""
    moment = rng.choice(["commit", "start", "end", ""])
    return {
        "seed": rng.random(),
        "scopes": f"s{cycle // LIVES_PER_SCOPES}",
        "moment": moment,
        "nth": rng.randint(1, 12),
        "seconds": PATIENCE_S if moment else rng.uniform(0.01, 0.12),
    }


def _live_and_die_often(witness: Witness, rng: random.Random) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.crash.job_runner", str(witness.home.path), str(witness.side)]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        for cycle in range(CYCLES):
            _live_and_die(server, _order(cycle, rng))
            witness.look()


def _live_and_die(server: subprocess.Popen[str], order: dict[str, Any]) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    status = int(server.stdout.readline())
    assert os.WIFSIGNALED(status), "the life ended by itself: its traceback is on stderr"
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.timeout(60 + CYCLES)
async def test_kill_9_of_a_process_that_runs_jobs(tmp_path: Path) -> None:
    rng = seeds.chance()
    home, side = Home(tmp_path / "home"), tmp_path / "side.jsonl"
    home.prepare()
    side.touch()
    Runner.notes, Runner.death = Notes(side), Death()
    await (await Runner.open(home, Config())).close()  # the store is there: each life can die early
    witness = Witness(home, side)
    started = time.monotonic()
    _live_and_die_often(witness, rng)
    seconds = time.monotonic() - started
    engine = await Runner.open(home, Config(), on_restart="resume")
    try:
        await _check_ends(engine, witness)
    finally:
        await engine.close()
    witness.look()
    witness.check_history()
    assert set(witness.ended) == witness.created
    resumed = sum(row[0] == kinds.RUN_RESUMED for row in witness.rows.values())
    print(
        f"{CYCLES} kills in {seconds:.1f} s: {len(witness.rows)} events, {len(witness.created)} jobs, "
        f"{resumed} resumes, {len(witness.calls)} calls"
    )
    assert resumed


async def _check_ends(engine: Engine, witness: Witness) -> None:
    """Wait for the end of every job and check its outcome, its outputs and what it left in its scope's state."""
    views = [await engine.wait(job_id, 30) for job_id in sorted(witness.created)]
    states = {scope: await engine.reader.scope_state(scope) for scope in {view.job.scope for view in views}}
    for view in views:
        kept = {key for key in states[view.job.scope] if key.startswith(f"{view.job.job_id}.")}
        if view.job.status == "completed":
            assert view.action("c").output == CHAIN
            assert kept == {f"{view.job.job_id}.{name}" for name in "wac"}
        else:  # the one call that may not be repeated was cut off
            assert (view.job.status, view.job.outcome) == ("failed", "aborted")
            assert view.action("o").error_code == "interrupted"
            assert not kept
